#!/usr/bin/env python3
"""Generates archives with odd features and unpacks each with aa-cli, GNU tar and (a part of them) umoci: the same tree,
or all refuse. Where a feature makes them differ on purpose, EXPLAINED says who does what, and why.

  tar_differential.py AA-CLI WORKDIR COUNT [SEED]
"""

import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time

BLOCK = 512
UMOCI_EVERY = 8

# feature: (peer, ours, theirs, why). ours and theirs are "refuses", "accepts" or "*".
# A tree may differ only where both are "accepts".
EXPLAINED = {
    "dotdot": [("tar", "accepts", "refuses", "GNU tar skips members with .. in their names; we clamp at the root")],
    "file-over-dir": [("tar", "accepts", "refuses", "GNU tar does not remove a directory that is not empty")],
    "lone-zero": [("tar", "refuses", "accepts", "GNU tar warns of a lone zero block and stops; Go refuses")],
    "cut-padding": [("umoci", "refuses", "accepts", "a last block that is cut behind its data: an error for GNU tar and us")],
    "cut-header": [("tar", "refuses", "accepts", "GNU tar overlooks a last header that is cut")],
    "nothing": [("tar", "accepts", "refuses", "no byte at all: an empty layer")],
    "setgid": [("tar", "accepts", "accepts", "GNU tar lets directories inherit set-group-ID from where they are made")],
    "dir-twice": [("tar", "accepts", "accepts", "the second entry of a directory replaces its xattrs too; GNU tar adds")],
    "contiguous": [("umoci", "accepts", "refuses", "umoci does not know type 7")],
    "old-sparse": [("umoci", "accepts", "refuses", "umoci does not know type S")],
    "empty-xattr": [("umoci", "accepts", "accepts", "umoci leaves out xattrs without a value")],
    "dup-key": [("*", "refuses", "accepts", "the last one wins elsewhere; which one differs between readers (CVE-2025-62518 is of this kind)")],
    "empty-value": [("*", "refuses", "accepts", "an empty value is an empty name for some, none for others")],
    "two-pax": [("*", "refuses", "accepts", "which of two headers counts differs")],
    "pax-and-gnu": [("*", "refuses", "accepts", "which of two names counts differs")],
    "dangling": [("*", "refuses", "accepts", "a header for an entry that does not come")],
    "long-nul": [("*", "refuses", "accepts", "a NUL inside a GNU long name: cut there by others")],
    "link-size": [("*", "refuses", "accepts", "a link that claims data, in a pax archive: libarchive would take the next entries for it")],
    "nofile-size": [("*", "refuses", "accepts", "data behind what is no file: some skip it, some do not")],
    "file-slash": [("*", "refuses", "accepts", "a directory for GNU tar, a file for Go")],
    "unknown-type": [("*", "refuses", "accepts", "others take it for a file, or skip it with a warning")],
    "global-path": [("*", "refuses", "accepts", "GNU tar obeys global headers, others skip them")],
    "global": [("umoci", "accepts", "refuses", "umoci 0.4.7 fails on any global header")],
    "odd-number": [("*", "refuses", "accepts", "garbage in a number field")],
    "blank-number": [("tar", "accepts", "refuses", "GNU tar wants digits, Go takes blanks for 0")],
    "gnu-prefix": [("*", "refuses", "accepts", "prefix in a GNU header: used by old versions of Go, ignored by GNU tar")],
    "sparse-odd": [("*", "refuses", "accepts", "segments that GNU tar pads and Go does not, or a map that does not fit its data")],
    "self-link": [("umoci", "accepts", "refuses", "a name linked to itself: umoci removes it first, GNU tar leaves it alone as we do")],
    "nul-path": [("tar", "refuses", "accepts", "a NUL inside a pax path: cut there by GNU tar")],
    "huge-number": [("*", "refuses", "accepts", "an owner that chown cannot be given")],
    "nondir-parent": [("*", "refuses", "accepts", "umoci replaces a file by the directory that a later name needs")],
    "link-attributes": [("umoci", "accepts", "accepts", "umoci sets what the header of a hard link says; GNU tar and we leave the file as it was")],
}


def octal(n, width):
    return b"%0*o\0" % (width - 1, n)


def base256(n, width):
    raw = n.to_bytes(width, "big", signed=True)
    return bytes([raw[0] | 0x80]) + raw[1:]


