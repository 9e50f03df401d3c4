"""What the differential tests of policies share: a registry in memory, GPG keys and messages, and the programs that are
asked. Everything is beneath one folder, which the caller removes."""

import hashlib
import http.server
import json
import os
import re
import subprocess
import threading

HOSTS = ["registry.example.test:5000", "a.b.example.test", "docker.io"]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def dump(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Registry:
    """One image under every name, and signature images where they were put."""

    def __init__(self):
        self.blobs, self.tags = {}, {}
        config = dump({"architecture": "amd64", "os": "linux", "config": {},
                       "rootfs": {"type": "layers", "diff_ids": []}})
        self.image = self.put_manifest(config, [])
        self.digest = sha256(self.image)
        world = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                world.answer(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def put(self, data):
        self.blobs[sha256(data)] = data
        return {"digest": sha256(data), "size": len(data)}

    def put_manifest(self, config, layers):
        data = dump({"schemaVersion": 2, "mediaType": MANIFEST,
                     "config": {"mediaType": CONFIG, **self.put(config)}, "layers": layers})
        self.put(data)
        return data

    def answer(self, request):
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", request.path)
        data, kind = None, "application/octet-stream"
        if request.path == "/v2/":
            data = b"{}"
        elif found and found[3].startswith("sha256:"):
            data = self.blobs.get(found[3])
        elif found and found[2] == "manifests" and found[3].endswith(".sig"):
            data = self.tags.get(found[1] + ":" + found[3])
        elif found and found[2] == "manifests" and not found[3].startswith("sha256-"):
            data = self.image
        if found and found[2] == "manifests":
            kind = MANIFEST
        request.send_response(200 if data is not None else 404)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data or b"")))
        request.end_headers()
        if request.command == "GET" and data:
            request.wfile.write(data)

    def registries_conf(self, path):
        """All hosts are this server."""
        with open(path, "w") as f:
            for host in HOSTS:
                f.write('[[registry]]\nprefix = "%s"\nlocation = "%s"\ninsecure = true\n' % (host, self.host))


class Gpg:
    def __init__(self, home):
        self.home = home
        os.mkdir(home, 0o700)

    def run(self, *args, data=b""):
        done = subprocess.run(["gpg", "--homedir", self.home, "--batch", "--quiet", "--no-tty", "--pinentry-mode",
                               "loopback", "--passphrase", "", *args], input=data, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError("gpg %s: %s" % (args, done.stderr.decode(errors="replace")))
        return done.stdout

    def key(self, name, algo, usage="sign", expire="0"):
        self.run("--quick-gen-key", name + " <%s@example.test>" % name, algo, usage, expire)

    def ring(self, *names, armor=False):
        return self.run(*(["--armor"] if armor else []), "--export", *["%s@example.test" % n for n in names])

    def sign(self, name, payload, *options):
        return self.run("--trust-model", "always", "-u", "%s@example.test" % name, *options, "--sign", data=payload)

    def end(self):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], capture_output=True, check=False)


def payload(kind, digest, reference, **more):
    return {"critical": {"identity": {"docker-reference": reference}, "image": {"docker-manifest-digest": digest},
                         "type": kind}, "optional": {"creator": "test", "timestamp": 1700000000}, **more}


def ask_cacao(aa, registries, policy, reference, extra=()):
    """'accept', 'refuse' or 'invalid', and what was said."""
    done = subprocess.run([aa, "verify", "--policy", policy, "--registries", registries, "--no-creds", "--platform",
                           "linux/amd64", *extra, "docker://" + reference], capture_output=True, check=False, timeout=120)
    said = done.stderr.decode(errors="replace").strip().split("\nhint:")[0].split("\n")[-1]
    if done.returncode == 0:
        return "accept", said
    if "(POLICY_INVALID)" in said:
        return "invalid", said
    return ("refuse" if re.search(r"\((POLICY|UNSUPPORTED|NOTFOUND|CONFIG)\)$", said) else "fault"), said


def ask_skopeo(folder, registries, policy, reference, registries_d):
    env = dict(os.environ, HOME=folder)
    done = subprocess.run(["skopeo", "--policy", policy, "--registries-conf", registries, "--registries.d", registries_d, "--override-os", "linux",
                           "--override-arch", "amd64", "copy", "--src-no-creds", "docker://" + reference,
                           "dir:" + folder], env=env, capture_output=True, check=False, timeout=120)
    said = done.stderr.decode(errors="replace").strip().split("\n")[-1]
    if done.returncode == 0:
        return "accept", said
    if "Error loading trust policy" in said:
        return "invalid", said
    return ("refuse" if re.search("Source image rejected|reading signatures", said) else "fault"), said
