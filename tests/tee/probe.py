#!/usr/bin/env python3
"""Asks the kernel for evidence by its bare interfaces, and writes what comes to standard output.

  probe.py tsm PROVIDER HEX [AUXBLOB]     configfs-tsm; auxblob into that file
  probe.py report0 | report40 | report32 | report15 HEX      TDREPORT, of four driver generations
  probe.py quote NODE REQUEST FILE        the quote of the TDREPORT in FILE, by the ioctl
  probe.py qgs PORT FILE                  the same, by vsock
  probe.py extend REQUEST INDEX HEX       an RTMR, by the ioctl; 80085404 is that of /dev/tdx-attest
  probe.py rtmr INDEX [HEX]               an RTMR by its file: extend with HEX, read
  probe.py snp HEX [CERTS]                report; with certificates into that file
  probe.py key                            a derived key
  probe.py csv HEX [2]                    report of version 1 or 2
  probe.py csvrtmr INDEX [HEX]            a register of CSV: extend with HEX, read

HEX is the report data. The name of an errno on standard error and status 1 if a call fails.
"""

import ctypes
import errno
import fcntl
import hashlib
import os
import socket
import struct
import sys

REPORTS = "/sys/kernel/config/tsm/report"


def buffer(data, size=None):
    """Memory with an address"""
    return ctypes.create_string_buffer(data, size or len(data))


def call(node, request, argument):
    """ioctl on a fresh descriptor; argument is changed in place"""
    fd = os.open(node, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, request, argument)
    finally:
        os.close(fd)


def read(path):
    """A file, in small pieces"""
    fd = os.open(path, os.O_RDONLY)
    out = b""
    try:
        while piece := os.read(fd, 1000):
            out += piece
    finally:
        os.close(fd)
    return out


def write(path, data):
    """One write and close"""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def tsm(provider, data, aux=None):
    """The sequence of the kernel's ABI text"""
    folder = f"{REPORTS}/probe-{os.getpid()}"
    os.mkdir(folder)
    try:
        if read(folder + "/provider") != provider.encode() + b"\n":
            raise OSError(errno.ENODEV, "")
        try:
            read(folder + "/outblob")
            raise OSError(errno.EPROTO, "")
        except OSError as failed:
            if failed.errno != errno.EINVAL:
                raise
        if aux:
            write(folder + "/privlevel", b"0\n")
        write(folder + "/inblob", bytes.fromhex(data).ljust(64, b"\0"))
        out = read(folder + "/outblob")
        if aux:
            with open(aux, "wb") as into:
                into.write(read(folder + "/auxblob"))
        if read(folder + "/generation") != (b"2\n" if aux else b"1\n"):
            raise OSError(errno.ESTALE, "")
    finally:
        os.rmdir(folder)
    return out


def tdreport(kind, data):
    """By the driver of that time"""
    data = bytes.fromhex(data).ljust(64, b"\0")
    if kind == "report0":
        argument = bytearray(data + bytes(1024))
        call("/dev/tdx_guest", 0xC4405401, argument)
        return bytes(argument[64:])
    if kind == "report15":
        argument = bytearray(data.ljust(1024, b"\0"))
        call("/dev/tdx-attest", 0xC0085401, argument)
        return bytes(argument)
    given, room = buffer(data), buffer(b"", 1024)
    addresses = ctypes.addressof(given), ctypes.addressof(room)
    if kind == "report40":
        argument = struct.pack("<BxxxxxxxQIxxxxQIxxxx", 0, addresses[0], 64, addresses[1], 1024)
    else:
        argument = struct.pack("<QQIIBxxxxxxx", *addresses, 64, 1024, 0)
    call("/dev/tdx-guest", 0xC0085401, bytearray(argument))
    return room.raw


def request_quote(report):
    """The message for the service on the host, with its length"""
    message = struct.pack("<HHIIIII", 1, 1, 0, 24 + len(report), 0, len(report), 0) + report
    return len(message).to_bytes(4, "big") + message


def quote_in(answer):
    """The quote in its answer"""
    if len(answer) < 28 or int.from_bytes(answer[:4], "big") != len(answer) - 4:
        raise OSError(errno.EBADMSG, "")
    code, ids, size = struct.unpack_from("<III", answer, 16)
    if code:
        raise OSError(errno.EREMOTEIO, "")
    if len(answer) != 28 + ids + size:
        raise OSError(errno.EBADMSG, "")
    return answer[28 + ids:]


def quote(node, request, path):
    """The shared buffer"""
    message = request_quote(read(path))
    shared = buffer(struct.pack("<QQII", 1, 0, len(message), 0) + message, 16384)
    call(node, int(request, 16), bytearray(struct.pack("<QQ", ctypes.addressof(shared), 16384)))
    status, _, size = struct.unpack_from("<QII", shared.raw, 8)
    if status:
        raise OSError(errno.EREMOTEIO, "")
    return quote_in(shared.raw[24:24 + size])


