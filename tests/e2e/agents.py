"""The agent behind its three names, as its callers and its starters see it: starts names, calls, and looks at processes.

A Guest is where all of it happens. As root it can be the real thing, a namespace with a /run of its own, where the paths and
ports are those that kata-agent uses; otherwise it is a directory.
"""

import base64
import ctypes
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import providers
from providers import Failed, field, fields, frame, say

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VECTORS = os.path.join(TOP, "tests/vectors")
PROGRAM = os.path.join(os.environ.get("CACAO_BIN_DIR") or os.path.join(TOP, "build"), "attestation-agent")
NAMES = ("attestation-agent", "confidential-data-hub", "api-server-rest")
ATTESTATION, HUB, REST = NAMES
CC = "/run/confidential-containers"
AA_SOCK, HUB_SOCK = CC + "/attestation-agent/attestation-agent.sock", CC + "/cdh.sock"
OWN_SOCK = "/run/cacao/agent.sock"
PULL = "api.ImagePullService"

OK, CANCELLED, INVALID, DEADLINE, NOT_FOUND, DENIED, EXHAUSTED, PRECONDITION, UNIMPLEMENTED, UNAVAILABLE = (
    0, 1, 3, 4, 5, 7, 8, 9, 12, 14)


def effort(n):
    return int(n * float(os.environ.get("CHECK_EFFORT") or 1))


failed = 0


def check(good, name, why=""):
    global failed
    say(bool(good), name)
    failed += not good
    if not good and why != "":
        print("# " + str(why)[:2000].replace("\n", "\n# "), flush=True)
    return bool(good)


def until(what, seconds=30):
    """Asks again and again, and gives the last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.01)


# --- processes


def read(path):
    with open(path, "rb") as f:
        return f.read()


def stat_of(pid):
    return read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def processes():
    """What descends from us, orphans too (main sees to that): {pid: argv[0]}"""
    parent = {}
    for name in os.listdir("/proc"):
        try:
            if name.isdigit():
                stat = stat_of(name)
                if stat[0] != b"Z":
                    parent[int(name)] = int(stat[1])
        except OSError:
            pass
    found, ours = {}, {os.getpid()}
    while True:
        more = {pid for pid, up in parent.items() if up in ours and pid not in ours}
        if not more:
            break
        ours |= more
        for pid in more:
            try:
                found[pid] = read(f"/proc/{pid}/cmdline").split(b"\0")[0].decode()
            except OSError:
                pass
    return found


def alive(pid):
    try:
        return stat_of(pid)[0] != b"Z"
    except OSError:
        return False


# --- one connection, many calls


class Connection:
    """A ttrpc connection as kata-agent has it: one for everything, with many calls at a time."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.lock, self.got = threading.Lock(), threading.Condition()
        self.stream, self.answers, self.order, self.closed = -1, {}, [], False
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        try:
            while True:
                n, stream, kind, _ = struct.unpack(">IIBB", providers.take(self.s, 10))
                data = fields(providers.take(self.s, n))
                with self.got:
                    self.answers[stream] = data
                    self.order.append(stream)
                    self.got.notify_all()
        except (OSError, EOFError):
            with self.got:
                self.closed = True
                self.got.notify_all()

    def send(self, service, method, message=b"", timeout=50, stream=None):
        with self.lock:
            if stream is None:
                self.stream += 2
                stream = self.stream
            self.s.sendall(frame(stream, providers.ttrpc_request(method, message, timeout, service, raw=True)))
        return stream

    def answer(self, stream, seconds=30):
        with self.got:
            self.got.wait_for(lambda: stream in self.answers or self.closed, seconds)
            if stream not in self.answers:
                raise Failed(-1 if self.closed else -2, "the connection is gone" if self.closed else "no answer")
            data = self.answers.pop(stream)
        status = fields(data.get(1, b""))
        if status.get(1, 0):
            raise Failed(status[1], status.get(2, b"").decode())
        return data.get(2, b"")

    def call(self, service, method, message=b"", timeout=50):
        return self.answer(self.send(service, method, message, timeout), max(timeout, 0) + 30)

    def close(self):
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.s.close()


def code(call, *args, **kw):
    """0, or the status; -1: the connection is gone."""
    try:
        call(*args, **kw)
        return 0
    except Failed as e:
        return e.code
    except (OSError, EOFError):
        return -1


# What is called.


def get_resource(uri):
    return "api.GetResourceService", "GetResource", field(1, uri.encode())


