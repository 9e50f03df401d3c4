#!/usr/bin/env python3
"""Archives as docker save and others write them, right ones and wrong ones.

  archives.py docker KIND OUT LAYOUT:TAG=NAME[,NAME...]...   KIND: legacy, oci, packed, renamed, hardlinks
  archives.py spoil HOW IN OUT                               see SPOIL below
  archives.py far OUT LAYOUT                                 a layout whose first member is a hole of 1000 GiB

Kinds: legacy has ID/layer.tar as a link to HEX.tar; oci has compressed layers as blobs/sha256/HEX and an
index.json, too; packed has compressed layers under other names; renamed has ./ in front of all names;
hardlinks has layers as hard links.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

from mkimage import Layout, split_ref


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def put(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def link(tar, name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    tar.addfile(info)


def plain(blob):
    return gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob


class Writer:
    def __init__(self, tar, kind):
        self.tar, self.kind, self.seen = tar, kind, set()

    def once(self, name, data):
        if name not in self.seen:
            self.seen.add(name)
            put(self.tar, name, data)
        return name

    def layer(self, blob, image, number):
        data = plain(blob)
        if self.kind == "oci":
            return self.once("blobs/sha256/" + sha256(blob), blob)
        if self.kind == "packed":
            return self.once("layer-%s.tar.gz" % sha256(blob)[:12], blob)
        if self.kind == "renamed":
            self.once("./" + sha256(data) + ".tar", data)
            return sha256(data) + ".tar"
        file = self.once(sha256(data) + ".tar", data)
        name = "%s-%d/layer.tar" % (image, number)
        if self.kind == "hardlinks":
            link(self.tar, name, file, tarfile.LNKTYPE)
        else:
            link(self.tar, name, "../" + file)
        return name


def docker(kind, out, images):
    manifest, index = [], []
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        writer = Writer(tar, kind)
        for number, image in enumerate(images):
            ref, _, names = image.rpartition("=")
            directory, tag = split_ref(ref)
            layout = Layout(directory)
            document = layout.manifest(tag)
            config = layout.read(document["config"]["digest"])
            layers = [writer.layer(layout.read(l["digest"]), "image%d" % number, i)
                      for i, l in enumerate(document["layers"])]
            name = ("blobs/sha256/" + sha256(config)) if kind == "oci" else sha256(config) + ".json"
            writer.once(name, config)
            manifest.append({"Config": name, "RepoTags": [n for n in names.split(",") if n] or None, "Layers": layers})
            if kind == "oci":
                blob = json.dumps(document).encode()
                writer.once("blobs/sha256/" + sha256(blob), blob)
                index.append({"mediaType": "application/vnd.oci.image.manifest.v1+json",
                              "digest": "sha256:" + sha256(blob), "size": len(blob)})
        if index:
            put(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": index}).encode())
            put(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        put(tar, "./manifest.json" if kind == "renamed" else "manifest.json", json.dumps(manifest).encode())


def copy(source, out, change):
    with tarfile.open(source) as old, tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as new:
        for info in old.getmembers():
            data = old.extractfile(info).read() if info.isreg() else b""
            for name, content in change(info, data):
                info.name, info.size = name, len(content)
                new.addfile(info, io.BytesIO(content))


def is_layer(info):
    name = os.path.normpath(info.name)
    return info.isreg() and (name.endswith((".tar", ".tar.gz")) or name.startswith("blobs/")) and info.size > 5000


def but_last(name, info, data):
    return [(info.name, data[:-1] if os.path.normpath(info.name) == name else data)]


def flip(data):
    return data[:600] + bytes([data[600] ^ 1]) + data[601:]


SPOIL = {
    # one bit of each large layer
    "layer": lambda i, d: [(i.name, flip(d) if is_layer(i) else d)],
    "longer": lambda i, d: [(i.name, d + bytes(100000) if is_layer(i) else d)],
    "shorter": lambda i, d: [(i.name, d[:-512] if is_layer(i) else d)],
    "no-layer": lambda i, d: [] if is_layer(i) else [(i.name, d)],
    "twice": lambda i, d: [(i.name, d), ("./" + i.name, d)] if i.isreg() and i.name.endswith("json") else [(i.name, d)],
    "config": lambda i, d: [(i.name, d.replace(b'"linux"', b'"plan9"'))],
    "manifest": lambda i, d: but_last("manifest.json", i, d),
    "index": lambda i, d: but_last("index.json", i, d),
    "out": lambda i, d: [("../" + i.name if i.name.endswith("json") else i.name, d)],
    "absolute": lambda i, d: [("/" + i.name, d)],
}


def spoil(how, source, out):
    if how == "cut":
        data = open(source, "rb").read()
        open(out, "wb").write(data[:len(data) * 2 // 3])
    elif how == "members":
        copy(source, out, lambda i, d: [(i.name, d)])
        with tarfile.open(out, "a") as tar:
            for n in range(17000):
                put(tar, "more/%d" % n, b"")
    elif how == "fifo":
        copy(source, out, lambda i, d: [(i.name, d)])
        with tarfile.open(out, "a") as tar:
            link(tar, "fifo", "", tarfile.FIFOTYPE)
    elif how == "link-out":
        copy(source, out, lambda i, d: [(i.name, d)])
        with tarfile.open(out, "a") as tar:
            link(tar, "x", "../../etc/passwd")
    else:
        copy(source, out, SPOIL[how])


def far(out, directory):
    """As far as a reader is concerned; the file system keeps the hole as one."""
    info = tarfile.TarInfo("padding")
    info.size = 1000 << 30
    rest = io.BytesIO()
    with tarfile.open(fileobj=rest, mode="w") as tar:
        tar.add(directory, ".")
    with open(out, "wb") as f:
        header = info.tobuf(tarfile.GNU_FORMAT)
        f.write(header)
        f.seek(len(header) + info.size)
        f.write(rest.getvalue())


def main():
    command, args = sys.argv[1], sys.argv[2:]
    if command == "docker":
        docker(args[0], args[1], args[2:])
    elif command == "spoil":
        spoil(*args)
    elif command == "far":
        far(*args)
    else:
        sys.exit(__doc__)


main()
