"""Intel TDX: TDREPORT, RTMRs, a quote of version 4 with its PCK chain, the drivers of several kernel
generations, configfs-tsm, the measurement files of Linux 6.16, and the quote generation service on vsock.
"""

import errno
import hashlib
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .fuse import Directory, File
from .roots import der, der_integer, der_oid, raw_public, raw_signature

VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
SGX_OID = "1.2.840.113741.1.13.1"
IN_FLIGHT, UNAVAILABLE = (1 << 64) - 1, 0x8000000000000001

# What each generation of the driver is called and which requests it has.
DRIVERS = {
    "upstream": ("/dev/tdx_guest", {0xC4405401: "report0"}),
    "mvp": ("/dev/tdx_guest", {0xC4405401: "report0", 0x80315403: "extend", 0x80105404: "quote"}),
    "v3": ("/dev/tdx_guest", {0xC4405401: "report0", 0x40315403: "extend", 0xC0105404: "quote"}),
    "5.19a": ("/dev/tdx-guest", {0xC0085401: "report_40", 0x80085402: "quote"}),
    "5.19b": ("/dev/tdx-guest", {0xC0085401: "report_32", 0x80085402: "quote"}),
    "5.15": ("/dev/tdx-attest", {0xC0085401: "report_in_place", 0x80085402: "quote", 0x80085404: "extend_old"}),
}


def sha384(data):
    """SHA-384"""
    return hashlib.sha384(data).digest()


def sgx_extension(fmspc):
    """The extension of a PCK certificate that names platform and TCB"""
    def item(number, value):
        return der(0x30, der_oid(f"{SGX_OID}.{number}"), value)
    levels = [item(f"2.{i}", der_integer(1)) for i in range(1, 18)] + [item("2.18", der(4, bytes([1] * 16)))]
    return der(0x30, item("1", der(4, bytes(range(16)))), item("2", der(0x30, *levels)),
               item("3", der(4, bytes(2))), item("4", der(4, fmspc)), item("5", der(10, b"\1")))


class Platform:
    """The machine: its keys and the registers of this guest."""

    def __init__(self, roots, faults):
        self.faults = faults
        self.registers = [sha384(b"emulated rtmr0"), sha384(b"emulated rtmr1"), bytes(48), bytes(48)]
        self.canned = None
        root_key = roots.key("tdx-root", ec.SECP256R1())
        root = roots.certificate("tdx-root", "Emulated SGX Root CA", root_key, ca=True)
        ca_key = roots.key("tdx-ca", ec.SECP256R1())
        ca = roots.certificate("tdx-ca", "Emulated SGX PCK Platform CA", ca_key, (root, root_key), ca=True)
        self.pck_key = roots.key("tdx-pck", ec.SECP256R1())
        pck = roots.certificate("tdx-pck", "Emulated SGX PCK Certificate", self.pck_key, (ca, ca_key),
                                [(SGX_OID, sgx_extension(bytes.fromhex("00806f050000")))])
        self.chain = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (pck, ca, root))
        self.attestation_key = roots.key("tdx-attestation", ec.SECP256R1())

    def extend(self, index, data):
        """One RTMR"""
        self.faults.call("extend")
        if index > 3 or len(data) != 48:
            raise OSError(errno.EINVAL, "")
        self.registers[index] = sha384(self.registers[index] + data)

    def report(self, report_data):
        """TDREPORT, whose MAC nobody but this machine could check"""
        if self.faults.take("report-data"):
            report_data = bytes([report_data[0] ^ 1]) + report_data[1:]
        tcb = bytes.fromhex("ff01030000000000") + bytes([1, 2, 3] + [0] * 13) + sha384(b"emulated module")
        tcb = tcb.ljust(239, b"\0")
        info = struct.pack("<QQ", 1 << 28, 0x61AE7) + sha384(b"emulated mrtd") + bytes(144)
        info = (info + b"".join(self.registers)).ljust(512, b"\0")
        head = bytes([0x81, 0, 1, 0]) + bytes(12) + bytes([1] * 16) + sha384(tcb) + sha384(info) + report_data
        return head.ljust(256, b"\0") + tcb + bytes(17) + info

    def quote(self, report):
        """The quote of a TDREPORT"""
        if self.canned is not None:
            return self.canned
        body = (report[264:280] + report[280:376] + report[376:384] + report[512:528] +
                report[528:720] + report[720:912] + report[128:192])
        signed = struct.pack("<HHII", 4, 2, 0x81, 0) + VENDOR + b"tee-emulator".ljust(20, b"\0") + body
        public = raw_public(self.attestation_key, 32)
        auth = bytes(range(32))
        enclave = (bytes([1] * 16) + bytes(48) + hashlib.sha256(b"emulated qe").digest()).ljust(128, b"\0")
        enclave += hashlib.sha256(b"emulated signer").digest()
        enclave = enclave.ljust(256, b"\0") + struct.pack("<HH", 2, 6)
        enclave = enclave.ljust(320, b"\0") + hashlib.sha256(public + auth).digest() + bytes(32)
        signature = bytearray(raw_signature(self.attestation_key.sign(signed, ec.ECDSA(hashes.SHA256())), 32))
        if self.faults.take("signature"):
            signature[40] ^= 1
        inner = enclave + raw_signature(self.pck_key.sign(enclave, ec.ECDSA(hashes.SHA256())), 32)
        inner += struct.pack("<H", len(auth)) + auth + struct.pack("<HI", 5, len(self.chain)) + self.chain
        data = bytes(signature) + public + struct.pack("<HI", 6, len(inner)) + inner
        return signed + struct.pack("<I", len(data)) + data

    def collect(self, inblob, _privlevel):
        """configfs-tsm"""
        return self.quote(self.report(inblob)), b""


