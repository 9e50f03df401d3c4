#!/usr/bin/env python3
"""Trees as they are found in images, packed by the archivers that people use.

  realtrees.py list               the names, those that only root can make marked with " root"
  realtrees.py make NAME DIR      DIR/0.tar, DIR/1.tar, … lowest layer first; prints their paths

The same name gives the same tree: nothing depends on time or chance.
"""

import os
import random
import stat
import struct
import subprocess
import sys
import tarfile

ROOT = os.geteuid() == 0
TIME = 1600000000
TREES = {}


class Tree:
    """A folder that is filled; times are set at the end, since filling changes them."""

    def __init__(self, top):
        self.top, self.times = os.fsencode(top), {}
        os.makedirs(self.top)

    def path(self, name):
        return os.path.join(self.top, os.fsencode(name))

    def dir(self, name, mode=0o755):
        os.makedirs(self.path(name), exist_ok=True)
        os.chmod(self.path(name), mode)
        return name

    def file(self, name, data=b"", mode=0o644, time=None):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as f:
            f.write(data)
        os.chmod(self.path(name), mode)
        if time is not None:
            self.times[self.path(name)] = time
        return name

    def symlink(self, name, target):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        os.symlink(os.fsencode(target), self.path(name))

    def hard(self, name, target):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        os.link(self.path(target), self.path(name), follow_symlinks=False)

    def node(self, name, kind, mode, major=0, minor=0):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        os.mknod(self.path(name), kind | mode, os.makedev(major, minor))
        os.chmod(self.path(name), mode)

    def own(self, name, uid, gid, mode=None):
        if ROOT:
            os.chown(self.path(name), uid, gid, follow_symlinks=False)
            if mode is not None:
                os.chmod(self.path(name), mode)

    def xattr(self, name, key, value):
        os.setxattr(self.path(name), key, value, follow_symlinks=False)

    def finish(self):
        for top, dirs, files in os.walk(self.top, topdown=False):
            for name in files + dirs + [b""]:
                path = os.path.join(top, name) if name else top
                time = self.times.get(path, TIME * 10 ** 9)
                os.utime(path, ns=(time, time), follow_symlinks=False)


def gnu_tar(*options):
    def pack(top, out):
        subprocess.run(["tar", *options, "--numeric-owner", "--sort=name", "-C", top, "-cf", out, "."],
                       check=True)
    return pack


def bsd_tar(form):
    def pack(top, out):
        subprocess.run(["bsdtar", "--format", form, "--numeric-owner", "-C", top, "-cf", out, "."], check=True)
    return pack