def qgs(port, path):
    """vsock"""
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as line:
        line.connect((2, int(port)))
        line.sendall(request_quote(read(path)))
        answer = b""
        while len(answer) < 4 or len(answer) < 4 + int.from_bytes(answer[:4], "big"):
            piece = line.recv(65536)
            if not piece:
                break
            answer += piece
    return quote_in(answer)


def extend(request, index, data):
    """By the ioctl"""
    data = bytes.fromhex(data).ljust(48, b"\0")
    if request == "80085404":
        call("/dev/tdx-attest", 0x80085404, bytearray(struct.pack("<Q", int(index)) + data))
    else:
        call("/dev/tdx_guest", int(request, 16), bytearray(data + bytes([int(index)])))
    return b""


def rtmr(index, data=None):
    """By the file"""
    path = f"/sys/devices/virtual/misc/tdx_guest/measurements/rtmr{index}:sha384"
    if data:
        write(path, bytes.fromhex(data))
    return read(path)


def snp(data, certs=None):
    """Report, or extended report with the retry for more room"""
    request = buffer(bytes.fromhex(data).ljust(96, b"\0") + struct.pack("<QII", (1 << 64) - 1, 0, 0))
    answer = buffer(b"", 4000)
    outer = bytearray(struct.pack("<BxxxxxxxQQQ", 1, ctypes.addressof(request), ctypes.addressof(answer), 0))
    number = 0xC0205302 if certs else 0xC0205300
    table = buffer(b"", 1)
    try:
        call("/dev/sev-guest", number, outer)
    except OSError as failed:
        if failed.errno != errno.EIO or outer[24:] != struct.pack("<Q", 1 << 32):
            raise
        table = buffer(b"", struct.unpack_from("<I", request.raw, 104)[0])
        ctypes.memmove(ctypes.byref(request, 96), struct.pack("<Q", ctypes.addressof(table)), 8)
        outer[24:] = bytes(8)
        call("/dev/sev-guest", number, outer)
    status, size = struct.unpack_from("<II", answer.raw)
    if status:
        raise OSError(errno.EREMOTEIO, "")
    if certs:
        with open(certs, "wb") as out:
            out.write(table.raw)
    return answer.raw[32:32 + size]


def key():
    """Bound to nothing"""
    request, answer = buffer(bytes(32)), buffer(b"", 64)
    call("/dev/sev-guest", 0xC0205301, bytearray(struct.pack(
        "<BxxxxxxxQQQ", 1, ctypes.addressof(request), ctypes.addressof(answer), 0)))
    return answer.raw[32:]


def csv(data, version="1"):
    """With a fresh nonce"""
    front = bytes.fromhex(data).ljust(64, b"\0") + os.urandom(16)
    front += hashlib.new("sm3", front).digest()
    if version == "2":
        status = buffer(b"", 3)
        call("/dev/csv-guest", 0xC0184402, bytearray(struct.pack("<QQHHI", ctypes.addressof(status), 3, 1, 0, 0)))
        front += b"ATTESTATION_EXT\0" + struct.pack("<I", 1)
    room = buffer(front, 4096)
    call("/dev/csv-guest", 0xC0104401, bytearray(struct.pack("<Qixxxx", ctypes.addressof(room), 4096)))
    return room.raw


def registers(command, data):
    """One request about registers; what stands where the data was"""
    room = buffer(data)
    argument = bytearray(struct.pack("<QQHHI", ctypes.addressof(room), len(data), command, 0, 0))
    call("/dev/csv-guest", 0xC0184402, argument)
    if any(argument[20:]):
        raise OSError(errno.EREMOTEIO, "")
    return room.raw


def csvrtmr(index, data=None):
    """By the ioctl"""
    if data:
        registers(4, struct.pack("<BBH", int(index), 0, 32) + bytes.fromhex(data).ljust(32, b"\0"))
    return registers(3, struct.pack("<I", 1 << int(index)) + bytes(32))[4:]


def main():
    """Exit status"""
    name, *words = sys.argv[1:]
    calls = {"tsm": tsm, "quote": quote, "qgs": qgs, "extend": extend, "rtmr": rtmr, "snp": snp, "key": key, "csv": csv,
             "csvrtmr": csvrtmr}
    try:
        out = tdreport(name, *words) if name.startswith("report") else calls[name](*words)
    except OSError as failed:
        sys.exit(errno.errorcode.get(failed.errno, str(failed)))
    sys.stdout.buffer.write(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
