"""The emulator for a kernel elsewhere: requests of its CUSE and of the module tsm_relay, as bytes, and their answers.

With CUSE the nodes are true character devices, and it is that kernel which copies from and to the memory of the
caller: it is told which parts of it are wanted, and asks again with them.
"""

import errno
import struct

INIT, OPEN, RELEASE, INTERRUPT, IOCTL = 4096, 14, 18, 36, 39
UNRESTRICTED, RETRY = 1, 4
MAX_DATA = 65536


class Missing(Exception):
    """A part of the caller's memory that has not come"""


class Memory:
    """What is known of the memory of the caller, and what shall be written there."""

    def __init__(self, places, data):
        self.parts = []
        self.written = []
        for address, size in places:
            self.parts.append((address, data[:size]))
            data = data[size:]

    def read(self, address, size):
        """From the caller"""
        for start, data in self.parts:
            if start <= address and address + size <= start + len(data):
                return data[address - start:address - start + size]
        raise Missing(address, size)

    def write(self, address, data):
        """To the caller, at the end"""
        self.written.append((address, data))


class Node:
    """A character device of CUSE: a device of the emulator by the name of its node."""

    def __init__(self, name, device, faults):
        self.name = name
        self.device = device
        self.faults = faults
        self.calls = {}     # by open file: the parts wanted so far, and the answer if it is known

    def serve(self, request):
        """One request of /dev/cuse; None if it wants no answer"""
        _, opcode, unique = struct.unpack_from("<IIQ", request)
        body = request[40:]
        if opcode == INTERRUPT:
            return None
        try:
            answer, code = self.answer(opcode, unique, body), 0
        except OSError as failed:
            answer, code = b"", -(failed.errno or errno.EIO)
        return struct.pack("<IiQ", 16 + len(answer), code, unique) + answer

    def answer(self, opcode, unique, body):
        """The bytes of the answer"""
        if opcode == INIT:
            sizes = struct.pack("<8I", 7, 31, 0, UNRESTRICTED, MAX_DATA, MAX_DATA, 0, 0)
            return sizes + bytes(40) + b"DEVNAME=" + self.name.encode() + b"\0"
        if opcode == OPEN:
            self.faults.call("open")
            return struct.pack("<QII", unique, 0, 0)
        if opcode == RELEASE:
            self.calls.pop(struct.unpack_from("<Q", body)[0], None)
            return b""
        if opcode == IOCTL:
            return self.ioctl(body)
        raise OSError(errno.ENOSYS, "")

    def ioctl(self, body):
        """Begun anew with each part that comes, until nothing is missing"""
        file, _, request, argument, inside, outside = struct.unpack_from("<QIIQII", body)
        if request not in self.device.requests:
            raise OSError(errno.ENOTTY, "")
        if not inside and not outside:
            self.calls[file] = [], None
        places, done = self.calls[file]
        if done:
            return done
        memory = Memory(places, body[32:32 + inside])
        value = 0
        try:
            self.faults.call("ioctl")
            value = self.device.ioctl(request, argument, memory) or 0
        except Missing as part:
            places.append(part.args)
            return again(places, [])
        except OSError as failed:
            value = -failed.errno
        done = struct.pack("<iIII", value, 0, 0, 0) + b"".join(data for _, data in memory.written)
        if not memory.written:
            return done
        self.calls[file] = places, done
        # The parts to read come once more: without any the kernel would send a damaged request.
        return again(places, [(address, len(data)) for address, data in memory.written])


def again(inside, outside):
    """Ask again: with these parts to read, or with room for these to write"""
    parts = b"".join(struct.pack("<QQ", *part) for part in (*inside, *outside))
    return struct.pack("<iIII", 0, RETRY, len(inside), len(outside)) + parts


class Provider:
    """configfs-tsm: collect(inblob, privlevel) by the name of the provider, as the module tsm_relay asks."""

    def __init__(self, collect, faults):
        self.collect = collect
        self.faults = faults

    def serve(self, request):
        """One report"""
        _, level, name = struct.unpack_from("<II16s", request)
        try:
            self.faults.call("outblob")
            out, aux = self.collect[name.rstrip(b"\0").decode()](request[24:], level)
            out, code = self.faults.shape(out), 0
        except OSError as failed:
            out, aux, code = b"", b"", -failed.errno
        return struct.pack("<IiI", 12 + len(out) + len(aux), code, len(out)) + out + aux