class Archive:
    def __init__(self):
        self.out = bytearray()
        self.tags = set()

    def header(self, name, kind, size=0, fmt="ustar", mode=0o644, uid=0, gid=0, mtime=1600000000,
               link=b"", prefix=b"", major=0, minor=0, patch=None, signed=False):
        h = bytearray(BLOCK)
        h[0:len(name)] = name
        h[100:108] = octal(mode, 8)
        h[108:116] = octal(uid, 8) if uid < 8 ** 7 else base256(uid, 8)
        h[116:124] = octal(gid, 8) if gid < 8 ** 7 else base256(gid, 8)
        h[124:136] = octal(size, 12)
        h[136:148] = octal(mtime, 12) if mtime >= 0 else base256(mtime, 12)
        h[156:157] = kind
        h[157:157 + len(link)] = link
        if fmt == "ustar":
            h[257:265] = b"ustar\0" b"00"
            h[345:345 + len(prefix)] = prefix
        elif fmt == "gnu":
            h[257:265] = b"ustar  \0"
        if kind in (b"3", b"4"):
            h[329:337] = octal(major, 8)
            h[337:345] = octal(minor, 8)
        if patch:
            patch(h)
        h[148:156] = b" " * 8
        total = sum(b - 256 if signed and b > 127 else b for b in h)
        h[148:156] = b"%06o\0 " % total
        self.out += h

    def body(self, data):
        self.out += data
        self.out += bytes(-len(data) % BLOCK)

    def pax(self, records, kind=b"x", raw=None):
        text = raw if raw is not None else b"".join(record(k, v) for k, v in records)
        self.header(b"PaxHeaders/x", kind, len(text))
        self.body(text)

    def long(self, kind, text):
        self.header(b"././@LongLink", kind, len(text), fmt="gnu")
        self.body(text)

    def end(self):
        self.out += bytes(2 * BLOCK)


def record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    n = len(body) + 1
    while len(str(n)) + len(body) != n:
        n += 1
    return str(n).encode() + body


