#!/usr/bin/env python3
"""Compares unpacked trees, as far as the caller's rights let them be alike.

  compare_tree.py trees A B [--no-owner] [--no-xattr NAME]...   prints every difference, exit 1
  compare_tree.py expect EXPECT.json NAME ROOT                  ROOT against what a vector promises
  compare_tree.py overlay EXPECT.json NAME ROOT                 the same where a lower layer was
  compare_tree.py lower EXPECT.json NAME OUT.tar                makes that lower layer
  compare_tree.py canary DIR                                    a digest of everything in DIR

Without root, owners, device nodes and xattrs outside of user. are not compared.
"""

import argparse
import hashlib
import io
import json
import os
import stat
import sys
import tarfile

ROOT = os.geteuid() == 0
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink",
         stat.S_IFCHR: "chr", stat.S_IFBLK: "blk", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}


def content(path, st):
    """SHA-256; a file that its owner may not read is made readable for a moment."""
    unreadable = not os.access(path, os.R_OK)
    if unreadable:
        os.chmod(path, 0o400)
    sha = hashlib.sha256()
    with open(path, "rb") as f:
        for chunk in iter(lambda: f.read(1 << 20), b""):
            sha.update(chunk)
    if unreadable:
        os.chmod(path, stat.S_IMODE(st.st_mode))
    return sha.hexdigest()


def xattrs(path, ignored=()):
    found = {}
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return found
    for name in names:
        if name in ignored or not (ROOT or name.startswith("user.")):
            continue
        try:
            found[name] = os.getxattr(path, name, follow_symlinks=False).hex()
        except OSError:
            pass
    return found


def describe(path, args, inodes, name):
    st = os.lstat(path)
    kind = TYPES[stat.S_IFMT(st.st_mode)]
    d = {"type": kind}
    if kind != "symlink":
        d["mode"] = "%04o" % stat.S_IMODE(st.st_mode)
    if not args.no_owner:
        d["uid"], d["gid"] = st.st_uid, st.st_gid
    if name != ".":
        d["mtime"] = "%d.%09d" % divmod(st.st_mtime_ns, 10 ** 9)
    if kind == "symlink":
        d["target"] = os.readlink(path)
    elif kind == "file":
        d["size"], d["content"] = st.st_size, content(path, st)
    elif kind in ("chr", "blk"):
        d["rdev"] = "%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))
    if kind != "dir":
        d["link of"] = inodes.setdefault((st.st_dev, st.st_ino), name)
    d["xattr"] = xattrs(path, args.no_xattr)
    return d


def walk(root, args):
    """name → description; in sorted order, so that hard links get the same first name"""
    found, inodes = {}, {}

    def visit(name):
        path = os.path.join(root, name)
        found[name] = describe(path, args, inodes, name)
        if found[name]["type"] != "dir":
            return
        st = os.lstat(path)
        unreadable = not os.access(path, os.R_OK | os.X_OK)
        if unreadable:
            os.chmod(path, 0o700)
        for child in sorted(os.listdir(path), key=os.fsencode):
            visit(child if name == "." else name + "/" + child)
        if unreadable:
            os.chmod(path, stat.S_IMODE(st.st_mode))

    sys.setrecursionlimit(10000)
    visit(".")
    return found


def trees(args):
    a, b = walk(args.a, args), walk(args.b, args)
    differences = 0
    for name in sorted(set(a) | set(b)):
        if name not in b or name not in a:
            print("only in %s: %s" % (args.a if name in a else args.b, ascii(name)))
            differences += 1
            continue
        for key in sorted(set(a[name]) | set(b[name])):
            if a[name].get(key) != b[name].get(key):
                print("%s: %s: %s | %s" % (ascii(name), key, a[name].get(key), b[name].get(key)))
                differences += 1
    print("%d entries, %d differences" % (len(set(a) | set(b)), differences))
    return differences == 0


