"""A small tree of virtual files, served on /dev/fuse by the kernel's own protocol.

It stands for configfs and sysfs, so it does what they do and a library of FUSE makes difficult: files
of size 0 that can be read, attributes that take effect at close(2), errors of our choice at each step.
One object is one mount; whoever owns it calls serve() when its descriptor is readable.
"""

import ctypes
import errno
import os
import stat
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
LOOKUP, FORGET, GETATTR, SETATTR, MKDIR, UNLINK, RMDIR = 1, 2, 3, 4, 9, 10, 11
OPEN, READ, WRITE, STATFS, RELEASE, FLUSH, INIT = 14, 15, 16, 17, 18, 25, 26
OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 27, 28, 29, 36, 42
DIRECT_IO, ATOMIC_TRUNCATE = 1, 8
MAX_WRITE = 65536


def mount(source, target, kind, flags=0, data=""):
    """mount(2)"""
    if LIBC.mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode()):
        number = ctypes.get_errno()
        raise OSError(number, f"mount of {kind or source} on {target}: {os.strerror(number)}")


class File:
    """One virtual file. read() makes its bytes, written() takes them; either may raise OSError."""

    def __init__(self, mode, read=None, written=None, largest=4096, at_close=False):
        self.mode = stat.S_IFREG | mode
        self.read = read
        self.written = written
        self.largest = largest      # more in one open file: EFBIG
        self.at_close = at_close    # a binary attribute of configfs: takes effect at close, errors go nowhere


class Directory:
    """A directory; make(name) answers mkdir with a new Directory and removed(name) hears of rmdir."""

    def __init__(self, children=None, make=None, removed=None):
        self.mode = stat.S_IFDIR | 0o755
        self.children = children or {}
        self.make = make
        self.removed = removed


class Handle:
    """An open file: the bytes it was read as once, and what was written so far."""

    def __init__(self, file):
        self.file = file
        self.content = None
        self.pending = b""


