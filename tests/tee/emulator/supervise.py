"""Runs a program below a seccomp filter and answers some of its system calls (seccomp_unotify(2)).

The filter is under whatever filters the program loads itself: where those deny a call with an errno or
a signal they win, and the emulator never hears of it. Children inherit it.
"""

import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys

from .fuse import LIBC
from .places import NEWUSER, map_ids, unshare

ARCH = 0xC000003E   # AUDIT_ARCH_X86_64
SECCOMP, PRCTL_NO_NEW_PRIVS, NEW_LISTENER = 317, 38, 8
OPEN, IOCTL, SOCKET, CONNECT, OPENAT, FINIT_MODULE, OPENAT2 = 2, 16, 41, 42, 257, 313, 437
ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
RECV, SEND, VALID, ADDFD = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103
CONTINUE, ADDFD_SEND = 1, 2
AF_VSOCK, PIDFD_GETFD = 40, 438
LOAD, JEQ, JGE, RET = 0x20, 0x15, 0x35, 0x06


def filter_program(requests, opens, vsock, module):
    """
    The filter: ioctl with one of these requests, opens if one of them shall fail, calls about vsock, a module to be loaded.
    Each block ends in a return, so that a jump never goes far.
    """
    code = [(LOAD, 0, 0, 4), (JEQ, 1, 0, ARCH), (RET, 0, 0, ALLOW),
            (LOAD, 0, 0, 0), (JGE, 0, 1, 0x40000000), (RET, 0, 0, ALLOW)]
    for number in (OPEN, OPENAT, OPENAT2) if opens else ():
        code += [(JEQ, 0, 1, number), (RET, 0, 0, NOTIFY)]
    if module:
        code += [(JEQ, 0, 1, FINIT_MODULE), (RET, 0, 0, NOTIFY)]
    if vsock:
        code += [(JEQ, 0, 1, CONNECT), (RET, 0, 0, NOTIFY)]
        code += [(JEQ, 0, 4, SOCKET), (LOAD, 0, 0, 16), (JEQ, 0, 1, AF_VSOCK), (RET, 0, 0, NOTIFY),
                 (RET, 0, 0, ALLOW)]
    code += [(JEQ, 1, 0, IOCTL), (RET, 0, 0, ALLOW), (LOAD, 0, 0, 24)]
    for request in requests:
        code += [(JEQ, 0, 1, request), (RET, 0, 0, NOTIFY)]
    code += [(RET, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *one) for one in code), len(code)


class Vector(ctypes.Structure):
    """struct iovec"""
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Memory:
    """The memory of the caller. Not by /proc, which without real root shows none of a process that hides itself."""

    def __init__(self, pid, listener, unique):
        self.pid = pid
        self.call = (listener, unique)

    def move(self, call, address, buffer, size):
        """Both directions; all of it, or EFAULT"""
        ours = Vector(ctypes.addressof(buffer), size)
        theirs = Vector(address, size)
        done = call(self.pid, ctypes.byref(ours), ctypes.c_ulong(1), ctypes.byref(theirs), ctypes.c_ulong(1),
                    ctypes.c_ulong(0))
        if done != size:
            raise OSError(errno.EFAULT, "")

    def read(self, address, size):
        """From the caller"""
        buffer = ctypes.create_string_buffer(size)
        self.move(LIBC.process_vm_readv, address, buffer, size)
        return buffer.raw

    def write(self, address, data):
        """To the caller, if it still waits: its number could be another's by now"""
        fcntl.ioctl(self.call[0], VALID, struct.pack("<Q", self.call[1]))
        self.move(LIBC.process_vm_writev, address, ctypes.create_string_buffer(data, len(data)), len(data))

    def text(self, address):
        """A path"""
        out = b""
        while b"\0" not in out and len(out) < 4096:
            size = min(4096 - (address + len(out)) % 4096, 256)     # the next page may not be there
            out += self.read(address + len(out), size)
        return os.fsdecode(out.split(b"\0", 1)[0])


