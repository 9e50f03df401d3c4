#!/usr/bin/env python3
"""Archives that are large in one way, written to standard output as fast as they can be made.

  bigtar.py entries N     N empty files, 1000 in a folder
  bigtar.py fill MIB      one file "fill" of so many MiB, which compresses to almost nothing
  bigtar.py sparse GIB    one file "sparse" of so many GiB: 12 KiB of data in three places, and a file behind it
  bigtar.py check-sparse FILE GIB
                          is the unpacked file that one, with its holes?
"""

import os
import sys
import tarfile

MTIME = 1600000000
PLACE = 4096
out = sys.stdout.buffer


def header(name, size, kind=tarfile.REGTYPE, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode, info.mtime = size, kind, mode, MTIME
    return info.tobuf(tarfile.USTAR_FORMAT)


def padded(data):
    return data + bytes(-len(data) % 512)


def entries(n):
    # tarfile takes half a minute for this; only the name and so the checksum change
    template = bytearray(header("d0000/f000", 0))
    base = sum(template[:148]) + 8 * 32 + sum(template[156:]) - sum(template[:10])
    for folder in range((n + 999) // 1000):
        parts = [header("d%04d" % folder, 0, tarfile.DIRTYPE, 0o755)]
        for i in range(min(1000, n - folder * 1000)):
            name = b"d%04d/f%03d" % (folder, i)
            template[:10] = name
            template[148:156] = b"%06o\0 " % (base + sum(name))
            parts.append(bytes(template))
        out.write(b"".join(parts))


def fill(mib):
    line = b"".join(b"all work and no play %d\n" % i for i in range(4096))
    block = (line * ((1 << 20) // len(line) + 1))[:1 << 20]
    out.write(header("fill", mib << 20))
    for _ in range(mib):
        out.write(block)


def places(gib):
    size = gib << 30
    return [(0, b"a"), (size // 2, b"b"), (size - PLACE, b"c")]


def sparse(gib):
    points = places(gib)
    table = padded(b"%d\n" % len(points) + b"".join(b"%d\n%d\n" % (at, PLACE) for at, _ in points))
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "sparse",
               "GNU.sparse.realsize": str(gib << 30)}
    info = tarfile.TarInfo("GNUSparseFile.0/sparse")
    info.size, info.mtime, info.pax_headers = len(table) + PLACE * len(points), MTIME, records
    out.write(info.tobuf(tarfile.PAX_FORMAT) + table)
    for _, letter in points:
        out.write(letter * PLACE)
    out.write(header("behind", 1) + padded(b"x"))


def check_sparse(name, gib):
    with open(name, "rb") as f:
        status = os.fstat(f.fileno())
        if status.st_size != gib << 30:
            sys.exit("size is %d" % status.st_size)
        if status.st_blocks * 512 > 1 << 20:
            sys.exit("takes %d bytes of room" % (status.st_blocks * 512))
        for at, letter in places(gib):
            f.seek(at)
            if f.read(PLACE) != letter * PLACE:
                sys.exit("wrong data at %d" % at)
            if at > 0 and (f.seek(at - PLACE), f.read(PLACE))[1] != bytes(PLACE):
                sys.exit("no hole before %d" % at)


def main():
    what, *rest = sys.argv[1:]
    if what == "check-sparse":
        check_sparse(rest[0], int(rest[1]))
        return
    {"entries": entries, "fill": fill, "sparse": sparse}[what](int(rest[0]))
    out.write(bytes(1024))
    out.flush()


main()