def get_old(first, second, third):
    return "getresource.GetResourceService", "GetResource", field(1, first) + field(2, second) + field(3, third)


def by_path(path, name="offline_fs_kbc", address="null"):
    return get_old(path.encode(), name.encode(), address.encode())


def by_description(what, name="offline_fs_kbc", address="null"):
    return get_old(name.encode(), address.encode(), json.dumps({"name": what, "optional": {}}).encode())


def unwrap(packet, broker=None):
    dc = {"Parameters": {"attestation-agent": [base64.b64encode(broker.encode()).decode()]} if broker else {}}
    request = {
        "op": "keyunwrap", "keywrapparams": {"ec": None, "optsdata": None},
        "keyunwrapparams": {"dc": dc, "annotation": base64.b64encode(packet).decode()},
    }
    return providers.SERVICE, "UnWrapKey", field(1, json.dumps(request).encode())


def pull(image, bundle):
    return PULL, "PullImage", field(1, image.encode()) + field(2, bundle.encode())


UNSEAL = "api.SealedSecretService", "UnsealSecret", field(1, b"sealed.fakejwsheader.e30.fakesignature")
MOUNT = "api.SecureMountService", "SecureMount", field(1, b"block-device")
NOBODY = "api.Nothing", "Nothing", b""  # rpc itself answers, after it has passed on what came before on the same connection
TEE_TYPE = "attestation_agent.AttestationAgentService", "GetTeeType", b""
STATUS = "cacao.AgentService", "Status", b""


class Grpc:
    """The same calls by gRPC, as kata-agent made them before CC-0.5."""

    def __init__(self, address):
        import grpc
        self.grpc, self.channel = grpc, grpc.insecure_channel(address)

    def call(self, service, method, message=b"", timeout=50):
        try:
            return self.channel.unary_unary(f"/{service}/{method}")(message, timeout=timeout, wait_for_ready=timeout > 5)
        except self.grpc.RpcError as e:
            raise Failed(e.code().value[0], e.details())

    def close(self):
        self.channel.close()


# --- secrets: a broker of files

KEY = json.loads(read(VECTORS + "/kbc/annotation/v1-a256gcm.json"))
PACKET = json.dumps(KEY["annotation"]).encode()
LAYER_KEY = base64.b64decode(KEY["plaintext_b64"])
SECRET = b"the resource of a guest"
POLICY = b'{"default":[{"type":"insecureAcceptAnything"}]}'


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, 0o600)


def offline_files(directory, resources=None, keys=None):
    def text(entries):
        return json.dumps({path: base64.b64encode(value).decode() for path, value in entries.items()})

    resources = resources or {"default/key/1": SECRET, "default/security-policy/test": POLICY}
    keys = keys or {"default/key/key_id1": base64.b64decode(KEY["kek_b64"])}
    write(directory + "/aa-offline_fs_kbc-resources.json", text(resources))
    write(directory + "/aa-offline_fs_kbc-keys.json", text(keys))


# --- where it happens


def enter_namespace():
    """Root only: this program again, with /run, /usr/local/bin and the network to itself; True there."""
    if os.environ.get("CACAO_TEST_GUEST") == "inside":
        return True
    os.environ["CACAO_TEST_GUEST"] = "inside"
    os.execvp("unshare", ["unshare", "--mount", "--net", "--propagation", "private", sys.executable] + sys.argv)


def mount(*args):
    subprocess.run(("mount",) + args, check=True)


def loopback_up():
    with socket.socket() as s:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(s, 0x8913, request))[1]
        fcntl.ioctl(s, 0x8914, struct.pack("16sH14s", b"lo", flags | 1, b""))


