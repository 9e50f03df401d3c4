"""AMD SEV-SNP: attestation reports signed by a VCEK or a VLEK, certificate tables, derived keys."""

import collections
import errno
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .roots import der, der_integer, raw_signature

NODE = "/dev/sev-guest"
REPORT, DERIVED_KEY, EXTENDED_REPORT = 0xC0205300, 0xC0205301, 0xC0205302
MAX_TABLE = 0x4000
GUIDS = {"vcek": "63da758de6644564adc5f4b93be8accd", "vlek": "a8074bc2a25a483eaae639c045a0b8a1",
         "ask": "4ab7b379bbac4fe4a02f05aef327c782", "ark": "c0b406a4a803495297433fb6014cd0ae"}
OID = "1.3.6.1.4.1.3704.1."

# A generation of processors: version of its reports, bytes of a chip's id, the TCB with the place in it
# of each level that certificates tell by number.
Chip = collections.namedtuple("Chip", "prefix name cpuid version size tcb levels")
CHIPS = {
    "genoa": Chip("snp", "Genoa", bytes([0x19, 0xA0, 2]), 3, 64, bytes([10, 0, 0, 0, 0, 0, 25, 23]),
                  {"3.1": 0, "3.2": 1, "3.3": 6, "3.8": 7}),
    "turin": Chip("snp-turin", "Turin", bytes([0x1A, 2, 1]), 5, 8, bytes([1, 2, 3, 4, 0, 0, 0, 200]),
                  {"3.9": 0, "3.1": 1, "3.2": 2, "3.3": 3, "3.8": 7}),
}


class Platform:
    """The machine: its chip and keys."""

    def __init__(self, roots, faults, certificates=True, chip="genoa", vlek=False):
        self.faults = faults
        self.canned = None
        self.chip = CHIPS[chip]
        self.vlek = vlek
        self.chip_id = hashlib.sha512(b"emulated chip").digest()[:self.chip.size]
        # The keys of the authorities serve both generations; ASVK stands beside ASK.
        middle, leaf = ("asvk", "vlek") if vlek else ("ask", "vcek")
        prefix, name = self.chip.prefix, self.chip.name
        ark_key = roots.key("snp-ark", "rsa")
        ark = roots.certificate(f"{prefix}-ark", f"ARK-{name}", ark_key, ca=True, pss=True)
        ask_key = roots.key(f"snp-{middle}", "rsa")
        ask = roots.certificate(f"{prefix}-{middle}", f"SEV-VLEK-{name}" if vlek else f"SEV-{name}", ask_key,
                                (ark, ark_key), ca=True, pss=True)
        self.key = roots.key(f"{prefix}-{leaf}", ec.SECP384R1())
        extensions = [(OID + "1", der_integer(1)), (OID + "2", der(0x16, name.encode()))]
        extensions += [(OID + level, der_integer(self.chip.tcb[at])) for level, at in self.chip.levels.items()]
        extensions.append((OID + "5", der(0x16, b"emulated provider")) if vlek else (OID + "4", self.chip_id))
        vek = roots.certificate(f"{prefix}-{leaf}", f"SEV-{leaf.upper()}", self.key, (ask, ask_key), pss=True,
                                extensions=extensions)
        self.table = b""
        if certificates:
            self.table = table({leaf: vek, "ask": ask, "ark": ark})

    def report(self, report_data, vmpl):
        """1184 bytes"""
        if self.canned is not None:
            return self.canned
        if self.faults.take("report-data"):
            report_data = bytes([report_data[0] ^ 1]) + report_data[1:]
        tcb = self.chip.tcb
        body = struct.pack("<IIQ", self.chip.version, 0, 0x30000) + bytes(32) + struct.pack("<II", vmpl, 1) + tcb
        body += struct.pack("<QII", 0x25, 4 if self.vlek else 0, 0) + report_data + hashlib.sha384(b"emulated launch").digest()
        body += bytes(32 + 48 + 48) + hashlib.sha256(b"emulated guest").digest() + b"\xff" * 32 + tcb
        body += self.chip.cpuid.ljust(24, b"\0") + (b"" if self.vlek else self.chip_id).ljust(64, b"\0")
        body += tcb + bytes([5, 55, 1, 0] * 2) + tcb
        if self.chip.version >= 5:
            body += struct.pack("<QQ", 1, 3)    # mitigations, at launch and now
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
        status = self.platform.faults.number("status", 0x27)
        if status or struct.unpack_from("<I", request)[0] > 1:
            return struct.pack("<I", status or 0x27).ljust(64, b"\0")
        if self.platform.faults.take("empty"):
            return bytes(64)
        return bytes(32) + hmac.new(b"emulated fuse key", request, "sha256").digest()
