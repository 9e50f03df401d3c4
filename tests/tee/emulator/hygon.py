"""Hygon CSV: reports of version 1 and 2, signed with SM2 below HRK, HSK, CEK and PEK of our own."""

import errno
import os
import struct

from . import sm2

NODE = "/dev/csv-guest"
REPORT, RTMR = 0xC0104401, 0xC0184402
HSK, OCA, PEK, CEK, NONE = 0x13, 0x1001, 0x1002, 0x1004, 0x1000
SERIAL = b"EMULATED00001"
BUILD = 2400


def little(number, size=72):
    """Numbers of certificates and signatures"""
    return number.to_bytes(size, "little")


def root_certificate(key, key_id, signer, signer_id, usage):
    """HRK and HSK, 832 bytes"""
    body = struct.pack("<I", 1) + key_id + signer_id + struct.pack("<I", usage) + bytes(24)
    body += struct.pack("<I", 3) + little(key.x) + little(key.y) + struct.pack("<H", len(key.name)) + key.name
    body = body.ljust(576, b"\0")
    r, s = signer.sign(body)
    return (body + little(r) + little(s)).ljust(832, b"\0")


def certificate(key, version, usage, signatures):
    """CEK and PEK, 2084 bytes; signatures are (usage, key) or (usage, None)"""
    body = struct.pack("<IBBHIII", version, 1, 1, 0, usage, 4, 3) + little(key.x) + little(key.y)
    body = (body + struct.pack("<H", len(key.name)) + key.name).ljust(1044, b"\0")
    out = body
    for by, signer in signatures:
        r, s = signer.sign(body) if signer else (0, 0)
        out += (struct.pack("<II", by, 4 if signer else 0) + little(r) + little(s)).ljust(520, b"\0")
    return out


class Platform:
    """The machine: chip, keys, registers."""

    def __init__(self, roots, faults, extended=True):
        self.faults = faults
        self.extended = extended
        self.canned = None
        self.registers = [sm2.sm3(b"emulated launch")] + [sm2.sm3(b"emulated rtmr%d" % i) for i in (1, 2)]
        self.registers += [bytes(32), bytes(32)]
        keys = {}
        for name in ("HRK", "HSK", "CEK", "PEK", "OCA"):
            secret = roots.file(f"csv-{name.lower()}.key.hex", lambda: b"%064x\n" % sm2.Key(b"").secret)
            keys[name] = sm2.Key(b"HYGON-SSD-" + name.encode(), int(secret, 16))
        hrk_id, hsk_id = sm2.sm3(b"emulated hrk")[:16], sm2.sm3(b"emulated hsk")[:16]
        self.hrk = roots.file("csv-hrk.cert", lambda: root_certificate(
            keys["HRK"], hrk_id, keys["HRK"], hrk_id, 0))
        self.hsk_cek = roots.file("csv-hsk-cek.cert", lambda: root_certificate(
            keys["HSK"], hsk_id, keys["HRK"], hrk_id, HSK) + certificate(
                keys["CEK"], 2, CEK, [(HSK, keys["HSK"]), (NONE, None)]))
        self.pek = roots.file("csv-pek.cert", lambda: certificate(
            keys["PEK"], 1, PEK, [(CEK, keys["CEK"]), (OCA, keys["OCA"])]))
        self.key = keys["PEK"]

    def front(self, report_data, nonce):
        """What both versions begin with"""
        if self.faults.take("report-data"):
            report_data = bytes([report_data[0] ^ 1]) + report_data[1:]
        if self.faults.take("nonce"):
            nonce = bytes([nonce[0] ^ 1]) + nonce[1:]
        return (sm2.sm3(b"emulated owner") + b"emulated vm".ljust(16, b"\0") + bytes(16) + report_data + nonce +
                self.registers[0] + struct.pack("<I", 0x00030045))

    def sign(self, body):
        """r and s"""
        r, s = self.key.sign(body)
        return little(r ^ 1 if self.faults.take("signature") else r) + little(s)

    def mac(self, nonce, tail):
        """Over all that the host could exchange"""
        mac = sm2.hmac_sm3(nonce, tail)
        return bytes([mac[0] ^ 1]) + mac[1:] if self.faults.take("mac") else mac

    def report(self, report_data, nonce):
        """Version 1: masked"""
        mask = os.urandom(4)

        def masked(data):
            return bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        body = masked(self.front(report_data, nonce))
        tail = masked(self.pek + SERIAL.ljust(64, b"\0")) + os.urandom(32)
        out = body + masked(struct.pack("<II", PEK, 4)) + mask + self.sign(body)
        return (out + tail + self.mac(nonce, tail)).ljust(4096, b"\0")

    def extended_report(self, report_data, nonce):
        """Version 2: with the registers"""
        body = self.front(report_data, nonce) + struct.pack("<IIIH", PEK, 4, BUILD, 1).ljust(28, b"\0")
        body = (body + b"".join(self.registers)).ljust(1024, b"\0")
        tail = self.pek + SERIAL.ljust(64, b"\0") + os.urandom(32)
        return (body + self.sign(body) + tail + self.mac(nonce, tail)).ljust(4096, b"\0")


class Device:
    """/dev/csv-guest"""

    requests = (REPORT, RTMR)

    def __init__(self, platform):
        self.platform = platform

    def ioctl(self, request, argument, memory):
        """One request"""
        return (self.report if request == REPORT else self.rtmr)(argument, memory)

    def report(self, argument, memory):
        """The request lies where the report will"""
        buffer, size = struct.unpack("<Qi", memory.read(argument, 12))
        if size < 112:
            raise OSError(errno.EINVAL, "")
        request = memory.read(buffer, min(size, 132))
        status = self.platform.faults.number("status", 1)
        if status or sm2.sm3(request[:80]) != request[80:112]:
            raise OSError(errno.EIO, "")
        long = self.platform.extended and len(request) >= 132 and request[112:128] == b"ATTESTATION_EXT\0"
        make = self.platform.report
        if long and request[128] & 1:
            make = self.platform.extended_report
        out = self.platform.canned or make(request[:64], request[64:80])
        memory.write(buffer, self.platform.faults.shape(out)[:size])

    def rtmr(self, argument, memory):
        """Registers"""
        if not self.platform.extended:
            raise OSError(errno.ENOTTY, "")
        buffer, size, command, _, _ = struct.unpack("<QQHHI", memory.read(argument, 24))
        status = self.platform.faults.number("status", 1)
        memory.write(argument + 20, struct.pack("<I", status or 0))
        if status:
            return
        if command == 1 and size >= 3:
            memory.write(buffer, struct.pack("<HB", 1, 2))
        elif command == 2:
            pass
        elif command == 3 and size >= 4:
            wanted = struct.unpack("<I", memory.read(buffer, 4))[0]
            data = b"".join(self.registers_in(wanted))
            if size < 4 + len(data):
                raise OSError(errno.EINVAL, "")
            memory.write(buffer + 4, data)
        elif command == 4 and size >= 36:
            self.platform.faults.call("extend")
            index, _, length = struct.unpack("<BBH", memory.read(buffer, 4))
            if index not in (3, 4) or length != 32:
                raise OSError(errno.EINVAL, "")
            registers = self.platform.registers
            registers[index] = sm2.sm3(registers[index] + memory.read(buffer + 4, 32))
        else:
            raise OSError(errno.EINVAL, "")

    def registers_in(self, bitmap):
        """Packed, without gaps"""
        return [value for index, value in enumerate(self.platform.registers) if bitmap >> index & 1]
