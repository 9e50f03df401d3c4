#!/usr/bin/env python3
"""Images for tests, with every byte under control.

  mkimage.py build [options] DIR[:TAG] LAYER...   an OCI layout, same bytes for same options
  mkimage.py push DIR[:TAG] URL                   URL = http[s]://HOST:PORT/NAME:TAG
  mkimage.py digest DIR[:TAG]                     prints the digest of what the tag names
  mkimage.py layers DIR[:TAG]                     prints digest and size of each layer blob
  mkimage.py add DIR:TAG FILE MEDIATYPE           adds a blob and tags it (hand-made manifests)

A LAYER is a list key=value,...:
  files=N       regular files (1)           size=N[k|m]   bytes in all of them (1k)
  seed=N        which random bytes (1)      top=NAME      folder they are put in (data)
  text          hexadecimal text, which compresses, instead of random bytes
  tree=DIR      the tree below DIR instead  put=A:B       the file A as B (octal mode: A:B:MODE)
  tar=FILE      this archive, as it is      kind=features all sorts of entries; kind=over: whiteouts upon them
  gzip=N        level (1); gzip=none: no compression
  zstd=N        level; window=LOG: as large a window, whatever the level
  members=N[k|m]  a new gzip member or zstd frame every N bytes
  skippable     zstd: a skippable frame before all others
  empty         no entry at all
  type=TYPE     media type, instead of the right one; urls=URL: where the manifest says it is, too
Layers are numbered from 0 in --wrong-diff-id, --wrong-size and --lose-diff-id.
"""

import argparse
import gzip
import hashlib
import http.client
import io
import json
import os
import random
import ssl
import stat
import subprocess
import sys
import tarfile
import urllib.parse

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
MTIME = 1600000000
TYPES = {
    "oci": {
        "index": OCI + "index.v1+json",
        "manifest": OCI + "manifest.v1+json",
        "config": OCI + "config.v1+json",
        "tar": OCI + "layer.v1.tar",
        "gzip": OCI + "layer.v1.tar+gzip",
        "zstd": OCI + "layer.v1.tar+zstd",
    },
    "docker": {
        "index": DOCKER + "distribution.manifest.list.v2+json",
        "manifest": DOCKER + "distribution.manifest.v2+json",
        "config": DOCKER + "container.image.v1+json",
        "tar": DOCKER + "image.rootfs.diff.tar",
        "gzip": DOCKER + "image.rootfs.diff.tar.gzip",
        "zstd": DOCKER + "image.rootfs.diff.tar.zstd",
    },
}


def number(text):
    unit = {"k": 1 << 10, "m": 1 << 20}.get(text[-1:].lower())
    return int(text[:-1]) * unit if unit else int(text)


def split_ref(ref):
    """DIR[:TAG], as skopeo splits it"""
    directory, _, tag = ref.partition(":")
    return directory, tag or "latest"


def dump(doc):
    return json.dumps(doc, separators=(",", ":")).encode()


