#!/usr/bin/env python3
"""images.py DIR full|quick: the images of the bench, as an OCI layout in DIR/layout

  debian    a tree of this machine's Debian packages, one layer
  small     many small text files, one layer
  big       one large file of machine code, one layer
  layers    the packages again as 12 layers; the upper ones also replace and delete files
  zstd      the same 12 layers, compressed with zstd

Each plain (NAME) and encrypted: the same ciphertext once with keys for us (NAME-enc), once for
skopeo (NAME-jwe). DIR/images.json tells their layers. The same files of the machine and the same size give the same
plain images; keys are fresh.
"""

import hashlib
import io
import itertools
import json
import os
import random
import stat
import subprocess
import sys
import tarfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import mkimage  # noqa: E402

SIZES = {
    "full": {"tree": 320 << 20, "package": 40 << 20, "files": 60000, "big": 1 << 30},
    "quick": {"tree": 40 << 20, "package": 15 << 20, "files": 6000, "big": 64 << 20},
}
# Shares of the 12 layers in percent: a base, and less and less upon it.
SHARES = (24, 16, 12, 10, 8, 7, 6, 5, 4, 4, 2, 2)
GZIP_LEVEL, ZSTD_LEVEL = 6, 3
MTIME = 1600000000
KID = "default/key/bench"
RSA = os.path.join(HERE, "..", "vectors", "image", "ocicrypt", "keys")


# --- what goes in: real files, since made-up ones do not compress as they do ---------------------

def packages(limit, largest):
    """Installed packages, the necessary ones first, until there are `limit` bytes."""
    order = {"required": 0, "important": 1, "standard": 2, "optional": 3}
    listing = subprocess.run(["dpkg-query", "-W", "-f", "${Priority} ${Installed-Size} ${Package}\n"],
                             capture_output=True, text=True, check=True).stdout
    found = []
    for line in listing.splitlines():
        fields = line.split(" ")
        if len(fields) == 3 and fields[0] in order and fields[1].isdigit():
            found.append((order[fields[0]], fields[2], int(fields[1]) << 10))
    for _, name, size in sorted(found):
        if limit <= 0:
            return
        if size <= largest:
            limit -= size
            yield name


def package_files(limit, largest):
    """(path without its first slash, size) of their files, in the order of the packages"""
    seen = set()
    for package in packages(limit, largest):
        listing = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True,
                                 check=True).stdout
        for line in sorted(listing.splitlines()):
            parent, name = os.path.split(line)
            if not line.startswith(("/usr/", "/etc/", "/bin/", "/sbin/", "/lib")) or not name:
                continue
            path = os.path.join(os.path.realpath(parent), name)
            try:
                st = os.lstat(path)
            except OSError:
                continue
            if path not in seen and (stat.S_ISREG(st.st_mode) or stat.S_ISLNK(st.st_mode)):
                seen.add(path)
                yield path[1:], st.st_size


def machine_code(size):
    """Programs and libraries one after the other, again from the start if there are not enough."""
    paths = []
    for top in ("/usr/bin", "/usr/lib"):
        for directory, dirs, files in os.walk(top):
            dirs.sort()
            paths += [os.path.join(directory, f) for f in sorted(files)]
    while size > 0:
        before = size
        for path in paths:
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                if f.read(4) != b"\x7fELF":
                    continue
                f.seek(0)
                for chunk in iter(lambda f=f: f.read(min(1 << 20, size)), b""):
                    size -= len(chunk)
                    yield chunk
                    if size == 0:
                        return
        if size == before:
            sys.exit("images.py: no programs in /usr")


def text_pool(generator, size):
    """Text of made-up words, some much more frequent than others: compresses to about a third."""
    letters = "etaoinshrdlcumwfgypbvk"
    words = ["".join(generator.choices(letters, k=generator.randint(2, 11))) for _ in range(6000)]
    weights = list(itertools.accumulate(1 / (n + 3) for n in range(len(words))))
    text, have = [], 0
    while have < size:
        line = " ".join(generator.choices(words, cum_weights=weights, k=generator.randint(3, 14))) + "\n"
        text.append(line)
        have += len(line)
    return "".join(text).encode()


# --- archives ------------------------------------------------------------------------------------