class Checker:
    def __init__(self, root):
        self.root, self.faults, self.modes = root, [], {}

    def path(self, name):
        return os.path.join(self.root, name)

    def demand(self, name, what, wanted, seen):
        if wanted != seen:
            self.faults.append("%s: %s is %r, not %r" % (name, what, seen, wanted))

    def lstat(self, name):
        """Folders that their owner may not enter are opened for us; their modes are kept in mind."""
        try:
            return os.lstat(self.path(name))
        except PermissionError:
            parts = name.split("/")
            for n in range(1, len(parts)):
                parent = self.path("/".join(parts[:n]))
                if parent not in self.modes:
                    self.modes[parent] = stat.S_IMODE(os.lstat(parent).st_mode)
                    os.chmod(parent, 0o700)
            return os.lstat(self.path(name))

    def absent(self, name):
        if os.path.lexists(self.path(name)):
            self.faults.append("%s is there" % name)

    def check(self, name, want):
        path = self.path(name)
        try:
            st = self.lstat(name)
        except OSError as e:
            self.faults.append("%s: %s" % (name, e.strerror))
            return
        kind = TYPES[stat.S_IFMT(st.st_mode)]
        for key, value in want.items():
            if key in ("uid", "gid"):
                if ROOT:
                    self.demand(name, key, value, getattr(st, "st_" + key))
            elif key == "type":
                self.demand(name, key, value, kind)
            elif key == "mode":
                self.demand(name, key, int(value, 8),
                            self.modes.get(path, stat.S_IMODE(st.st_mode)))
            elif key == "mtime":
                self.demand(name, key, value, st.st_mtime_ns // 10 ** 9)
            elif key == "size":
                self.demand(name, key, value, st.st_size)
            elif key == "nlink":
                self.demand(name, key, value, st.st_nlink)
            elif key == "target":
                self.demand(name, key, value, os.readlink(path))
            elif key == "content":
                digest = hashlib.sha256(value.encode()).hexdigest()
                self.demand(name, key, digest, content(path, st))
            elif key == "same_inode_as":
                self.demand(name, "inode", os.lstat(self.path(value)).st_ino, st.st_ino)
            elif key == "rdev":
                rdev = "%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))
                self.demand(name, key, value, rdev)
            elif key == "xattr":
                have = xattrs(path)
                for attr, bytes_hex in value.items():
                    if ROOT or attr.startswith("user."):
                        self.demand(name, attr, bytes_hex, have.get(attr))
            elif key == "xattr_absent":
                for attr in value:
                    self.demand(name, attr, None, xattrs(path).get(attr))
            else:
                self.faults.append("%s: unknown property %s" % (name, key))

    def report(self):
        for fault in self.faults:
            print(fault)
        return not self.faults


def load(args):
    with open(args.expect) as f:
        return json.load(f)[args.name]


def expect(args):
    want = load(args)
    checker = Checker(args.root)
    for name, properties in want.get("paths", want.get("paths_if_accepted", {})).items():
        checker.check(name, properties)
    for name in want.get("absent", []):
        checker.absent(name)
    for top, dirs, files in os.walk(args.root):
        for name in dirs + files:
            if name.startswith(".wh.") and args.name != "whiteout-as-dirname":
                checker.faults.append("%s/%s is left" % (top, name))
    return checker.report()


def hidden(want):
    """(files a whiteout hides, folders that are opaque) of a vector's overlay form"""
    gone = [n for n, p in want.items() if p.get("rdev") == "0:0"]
    opaque = [n for n, p in want.items() if "trusted.overlay.opaque" in p.get("xattr", {})]
    return gone, opaque


def lower(args):
    gone, opaque = hidden(load(args)["overlay"])
    with tarfile.open(args.out, "w") as tar:
        made = set()

        def folder(name):
            if name and name not in made:
                folder(os.path.dirname(name))
                made.add(name)
                info = tarfile.TarInfo(name)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)

        for name in gone + [o + "/lower" for o in opaque] + ["kept"]:
            folder(os.path.dirname(name))
            info = tarfile.TarInfo(name)
            info.size = 5
            tar.addfile(info, io.BytesIO(b"lower"))


def overlay(args):
    """What a flat root looks like where the vector tells the overlay form."""
    want = load(args)["overlay"]
    checker = Checker(args.root)
    gone, opaque = hidden(want)
    for name in gone:
        checker.absent(name)
    for name in opaque:
        checker.absent(name + "/lower")
    for name, properties in want.items():
        if name not in gone:
            checker.check(name, {k: v for k, v in properties.items() if k != "xattr"})
    checker.check("kept", {"content": "lower"})
    return checker.report()


def canary(args):
    args.no_owner, args.no_xattr = False, []
    text = json.dumps(walk(args.directory, args), sort_keys=True)
    print(hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest())
    return True


def main():
    parser = argparse.ArgumentParser(description="compares trees")
    commands = parser.add_subparsers(dest="command", required=True)
    c = commands.add_parser("trees")
    c.add_argument("a")
    c.add_argument("b")
    c.add_argument("--no-owner", action="store_true")
    c.add_argument("--no-xattr", action="append", default=[])
    c.set_defaults(run=trees)
    for name, run, last in (("expect", expect, "root"), ("overlay", overlay, "root"),
                            ("lower", lower, "out")):
        c = commands.add_parser(name)
        c.add_argument("expect")
        c.add_argument("name")
        c.add_argument(last)
        c.set_defaults(run=run)
    c = commands.add_parser("canary")
    c.add_argument("directory")
    c.set_defaults(run=canary)
    args = parser.parse_args()
    sys.exit(0 if args.run(args) in (True, None) else 1)


if __name__ == "__main__":
    main()
