"""Settings by each of their ways, and secrets: through every door they come out, and nowhere else.

usage: kata_secrets.py TEST...   Prints lines "ok NAME", "not ok NAME" for adopt of lib.sh.
"""

import base64
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import agents
from agents import ATTESTATION, HUB, OWN_SOCK, REST, SECRET, Failed, Grpc, Guest, check, processes, read, until, write
from kata import GETRESOURCE, KEYPROVIDER, result
from ports import free_port

RESOURCE = agents.get_resource("kbs:///default/key/1")

# --- settings

AA_FULL = """
[token_configs.kbs]
url = "http://127.0.0.1:8080"
cert = ""
tee_key_algorithm = "RSA-OAEP-256"

[token_configs.coco_as]
url = "http://127.0.0.1:8081"

[eventlog_config]
init_pcr = 16
enable_eventlog = "false"
eventlog_algorithm = "sha384"

[log]
level = "info"
"""

HUB_FULL = """
socket = "{socket}"
skip_sealed_secret_verification = false

[aa]
aa_socket = "unix:///run/confidential-containers/attestation-agent/attestation-agent.sock"

[kbc]
name = "offline_fs_kbc"
url = "{keys}"
kbs_cert = ""

[image]
work_dir = "{dir}/work"
max_concurrent_layer_downloads_per_image = 2
image_security_policy = '''{{"default": [{{"type": "reject"}}]}}'''
sigstore_config = "default-docker: {{}}"
extra_root_certificates = []

[image.image_pull_proxy]
https_proxy = "http://127.0.0.1:3128"
no_proxy = "127.0.0.1,.local"

[image.registry_config]
unqualified-search-registries = ["docker.io"]

[[image.registry_config.registry]]
location = "example.org"
insecure = false
blocked = false

[log]
level = "info"

[something.new]
unknown = 1
"""


def hub_json(guest):
    return json.dumps({"kbc": {"name": "offline_fs_kbc", "url": guest.keys, "kbs_cert": ""},
                       "image": {"max_concurrent_layer_downloads_per_image": 3}, "log": {"level": "info"}})


def test_ways():
    """The broker's address by each way there is; nothing else says it."""
    params = "offline_fs_kbc::{}"
    for name in ("cdh.toml", "cdh.json", "the kernel's command line", "kata-agent's file", "our file", "none"):
        guest = Guest(cmdline="agent.log=debug")
        hub, aa = [], []
        if name == "cdh.toml":
            write(guest.dir + "/cdh.toml", HUB_FULL.format(socket=guest.unix(agents.HUB_SOCK), keys=guest.keys, dir=guest.dir))
            write(guest.dir + "/aa.toml", AA_FULL)
            hub, aa = ["-c", guest.dir + "/cdh.toml"], ["-c", guest.dir + "/aa.toml"]
        elif name == "cdh.json":
            write(guest.dir + "/cdh.json", hub_json(guest))
            hub = ["-c", guest.dir + "/cdh.json"]
        elif name == "the kernel's command line":
            guest.say_on_cmdline("agent.aa_kbc_params=" + params.format(guest.keys))
        elif name == "kata-agent's file":
            write(guest.dir + "/kata.toml", f'aa_kbc_params = "{params.format(guest.keys)}"\nserver_addr = "vsock://-1:1024"\n')
            guest.say_on_cmdline(f"agent.config_file={guest.dir}/kata.toml")
        elif name == "our file":
            with open(guest.config, "a", encoding="ascii") as f:
                f.write(f'\n[kbc]\nparams = "{params.format(guest.keys)}"\n')
        good = guest.spawn_ready(ATTESTATION, *aa).ready and guest.spawn_ready(HUB, *hub).ready
        c = guest.connect() if good else None
        got = result(c, RESOURCE) if good else None
        if name == "none":
            check(isinstance(got, Failed) and got.code == agents.PRECONDITION, "a broker that nobody has named: none", got)
        else:
            check(got == SECRET, f"a resource, the broker said by {name}", (got, guest.log().decode()))
        if name == "cdh.toml":
            check(guest.log().count(b"something is not known") == 1, "an unknown key is warned about once", guest.log().decode())
        guest.remove()


# --- secrets

MARK = b"CANARY" + base64.b16encode(os.urandom(16))  # in the resource
KEK = b"CANARYkey" + base64.b16encode(os.urandom(16))[:23]  # 32 bytes
LAYER = b'{"symkeyopts":"CANARY' + base64.b16encode(os.urandom(16)) + b'"}'  # what is wrapped


def forms(mark):
    """As it is, in hex, and in base64 wherever in a longer text it stands."""
    found = {mark, mark.hex().encode(), mark.hex().upper().encode(), ", ".join(map(str, mark)).encode(),
             ",".join(map(str, mark)).encode(), ":".join("%02x" % b for b in mark).encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + mark)
        found.add(text[4 if shift else 0:-4])
    return found


def wrapped():
    iv = os.urandom(12)
    return json.dumps({"kid": "kbs:///default/key/key_id1", "iv": base64.b64encode(iv).decode(), "wrap_type": "A256GCM",
                       "wrapped_data": base64.b64encode(AESGCM(KEK).encrypt(iv, LAYER, None)).decode()}).encode()