class Guest:
    """real: the machine's own paths, and no option of ours at all; once in a namespace."""

    def __init__(self, real=False, cmdline="agent.aa_kbc_params=offline_fs_kbc::{keys}"):
        self.real, self.started, self.logs = real, [], []
        self.dir = tempfile.mkdtemp(prefix="guest.")
        self.root = "" if real else self.dir
        self.bin = "/usr/local/bin" if real else self.dir + "/bin"
        self.keys = self.dir + "/keys"
        if real:
            loopback_up()
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", self.bin)
        else:
            os.makedirs(self.bin)
        for name in NAMES:
            shutil.copy(PROGRAM, self.bin + "/" + name) if name == ATTESTATION else os.link(
                self.bin + "/" + ATTESTATION, self.bin + "/" + name)
        offline_files(self.keys)
        self.cmdline, self.config = self.dir + "/cmdline", self.dir + "/agent.toml"
        self.accept_images()
        self.say_on_cmdline(cmdline.format(keys=self.keys))
        if real:
            mount("--bind", self.cmdline, "/proc/cmdline")

    def accept_images(self):
        """A policy that the guest's image has; where the guest is a directory, bundles are made in it."""
        if self.real:
            layer = self.dir + "/layer"
            os.mkdir(layer)
            mount("-t", "tmpfs", "tmpfs", layer)  # our directory may lie on an overlay itself, which takes no second one
            os.mkdir(layer + "/etc")
            os.mkdir(layer + "/work")
            mount("-t", "overlay", "-o", f"lowerdir=/etc,upperdir={layer}/etc,workdir={layer}/work", "overlay", "/etc")
            write("/etc/cacao/policy.json", POLICY)
        write(self.dir + "/policy.json", POLICY)
        write(self.config, f'format = 1\n\n[image]\npolicy = "{self.dir}/policy.json"\n'
              f'store = "{self.dir}/store"\n\n[pull]\nbundles = ["{self.dir}"]\n')

    def say_on_cmdline(self, text):
        write(self.cmdline, "quiet ro panic=1 " + text + "\n")
        os.chmod(self.cmdline, 0o644)

    def path(self, path):
        """A directory's sockets have shorter names: theirs are limited."""
        return path if self.real else self.root + path.replace(CC, "/run/cc")

    def unix(self, path):
        return "unix://" + self.path(path)

    def ours(self):
        return [] if self.real else ["--run-dir", self.path("/run/cacao"), "--cmdline", self.cmdline, "--own-config", self.config]

    def spawn(self, name, *args, **kw):
        argv = [f"{self.bin}/{name}"] + list(args) + self.ours()
        log = f"{self.dir}/{len(self.logs)}.log"
        self.logs.append(log)
        with open(log, "wb") as err:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=err, stderr=err, **kw)
        p.log = log
        self.started.append(p)
        return p

    def start(self, *names):
        """Those names, one after the other, each until it is served."""
        for name in names or NAMES:
            self.spawn_ready(name)
        return self

    def spawn_ready(self, name, *args):
        if name == ATTESTATION:
            args = ("--attestation_sock", self.unix(AA_SOCK)) + args
        elif name == HUB and not self.real:
            args = ("-s", self.unix(HUB_SOCK)) + args
        r, w = os.pipe()
        p = self.spawn(name, *args, "--ready-fd", str(w), pass_fds=(w,))
        os.close(w)
        with os.fdopen(r, "rb") as ready:
            p.ready = ready.readline() != b""
        return p

    def connect(self, path=HUB_SOCK):
        return Connection(self.path(path))

    def status(self):
        c = self.connect(OWN_SOCK)
        try:
            return json.loads(fields(c.call(*STATUS))[1])
        finally:
            c.close()

    def role(self, name):
        return next(r for r in self.status()["roles"] if r["name"] == name)

    def log(self):
        return b"".join(read(log) for log in self.logs)

    def stop(self, sig=signal.SIGTERM):
        """All that was started; what is left of it after half a minute."""
        for p in self.started:
            if p.poll() is None:
                p.send_signal(sig)
        for p in self.started:
            try:
                p.wait(30)
            except subprocess.TimeoutExpired:
                p.kill()
        self.started = []
        until(lambda: not processes())
        return processes()

    def sockets(self):
        """Files of sockets below its run directory."""
        found = []
        for where, _, files in os.walk(self.path("/run")):
            for name in files:
                if pathlib.Path(where, name).is_socket():
                    found.append(os.path.join(where, name)[len(self.root):])
        return sorted(found)

    def remove(self):
        self.stop()
        for where in ("/proc/cmdline", "/etc", self.dir + "/layer", self.bin, "/run") if self.real else ():
            subprocess.run(["umount", "-l", where], check=True)
        shutil.rmtree(self.dir, ignore_errors=True)


def main(tests, names):
    """Runs those tests. Whatever they start stays below this process, whoever of its parents ends."""
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    try:
        for name in names:
            tests["test_" + name.replace("-", "_")]()
    except BaseException as e:  # what ran before is not for nothing
        check(False, f"{names}: {e!r}", traceback.format_exc())
    sys.stdout.flush()
    for pid, name in processes().items():
        print(f"# left: {name}", flush=True)
        os.kill(pid, signal.SIGKILL)
    os._exit(0)  # grpcio's threads take their time