class Generator:
    """One archive of ordinary entries, and sometimes one odd thing in it."""

    def __init__(self, rng):
        self.rng = rng
        self.a = Archive()
        self.kinds = {}         # cleaned name: type, as far as we keep count

    def name(self):
        r = self.rng
        parts = [r.choice([b"a", b"b", b"c", b"\xc3\xa4", b"\xff\xfe", b"x y", b".h", b"n" * 60, b"d%d" % r.randrange(9)])
                 for _ in range(r.choice([1, 1, 2, 2, 3]))]
        text = b"/".join(parts)
        odd = r.randrange(20)
        if odd == 0:
            text = b"./" + text
        elif odd == 1:
            text = text.replace(b"/", b"//")
        elif odd == 2:
            text = text.replace(b"/", b"/./")
        elif odd == 3:
            text = b"/" + text
        return text

    @staticmethod
    def clean(name):
        return b"/".join(p for p in name.split(b"/") if p not in (b"", b"."))

    def claim(self, name, kind):
        """Notes what is there now; False when the parent is no directory (nothing is emitted then)."""
        full = self.clean(name)
        if not full:
            return False
        parts = full.split(b"/")
        for i in range(1, len(parts)):
            above = b"/".join(parts[:i])
            if self.kinds.get(above, "dir") != "dir":
                return False
        for i in range(1, len(parts)):
            self.kinds[b"/".join(parts[:i])] = "dir"
        old = self.kinds.get(full)
        below = [k for k in self.kinds if k.startswith(full + b"/")]
        if old == "dir" and kind != "dir":
            # GNU tar only removes empty directories
            if below:
                self.a.tags.add("file-over-dir")
            for k in below:
                del self.kinds[k]
        self.kinds[full] = kind
        return True

    def content(self):
        r = self.rng
        return bytes(r.choice(b"abc\n\0") for _ in range(r.choice([0, 1, 5, 511, 512, 513, 2000])))

    def attributes(self):
        r = self.rng
        return dict(mode=r.choice([0o644, 0o755, 0o600, 0o4755, 0o2711, 0o1777, 0o444, 0]),
                    uid=r.choice([0, 1, 1000, 65534, 2097151, 2097152, 2 ** 31]), gid=r.choice([0, 5, 100, 2 ** 31 + 7]),
                    mtime=r.choice([0, 1, 1600000000, 2 ** 31, 8 ** 11 - 1, -1, -5]))

    def emit(self, name, kind, link=b"", size=0, extra=(), **attrs):
        """A header in one of the formats that can say this, with the records it needs."""
        a, r = self.a, self.rng
        fmt = r.choice(["ustar", "gnu", "v7", "pax"])
        if kind in (b"3", b"4") and fmt == "v7":
            fmt = "gnu"
        if extra:
            fmt = "pax"
        if attrs["mtime"] < 0 or attrs["uid"] >= 8 ** 7 or attrs["gid"] >= 8 ** 7:
            fmt = r.choice(["gnu", "pax"]) if not extra else "pax"
        records = list(extra)
        short, target, prefix = name, link, b""
        if fmt == "pax":
            if len(name) > 100 or r.randrange(3) == 0:
                records.append((b"path", name))
                short = b"short"
                # only the last of its name may end with a slash
                if name.endswith(b"/"):
                    short = b"short/"
            if link and (len(link) > 100 or r.randrange(3) == 0):
                records.append((b"linkpath", link))
                target = b"elsewhere"
            for key in ("uid", "gid"):
                if attrs[key] >= 8 ** 7 or r.randrange(4) == 0:
                    records.append((key.encode(), str(attrs[key]).encode()))
                    attrs[key] = 0
            if attrs["mtime"] < 0 or r.randrange(4) == 0:
                fraction = r.choice([b"", b".5", b".123456789", b".1"])
                if attrs["mtime"] < 0 and fraction:
                    fraction = b""
                records.append((b"mtime", str(attrs["mtime"]).encode() + fraction))
                attrs["mtime"] = 1
            if r.randrange(4) == 0 and kind in (b"0", b"5"):
                value = r.choice([b"v", b"", b"\0\1", b"x" * 100])
                if not value:
                    a.tags.add("empty-xattr")
                records.append((b"SCHILY.xattr.user.t%d" % r.randrange(3), value))
            r.shuffle(records)
            if records:
                a.pax(records)
            fmt = "ustar"
        elif len(name) > 100 or len(link) > 100 or (fmt == "gnu" and r.randrange(6) == 0):
            fmt = "gnu"
            if len(link) > 100:
                a.long(b"K", link + b"\0")
                target = link[:100]
            a.long(b"L", name + b"\0" * r.randrange(2))
            short = name[:100]
            if kind == b"0" and short.endswith(b"/"):
                short = short[:-1]
        elif fmt == "ustar" and b"/" in name[1:-1] and r.randrange(2) == 0:
            prefix, _, short = name.rstrip(b"/").rpartition(b"/")
            if name.endswith(b"/"):
                short += b"/"
            if not prefix or not short:
                prefix, short = b"", name
        a.header(short, kind, size, fmt=fmt if fmt != "v7" else "v7", link=target, prefix=prefix, **attrs)

    def file(self):
        name, data = self.name(), self.content()
        if not self.claim(name, "file"):
            return
        kind = self.rng.choice([b"0", b"0", b"0", b"\0", b"7"])
        if kind == b"7":
            self.a.tags.add("contiguous")
        self.emit(name, kind, size=len(data), **self.attributes())
        self.a.body(data)

    def directory(self):
        name = self.name() + self.rng.choice([b"", b"/"])
        if self.kinds.get(self.clean(name)) == "dir":
            self.a.tags.add("dir-twice")
        if self.claim(name, "dir"):
            attrs = self.attributes()
            if attrs["mode"] & 0o2000:
                self.a.tags.add("setgid")
            self.emit(name, b"5", **attrs)

    def symlink(self):
        name = self.name()
        link = self.rng.choice([b"a", b"b/c", b"nowhere", b"t" * 120, b"\xff", b".", b"c"])
        if self.claim(name, "symlink"):
            self.emit(name, b"2", link=link, **self.attributes())

    def hardlink(self):
        files = [k for k, v in self.kinds.items() if v in ("file", "symlink")]
        name = self.name()
        if not files:
            return
        target = self.rng.choice(sorted(files))
        full = self.clean(name)
        if full == target or target.startswith(full + b"/") or not self.claim(name, self.kinds[target]):
            return
        self.a.tags.add("link-attributes")
        self.emit(name, b"1", link=self.rng.choice([target, b"./" + target]), **self.attributes())

    def special(self):
        name = self.name()
        kind = self.rng.choice([b"6", b"3", b"4"])
        if self.claim(name, "special"):
            attrs = self.attributes()
            if kind != b"6":
                attrs.update(major=self.rng.choice([1, 7, 259]), minor=self.rng.choice([1, 3, 70000]))
            self.emit(name, kind, **attrs)

    def sparse(self):
        r, a, name = self.rng, self.a, self.name()
        if not self.claim(name, "file"):
            return
        segments, at = [], 0
        for _ in range(r.choice([0, 1, 2, 3, 5, 8, 30])):
            at += 512 * r.choice([0, 1, 2, 9])
            n = 512 * r.choice([1, 1, 2])
            segments.append((at, n))
            at += n
        if segments and r.randrange(2):
            segments[-1] = (segments[-1][0], segments[-1][1] - r.randrange(1, 512))
        size = (segments[-1][0] + segments[-1][1] if segments else 0) + r.choice([0, 0, 1, 5000])
        if r.randrange(2) or not segments or segments[-1][0] + segments[-1][1] < size:
            segments.append((size, 0))
        data = b"".join(bytes(r.choice(b"xyz") for _ in range(n)) for _, n in segments)
        self.sparse_entry(r.choice(["gnu", "0.0", "0.1", "1.0"]), name, size, segments, data)

    def sparse_entry(self, form, name, size, segments, data):
        a = self.a
        attrs = dict(mode=0o644, uid=0, gid=0, mtime=1600000000)
        if form == "gnu":
            a.tags.add("old-sparse")

            def patch(h):
                slots = segments[:4]
                for i, (at, n) in enumerate(slots):
                    h[386 + 24 * i:410 + 24 * i] = octal(at, 12) + octal(n, 12)
                h[482] = len(segments) > 4
                h[483:495] = octal(size, 12)
            if len(name) > 100:
                a.long(b"L", name + b"\0")
            a.header(name[:100], b"S", len(data), fmt="gnu", patch=patch, **attrs)
            rest = segments[4:]
            while rest:
                block = bytearray(BLOCK)
                for i, (at, n) in enumerate(rest[:21]):
                    block[24 * i:24 * i + 24] = octal(at, 12) + octal(n, 12)
                block[504] = len(rest) > 21
                rest = rest[21:]
                a.out += block
            a.body(data)
            return
        s = b"GNU.sparse."
        number = str(len(segments)).encode()
        if form == "0.0":
            records = [(s + b"size", str(size).encode()), (s + b"numblocks", number)]
            for at, n in segments:
                records += [(s + b"offset", str(at).encode()), (s + b"numbytes", str(n).encode())]
            if len(name) > 100:
                records.append((b"path", name))
        elif form == "0.1":
            records = [(s + b"size", str(size).encode()), (s + b"numblocks", number), (s + b"name", name),
                       (s + b"map", ",".join(f"{at},{n}" for at, n in segments).encode())]
        else:
            records = [(s + b"major", b"1"), (s + b"minor", b"0"), (s + b"name", name),
                       (s + b"realsize", str(size).encode())]
            text = (f"{len(segments)}\n" + "".join(f"{at}\n{n}\n" for at, n in segments)).encode()
            data = text + bytes(-len(text) % BLOCK) + data
        a.pax(records)
        a.header(name[:100] if form == "0.0" else b"GNUSparseFile.1/f", b"0", len(data), **attrs)
        a.body(data)

    # --- odd things, each with its tag --------------------------------------

    def odd(self):
        name = self.rng.choice([n for n in dir(self) if n.startswith("odd_")])
        self.a.tags.add(name[4:].replace("_", "-"))
        getattr(self, name)()

    def plain(self, name=b"odd", data=b"data", **kw):
        self.a.header(name, b"0", len(data), **kw)
        self.a.body(data)

    def odd_dotdot(self):
        self.plain(self.rng.choice([b"../up", b"../../up", b"k/../up"]))

    def odd_lone_zero(self):
        self.plain()
        self.a.out += bytes(BLOCK)
        self.plain(b"after")

    def odd_data_after_end(self):
        self.a.end()
        self.plain(b"after")

    def odd_cut_padding(self):
        self.plain(data=b"x" * 100)
        del self.a.out[-100:]
        self.a.cut = True

    def odd_cut_body(self):
        self.plain(data=b"x" * 1000)
        del self.a.out[-700:]
        self.a.cut = True

    def odd_cut_header(self):
        self.plain(data=b"")
        del self.a.out[-100:]
        self.a.cut = True

    def odd_checksum(self):
        self.plain()
        self.a.out[-2 * BLOCK] ^= 1

    def odd_signed_checksum(self):
        self.plain(b"\xfc\xfd", signed=True)

    def odd_dup_key(self):
        key = self.rng.choice([b"path", b"mtime", b"uid"])
        self.a.pax([(key, b"1"), (key, b"2")])
        self.plain()

    def odd_bad_record(self):
        self.a.pax([], raw=self.rng.choice([b"9 path=ab", b"100 path=a\n", b"path=a\n", b"8 patha\n\n", b"0 path=a\n"]))
        self.plain()

    def odd_empty_value(self):
        self.a.pax([(self.rng.choice([b"path", b"size", b"uid", b"mtime"]), b"")])
        self.plain()

    def odd_two_pax(self):
        self.a.pax([(b"path", b"one")])
        self.a.pax([(b"mtime", b"2")])
        self.plain()

    def odd_pax_and_gnu(self):
        self.a.pax([(b"path", b"one")])
        self.a.long(b"L", b"two\0")
        self.plain()

    def odd_dangling(self):
        self.a.pax([(b"path", b"one")])

    def odd_long_nul(self):
        self.a.long(b"L", b"one\0two\0")
        self.plain()

    def odd_link_size(self):
        self.plain(b"linked")
        self.a.pax([(b"mtime", b"1")])
        self.a.header(b"link", b"1", 700, link=b"linked")
        self.plain(b"behind")

    def odd_link_size_no_pax(self):
        """In an archive without pax headers all agree: no data."""
        self.a.out.clear()
        self.a.tags = {"link-attributes"}
        self.kinds.clear()
        self.plain(b"linked")
        self.a.header(b"link", b"1", 700, link=b"linked")
        self.plain(b"behind")

    def odd_nofile_size(self):
        kind = self.rng.choice([b"5", b"2", b"6"])
        self.a.header(b"nofile", kind, 700, link=b"t" if kind == b"2" else b"")
        self.a.body(b"x" * 700)

    def odd_file_slash(self):
        self.plain(b"slashed/", b"")

    def odd_old_dir(self):
        self.a.header(b"olddir/", b"\0", 0, fmt="v7", mode=0o755)
        self.plain(b"olddir/f")

    def odd_unknown_type(self):
        self.a.header(b"what", self.rng.choice([b"8", b"Z", b"V", b"N"]), 0)

    def odd_global(self):
        self.a.pax([(b"comment", b"0123")], kind=b"g")
        self.plain()

    def odd_global_path(self):
        self.a.pax([(self.rng.choice([b"path", b"size", b"uid"]), b"4")], kind=b"g")
        self.plain()

    def odd_odd_number(self):
        def patch(h):
            h[108:116] = self.rng.choice([b"00z0000\0", b"0000-10\0", b"\0" b"000010\0", b"000\0" b"123\0"])
        self.plain(patch=patch)

    def odd_blank_number(self):
        def patch(h):
            at = self.rng.choice([108, 116])
            h[at:at + 8] = self.rng.choice([bytes(8), b" " * 8])
        self.plain(patch=patch)

    def odd_spaced_number(self):
        def patch(h):
            h[108:116] = b"    17 \0"
            h[124:136] = b"          4 "
        self.plain(patch=patch)

    def odd_gnu_prefix(self):
        def patch(h):
            h[345:355] = b"prefix/dir"
        self.plain(fmt="gnu", patch=patch)

    def odd_negative_size(self):
        def patch(h):
            h[124:136] = base256(-512, 12)
        self.plain(patch=patch)

    def odd_huge_size(self):
        def patch(h):
            h[124:136] = base256(2 ** 63 - 1, 12)
        self.plain(patch=patch)

    def odd_huge_number(self):
        self.a.pax([(b"uid", b"4294967295")])
        self.plain()

    def odd_pax_size(self):
        """The pax size counts: what looks like a header is data."""
        inner = Archive()
        inner.header(b"hidden", b"0", 0)
        self.a.pax([(b"size", str(len(inner.out)).encode())])
        self.a.header(b"outer", b"0", 0)
        self.a.body(bytes(inner.out))
        self.plain(b"behind")

    def odd_nested(self):
        inner = Archive()
        inner.header(b"hidden", b"0", 0)
        self.plain(b"outer.tar", bytes(inner.out))

    def odd_sparse_odd(self):
        segments = self.rng.choice([[(0, 100), (1024, 412)], [(0, 512), (256, 512)], [(0, 512)], [(4096, 512)]])
        size = self.rng.choice([600, 4000])
        stored = sum(n for _, n in segments) + self.rng.choice([0, 0, 512])
        if segments == [(0, 512)] and stored == 512:
            stored = 513
        self.sparse_entry(self.rng.choice(["gnu", "0.1", "1.0"]), b"oddsparse", size, segments, b"s" * stored)

    def odd_self_link(self):
        self.plain(b"me")
        self.a.header(b"me", b"1", link=b"me")

    def odd_no_target(self):
        self.a.header(b"lost", b"1", link=b"nowhere/at/all")

    def odd_nul_path(self):
        self.a.pax([(b"path", b"a\0b")])
        self.plain()

    def odd_empty_name(self):
        self.plain(b"")

    def odd_nondir_parent(self):
        self.plain(b"notdir")
        self.plain(b"notdir/below")

    def odd_through_link(self):
        self.a.header(b"real/", b"5", mode=0o755)
        self.a.header(b"way", b"2", link=b"real")
        self.plain(b"way/f")

    def odd_base256(self):
        def patch(h):
            h[124:136] = base256(4, 12)
            h[136:148] = base256(2 ** 33, 12)
        self.plain(patch=patch, fmt="gnu")

    def odd_no_end(self):
        self.plain()
        self.a.cut = True

    def run(self):
        r = self.rng
        for _ in range(r.randrange(1, 7)):
            r.choice([self.file, self.file, self.directory, self.symlink, self.hardlink, self.special, self.sparse])()
        if r.randrange(2):
            self.odd()
        if not getattr(self.a, "cut", False):
            if r.randrange(10):
                self.a.end()
        if not self.a.out:
            self.a.tags.add("nothing")
        return self.a


