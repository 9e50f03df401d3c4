"""AMD SEV-SNP: attestation reports signed by a VCEK, certificate tables, derived keys."""

import errno
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .roots import der_integer, raw_signature

NODE = "/dev/sev-guest"
REPORT, DERIVED_KEY, EXTENDED_REPORT = 0xC0205300, 0xC0205301, 0xC0205302
MAX_TABLE = 0x4000
GUIDS = {"vcek": "63da758de6644564adc5f4b93be8accd", "ask": "4ab7b379bbac4fe4a02f05aef327c782",
         "ark": "c0b406a4a803495297433fb6014cd0ae"}
OID = "1.3.6.1.4.1.3704.1."
TCB = bytes([10, 0, 0, 0, 0, 0, 25, 23])    # boot loader, TEE, SNP and microcode of a Genoa


class Platform:
    """The machine: its chip and keys."""

    def __init__(self, roots, faults, certificates=True):
        self.faults = faults
        self.canned = None
        self.chip = hashlib.sha512(b"emulated chip").digest()
        ark_key = roots.key("snp-ark", "rsa")
        ark = roots.certificate("snp-ark", "ARK-Genoa", ark_key, ca=True, pss=True)
        ask_key = roots.key("snp-ask", "rsa")
        ask = roots.certificate("snp-ask", "SEV-Genoa", ask_key, (ark, ark_key), ca=True, pss=True)
        self.key = roots.key("snp-vcek", ec.SECP384R1())
        levels = [(f"{OID}3.{i}", der_integer(TCB[at])) for i, at in ((1, 0), (2, 1), (3, 6), (8, 7))]
        vcek = roots.certificate("snp-vcek", "SEV-VCEK", self.key, (ask, ask_key), pss=True, extensions=[
            (OID + "1", der_integer(1)), (OID + "2", b"\x16\x05Genoa"), *levels, (OID + "4", self.chip)])
        self.table = b""
        if certificates:
            self.table = table({"vcek": vcek, "ask": ask, "ark": ark})

    def report(self, report_data, vmpl):
        """1184 bytes"""
        if self.canned is not None:
            return self.canned
        if self.faults.take("report-data"):
            report_data = bytes([report_data[0] ^ 1]) + report_data[1:]
        body = struct.pack("<IIQ", 3, 0, 0x30000) + bytes(32) + struct.pack("<II", vmpl, 1) + TCB
        body += struct.pack("<QII", 0x25, 0, 0) + report_data + hashlib.sha384(b"emulated launch").digest()
        body += bytes(32 + 48 + 48) + hashlib.sha256(b"emulated guest").digest() + b"\xff" * 32 + TCB
        body += bytes([0x19, 0xA0, 2]).ljust(24, b"\0") + self.chip + TCB + bytes([5, 55, 1, 0] * 2) + TCB
        body = body.ljust(0x2A0, b"\0")
        signature = self.key.sign(body, ec.ECDSA(hashes.SHA384()))
        pair = raw_signature(signature, 72, "little")
        if self.faults.take("signature"):
            pair = bytes([pair[0] ^ 1]) + pair[1:]
        return (body + pair).ljust(1184, b"\0")

    def collect(self, inblob, privlevel):
        """configfs-tsm"""
        return self.report(inblob, privlevel), self.table


def table(certificates):
    """GUID, offset and length of each, an empty entry, the certificates"""
    place = 24 * (len(certificates) + 1)
    entries, bodies = b"", b""
    for name, certificate in certificates.items():
        body = certificate.public_bytes(serialization.Encoding.DER)
        entries += bytes.fromhex(GUIDS[name]) + struct.pack("<II", place + len(bodies), len(body))
        bodies += body
    out = entries + bytes(24) + bodies
    return out + bytes(-len(out) % 4096)


class Device:
    """/dev/sev-guest"""

    requests = (REPORT, DERIVED_KEY, EXTENDED_REPORT)

    def __init__(self, platform):
        self.platform = platform

    def ioctl(self, request, argument, memory):
        """struct snp_guest_request_ioctl; copied back only when it says something"""
        version, inside, outside, _ = struct.unpack("<BxxxxxxxQQQ", memory.read(argument, 32))
        if not version:
            raise OSError(errno.EINVAL, "")
        code = self.platform.faults.number("vmm-error", 2)
        if code == 2:
            memory.write(argument + 24, struct.pack("<Q", 2 << 32))
            raise OSError(errno.ETIMEDOUT, "")
        if request == DERIVED_KEY:
            memory.write(outside, self.derived(memory.read(inside, 32)))
            return
        if request == EXTENDED_REPORT:
            self.certificates(code, argument, inside, memory)
        status = self.platform.faults.number("status", 0x16)
        data = memory.read(inside, 96)
        if any(data[68:]) or struct.unpack_from("<I", data, 64)[0] > 3:
            status = 0x16
        report = self.platform.report(data[:64], struct.unpack_from("<I", data, 64)[0])
        report = self.platform.faults.shape(report)
        if status:
            memory.write(outside, struct.pack("<II", status, 0).ljust(4000, b"\0"))
            memory.write(argument + 24, struct.pack("<Q", status))
            raise OSError(errno.EIO, "")
        memory.write(outside, (struct.pack("<II", 0, len(report)) + bytes(24) + report).ljust(4000, b"\0"))

    def certificates(self, code, argument, inside, memory):
        """The certificate table, or how much room it needs"""
        address, room = struct.unpack("<QI", memory.read(inside + 96, 12))
        if room > MAX_TABLE or room % 4096:
            raise OSError(errno.EINVAL, "")
        needed = len(self.platform.table)
        forever = self.platform.faults.take("certs-forever")
        if forever:
            needed = room + 4096
        if code == 1 or needed > room:
            memory.write(inside + 104, struct.pack("<I", needed))
            memory.write(argument + 24, struct.pack("<Q", 1 << 32))
            raise OSError(errno.EIO, "")
        if room:
            memory.write(address, self.platform.table.ljust(room, b"\0"))

    def derived(self, request):
        """The same key for the same question, and another for any other"""
        if struct.unpack_from("<I", request)[0] > 1:
            return struct.pack("<I", 0x27).ljust(64, b"\0")
        return bytes(32) + hmac.new(b"emulated fuse key", request, "sha256").digest()