class Tree:
    """The mount of one Directory."""

    def __init__(self, target, root):
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        self.nodes = {1: root}      # by number; numbers are never used again
        self.numbers = {id(root): 1}
        self.handles = {}
        self.last_handle = 0
        mount("tee-emulator", target, "fuse", 0x6,  # nosuid, nodev
              f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other")

    def number(self, node):
        """Its number, the same as long as it lives"""
        if id(node) not in self.numbers:
            fresh = len(self.nodes) + 1
            self.numbers[id(node)] = fresh
            self.nodes[fresh] = node    # also keeps id() from being used again
        return self.numbers[id(node)]

    def attributes(self, node):
        """struct fuse_attr"""
        return struct.pack("<6Q10I", self.number(node), 0, 0, 0, 0, 0, 0, 0, 0, node.mode,
                           2 if stat.S_ISDIR(node.mode) else 1, 0, 0, 0, 4096, 0)

    def entry(self, node):
        """struct fuse_entry_out, never cached"""
        return struct.pack("<4Q2I", self.number(node), 0, 0, 0, 0, 0) + self.attributes(node)

    def serve(self):
        """Answers one request; False when it is unmounted"""
        try:
            request = os.read(self.fd, MAX_WRITE + 4096)
        except OSError as failed:
            return failed.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN)
        _, opcode, unique, number = struct.unpack_from("<IIQQ", request)
        body = request[40:]
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return True
        try:
            answer, code = self.answer(opcode, number, body), 0
        except OSError as failed:
            answer, code = b"", -(failed.errno or errno.EIO)
        try:
            os.write(self.fd, struct.pack("<IiQ", 16 + len(answer), code, unique) + answer)
        except OSError as failed:
            if failed.errno != errno.ENOENT:    # the caller was interrupted meanwhile
                raise
        return True

    def answer(self, opcode, number, body):
        """The bytes of the answer"""
        if opcode == INIT:
            return struct.pack("<4I2H2I2H8I", 7, 31, MAX_WRITE, ATOMIC_TRUNCATE, 16, 12, MAX_WRITE, 1, 16, 0, *[0] * 8)
        call = {LOOKUP: self.lookup, GETATTR: self.getattr, SETATTR: self.getattr, MKDIR: self.mkdir,
                UNLINK: self.unlink, RMDIR: self.rmdir, OPEN: self.open, READ: self.read, WRITE: self.write,
                FLUSH: self.flush, RELEASE: self.release, READDIR: self.readdir,
                OPENDIR: lambda node, body: struct.pack("<QII", 0, 0, 0), RELEASEDIR: lambda node, body: b"",
                STATFS: lambda node, body: bytes(80)}.get(opcode)
        if call is None:
            raise OSError(errno.ENOSYS, "")
        return call(self.nodes[number], body)

    @staticmethod
    def name(body):
        """The name at the front"""
        return body.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def lookup(self, node, body):
        """struct fuse_entry_out"""
        child = node.children.get(self.name(body))
        if child is None:
            raise OSError(errno.ENOENT, "")
        return self.entry(child)

    def getattr(self, node, _body):
        """struct fuse_attr_out; SETATTR changes nothing, as truncation does in sysfs"""
        return struct.pack("<QII", 0, 0, 0) + self.attributes(node)

    def mkdir(self, node, body):
        """A new directory, if the parent takes them"""
        name = self.name(body[8:])
        if node.make is None:
            raise OSError(errno.EPERM, "")
        if name in node.children:
            raise OSError(errno.EEXIST, "")
        node.children[name] = node.make(name)
        return self.entry(node.children[name])

    def rmdir(self, node, body):
        """Attributes need not be removed before"""
        name = self.name(body)
        child = node.children.get(name)
        if child is None:
            raise OSError(errno.ENOENT, "")
        if node.make is None or not isinstance(child, Directory):
            raise OSError(errno.EPERM, "")
        del node.children[name]
        if node.removed:
            node.removed(name)
        return b""

    def unlink(self, _node, _body):
        """Attributes cannot be removed"""
        raise OSError(errno.EPERM, "")

    def open(self, node, body):
        """What has no method for it cannot be opened for it, by root neither"""
        access = struct.unpack_from("<I", body)[0] & os.O_ACCMODE
        if access != os.O_WRONLY and node.read is None or access != os.O_RDONLY and node.written is None:
            raise OSError(errno.EACCES, "")
        self.last_handle += 1
        self.handles[self.last_handle] = Handle(node)
        return struct.pack("<QII", self.last_handle, DIRECT_IO, 0)

    def read(self, _node, body):
        """The content is made at the first read and stays for this open file"""
        number, offset, size = struct.unpack_from("<QQI", body)
        handle = self.handles[number]
        if handle.content is None:
            handle.content = handle.file.read()
        return handle.content[offset:offset + size]

    def write(self, _node, body):
        """Takes effect now, or is kept for close"""
        number, offset, size = struct.unpack_from("<QQI", body)
        handle = self.handles[number]
        data = body[40:40 + size]
        if offset + size > handle.file.largest:
            raise OSError(errno.EFBIG, "")
        if handle.file.at_close:
            handle.pending = handle.pending[:offset].ljust(offset, b"\0") + data
        else:
            handle.file.written(data)
        return struct.pack("<II", size, 0)

    def flush(self, _node, body):
        """close(2) waits for it, so what was written counts before the caller goes on"""
        handle = self.handles[struct.unpack_from("<Q", body)[0]]
        data, handle.pending = handle.pending, b""
        if data:
            try:
                handle.file.written(data)
            except OSError:
                pass    # the kernel tells nobody
        return b""

    def release(self, _node, body):
        """The last close"""
        self.handles.pop(struct.unpack_from("<Q", body)[0], None)
        return b""

    def readdir(self, node, body):
        """struct fuse_dirent, from the offset on"""
        _, offset, size = struct.unpack_from("<QQI", body)
        out = b""
        for place, (name, child) in enumerate(list(node.children.items()), 1):
            if place <= offset:
                continue
            raw = name.encode("utf-8", "surrogateescape")
            one = struct.pack("<QQII", self.number(child), place, len(raw), child.mode >> 12) + raw
            one += bytes(-len(one) % 8)
            if len(out) + len(one) > size:
                break
            out += one
        return out