class Layout:
    """An OCI image layout: blobs, and index.json as its table of tags."""

    def __init__(self, directory):
        self.directory = directory
        self.blobs = os.path.join(directory, "blobs", "sha256")

    def create(self):
        os.makedirs(self.blobs, exist_ok=True)
        with open(os.path.join(self.directory, "oci-layout"), "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        return self

    def path(self, digest):
        return os.path.join(self.blobs, digest.partition(":")[2])

    def add(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        with open(self.path(digest), "wb") as f:
            f.write(data)
        return digest

    def read(self, digest):
        with open(self.path(digest), "rb") as f:
            return f.read()

    def index(self):
        try:
            with open(os.path.join(self.directory, "index.json")) as f:
                return json.load(f)
        except FileNotFoundError:
            return {"schemaVersion": 2, "manifests": []}

    def tag(self, tag, descriptor):
        index = self.index()
        index["manifests"] = [m for m in index["manifests"] if self.name(m) != tag]
        index["manifests"].append(
            dict(descriptor, annotations={"org.opencontainers.image.ref.name": tag}))
        with open(os.path.join(self.directory, "index.json"), "wb") as f:
            f.write(dump(index))

    @staticmethod
    def name(descriptor):
        return descriptor.get("annotations", {}).get("org.opencontainers.image.ref.name")

    def find(self, tag):
        found = self.index()["manifests"]
        if len(found) > 1 or tag != "latest":
            found = [m for m in found if self.name(m) == tag]
        if len(found) != 1:
            sys.exit("mkimage.py: no image %s in %s" % (tag, self.directory))
        return found[0]

    def manifest(self, tag):
        """The manifest behind a tag: of an index the first one."""
        doc = json.loads(self.read(self.find(tag)["digest"]))
        while "manifests" in doc:
            doc = json.loads(self.read(doc["manifests"][0]["digest"]))
        return doc


class ZstdFrame:
    """One frame, by the zstd program: Python has no zstd of its own."""

    def __init__(self, options, file):
        file.flush()
        self.process = subprocess.Popen(["zstd", "-q", "-c", *options], stdin=subprocess.PIPE, stdout=file)

    def write(self, data):
        self.process.stdin.write(data)

    def close(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            sys.exit("mkimage.py: zstd failed")


class BlobWriter(io.RawIOBase):
    """Takes the archive; writes it plain or compressed, in members; knows both digests."""

    def __init__(self, layout, spec):
        self.layout, self.spec, self.member_size = layout, spec, number(spec.get("members", "0"))
        self.kind = "zstd" if "zstd" in spec else "tar" if spec.get("gzip") == "none" else "gzip"
        self.temporary = os.path.join(layout.blobs, ".new-%d" % os.getpid())
        self.file = open(self.temporary, "wb")
        self.diff_id, self.member, self.in_member = hashlib.sha256(), None, 0
        if "skippable" in spec:
            self.file.write(b"\x5a\x2a\x4d\x18\x05\x00\x00\x00table")

    def writable(self):
        return True

    def write(self, data):
        data = bytes(data)
        self.diff_id.update(data)
        if self.kind == "tar":
            self.file.write(data)
            return len(data)
        done = 0
        while done < len(data):
            if self.member is None:
                self.start_member()
            part = data[done:]
            if self.member_size:
                part = part[:self.member_size - self.in_member]
            self.member.write(part)
            self.in_member += len(part)
            done += len(part)
            if self.in_member == self.member_size:
                self.end_member()
        return len(data)

    def start_member(self):
        if self.kind == "gzip":
            self.member = gzip.GzipFile("", "wb", int(self.spec.get("gzip", "1")), self.file, mtime=0)
        else:
            options = ["-" + self.spec["zstd"]]
            if "window" in self.spec:
                options.append("--long=" + self.spec["window"])
            self.member = ZstdFrame(options, self.file)
        self.in_member = 0

    def end_member(self):
        if self.member is not None:
            self.member.close()
            self.member = None

    def finish(self):
        """(digest of the blob, its size, diff_id)"""
        if self.kind != "tar" and self.file.tell() == 0 and self.member is None:
            self.start_member()
        self.end_member()
        self.file.close()
        size = os.path.getsize(self.temporary)
        digest = file_digest(self.temporary)
        os.rename(self.temporary, self.layout.path(digest))
        return digest, size, "sha256:" + self.diff_id.hexdigest()


def file_digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as f:
        for chunk in iter(lambda: f.read(1 << 20), b""):
            sha.update(chunk)
    return "sha256:" + sha.hexdigest()


def entry(name, kind=tarfile.REGTYPE, mode=0o644, **more):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, MTIME
    for key, value in more.items():
        setattr(info, key, value)
    return info


def add_bytes(tar, name, data, **more):
    tar.addfile(entry(name, size=len(data), **more), io.BytesIO(data))


class RandomFile(io.RawIOBase):
    """size bytes out of a generator, made as they are read"""

    def __init__(self, generator, size, text):
        self.generator, self.left, self.text = generator, size, text

    def read(self, n=-1):
        n = self.left if n is None or n < 0 else min(n, self.left)
        self.left -= n
        if self.text:
            return self.generator.randbytes((n + 1) // 2).hex().encode()[:n]
        return self.generator.randbytes(n)


def put_random(tar, spec):
    top, count = spec.get("top", "data"), int(spec.get("files", 1))
    total = number(spec.get("size", "1k"))
    generator = random.Random(int(spec.get("seed", 1)))
    tar.addfile(entry(top, tarfile.DIRTYPE, 0o755))
    for i in range(count):
        if count > 1000 and i % 1000 == 0:
            tar.addfile(entry("%s/%03d" % (top, i // 1000), tarfile.DIRTYPE, 0o755))
        name = "%s/%03d/%06d" % (top, i // 1000, i) if count > 1000 else "%s/%06d" % (top, i)
        size = total // count + (1 if i < total % count else 0)
        tar.addfile(entry(name, size=size, mtime=MTIME + i),
                    RandomFile(generator, size, "text" in spec))


def put_tree(tar, directory):
    """Sorted, hard links and xattrs kept, sockets left out."""
    seen = {}

    def xattrs(path):
        found = {}
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith(("user.", "security.capability")):
                value = os.getxattr(path, name, follow_symlinks=False)
                found["SCHILY.xattr." + name] = value.decode("utf-8", "surrogateescape")
        return found

    for top, dirs, files in os.walk(directory):
        dirs.sort()
        links = [d for d in dirs if os.path.islink(os.path.join(top, d))]
        for name in [""] + sorted(files + links):
            path = os.path.join(top, name) if name else top
            relative = os.path.relpath(path, directory)
            st = os.lstat(path)
            if relative == "." or stat.S_ISSOCK(st.st_mode):
                continue
            info = entry(relative, mode=stat.S_IMODE(st.st_mode), uid=st.st_uid, gid=st.st_gid,
                         mtime=int(st.st_mtime))
            info.pax_headers = xattrs(path)
            if stat.S_ISDIR(st.st_mode):
                info.type = tarfile.DIRTYPE
            elif stat.S_ISLNK(st.st_mode):
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
            elif not stat.S_ISREG(st.st_mode):
                continue
            elif (st.st_dev, st.st_ino) in seen:
                info.type, info.linkname = tarfile.LNKTYPE, seen[st.st_dev, st.st_ino]
            else:
                seen[st.st_dev, st.st_ino] = relative
                info.size = st.st_size
                with open(path, "rb") as f:
                    tar.addfile(info, f)
                continue
            tar.addfile(info)


def put_file(tar, what):
    source, _, rest = what.partition(":")
    target, _, mode = rest.partition(":")
    parent = ""
    for part in target.split("/")[:-1]:
        parent = parent + part + "/"
        tar.addfile(entry(parent.rstrip("/"), tarfile.DIRTYPE, 0o755))
    with open(source, "rb") as f:
        tar.addfile(entry(target, mode=int(mode or "755", 8), size=os.fstat(f.fileno()).st_size), f)


def put_features(tar):
    """One of everything that an image may hold."""
    d, f = tarfile.DIRTYPE, tarfile.REGTYPE
    tar.addfile(entry("etc", d, 0o755))
    add_bytes(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n")
    add_bytes(tar, "etc/shadow", b"root:*:1::::::\n", mode=0o640, gid=42)
    add_bytes(tar, "etc/motd", b"lower\n")
    tar.addfile(entry("opaque", d, 0o755))
    for name in "abc":
        add_bytes(tar, "opaque/" + name, name.encode())
    tar.addfile(entry("removed", d, 0o755))
    add_bytes(tar, "removed/deep/down/file", b"x")
    tar.addfile(entry("swap", d, 0o755))
    add_bytes(tar, "swap/file-to-dir", b"x")
    tar.addfile(entry("swap/dir-to-file", d, 0o755))
    add_bytes(tar, "swap/dir-to-file/inner", b"x")
    tar.addfile(entry("swap/link-to-file", tarfile.SYMTYPE, 0o777, linkname="/etc/passwd"))
    tar.addfile(entry("bin", d, 0o755))
    add_bytes(tar, "bin/su", b"\x7fELF not really", mode=0o4755)
    add_bytes(tar, "bin/wall", b"\x7fELF", mode=0o2755, gid=5)
    tar.addfile(entry("bin/su-again", tarfile.LNKTYPE, 0o4755, linkname="bin/su"))
    tar.addfile(entry("bin/abs", tarfile.SYMTYPE, 0o777, linkname="/bin/su", uid=7, gid=8))
    tar.addfile(entry("bin/dangling", tarfile.SYMTYPE, 0o777, linkname="../../../nowhere"))
    tar.addfile(entry("lib", tarfile.SYMTYPE, 0o777, linkname="usr/lib"))
    tar.addfile(entry("usr", d, 0o755))
    tar.addfile(entry("usr/lib", d, 0o755))
    add_bytes(tar, "lib/through-link", b"written through a link")
    tar.addfile(entry("tmp", d, 0o1777))
    tar.addfile(entry("fifo", tarfile.FIFOTYPE, 0o600))
    tar.addfile(entry("secret", d, 0o500, uid=1000, gid=1001))
    add_bytes(tar, "secret/in-read-only", b"y", mode=0, uid=1000, gid=1001)
    add_bytes(tar, "xattr", b"z", pax_headers={"SCHILY.xattr.user.note": "value"})
    add_bytes(tar, "umläut-中", b"utf-8", type=f)
    add_bytes(tar, "old", b"", mtime=-86400)
    add_bytes(tar, "future", b"", mtime=5000000000)
    add_bytes(tar, "nano", b"", pax_headers={"mtime": "1600000000.123456789"})
    add_bytes(tar, "n" * 255, b"long name")
    deep = ["deep%02d" % i for i in range(30)]
    for i in range(30):
        tar.addfile(entry("/".join(deep[:i + 1]), d, 0o755))
    add_bytes(tar, "/".join(deep) + "/leaf", b"deep")


def put_devices(tar):
    tar.addfile(entry("dev", tarfile.DIRTYPE, 0o755))
    tar.addfile(entry("dev/null", tarfile.CHRTYPE, 0o666, devmajor=1, devminor=3))
    tar.addfile(entry("dev/loop7", tarfile.BLKTYPE, 0o660, devmajor=7, devminor=7, gid=6))


def put_over(tar):
    """Upon put_features: whiteouts, opaque folders, changed types."""
    add_bytes(tar, "etc/.wh.motd", b"")
    add_bytes(tar, ".wh.removed", b"")
    add_bytes(tar, "opaque/.wh..wh..opq", b"")
    add_bytes(tar, "opaque/new", b"new")
    tar.addfile(entry("swap/file-to-dir", tarfile.DIRTYPE, 0o750))
    add_bytes(tar, "swap/file-to-dir/inner", b"now")
    add_bytes(tar, "swap/.wh.dir-to-file", b"")
    add_bytes(tar, "swap/dir-to-file", b"now a file")
    add_bytes(tar, "swap/link-to-file", b"no link any more", mode=0o600)
    tar.addfile(entry("bin", tarfile.DIRTYPE, 0o711))
    add_bytes(tar, "lib/second", b"through the link of the lower layer")
    tar.addfile(entry("hard", tarfile.LNKTYPE, 0o644, linkname="etc/passwd"))


def build_layer(layout, text):
    spec = dict((part.partition("=")[0], part.partition("=")[2]) for part in text.split(","))
    writer = BlobWriter(layout, spec)
    if "tar" in spec:
        with open(spec["tar"], "rb") as f:
            for chunk in iter(lambda: f.read(1 << 20), b""):
                writer.write(chunk)
    else:
        tar = tarfile.open(mode="w|", fileobj=writer, format=tarfile.PAX_FORMAT, bufsize=1 << 16,
                           errors="surrogateescape", encoding="utf-8")
        if "tree" in spec:
            put_tree(tar, spec["tree"])
        elif "put" in spec:
            put_file(tar, spec["put"])
        elif "kind" in spec:
            {"features": put_features, "devices": put_devices, "over": put_over}[spec["kind"]](tar)
        elif "empty" not in spec:
            put_random(tar, spec)
        tar.close()
    digest, size, diff_id = writer.finish()
    layer = {"kind": writer.kind, "digest": digest, "size": size, "diff_id": diff_id}
    layer.update((key, spec[key]) for key in ("type", "urls") if key in spec)
    return layer


def layer_descriptor(names, layer):
    descriptor = {"mediaType": layer.get("type", names[layer["kind"]]), "digest": layer["digest"],
                  "size": layer["size"]}
    if "urls" in layer:
        descriptor["urls"] = [layer["urls"]]
    return descriptor


def build_manifest(layout, names, layers, args, platform):
    diff_ids = [l["diff_id"] for l in layers]
    for n in args.wrong_diff_id:
        diff_ids[n] = "sha256:" + hashlib.sha256(b"something else").hexdigest()
    for n in args.lose_diff_id:
        del diff_ids[n]
    parts = (platform or args.config_platform).split("/")
    config = {"architecture": parts[1], "os": parts[0], "config": json.loads(args.config),
              "rootfs": {"type": "layers", "diff_ids": diff_ids},
              "history": [{"created": "2020-09-13T12:26:40Z"} for _ in layers]}
    if len(parts) > 2:
        config["variant"] = parts[2]
    data = dump(config)
    manifest = {"schemaVersion": 2, "mediaType": names["manifest"],
                "config": {"mediaType": names["config"], "digest": layout.add(data),
                           "size": len(data)},
                "layers": [layer_descriptor(names, l) for l in layers]}
    for item in args.wrong_size:
        n, _, delta = item.partition(":")
        manifest["layers"][int(n)]["size"] += int(delta or "1")
    data = dump(manifest)
    return {"mediaType": names["manifest"], "digest": layout.add(data), "size": len(data)}


def build_index(layout, names, layers, args):
    entries = []
    for platform in args.platform:
        marker = os.path.join(layout.directory, ".platform")
        with open(marker, "w") as f:
            f.write(platform + "\n")
        extra = build_layer(layout, "put=%s:platform:644" % marker)
        os.unlink(marker)
        descriptor = build_manifest(layout, names, layers + [extra], args, platform)
        fields = platform.split("/")
        descriptor["platform"] = {"os": fields[0], "architecture": fields[1]}
        if len(fields) > 2:
            descriptor["platform"]["variant"] = fields[2]
        entries.append(descriptor)
    data = dump({"schemaVersion": 2, "mediaType": names["index"], "manifests": entries})
    return {"mediaType": names["index"], "digest": layout.add(data), "size": len(data)}


def build(args):
    directory, tag = split_ref(args.image)
    layout = Layout(directory).create()
    names = TYPES["docker" if args.docker else "oci"]
    layers = [build_layer(layout, text) for text in args.layer]
    if args.platform:
        descriptor = build_index(layout, names, layers, args)
    else:
        descriptor = build_manifest(layout, names, layers, args, None)
    layout.tag(tag, descriptor)
    print(descriptor["digest"])


class Registry:
    """As much of the distribution protocol as a push takes."""

    def __init__(self, url, ca):
        u = urllib.parse.urlsplit(url)
        self.name, _, self.tag = u.path.strip("/").rpartition(":")
        if u.scheme == "https":
            context = ssl.create_default_context(cafile=ca)
            self.connection = http.client.HTTPSConnection(u.netloc, context=context)
        else:
            self.connection = http.client.HTTPConnection(u.netloc)

    def request(self, method, path, body=None, headers=None, good=(200,)):
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in good:
            sys.exit("mkimage.py: %s %s: %d %s" % (method, path, answer.status, text[:300]))
        return answer

    def push_blob(self, layout, digest):
        where = "/v2/%s/blobs/" % self.name
        if self.request("HEAD", where + digest, good=(200, 404)).status == 200:
            return
        answer = self.request("POST", where + "uploads/", headers={"Content-Length": "0"}, good=(202,))
        target = urllib.parse.urlsplit(answer.getheader("Location"))
        query = target.query + ("&" if target.query else "") + "digest=" + digest
        with open(layout.path(digest), "rb") as f:
            self.request("PUT", target.path + "?" + query, f,
                         {"Content-Length": str(os.fstat(f.fileno()).st_size),
                          "Content-Type": "application/octet-stream"}, good=(201,))

    def push_manifest(self, layout, descriptor, name):
        data = layout.read(descriptor["digest"])
        doc = json.loads(data)
        for child in doc.get("manifests", []):
            self.push_manifest(layout, child, child["digest"])
        for blob in [doc["config"]] + doc["layers"] if "layers" in doc else []:
            self.push_blob(layout, blob["digest"])
        self.request("PUT", "/v2/%s/manifests/%s" % (self.name, name), data,
                     {"Content-Type": descriptor["mediaType"]}, good=(201,))


def push(args):
    directory, tag = split_ref(args.image)
    layout = Layout(directory)
    registry = Registry(args.url, args.ca)
    descriptor = layout.find(tag)
    registry.push_manifest(layout, descriptor, registry.tag)
    print(descriptor["digest"])


def show_digest(args):
    directory, tag = split_ref(args.image)
    print(Layout(directory).find(tag)["digest"])


def show_layers(args):
    directory, tag = split_ref(args.image)
    for layer in Layout(directory).manifest(tag)["layers"]:
        print(layer["digest"], layer["size"])


def add(args):
    directory, tag = split_ref(args.image)
    layout = Layout(directory).create()
    with open(args.file, "rb") as f:
        data = f.read()
    layout.tag(tag, {"mediaType": args.media_type, "digest": layout.add(data), "size": len(data)})


def parse_build(arguments):
    """Apart from the others, since options may stand between layers."""
    c = argparse.ArgumentParser(prog="mkimage.py build")
    c.add_argument("image")
    c.add_argument("layer", nargs="*")
    c.add_argument("--docker", action="store_true", help="docker schema 2 media types")
    c.add_argument("--platform", action="append", default=[], help="an index with this entry; repeat")
    c.add_argument("--config", default="{}", help="the config member, JSON")
    c.add_argument("--config-platform", default="linux/amd64", help="os/architecture of the config")
    c.add_argument("--wrong-diff-id", type=int, action="append", default=[], metavar="N")
    c.add_argument("--lose-diff-id", type=int, action="append", default=[], metavar="N")
    c.add_argument("--wrong-size", action="append", default=[], metavar="N[:DELTA]")
    return c.parse_intermixed_args(arguments)


def main():
    if sys.argv[1:2] == ["build"]:
        build(parse_build(sys.argv[2:]))
        return
    parser = argparse.ArgumentParser(description="images for tests", epilog="and build: see build --help")
    commands = parser.add_subparsers(dest="command", required=True)
    c = commands.add_parser("push")
    c.add_argument("image")
    c.add_argument("url")
    c.add_argument("--ca", help="CA certificates for https")
    c.set_defaults(run=push)
    for name, run in (("digest", show_digest), ("layers", show_layers)):
        c = commands.add_parser(name)
        c.add_argument("image")
        c.set_defaults(run=run)
    c = commands.add_parser("add")
    c.add_argument("image")
    c.add_argument("file")
    c.add_argument("media_type")
    c.set_defaults(run=add)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