# --- trees ----------------------------------------------------------------------

def tree(root, start):
    """name: everything that must be alike. Times since the test began are not the archive's."""
    found, inodes = {}, {}
    for top, dirs, files in os.walk(os.fsencode(root)):
        for name in [b"."] * (top == os.fsencode(root)) + dirs + files:
            path = os.path.join(top, name)
            st = os.lstat(path)
            rel = os.path.relpath(path, os.fsencode(root))
            d = {"type": stat.S_IFMT(st.st_mode), "owner": (st.st_uid, st.st_gid)}
            if st.st_mtime < start:
                d["mtime"] = st.st_mtime_ns
            if not stat.S_ISLNK(st.st_mode):
                d["mode"] = stat.S_IMODE(st.st_mode)
            if stat.S_ISLNK(st.st_mode):
                d["target"] = os.readlink(path)
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    d["content"] = (st.st_size, hashlib.sha256(f.read()).hexdigest())
            elif not stat.S_ISDIR(st.st_mode):
                d["rdev"] = st.st_rdev
            if not stat.S_ISDIR(st.st_mode):
                d["links"] = st.st_nlink
                d["first"] = inodes.setdefault(st.st_ino, rel)
            if stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode):
                d["xattr"] = {n: os.getxattr(path, n) for n in os.listxattr(path)}
            found[rel] = d
    # the first name of an inode depends on the order of listing
    groups = {}
    for rel, d in found.items():
        if "first" in d:
            groups.setdefault(d.pop("first"), []).append(rel)
    for names in groups.values():
        for rel in names:
            found[rel]["same"] = sorted(names)
    return found


