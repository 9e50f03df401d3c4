#!/usr/bin/env python3
"""bench.py: how long a pull takes beside the ordinary tools, and beside its own slowest stage

The images (images.py) come from a registry on this machine. We and the peers pull in turns, each time into
nothing; the trees are compared after each turn, and a turn whose trees differ is a failure. Peers: skopeo copy,
then umoci raw unpack; for zstd, which umoci does not know, buildah pull. Each stage of a pull is then run alone.

Environment: BENCH=quick         small images, about a minute
             RUNS=3              turns, of which the medians are taken
             BENCH_ON=tmpfs      where trees are written: tmpfs (/dev/shm) or disk (build/bench)
             BENCH_IMAGES=...    some of: debian small big layers zstd
             BENCH_SNAPSHOT=...  flat, overlay or both, instead of what the program chooses by itself
             BENCH_OPTIONS=...   more options for aa-cli pull
             CACAO_BIN_DIR=build the program under test
The result is also written to build/bench/result.json.
"""

import hashlib
import json
import os
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
E2E = os.path.join(TOP, "tests", "e2e")
CACHE = os.path.join(TOP, "build", "bench")
RSA = os.path.join(TOP, "tests", "vectors", "image", "ocicrypt", "keys", "rsa.pem")
ROOT = os.geteuid() == 0

TITLES = {"debian": "Debian tree", "small": "60,000 small files", "big": "1 GiB file",
          "layers": "12 layers", "zstd": "12 zstd layers"}
# At least so many times as fast as the peer, plain and encrypted.
BARS = {"debian": (3.5, 4), "small": (5, 5), "big": (3.5, 4.5), "layers": (4, 4), "zstd": (3.5, 3.5)}

REGISTRY = """version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %s}}
http:
  addr: %s
"""
ACCEPT = '{"default":[{"type":"insecureAcceptAnything"}]}'
STORAGE = '[storage]\ndriver = "overlay"\nrunroot = "%s/run"\ngraphroot = "%s/graph"\n'


class Fault(Exception):
    pass


def remove(path):
    """A tree, with what is mounted in it and whatever its modes."""
    with open("/proc/self/mounts") as f:
        mounts = [line.split()[1] for line in f]
    for mount in reversed(mounts):
        if mount == path or mount.startswith(path + "/"):
            subprocess.run(["umount", mount], check=False)
    if not ROOT and os.path.isdir(path):
        subprocess.run(["chmod", "-R", "u+rwX", path], check=False, stderr=subprocess.DEVNULL)
    if os.path.isdir(path):
        shutil.rmtree(path)


def python(script, *words, **more):
    return subprocess.run([sys.executable, script] + list(words), check=True, **more)


# --- images and their registry -------------------------------------------------------------------

def image_set(size):
    """The folder of the images, made when it is not there; it is named after what makes them."""
    sha = hashlib.sha256(size.encode())
    for script in (HERE + "/images.py", E2E + "/mkimage.py", E2E + "/ocicrypt.py"):
        with open(script, "rb") as f:
            sha.update(f.read())
    directory = os.path.join(CACHE, "%s-%s" % (size, sha.hexdigest()[:12]))
    if os.path.isdir(directory):
        return directory
    os.makedirs(CACHE, exist_ok=True)
    for old in os.listdir(CACHE):
        if old.startswith(size + "-"):
            remove(os.path.join(CACHE, old))
    remove(directory + ".new")
    print("images: made once, and kept in %s" % os.path.relpath(directory, TOP), flush=True)
    python(HERE + "/images.py", directory + ".new", size)
    with Registry(directory + ".new") as registry:
        with open(directory + ".new/images.json") as f:
            for name in json.load(f):
                for variant in ("", "-enc", "-jwe"):
                    python(E2E + "/mkimage.py", "push", "%s.new/layout:%s%s" % (directory, name, variant),
                           "http://%s/bench/image:%s%s" % (registry.address, name, variant),
                           stdout=subprocess.DEVNULL)
    remove(directory + ".new/layout")
    os.rename(directory + ".new", directory)
    return directory