def opened_as(pid, fd):
    """What a descriptor of the caller leads to, as /proc names it; None if it has none"""
    fd &= 0xFFFFFFFF
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except FileNotFoundError:
        return None
    except PermissionError:
        pass    # as with its memory
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as into:
            group = next(int(line[5:]) for line in into if line.startswith("Tgid:"))
        process = os.pidfd_open(group)
        copy = LIBC.syscall(PIDFD_GETFD, process, fd, 0)
        os.close(process)
        if copy < 0:
            return None
        try:
            return os.readlink(f"/proc/self/fd/{copy}")
        finally:
            os.close(copy)
    except OSError:
        return None


class Passed(Exception):
    """The kernel shall do this call itself."""


class Supervisor:
    """
    devices: path of a node → object with requests (numbers) and ioctl(request, argument, memory).
    vsock: object with connected(port, socket), or None. module: object with path and load(), or None.
    faults: what "open" and "connect" do.
    """

    def __init__(self, devices, faults, vsock=None, module=None, trees=(), log=None):
        self.devices = devices
        self.faults = faults
        self.vsock = vsock
        self.module = module
        self.trees = {tree.fd: tree for tree in trees}
        self.streams = {}   # descriptor of our end → answering object
        self.waiting = {}   # inode of the caller's end → our end, until it connects
        self.log = log or (lambda text: None)

    def install(self):
        """Loads the filter into this process; the descriptor that hears of its calls"""
        requests = sorted({number for device in self.devices.values() for number in device.requests})
        text, length = filter_program(requests, "open" in self.faults, self.vsock is not None,
                                      self.module is not None)
        buffer = ctypes.create_string_buffer(text, len(text))
        program = struct.pack("<HxxxxxxQ", length, ctypes.addressof(buffer))
        fd = LIBC.syscall(SECCOMP, 1, NEW_LISTENER, program)
        if fd < 0 and ctypes.get_errno() == errno.EACCES:
            LIBC.prctl(PRCTL_NO_NEW_PRIVS, 1, 0, 0, 0)
            fd = LIBC.syscall(SECCOMP, 1, NEW_LISTENER, program)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "seccomp: " + os.strerror(ctypes.get_errno()))
        return fd

    def start(self, command, ids):
        """The child and the listener"""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        child = os.fork()
        if child:
            theirs.close()
            data, fds, _, _ = socket.recv_fds(ours, 1, 1)
            ours.close()
            if not data:
                os.waitpid(child, 0)
                raise OSError(errno.EPERM, "the filter could not be loaded")
            os.set_inheritable(fds[0], False)
            return child, fds[0]
        try:
            uid, gid = ids
            if uid:     # the caller's own ids again
                unshare(NEWUSER)
                map_ids(uid, 0, gid, 0)
            fd = self.install()
            socket.send_fds(theirs, [b"x"], [fd])
            os.close(fd)
            theirs.close()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execvp(command[0], command)
        except OSError as failed:
            print(f"tee-emulator: {command[0]}: {failed.strerror or failed}", file=sys.stderr)
        finally:
            os._exit(127)

    def run(self, command, ids):
        """Serves the program and all its children; the program's exit status"""
        child, listener = self.start(command, ids)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: os.kill(child, number))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ended = os.pidfd_open(child)
        poll = select.poll()
        for fd in (listener, ended, *self.trees):
            poll.register(fd, select.POLLIN)
        status = None
        while status is None or listener is not None:
            for fd, events in poll.poll():
                if fd == ended:
                    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                    poll.unregister(fd)
                elif fd == listener:
                    if events & select.POLLIN:
                        self.notified(listener, poll)
                    elif events & select.POLLHUP:   # its last descendant has gone
                        poll.unregister(listener)
                        listener = None
                elif fd in self.trees:
                    if not self.trees[fd].serve():
                        poll.unregister(fd)
                elif not self.streams[fd].ready():
                    poll.unregister(fd)
                    del self.streams[fd]
        return 128 - status if status < 0 else status

    def notified(self, listener, poll):
        """One system call"""
        raw = bytearray(80)
        try:
            fcntl.ioctl(listener, RECV, raw)
        except OSError as failed:
            if failed.errno in (errno.ENOENT, errno.EINTR):
                return  # it was killed meanwhile
            raise
        unique, pid, _, number, _, _ = struct.unpack_from("<QIIiIQ", raw)
        arguments = struct.unpack_from("<6Q", raw, 32)
        value, error, flags = 0, 0, 0
        try:
            value = self.call(number, arguments, pid, Memory(pid, listener, unique), (listener, unique, poll))
            if value is None:
                return  # answered already
        except Passed:
            flags = CONTINUE
        except OSError as failed:
            error = -(failed.errno or errno.EIO)
        try:
            fcntl.ioctl(listener, SEND, struct.pack("<QqiI", unique, value, error, flags))
        except OSError as failed:
            if failed.errno != errno.ENOENT:
                raise

    def call(self, number, arguments, pid, memory, answer):
        """Its value; OSError, Passed, or None when it is answered already"""
        if number == IOCTL:
            return self.ioctl(arguments, pid, memory)
        if number == SOCKET:
            return self.socket(arguments, answer)
        if number == CONNECT:
            return self.connect(arguments, pid, memory, answer)
        if number == FINIT_MODULE:
            return self.finit_module(arguments, pid)
        return self.open(number, arguments, memory)

    def ioctl(self, arguments, pid, memory):
        """Of one of our nodes? The kernel knows them by name, wherever they were opened."""
        path = opened_as(pid, arguments[0])
        device = self.devices.get(path)
        if device is None or arguments[1] not in device.requests:
            raise Passed
        self.log(f"ioctl {path} {arguments[1]:#x}")
        self.faults.call("ioctl")
        return device.ioctl(arguments[1], arguments[2], memory) or 0

    def finit_module(self, arguments, pid):
        """What the module would show appears"""
        if opened_as(pid, arguments[0]) != self.module.path:
            raise Passed
        self.log(f"finit_module {self.module.path}")
        self.faults.call("module")
        self.module.load()
        return 0

    def open(self, number, arguments, memory):
        """Only to fail"""
        path = memory.text(arguments[0] if number == OPEN else arguments[1])
        for node in self.devices:
            if path == node or os.path.basename(path) == os.path.basename(node):
                self.faults.call("open")
        raise Passed

    def socket(self, arguments, answer):
        """A local pair stands for vsock, which this machine need not have"""
        listener, unique, _ = answer
        kind = arguments[1] & 0xF
        if kind != socket.SOCK_STREAM:
            raise OSError(errno.ESOCKTNOSUPPORT, "")
        theirs, ours = socket.socketpair(socket.AF_UNIX, kind)
        theirs.setblocking(not arguments[1] & socket.SOCK_NONBLOCK)
        flags = os.O_CLOEXEC if arguments[1] & socket.SOCK_CLOEXEC else 0
        self.waiting[os.fstat(theirs.fileno()).st_ino] = ours
        fcntl.ioctl(listener, ADDFD, struct.pack("<QIIII", unique, ADDFD_SEND, theirs.fileno(), 0, flags))
        theirs.close()

    def connect(self, arguments, pid, memory, answer):
        """To the host's quote generation service"""
        if arguments[2] < 16:
            raise Passed
        family, _, port, cid = struct.unpack("<HHII", memory.read(arguments[1], 12))
        if family != AF_VSOCK:
            raise Passed
        link = opened_as(pid, arguments[0])
        inode = int(link[8:-1]) if link and link.startswith("socket:[") else -1
        ours = self.waiting.get(inode)
        if ours is None:
            raise OSError(errno.EINVAL, "")
        self.log(f"connect vsock:{cid}:{port}")
        self.faults.call("connect")
        if cid != 2 or port != self.vsock.port:
            raise OSError(errno.ECONNRESET, "")
        del self.waiting[inode]
        self.streams[ours.fileno()] = self.vsock.connected(ours)
        answer[2].register(ours.fileno(), select.POLLIN)
        return 0