def seen_of(pids):
    """What anybody can see of a process, or root at least."""
    seen = b""
    for pid in pids:
        for what in ("cmdline", "environ", "status", "limits", "maps", "comm"):
            try:
                seen += read(f"/proc/{pid}/{what}")
            except OSError:
                pass
    return seen


def files_below(*places):
    text = b""
    for place in places:
        for where, _, files in os.walk(place):
            for name in files:
                if os.path.isfile(os.path.join(where, name)):
                    text += read(os.path.join(where, name))
    return text


def test_canary():
    with contextlib.suppress(ValueError):  # else nobody here could leave a core
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    guest = Guest()
    os.chdir(guest.dir)  # where cores would be
    agents.offline_files(guest.keys, {"default/key/1": MARK, "default/security-policy/test": MARK}, {"default/key/key_id1": KEK})
    packet, broken = wrapped(), wrapped().replace(b"A256GCM", b"A256CTR")
    grpc_keys, grpc_resources = (f"127.0.0.1:{free_port()}" for _ in range(2))
    debug = ("--log-level", "debug")
    guest.spawn_ready(ATTESTATION, "--keyprovider_sock", guest.unix(KEYPROVIDER), "--getresource_sock", guest.unix(GETRESOURCE),
                      *debug)
    guest.spawn_ready(HUB, *debug)
    guest.spawn(ATTESTATION, "--keyprovider_sock", grpc_keys, "--getresource_sock", grpc_resources, *debug)
    guest.spawn_ready(REST, *debug)
    doors = {"the hub": guest.connect(), "our own": guest.connect(OWN_SOCK),
             "keyprovider": guest.connect(KEYPROVIDER), "keyprovider by gRPC": Grpc(grpc_keys),
             "getresource": guest.connect(GETRESOURCE), "getresource by gRPC": Grpc(grpc_resources)}
    old = [agents.by_path("/default/key/1", address=guest.keys), agents.by_description("Policy", address=guest.keys)]
    calls = [("the hub", RESOURCE, MARK), ("our own", RESOURCE, MARK)]
    calls += [(door, agents.unwrap(packet), LAYER) for door in ("the hub", "keyprovider", "our own", "keyprovider by gRPC")]
    calls += [(door, call, MARK) for door in ("getresource", "getresource by gRPC", "our own") for call in old]
    for door, call, wanted in calls:
        check(result(doors[door], call) == wanted, f"{door}: {call[1]} gives the secret", guest.log().decode()[-1500:])
    bad = [agents.unwrap(broken), agents.unwrap(packet[:-9]), agents.unwrap(packet.replace(b"key_id1", b"1")),
           agents.get_resource("kbs:///default/key/key_id1"), agents.get_resource("kbs:///../key/1")]
    texts = [str(result(doors["the hub"], call)) for call in bad]
    check(all(re.match(r"\d+: ", t) for t in texts), "what fails gives none", texts)
    status = json.dumps(guest.status()).encode()
    cli = os.path.join(os.path.dirname(agents.PROGRAM), "aa-cli")
    console = b"".join(subprocess.run([cli, *words], capture_output=True, check=True).stdout for words in (
        ["status", "--socket", guest.path(OWN_SOCK), "--json"], ["config", "--config", guest.config, "--cmdline", guest.cmdline]))
    seen = seen_of([*processes(), os.getpid()])
    if os.geteuid() == 0:
        limits = {n: read(f"/proc/{pid}/limits") for pid, n in processes().items() if n in ("cacao: key", "cacao: rpc")}
        check(len(limits) == 2 and all(re.search(rb"Max core file size +0 +0 ", text) for text in limits.values()),
              "who holds secrets leaves no core", limits)
    for pid in [p for p, n in processes().items() if n in ("cacao: key", "cacao: rpc")]:
        with contextlib.suppress(ProcessLookupError):  # without rpc the agent ends key itself
            os.kill(pid, signal.SIGABRT)
        until(lambda p=pid: not agents.alive(p))
    check(until(lambda: b"all connections are gone" in guest.log()), "both are killed by a signal that makes cores")
    guest.stop()
    logged = guest.log()
    left = files_below(guest.path("/run")) + b"".join(read(p) for p in os.listdir(guest.dir) if p.startswith("core"))
    for what, text in (("log", logged), ("status or settings", status + console), ("process's face", seen),
                       ("answer of a failure", "".join(texts).encode()), ("file below /run, nor in a core", left)):
        found = [m for mark in (MARK, KEK, LAYER[15:-2]) for m in forms(mark) if m in text]
        check(not found, f"no secret is in any {what} ({len(text)} bytes)", found)
    lines = [line for line in logged.splitlines() if re.search(rb" for (uid \d+|tcp): ", line)]
    wanted = len(calls) + len(bad) + 2
    check(len(lines) == wanted, f"one line in the log for each of {wanted} calls", b"\n".join(lines).decode())
    guest.remove()


if __name__ == "__main__":
    agents.main(globals(), sys.argv[1:])