class Archive:
    """A tar with its folders; never the same name twice."""

    def __init__(self, sink):
        self.tar = tarfile.open(mode="w|", fileobj=sink, format=tarfile.PAX_FORMAT, bufsize=1 << 18,
                                errors="surrogateescape", encoding="utf-8")
        self.names, self.inodes = set(), {}
        self.folder(".")  # who leaves it out gets another mode from each tool

    def folder(self, name):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, MTIME
        self.tar.addfile(info)

    def folders(self, name):
        parts = name.split("/")[:-1]
        for n in range(1, len(parts) + 1):
            folder = "/".join(parts[:n])
            if folder not in self.names:
                self.names.add(folder)
                self.folder(folder)

    def add_bytes(self, name, data, mtime=MTIME):
        self.folders(name)
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(data), 0o644, mtime
        self.tar.addfile(info, io.BytesIO(data))

    def add_path(self, name):
        self.folders(name)
        path = "/" + name
        st = os.lstat(path)
        info = tarfile.TarInfo(name)
        info.mode, info.uid, info.gid = stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid
        info.mtime = int(st.st_mtime)
        if stat.S_ISLNK(st.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
            self.tar.addfile(info)
        elif st.st_ino in self.inodes:
            info.type, info.linkname = tarfile.LNKTYPE, self.inodes[st.st_ino]
            self.tar.addfile(info)
        else:
            self.inodes[st.st_ino] = name
            info.size = st.st_size
            with open(path, "rb") as f:
                self.tar.addfile(info, f)

    def close(self):
        self.tar.close()
        return len(self.names)


class Sink(io.RawIOBase):
    """Where an archive goes: hashed, and kept as it is"""

    def __init__(self, path):
        self.file, self.sha, self.size = open(path, "wb"), hashlib.sha256(), 0

    def writable(self):
        return True

    def write(self, data):
        self.file.write(data)
        self.sha.update(data)
        self.size += len(data)
        return len(data)


def make_tar(path, fill):
    """{path, diff_id, unpacked} of an archive that fill(Archive) fills"""
    sink = Sink(path)
    archive = Archive(sink)
    fill(archive)
    archive.close()
    sink.file.close()
    return {"path": path, "diff_id": "sha256:" + sink.sha.hexdigest(), "unpacked": sink.size}


def make_big(path, size):
    def fill(archive):
        info = tarfile.TarInfo("big")
        info.size, info.mode, info.mtime = size, 0o644, MTIME
        source = path + ".content"
        with open(source, "wb") as f:
            for chunk in machine_code(size):
                f.write(chunk)
        with open(source, "rb") as f:
            archive.tar.addfile(info, f)
        os.unlink(source)

    return make_tar(path, fill)


def make_small(path, count):
    generator = random.Random(1)
    pool = text_pool(generator, 16 << 20)

    def fill(archive):
        for n in range(count):
            size = min(int(generator.lognormvariate(7.0, 1.1)), 65536)
            at = generator.randrange(len(pool) - size)
            name = "srv/app/modules/m%03d/lib/part-%05d.js" % (n // 60, n)
            archive.add_bytes(name, pool[at:at + size], MTIME + n)

    return make_tar(path, fill)


def make_layers(directory, files):
    """12 archives: each its share of the files, and changes to those below"""
    total = sum(size for _, size in files)
    generator = random.Random(2)
    made, below, done, due = [], [], 0, 0

    def fill(archive, mine, again, gone):
        for name in mine:
            archive.add_path(name)
        for name in again:
            archive.add_bytes(name, b"replaced: " + name.encode("utf-8", "surrogateescape") + b"\n")
        for name in gone:
            folder, _, base = name.rpartition("/")
            archive.add_bytes(folder + "/.wh." + base, b"")

    rest = list(files)
    for n, share in enumerate(SHARES):
        mine, due = [], due + total * share // 100
        while rest and (done < due or n == len(SHARES) - 1):
            mine.append(rest[0][0])
            done += rest.pop(0)[1]
        touched = generator.sample(below, min(30, len(below)))
        made.append(make_tar("%s/layer%02d.tar" % (directory, n),
                             lambda archive: fill(archive, mine, touched[:20], touched[20:])))
        below = [name for name in below if name not in touched] + mine
    return made


# --- images --------------------------------------------------------------------------------------

def compress(layout, tar, how):
    """The blob of an archive, as a layer of mkimage's manifests"""
    temporary = os.path.join(layout.blobs, ".new")
    if how == "zstd":
        subprocess.run(["zstd", "-q", "-f", "-%d" % ZSTD_LEVEL, tar["path"], "-o", temporary], check=True)
    else:
        packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
        with open(tar["path"], "rb") as source, open(temporary, "wb") as out:
            for chunk in iter(lambda: source.read(1 << 20), b""):
                out.write(packer.compress(chunk))
            out.write(packer.flush())
    digest = mkimage.file_digest(temporary)
    size = os.path.getsize(temporary)
    os.rename(temporary, layout.path(digest))
    return {"mediaType": mkimage.OCI + "layer.v1.tar+" + how, "digest": digest, "size": size}


def write_image(layout, tag, tars, how):
    layers = [compress(layout, tar, how) for tar in tars]
    config = mkimage.dump({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
                           "rootfs": {"type": "layers", "diff_ids": [t["diff_id"] for t in tars]}})
    kind = mkimage.OCI + "manifest.v1+json"
    manifest = mkimage.dump({
        "schemaVersion": 2, "mediaType": kind, "layers": layers,
        "config": {"mediaType": mkimage.OCI + "config.v1+json", "digest": layout.add(config),
                   "size": len(config)}})
    layout.tag(tag, {"mediaType": kind, "digest": layout.add(manifest), "size": len(manifest)})


def ocicrypt(*words):
    subprocess.run([sys.executable, os.path.join(HERE, "..", "e2e", "ocicrypt.py")] + list(words),
                   check=True, stdout=subprocess.DEVNULL)


def publish(directory, layout, name, tars, how):
    """Both variants of an image, and what images.json says of it"""
    keys = os.path.join(directory, "keys", "aa-offline_fs_kbc-keys.json")
    here = layout.directory
    write_image(layout, name, tars, how)
    ocicrypt("encrypt", here + ":" + name, "%s:%s-enc" % (here, name), keys, KID)
    ocicrypt("to-jwe", "%s:%s-enc" % (here, name), "%s:%s-jwe" % (here, name), keys, KID,
             os.path.join(RSA, "rsa.pub.pem"))
    said = {"compression": how, "unpacked": sum(t["unpacked"] for t in tars)}
    for variant, tag in (("plain", name), ("encrypted", name + "-enc")):
        said[variant] = [{"digest": layer["digest"], "size": layer["size"]}
                         for layer in layout.manifest(tag)["layers"]]
    print("images: %-8s %4d MB, packed %4d MB, %d layers" % (
        name, said["unpacked"] >> 20, sum(d["size"] for d in said["plain"]) >> 20, len(tars)), flush=True)
    return said


def main():
    if len(sys.argv) != 3 or sys.argv[2] not in SIZES:
        sys.exit(__doc__)
    directory, size = sys.argv[1], SIZES[sys.argv[2]]
    scratch = os.path.join(directory, "tar")
    os.makedirs(scratch, exist_ok=True)
    layout = mkimage.Layout(os.path.join(directory, "layout")).create()
    ocicrypt("keys", os.path.join(directory, "keys"), KID)
    files = list(package_files(size["tree"], size["package"]))

    def whole(archive):
        for name, _ in files:
            archive.add_path(name)

    said = {}
    said["debian"] = publish(directory, layout, "debian", [make_tar(scratch + "/debian.tar", whole)], "gzip")
    said["small"] = publish(directory, layout, "small",
                            [make_small(scratch + "/small.tar", size["files"])], "gzip")
    said["big"] = publish(directory, layout, "big", [make_big(scratch + "/big.tar", size["big"])], "gzip")
    os.unlink(scratch + "/big.tar")
    layers = make_layers(scratch, files)
    said["layers"] = publish(directory, layout, "layers", layers, "gzip")
    said["zstd"] = publish(directory, layout, "zstd", layers, "zstd")
    for name in os.listdir(scratch):
        os.unlink(os.path.join(scratch, name))
    os.rmdir(scratch)
    with open(os.path.join(directory, "images.json"), "w") as f:
        json.dump(said, f, indent=1)


if __name__ == "__main__":
    main()