class Registry:
    """docker-registry on loopback, over the storage of an image set"""

    def __init__(self, directory):
        self.directory, self.process, self.address = directory, None, None

    def __enter__(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.address = "127.0.0.1:%d" % s.getsockname()[1]
        config = os.path.join(self.directory, "registry.yml")
        with open(config, "w") as f:
            f.write(REGISTRY % (os.path.join(self.directory, "registry"), self.address))
        with open(os.path.join(self.directory, "registry.log"), "w") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", int(self.address.split(":")[1])), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise Fault("docker-registry does not start")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def blob(self, digest):
        return "http://%s/v2/bench/image/blobs/%s" % (self.address, digest)


# --- who pulls -----------------------------------------------------------------------------------

class Contender:
    """Somebody who pulls into a folder of his own, empty before each turn"""

    def __init__(self, bench, name):
        self.bench, self.name = bench, name

    def folder(self, fresh_on):
        path = os.path.join(fresh_on, self.name)
        remove(path)
        os.makedirs(path)
        return path

    def measure(self, how, image, variant, on):
        where = self.folder(on)
        os.sync()
        log = os.path.join(self.bench.work, self.name + ".log")
        with open(log, "w") as errors:
            done = subprocess.run([sys.executable, HERE + "/measure.py", how] +
                                  self.command(image, variant, where), stdout=subprocess.PIPE, stderr=errors)
        if done.returncode != 0:
            with open(log) as f:
                raise Fault("%s: exit %d: %s" % (self.name, done.returncode, f.read()[-400:].strip()))
        return json.loads(done.stdout)


class Ours(Contender):
    def __init__(self, bench, snapshot):
        super().__init__(bench, snapshot or "cacao")
        self.snapshot = snapshot

    def command(self, image, variant, where):
        words = [self.bench.program, "pull", "--policy", self.bench.policy, "--tls-verify=false"]
        if self.snapshot:
            words += ["--snapshot", self.snapshot]
        if "--store" in self.bench.usage:
            words += ["--store", where + "/store"]
        if variant == "encrypted":
            words += ["--aa-kbc-params", "offline_fs_kbc::" + self.bench.images + "/keys"]
        tag = image + ("-enc" if variant == "encrypted" else "")
        return words + self.bench.more + ["docker://%s/bench/image:%s" % (self.bench.registry.address, tag),
                                          where + "/bundle"]

    def tree(self, where):
        return os.path.join(where, self.name, "bundle", "rootfs")


class Umoci(Contender):
    SCRIPT = ('skopeo --insecure-policy copy -q --src-tls-verify=false $3 "$1" "oci:$2/oci:x" && '
              'umoci raw unpack $4 --image "$2/oci:x" "$2/tree"')

    def command(self, image, variant, where):
        tag = image + ("-jwe" if variant == "encrypted" else "")
        return ["sh", "-c", self.SCRIPT, "sh", "docker://%s/bench/image:%s" % (self.bench.registry.address, tag),
                where, "--decryption-key " + RSA if variant == "encrypted" else "", "" if ROOT else "--rootless"]

    def tree(self, where):
        return os.path.join(where, self.name, "tree")


class Buildah(Contender):
    def base(self, where):
        return ["buildah", "--storage-driver", "overlay", "--root", where + "/graph", "--runroot", where + "/run"]

    def command(self, image, variant, where):
        tag = image + ("-jwe" if variant == "encrypted" else "")
        words = self.base(where) + ["pull", "-q", "--tls-verify=false", "--signature-policy", self.bench.policy]
        if variant == "encrypted":
            words += ["--decryption-key", RSA]
        return words + ["docker://%s/bench/image:%s" % (self.bench.registry.address, tag)]

    def tree(self, where):
        where = os.path.join(where, self.name)
        said = {"capture_output": True, "text": True, "check": True}
        name = subprocess.run(self.base(where) + ["images", "-q"], **said).stdout.split()[0]
        name = subprocess.run(self.base(where) + ["from", "--pull-never", name], **said).stdout.strip()
        root = subprocess.run(self.base(where) + ["mount", name], **said).stdout.strip()
        os.chmod(root, 0o755)  # its storage makes every root 0555, whatever the image says
        return root


# --- the stages, each alone ----------------------------------------------------------------------

class Stages:
    """The seconds that each stage of a pull takes when it runs alone, with the tools there are for it"""

    def __init__(self, bench, image, variant):
        self.bench, self.image, self.variant = bench, image, variant
        self.work = os.path.join(bench.on, "stages")
        said = bench.facts[image]
        self.urls = [bench.registry.blob(layer["digest"]) for layer in said[variant]]
        self.plain = [bench.registry.blob(layer["digest"]) for layer in said["plain"]]
        self.unpacker = "zstd" if said["compression"] == "zstd" else "igzip"

    def __enter__(self):
        remove(self.work)
        os.makedirs(self.work)
        for n, url in enumerate(self.plain):
            blob, tar = "%s/%02d" % (self.work, n), "%s/%02d.tar" % (self.work, n)
            subprocess.run(["curl", "-sf", "-o", blob, url], check=True)
            with open(tar, "wb") as out:
                subprocess.run([self.unpacker, "-dc", blob], stdout=out, check=True)
        return self

    def __exit__(self, *_):
        remove(self.work)

    def clock(self, script):
        start = time.monotonic()
        subprocess.run(["sh", "-ec", script], check=True, stdout=subprocess.DEVNULL, cwd=self.work)
        return time.monotonic() - start

    def turn(self):
        blobs = " ".join("%02d" % n for n in range(len(self.plain)))
        tars = " ".join("%02d.tar" % n for n in range(len(self.plain)))
        key, iv = "0123456789abcdef" * 4, "0" * 32
        digest = "openssl dgst -sha256 %s" % blobs
        if self.variant == "encrypted":
            digest += "\nopenssl dgst -sha256 -mac HMAC -macopt hexkey:%s %s" % (key, blobs)
            digest += "\nfor b in %s; do openssl enc -aes-256-ctr -K %s -iv %s -in $b; done" % (blobs, key, iv)
        seconds = {
            "fetch": self.clock("curl -sf " + " ".join("-o /dev/null " + url for url in self.urls)),
            "digest": self.clock(digest),
            "decompress": self.clock("for b in %s; do %s -dc $b; done" % (blobs, self.unpacker)),
            "diff_id": self.clock("openssl dgst -sha256 " + tars),
        }
        os.makedirs(self.work + "/tree")
        seconds["untar"] = self.clock("for t in %s; do tar --overwrite --numeric-owner -C tree -xpf $t; done" % tars)
        remove(self.work + "/tree")
        return seconds


# --- the bench -----------------------------------------------------------------------------------

def tree_size(root):
    """What the tree takes on its disk, each inode once."""
    seen, total = set(), 0
    for directory, dirs, files in os.walk(root):
        for name in files + dirs:
            st = os.lstat(os.path.join(directory, name))
            if (st.st_dev, st.st_ino) not in seen:
                seen.add((st.st_dev, st.st_ino))
                total += st.st_blocks * 512
    return total


def version(*command):
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return (said.stdout or said.stderr).strip().splitlines()[0]


class Bench:
    def __init__(self):
        size = "quick" if os.environ.get("BENCH") == "quick" else "full"
        self.size, self.runs = size, int(os.environ.get("RUNS", "1" if size == "quick" else "3"))
        self.program = os.path.join(os.environ.get("CACAO_BIN_DIR", os.path.join(TOP, "build")), "aa-cli")
        self.more = shlex.split(os.environ.get("BENCH_OPTIONS", ""))
        self.usage = subprocess.run([self.program, "pull", "--help"], capture_output=True, text=True,
                                    check=False).stdout
        self.images = image_set(size)
        with open(os.path.join(self.images, "images.json")) as f:
            self.facts = json.load(f)
        self.where = os.environ.get("BENCH_ON", "tmpfs")
        self.disk = os.path.join(CACHE, "run")
        self.on = self.disk if self.where == "disk" else "/dev/shm/cacao-bench.%d" % os.getpid()
        self.work = os.path.join(CACHE, "work")
        for folder in (self.disk, self.on, self.work):
            os.makedirs(folder, exist_ok=True)
        self.policy = os.path.join(self.work, "accept.json")
        with open(self.policy, "w") as f:
            f.write(ACCEPT)
        self.registry, self.failures = None, []

    def ours(self):
        return [Ours(self, how) for how in os.environ.get("BENCH_SNAPSHOT", "").split() or [""]]

    def clean(self):
        for folder in (self.on, self.disk):
            remove(folder)

    def compare(self, contender, peer):
        words = [] if ROOT else ["--no-owner", "--no-xattr", "user.rootlesscontainers"]
        done = subprocess.run([sys.executable, E2E + "/compare_tree.py", "trees", contender.tree(self.on),
                               peer.tree(self.on)] + words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Fault("%s and %s differ: %s" % (contender.name, peer.name, done.stdout[:400] + done.stderr[-400:]))

    def turns(self, image, variant, ours, peer):
        """Medians of everybody's wall and CPU seconds."""
        said = {c.name: [] for c in ours + [peer]}
        for n in range(self.runs):
            order = ours + [peer] if n % 2 == 0 else [peer] + ours
            for contender in order:
                said[contender.name].append(contender.measure("time", image, variant, self.on))
            for contender in ours:
                self.compare(contender, peer)
        return {name: {"runs": runs, "wall": statistics.median(r["wall"] for r in runs),
                       "cpu": statistics.median(r["cpu"] for r in runs)} for name, runs in said.items()}

    def stages(self, image, variant):
        with Stages(self, image, variant) as stages:
            turns = [stages.turn() for _ in range(self.runs)]
        return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}

    def row(self, image, variant):
        ours, peer = self.ours(), Buildah(self, "buildah") if image == "zstd" else Umoci(self, "umoci")
        said = {"image": image, "variant": variant, "peer": peer.name,
                "times": self.turns(image, variant, ours, peer)}
        for contender in ours + [peer]:
            said["times"][contender.name].update(contender.measure("look", image, variant, self.disk))
        said["tree"] = tree_size(ours[0].tree(self.disk))
        for contender in ours + [peer]:
            for folder in (self.on, self.disk):
                remove(os.path.join(folder, contender.name))
        said["stages"] = self.stages(image, variant)
        return said

    def run(self):
        rows = []
        wanted = os.environ.get("BENCH_IMAGES", " ".join(TITLES)).split()
        with Registry(self.images) as self.registry:
            print(HEAD, flush=True)
            for image in wanted:
                for variant in ("plain", "encrypted"):
                    try:
                        rows.append(self.row(image, variant))
                        show(rows)
                    except Fault as fault:
                        self.failures.append("%s, %s: %s" % (image, variant, fault))
                        print("%-20s FAILED: %s" % (image, fault), flush=True)
        return rows

    def result(self, rows):
        return {"date": time.strftime("%Y-%m-%d"), "size": self.size, "runs": self.runs, "on": self.where,
                "processors": os.cpu_count(), "program": version(self.program, "version"),
                "peers": [version("skopeo", "--version"), version("umoci", "--version"),
                          version("buildah", "--version")],
                "bars": BARS, "rows": rows, "failures": self.failures}


# --- what is shown -------------------------------------------------------------------------------

HEAD = "%-39s %7s %7s %6s %5s  %7s %7s %6s  %6s %7s  %7s %s" % (
    "", "ours s", "peer s", "ratio", "bar", "our CPU", "peer", "share", "PSS", "written", "stage", "")


def show(rows):
    """The last row: ratios are how many times as fast we are."""
    row = rows[-1]
    peer = row["times"][row["peer"]]
    stage = max(row["stages"], key=row["stages"].get)
    bar = BARS[row["image"]][row["variant"] == "encrypted"]
    title = TITLES[row["image"]] + (", encrypted" if row["variant"] == "encrypted" else "")
    for name, t in row["times"].items():
        if name == row["peer"]:
            continue
        shown = title if name == "cacao" else "%s, %s" % (title, name)
        print("%-39s %7.2f %7.2f %5.1fx %4.1f%s  %7.2f %7.2f %6.2f  %6.1f %7.2f  %7.2f = %.2f x %s" % (
            shown, t["wall"], peer["wall"], peer["wall"] / t["wall"], bar,
            " " if peer["wall"] / t["wall"] >= bar else "!", t["cpu"], peer["cpu"], t["cpu"] / peer["cpu"],
            (t["memory"] or 0) / 1024, t["written"] / max(row["tree"], 1), row["stages"][stage],
            t["wall"] / row["stages"][stage], stage), flush=True)


FOOT = """
Medians of %d, in turns, trees compared each time, %s. ratio: how many times as fast as the peer (bar: the goal, missed
where "!" stands); share: our CPU seconds of the peer's; PSS: highest sum over our processes, MiB; written: bytes that
went to disk over the size of the tree; stage: the slowest single stage alone, and how many times that we take."""


def cost_of_encryption(rows):
    for row in rows:
        if row["variant"] != "encrypted":
            continue
        for plain in rows:
            if plain["image"] == row["image"] and plain["variant"] == "plain":
                for name in row["times"]:
                    row["times"][name]["encryption"] = {
                        kind: row["times"][name][kind] / plain["times"][name][kind] - 1 for kind in ("wall", "cpu")}
                said = ", ".join("%s wall %+.0f %%, CPU %+.0f %%" % (
                    name, 100 * t["encryption"]["wall"], 100 * t["encryption"]["cpu"])
                    for name, t in row["times"].items())
                print("cost of encryption, %s: %s" % (TITLES[row["image"]], said))


def main():
    bench = Bench()
    try:
        rows = bench.run()
    finally:
        bench.clean()
    print(FOOT % (bench.runs, bench.where))
    cost_of_encryption(rows)
    with open(os.path.join(CACHE, "result.json"), "w") as f:
        json.dump(bench.result(rows), f, indent=1)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