def python_tar(form):
    def pack(top, out):
        with tarfile.open(out, "w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
            tar.add(top, ".")
    return pack


def busybox_tar(top, out):
    subprocess.run(["busybox", "tar", "-C", top, "-cf", out, "."], check=True)


USTAR, GNU = gnu_tar("--format=ustar"), gnu_tar("--format=gnu")
PAX = gnu_tar("--format=pax", "--xattrs", "--xattrs-include=*")


def tree(*writers, root=False):
    """A function that fills as many layers as there are writers."""
    def register(fill):
        TREES[fill.__name__.replace("_", "-")] = (fill, writers, root)
        return fill
    return register


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def capability(permitted):
    return struct.pack("<IIIII", 0x02000001, permitted, 0, 0, 0)


@tree(PAX, root=True)
def debian(t):
    for link, target in (("bin", "usr/bin"), ("lib", "usr/lib"), ("sbin", "usr/sbin")):
        t.symlink(link, target)
    for i in range(60):
        t.file("usr/bin/tool%d" % i, noise(i, 3000), 0o755)
        t.symlink("etc/alternatives/tool%d" % i, "/usr/bin/tool%d" % i)
        t.symlink("usr/share/alt/tool%d" % i, "../../../etc/alternatives/tool%d" % i)
    t.hard("usr/lib/git-core/git", "usr/bin/tool1")
    t.hard("usr/sbin/tool1", "usr/bin/tool1")
    t.file("usr/bin/su", noise(99, 5000), 0o4755)
    t.own(t.file("usr/bin/wall", noise(98, 500)), 0, 5, 0o2755)
    t.file("usr/bin/ping", noise(97, 5000), 0o755)
    t.xattr("usr/bin/ping", "security.capability", capability(1 << 13))
    t.own(t.file("etc/shadow", b"root:*:1::::::\n"), 0, 42, 0o640)
    t.own(t.dir("var/mail"), 0, 8, 0o2775)
    t.dir("tmp", 0o1777)
    t.own(t.dir("var/cache/apt/archives/partial"), 100, 0, 0o700)
    for name, kind, major, minor in (("null", stat.S_IFCHR, 1, 3), ("tty", stat.S_IFCHR, 5, 0),
                                     ("loop300", stat.S_IFBLK, 7, 300), ("initctl", stat.S_IFIFO, 0, 0)):
        t.node("dev/" + name, kind, 0o666, major, minor)


@tree(GNU)
def busybox_hard_links(t):
    t.file("bin/busybox", noise(1, 800000), 0o755)
    for i in range(300):
        t.hard("%s/applet%d" % (("bin", "sbin", "usr/bin", "usr/sbin")[i % 4], i), "bin/busybox")


@tree(bsd_tar("ustar"))
def alpine_symlinks(t):
    t.file("bin/busybox", noise(2, 80000), 0o755)
    for i in range(300):
        t.symlink("usr/bin/applet%d" % i, "/bin/busybox")
    t.file("lib/apk/db/installed", b"P:musl\n" * 300)
    t.dir("root", 0o700)


@tree(python_tar(tarfile.PAX_FORMAT), root=True)
def distroless(t):
    for name in ("etc/passwd", "etc/group", "usr/share/zoneinfo/UTC", "var/lib/dpkg/status.d/base"):
        t.file(name, name.encode(), time=0)
    t.own(t.dir("home/nonroot", 0o700), 65532, 65532)
    t.hard("usr/share/zoneinfo/Etc/UTC", "usr/share/zoneinfo/UTC")


@tree(busybox_tar)
def scratch(t):
    t.file("app", noise(3, 1000000), 0o755)


@tree(bsd_tar("pax"))
def node_modules(t):
    path = "app"
    for i in range(40):
        path += "/node_modules/@scope-%d/package" % i
        t.file(path + "/package.json", b'{"name":"%d"}' % i)
        t.file(path + "/index.js", noise(i, 300))
        t.symlink(path + "/node_modules/.bin/cli", "../@scope-%d/package/index.js" % (i + 1))


@tree(PAX)
def python_site_packages(t):
    for i in range(40):
        top = "usr/lib/python3/dist-packages/pkg%d/" % i
        for j in range(8):
            t.file(top + "m%d.py" % j, b"x = %d\n" % j)
            t.file(top + "__pycache__/m%d.cpython-311.pyc" % j, noise(i * 8 + j, 200), time=TIME * 10 ** 9 + 123456789 * j)
        t.file("usr/lib/python3/dist-packages/pkg%d-1.0.dist-info/RECORD" % i)


@tree(USTAR)
def git_repository(t):
    for i in range(256):
        t.file("repo/.git/objects/%02x/%038x" % (i, i * i), noise(i, 100), 0o444)
    t.file("repo/.git/hooks/pre-commit", b"#!/bin/sh\n", 0o755)
    t.dir("repo/.git/refs/tags")


@tree(GNU)
def maven_repository(t):
    for i in range(30):
        name = "org/example/%s/%s/1.0.%d" % ("group" * 6, "artifact-with-a-long-name" * 2, i)
        t.file("root/.m2/repository/%s/%s-1.0.%d.jar" % (name, "artifact-with-a-long-name" * 2, i), noise(i, 400))


@tree(bsd_tar("gnutar"))
def ruby_gems(t):
    for name in ("with space", "quote'", 'double"', "back\\slash", "new\nline", "*star?", "-dash", "#hash", "tab\t", "~", "$x", ";"):
        t.file("gems/%s/lib/%s.rb" % (name, name), name.encode())
        t.symlink("gems/%s/link to %s" % (name, name), "lib/%s.rb" % name)


@tree(GNU)
def locale_names(t):
    for name in (b"caf\xe9", b"\xa4\xa2\xa4\xa4", b"\xff\xfe", "e\u0301".encode(), "\u00e9".encode(), b"\x01\x02",
                 "\u202e".encode(), "\U0001f980".encode(), b"\xed\xa0\x80", b"\xc0\xaf"):
        t.file(b"usr/share/locale/" + name + b"/LC_MESSAGES", name)
        t.symlink(b"usr/share/links/" + name, b"../locale/" + name)


@tree(PAX)
def locale_names_pax(t):
    locale_names(t)


def sparse_files(t):
    for name, size, spots in (("empty", 4 << 20, ()), ("middle", 4 << 20, (1 << 20,)), ("ends", 3 << 20, (0, (3 << 20) - 100)),
                              ("many", 8 << 20, range(0, 8 << 20, 256 << 10)), ("odd", 1234567, (4096, 1200000))):
        t.file("var/lib/db/" + name)
        with open(t.path("var/lib/db/" + name), "r+b") as f:
            for spot in spots:
                f.seek(spot)
                f.write(noise(spot, 100))
            f.truncate(size)


@tree(*[gnu_tar("--sparse", *o) for o in (
    ("--format=pax", "--sparse-version=0.0"), ("--format=pax", "--sparse-version=0.1"),
    ("--format=pax", "--sparse-version=1.0"))])
def database_sparse(t):
    sparse_files(t)
    os.rename(t.path("var"), t.path("var-" + os.path.basename(t.top.decode())))


@tree(gnu_tar("--format=gnu", "--sparse"))
def database_sparse_gnu(t):
    sparse_files(t)


@tree(PAX)
def long_names(t):
    t.file("n" * 255, b"255")
    t.file("\u00fc" * 127, b"254")
    t.file("/".join(["deep" * 20] * 30) + "/leaf", b"x")
    t.symlink("long-target", "/".join(["target" * 10] * 40))
    for n in (98, 99, 100, 101, 154, 155, 156):
        t.hard("hard/" + "h" * n, t.file("d" * n + "/" + "f" * n, b"%d" % n))


@tree(GNU)
def long_names_gnu(t):
    long_names(t)


@tree(PAX, root=True)
def read_only(t):
    for mode in (0o555, 0o500, 0o111, 0o000):
        t.file("dir%o/file" % mode, b"x", 0o400)
        t.file("dir%o/below/file" % mode, b"y", 0o000)
        t.symlink("dir%o/link" % mode, "file")
        t.hard("dir%o/hard" % mode, "dir%o/file" % mode)
    for mode in (0o555, 0o500, 0o111, 0o000):
        t.dir("dir%o" % mode, mode)


@tree(PAX)
def old_times(t):
    for i, time in enumerate((0, 1, 10 ** 9 - 1, -86400 * 10 ** 9, 4102444800 * 10 ** 9, 2 ** 33 * 10 ** 9,
                              TIME * 10 ** 9 + 999999999)):
        t.file("time%d" % i, time=time)
        t.times[t.path(t.dir("dir%d" % i))] = time
        t.symlink("link%d" % i, "time%d" % i)
        t.times[t.path("link%d" % i)] = time


@tree(GNU, root=True)
def large_owners(t):
    for uid in (2097151, 2097152, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2):
        t.own(t.file("uid%d" % uid), uid, 0)
        t.own(t.dir("gid%d" % uid), 0, uid)
        t.symlink("link%d" % uid, "x")
        t.own("link%d" % uid, uid, uid)


@tree(PAX, root=True)
def large_owners_pax(t):
    large_owners(t)


@tree(PAX, bsd_tar("pax"))
def many_xattrs(t):
    for i in range(20):
        name = t.file("f%d" % i, b"x")
        for j in range(i):
            t.xattr(name, "user.key%d.%s" % (j, "k" * j), noise(j, j * 5))
    t.xattr(t.file("equals"), "user.a", b"1=2\n\0end")
    t.xattr(t.file("empty"), "user.none", b"")
    t.xattr(t.dir("dir"), "user.on.dir", b"value")
    t.xattr(t.file("large"), "user.large", noise(7, 3000))


@tree(PAX, GNU, bsd_tar("pax"), python_tar(tarfile.GNU_FORMAT))
def whiteouts(t):
    n = int(os.path.basename(t.top.decode()))
    for i in range(8):
        if i >> n & 1:
            t.file("etc/file%d" % i, b"layer %d" % n)
            t.file("srv/dir%d/sub/file" % i, b"layer %d" % n)
        elif n > 0 and i >> n - 1 & 1:
            t.file("etc/.wh.file%d" % i)
            t.file("srv/.wh.dir%d" % i)
    t.file("log/layer%d" % n)


@tree(GNU, PAX, USTAR)
def opaque_directories(t):
    n = int(os.path.basename(t.top.decode()))
    for i in range(3):
        t.file("d%d/layer%d" % (i, n), b"%d" % n)
        t.file("d%d/sub/layer%d" % (i, n), b"%d" % n)
        if n == i and n > 0:
            t.file("d%d/.wh..wh..opq" % i)
    t.dir("kept", 0o700 + n)


@tree(PAX, GNU, PAX)
def replaced_types(t):
    n = int(os.path.basename(t.top.decode()))
    kinds = ("file", "dir", "symlink", "fifo")
    for a, first in enumerate(kinds):
        for b, _ in enumerate(kinds):
            kind = (first, kinds[b], kinds[(a + b) % 4])[n]
            name = "x/%d%d" % (a, b)
            if kind == "file":
                t.file(name, b"%d" % n)
            elif kind == "dir":
                t.file(name + "/inner%d" % n, b"%d" % n)
            elif kind == "symlink":
                t.symlink(name, "target%d" % n)
            else:
                os.makedirs(t.path("x"), exist_ok=True)
                os.mkfifo(t.path(name), 0o640)


@tree(PAX)
def rootless_build(t):
    """Builders without root keep owners in an attribute, or have none at all."""
    for i in range(10):
        t.file("usr/bin/tool%d" % i, noise(i, 100), 0o755)
    t.file("etc/shadow", b"x", 0o600)
    t.xattr("etc/shadow", "user.note", b"made without root")
    t.dir("run/user/1000", 0o700)


@tree(USTAR)
def zoneinfo(t):
    for i in range(100):
        t.file("usr/share/zoneinfo/Area%d/Town" % i, noise(i % 40, 500))
        t.hard("usr/share/zoneinfo/posix/Area%d/Town" % i, "usr/share/zoneinfo/Area%d/Town" % i)
        t.symlink("usr/share/zoneinfo/Old%d" % i, "Area%d/Town" % i)
    t.hard("usr/share/zoneinfo/again", "usr/share/zoneinfo/Old1")


@tree(PAX, root=True)
def capabilities_and_links(t):
    t.file("bin/tool", b"x", 0o4755)
    t.xattr("bin/tool", "security.capability", capability(1 << 10))
    t.hard("sbin/tool", "bin/tool")
    t.own(t.file("bin/owned", b"y"), 1000, 1000, 0o6755)
    t.xattr("bin/owned", "security.capability", capability(1 << 12))


def make(name, directory):
    fill, writers, _ = TREES[name]
    os.umask(0o022)
    for n, pack in enumerate(writers):
        top = os.path.join(directory, str(n))
        out = top + ".tar"
        t = Tree(top)
        fill(t)
        t.finish()
        pack(top, out)
        print(out)


if __name__ == "__main__":
    if sys.argv[1:] == ["list"]:
        for tree_name, (_, _, only_root) in TREES.items():
            print(tree_name + (" root" if only_root else ""))
    elif len(sys.argv) == 4 and sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