def difference(ours, theirs):
    lines = []
    for name in sorted(set(ours) | set(theirs)):
        a, b = ours.get(name), theirs.get(name)
        if a is None or b is None:
            lines.append(f"{name!r}: only {'theirs' if a is None else 'ours'}")
            continue
        for key in sorted(set(a) | set(b)):
            # an implied directory has a time of its own
            if key == "mtime" and (key not in a or key not in b):
                continue
            if a.get(key) != b.get(key):
                lines.append(f"{name!r}: {key}: ours {a.get(key)!r}, theirs {b.get(key)!r}")
    return lines


# --- who unpacks ------------------------------------------------------------------

def quiet(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False)
    return done.returncode, done.stdout.decode(errors="replace").strip()


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    os.chmod(path, 0o755)
    return path


def by_tar(file, root, _work):
    return quiet(["tar", "--numeric-owner", "--same-owner", "--xattrs", "--xattrs-include=user.*", "-xpf", file, "-C", root])


def blob(layout, data):
    name = hashlib.sha256(data).hexdigest()
    with open(f"{layout}/blobs/sha256/{name}", "wb") as f:
        f.write(data)
    return {"digest": "sha256:" + name, "size": len(data)}


def by_umoci(file, root, work):
    layout = work + "/layout"
    shutil.rmtree(layout, ignore_errors=True)
    os.makedirs(layout + "/blobs/sha256")
    with open(file, "rb") as f:
        layer = blob(layout, f.read())
    config = blob(layout, json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": [layer["digest"]]}}).encode())
    kind = "application/vnd.oci.image."
    manifest = blob(layout, json.dumps({"schemaVersion": 2, "config": {"mediaType": kind + "config.v1+json", **config},
                    "layers": [{"mediaType": kind + "layer.v1.tar", **layer}]}).encode())
    with open(layout + "/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [{"mediaType": kind + "manifest.v1+json", **manifest,
                   "annotations": {"org.opencontainers.image.ref.name": "t"}}]}, f)
    with open(layout + "/oci-layout", "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}')
    os.rmdir(root)
    return quiet(["umoci", "raw", "unpack", "--image", layout + ":t", root])


def explained(tags, peer, ours, theirs):
    for tag in tags:
        for who, we, they, why in EXPLAINED.get(tag, []):
            if who in ("*", peer) and we in ("*", ours) and they in ("*", theirs):
                return f"{tag}: {peer} {theirs}, we {'refuse' if ours == 'refuses' else 'accept'}: {why}"
    return None


def main():
    cli, work, count = os.path.abspath(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    umoci = shutil.which("umoci")
    reasons, compared, failed = {}, {"tar": 0, "umoci": 0}, 0
    agreed = {"same tree": 0, "both refuse": 0}
    start = time.time() - 5
    for i in range(count):
        number = seed * 1000000 + i
        archive = Generator(random.Random(number)).run()
        file = work + "/archive.tar"
        with open(file, "wb") as f:
            f.write(archive.out)
        root = fresh(work + "/ours")
        status, text = quiet([cli, "unpack", "--rootfs", root, file])
        if status not in (0, 15, 1):
            print(f"# archive {number} {sorted(archive.tags)}: aa-cli ends with {status}: {text}")
            failed += 1
        ours = "refuses" if status else "accepts"
        mine = tree(root, start) if status == 0 else {}
        for peer, unpack in (("tar", by_tar), ("umoci", by_umoci)):
            if peer == "umoci" and (umoci is None or i % UMOCI_EVERY):
                continue
            root = fresh(f"{work}/{peer}")
            code, said = unpack(file, root, work)
            theirs = "refuses" if code else "accepts"
            compared[peer] += 1
            lines = difference(mine, tree(root, start)) if ours == theirs == "accepts" else []
            if ours == theirs and not lines:
                agreed["same tree" if ours == "accepts" else "both refuse"] += 1
                continue
            why = explained(archive.tags, peer, ours, theirs)
            if why:
                reasons[why] = reasons.get(why, 0) + 1
                continue
            failed += 1
            print(f"# archive {number} {sorted(archive.tags)}: we {ours}, {peer} {theirs}")
            for line in [text] * (status != 0) + [said] * (code != 0) + lines[:6]:
                print("#   " + line.replace("\n", "\n#   "))
            shutil.copy(file, f"{work}/differs-{number}.tar")
    print(f"# {count} archives; compared with tar {compared['tar']}, umoci {compared['umoci']}: "
          f"same tree {agreed['same tree']}, both refuse {agreed['both refuse']}")
    for why, n in sorted(reasons.items()):
        print(f"# {n:5} times {why}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