class Device:
    """The node of one driver generation."""

    def __init__(self, platform, driver):
        self.platform = platform
        self.driver = driver
        self.calls = DRIVERS[driver][1]
        self.requests = tuple(self.calls)

    def ioctl(self, request, argument, memory):
        """One request"""
        return getattr(self, self.calls[request])(argument, memory)

    def report0(self, argument, memory):
        """The report data and room for the report, both in the argument"""
        memory.write(argument + 64, self.platform.report(memory.read(argument, 64)))

    def report_in_place(self, argument, memory):
        """One buffer for both"""
        memory.write(argument, self.platform.report(memory.read(argument, 64)))

    def report_40(self, argument, memory):
        """With pointers, as the library of that time had it"""
        subtype, data, size, report, room = struct.unpack("<BxxxxxxxQIxxxxQIxxxx", memory.read(argument, 40))
        self.by_pointers(subtype, data, size, report, room, memory)

    def report_32(self, argument, memory):
        """With pointers, in the other order"""
        data, report, size, room, subtype = struct.unpack("<QQIIBxxxxxxx", memory.read(argument, 32))
        self.by_pointers(subtype, data, size, report, room, memory)

    def by_pointers(self, subtype, data, size, report, room, memory):
        """Both orders"""
        if subtype or size != 64 or room != 1024:
            raise OSError(errno.EINVAL, "")
        memory.write(report, self.platform.report(memory.read(data, 64)))

    def extend(self, argument, memory):
        """Registers 2 and 3 are the guest's"""
        data = memory.read(argument, 49)
        if data[48] not in (2, 3):
            raise OSError(errno.EINVAL, "")
        self.platform.extend(data[48], data[:48])

    def extend_old(self, argument, memory):
        """The same with the index in front"""
        index = struct.unpack("<Q", memory.read(argument, 8))[0]
        if index not in (2, 3):
            raise OSError(errno.EINVAL, "")
        self.platform.extend(index, memory.read(argument + 8, 48))

    def quote(self, argument, memory):
        """The buffer shared with the host, with a message of the quote generation service in it"""
        buffer, room = struct.unpack("<QQ", memory.read(argument, 16))
        version, status, size, _ = struct.unpack("<QQII", memory.read(buffer, 24))
        if version != 1 or status or size > room - 24 or size < 4:
            raise OSError(errno.EINVAL, "")
        data = memory.read(buffer + 24, size)
        if self.platform.faults.take("in-flight"):
            memory.write(buffer + 8, struct.pack("<Q", IN_FLIGHT))
            return
        status = self.platform.faults.number("status", UNAVAILABLE)
        if status:
            memory.write(buffer + 8, struct.pack("<QII", status, size, 0))
            return
        if size == 1024:
            out = self.platform.quote(data)
        else:
            length = int.from_bytes(data[:4], "big")
            if length != size - 4:
                raise OSError(errno.EINVAL, "")
            out = answer_qgs(self.platform, data[4:])
            out = len(out).to_bytes(4, "big") + out
        out = self.platform.faults.shape(out)
        memory.write(buffer + 8, struct.pack("<QII", 0, size, len(out)) + out)


def answer_qgs(platform, message):
    """One message of the quote generation service: GET_QUOTE"""
    major, _, kind, size, _ = struct.unpack_from("<HHIII", message.ljust(16, b"\0"))
    status = platform.faults.number("status", 0x12)
    if major != 1 or kind != 0 or size != len(message) or len(message) < 24:
        status = 0x12
    if status:
        return struct.pack("<HHIII", 1, 1, 1, 24, status) + bytes(8)
    report_size, ids = struct.unpack_from("<II", message, 16)
    if report_size != 1024 or size != 24 + report_size + ids:
        return struct.pack("<HHIII", 1, 1, 1, 24, 0x12) + bytes(8)
    quote = platform.quote(message[24:24 + 1024])
    return struct.pack("<HHIIIII", 1, 1, 1, 24 + len(quote), 0, 0, len(quote)) + quote


class Service:
    """The quote generation service, as seen through vsock."""

    def __init__(self, platform, port):
        self.platform = platform
        self.port = port

    def connected(self, stream):
        """One connection"""
        return Conversation(self.platform, stream)


class Conversation:
    """One connection to the service."""

    def __init__(self, platform, stream):
        self.platform = platform
        self.stream = stream
        self.got = b""

    def ready(self):
        """Bytes have come; False at the end"""
        try:
            data = self.stream.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.stream.close()
            return False
        self.got += data
        size = int.from_bytes(self.got[:4], "big")
        if len(self.got) < 4 or len(self.got) < 4 + size:
            return True
        message, self.got = self.got[4:4 + size], self.got[4 + size:]
        if self.platform.faults.take("in-flight"):
            return True
        out = answer_qgs(self.platform, message)
        try:
            self.stream.sendall(self.platform.faults.shape(len(out).to_bytes(4, "big") + out))
        except OSError:
            pass
        if "short" in self.platform.faults or "empty" in self.platform.faults:
            self.stream.close()
            return False
        return True


def measurements(platform):
    """/sys/devices/virtual/misc/tdx_guest/measurements"""
    def register(index):
        return File(0o644, read=lambda: platform.registers[index],
                    written=lambda data: platform.extend(index, data), largest=48)
    files = {f"rtmr{index}:sha384": register(index) for index in range(4)}
    files["mrtd:sha384"] = File(0o444, read=lambda: sha384(b"emulated mrtd"))
    for name in ("mrconfigid", "mrowner", "mrownerconfig"):
        files[name] = File(0o444, read=lambda: bytes(48))
    return Directory(files)
