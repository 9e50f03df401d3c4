"""The file system the target sees: a private mount namespace in which a few directories of the kernel
are covered by a copy of themselves, with the entries of the emulated platform added.
"""

import ctypes
import os
import stat

from .fuse import LIBC, mount

NEWNS, NEWUSER = 0x00020000, 0x10000000
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18
NULL = os.makedev(1, 3)


def unshare(flags):
    """unshare(2)"""
    if LIBC.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def map_ids(inside_uid, outside_uid, inside_gid, outside_gid):
    """The one user and group of a new user namespace"""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{inside_uid} {outside_uid} 1"),
                       ("gid_map", f"{inside_gid} {outside_gid} 1")):
        with open("/proc/self/" + name, "w", encoding="ascii") as out:
            out.write(text)


def enter():
    """A mount namespace of our own, as root or as the root of a user namespace; the ids before it"""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        unshare(NEWNS)
    else:
        unshare(NEWUSER | NEWNS)
        map_ids(0, uid, 0, gid)
    mount("none", "/", "", RECURSIVE | PRIVATE)
    return uid, gid


def entry(there, name, path):
    """Shows one entry of the covered directory at its old place"""
    try:
        mode = os.lstat(name, dir_fd=there).st_mode
        if stat.S_ISLNK(mode):
            os.symlink(os.readlink(name, dir_fd=there), path)
            return
        if stat.S_ISDIR(mode):
            os.mkdir(path, 0o755)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        mount(f"/proc/self/fd/{there}/{name}", path, "", BIND | RECURSIVE)
    except OSError:
        pass    # it went away, or may not be bound: the target does without it


def cover(path):
    """Puts a writable copy over a directory"""
    there = os.open(path, os.O_PATH | os.O_DIRECTORY)
    names = os.listdir(path)
    mount("tee-emulator", path, "tmpfs", 0x2, "mode=755")
    for name in names:
        entry(there, name, os.path.join(path, name))
    os.close(there)


class Places:
    """Makes room for the emulated entries and remembers what is covered."""

    def __init__(self):
        self.covered = set()

    def writable(self, path):
        """Covers the nearest directory that exists, and makes the rest"""
        above = path
        while not os.path.isdir(above):
            above = os.path.dirname(above)
        if not any(above == c or above.startswith(c + "/") and os.stat(above).st_dev == os.stat(c).st_dev
                   for c in self.covered):
            cover(above)
            self.covered.add(above)
        os.makedirs(path, 0o755, exist_ok=True)

    def file(self, path, data, mode=0o444):
        """A plain file"""
        self.writable(os.path.dirname(path))
        self.hide(path)
        with open(path, "wb") as out:
            out.write(data)
        os.chmod(path, mode)

    def node(self, path, mode):
        """
        A device node. It is a /dev/null of its own name, so that all calls but ioctl do what they do on a
        device; only root can make one with a mode of its own.
        """
        self.writable(os.path.dirname(path))
        self.hide(path)
        try:
            os.mknod(path, stat.S_IFCHR | mode, NULL)
            os.chmod(path, mode)
            os.close(os.open(path, os.O_RDONLY))
        except PermissionError:
            if os.path.lexists(path):
                os.unlink(path)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            mount("/dev/null", path, "", BIND)

    def directory(self, path):
        """An empty directory, to mount on"""
        self.writable(path)
        return path

    def hide(self, path):
        """The machine's own entry of that name, if any, is not seen"""
        if os.path.lexists(path):
            self.writable(os.path.dirname(path))
            LIBC.umount2(os.fsencode(path), 2)
            if os.path.isdir(path) and not os.path.islink(path):
                os.rmdir(path)
            else:
                os.unlink(path)
