"""kata-agent's launch plans, one for each of its eras, and the calls that it makes then.

usage: kata.py TEST...   Prints lines "ok NAME", "not ok NAME" for adopt of lib.sh.
"""

import contextlib
import hashlib
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
import tomllib

import agents
import job
from agents import (AA_SOCK, ATTESTATION, CC, HUB, HUB_SOCK, LAYER_KEY, PACKET, POLICY, REST, SECRET, Failed, Grpc, Guest, check,
                    code, fields, until, write)
from ports import free_port

INITDATA = CC + "/initdata"
KEYPROVIDER, GETRESOURCE = CC + "/attestation-agent/keyprovider.sock", CC + "/attestation-agent/getresource.sock"
TRIES, ROUNDS = 100, 30


# --- what kata-agent does


def argv(guest, words):
    """kata's words; where the guest is a directory, the addresses lead there."""
    return [guest.unix(w[7:]) if w.startswith("unix://") else guest.path(w) if w.startswith("/run/") else w for w in words]


def launch(guest, name, words, wait=None):
    """As kata-agent does: unlink, spawn, look for the file once in a while."""
    if wait and os.path.lexists(guest.path(wait)):
        os.unlink(guest.path(wait))
    if name == HUB and not guest.real:
        words = ["-s", "unix://" + HUB_SOCK] + words
    p = guest.spawn(name, *argv(guest, words))
    if wait:
        check(until(lambda: os.path.exists(guest.path(wait))), f"{name}: its socket is there", guest.log())
    return p


def dial_at_once(path):
    """Connects the moment there is a file, and never before."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
            return s
        except FileNotFoundError:
            s.close()
    raise TimeoutError(path)


def initdata(guest, broker):
    toml = {
        "aa.toml": '[token_configs.kbs]\nurl = "http://127.0.0.1:8080"\n\n[eventlog_config]\ninit_pcr = 17\n'
                   'enable_eventlog = false\n',
        "cdh.toml": f'socket = "{guest.unix(HUB_SOCK)}"\n\n[kbc]\nname = "offline_fs_kbc"\nurl = "{broker}"\n\n[image]\n'
                    'max_concurrent_layer_downloads_per_image = 2\n',
    }
    text = 'version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\n' + "".join(f"\"{k}\" = '''\n{v}'''\n" for k, v in toml.items())
    write(guest.path(INITDATA + "/initdata.toml"), text)
    for name, content in toml.items():
        write(guest.path(f"{INITDATA}/{name}"), content)
    return agents.base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# --- the calls of each era


def calls_of_today(guest, connection=None):
    """One connection, all at a time, ids in any order, a pull outstanding meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a registry that says nothing
        image = "127.0.0.1:%d/nobody/nothing:1" % silent.getsockname()[1]
        c = connection or guest.connect()
        c.send(*agents.pull(image, guest.path("/run/kata-containers/one")), timeout=1200, stream=2001)
        calls = [agents.get_resource("kbs:///default/key/1"), agents.unwrap(PACKET), agents.UNSEAL, agents.MOUNT,
                 agents.get_resource("kbs:///default/key/none"), ("api.Nothing", "Nothing", b""),
                 agents.unwrap(PACKET, "offline_fs_kbc::" + guest.keys), agents.get_resource("kbs:///default/key/1")] * 3
        ids = [1 + 2 * n for n in range(len(calls))]
        random.Random(7).shuffle(ids)
        for i, call in zip(ids, calls):
            c.send(*call, stream=i)
        got = [outcome(c, i) for i in ids]
        wanted = [(0, SECRET), (0, LAYER_KEY), (14, "sealed secrets"), (14, "secure mounts"), (5, "Get Resource failed"),
                  (12, ""), (0, LAYER_KEY), (0, SECRET)] * 3
        wrong = [(w, g) for w, g in zip(wanted, got) if w[0] != g[0] or (w[1] not in g[1] if w[0] else w[1] != g[1])]
        check(not wrong, f"{len(calls)} calls at a time on one connection are answered, beside a pull", wrong)
        check(code(c.answer, 2001, 0.1) == -2, "while the pull goes on")
    c.close()


def outcome(c, stream):
    try:
        message = fields(c.answer(stream)).get(1, b"")
    except Failed as e:
        return e.code, e.text
    return 0, agents.providers.secret_of(message) if b"keyunwrapresults" in message else message


def result(caller, call):
    try:
        message = fields(caller.call(*call)).get(1, b"")
    except Failed as e:
        return e
    return agents.providers.secret_of(message) if b"keyunwrapresults" in message else message


def calls_of_old(resources, keys, broker, name):
    """The two services of the archived agent; the broker is the one that it was started with."""
    at, place = broker.split("::")
    check(result(resources, agents.by_path("/default/key/1", at, place)) == SECRET, f"{name}: GetResource by path")
    check(result(resources, agents.by_description("Policy", at, place)) == POLICY, f"{name}: GetResource by description")
    check(result(keys, agents.unwrap(PACKET, broker)) == LAYER_KEY, f"{name}: UnWrapKey")
    check(code(resources.call, *agents.by_path("/default/key/1", at, "elsewhere")) not in (0, -1),
          f"{name}: another broker is refused")
    check(code(resources.call, *agents.by_path("/default/key/key_id1", at, place)) == 5, f"{name}: a key is no resource")
    check(code(keys.call, *agents.by_path("/default/key/1", at, place)) not in (0, -1) if keys is not resources else True,
          f"{name}: each socket serves its own")


# --- eras


def old_broker(guest):
    return "offline_fs_kbc::" + guest.keys


def era_cc02(guest):
    ports = ["127.0.0.1:50000", "127.0.0.1:50001"] if guest.real else [f"127.0.0.1:{free_port()}" for _ in range(2)]
    launch(guest, ATTESTATION, ["--keyprovider_sock", ports[0], "--getresource_sock", ports[1]])
    keys, resources = Grpc(ports[0]), Grpc(ports[1])
    calls_of_old(resources, keys, old_broker(guest), "CC-0.2 to 0.4")
    keys.close(), resources.close()


def era_cc05(guest):
    began = time.monotonic()
    launch(guest, ATTESTATION, ["--keyprovider_sock", "unix://" + KEYPROVIDER, "--getresource_sock", "unix://" + GETRESOURCE])
    for path in (KEYPROVIDER, GETRESOURCE):  # nothing waits there
        dial_at_once(guest.path(path)).close()
    took = time.monotonic() - began
    check(took < 2, f"CC-0.5 to 0.7: both sockets are there after {took * 1000:.0f} ms")
    keys, resources = guest.connect(KEYPROVIDER), guest.connect(GETRESOURCE)
    calls_of_old(resources, keys, old_broker(guest), "CC-0.5 to 0.7")
    check(not os.path.exists(guest.path(AA_SOCK)), "CC-0.5 to 0.7: no third socket")
    keys.close(), resources.close()


def era_cc08(guest):
    launch(guest, ATTESTATION, ["--keyprovider_sock", "unix://" + KEYPROVIDER, "--getresource_sock", "unix://" + GETRESOURCE,
                                "--attestation_sock", "unix://" + AA_SOCK], AA_SOCK)
    launch(guest, HUB, [])
    launch(guest, REST, ["--features", "resource"])
    keys, resources = guest.connect(KEYPROVIDER), guest.connect(GETRESOURCE)
    calls_of_old(resources, keys, old_broker(guest), "CC-0.8")
    keys.close(), resources.close()
    calls_of_today(guest, until_connected(guest))


def until_connected(guest):
    return until(lambda: os.path.exists(guest.path(HUB_SOCK)) and guest.connect())


def three(guest, attestation=(), hub=(), features="resource"):
    launch(guest, ATTESTATION, ["--attestation_sock", "unix://" + AA_SOCK, *attestation], AA_SOCK)
    launch(guest, HUB, list(hub), HUB_SOCK)
    launch(guest, REST, ["--features", features])
    calls_of_today(guest)


def era_34(guest):
    three(guest)


def era_316(guest):
    digest = initdata(guest, guest.keys)
    three(guest, ["--initdata", digest, "-c", INITDATA + "/aa.toml"], ["-c", INITDATA + "/cdh.toml"], "attestation")


def era_319(guest):
    initdata(guest, guest.keys)
    three(guest, ["--initdata-toml", INITDATA + "/initdata.toml", "-c", INITDATA + "/aa.toml"], ["-c", INITDATA + "/cdh.toml"],
          "all")


MANIFEST = """
schema_version = 1

[[process]]
id = "attestation-agent"
level = 1
path = "usr/local/bin/attestation-agent"
args = ["--attestation_sock", "${aa_attestation_uri}"]
optional_args = [{ when = "${initdata_toml_path}", args = ["--initdata-toml", "${initdata_toml_path}"] }]
config = "${aa_config_path}"
wait_socket = "${aa_attestation_socket}"
timeout_secs = "${launch_process_timeout}"

[[process]]
id = "confidential-data-hub"
level = 2
path = "usr/local/bin/confidential-data-hub"
config = "${cdh_config_path}"
env = { OCICRYPT_KEYPROVIDER_CONFIG = "${ocicrypt_config_path}" }
wait_socket = "${cdh_socket}"
timeout_secs = "${launch_process_timeout}"

[[process]]
id = "api-server-rest"
level = 3
path = "usr/local/bin/api-server-rest"
args = ["--features", "${rest_api_features}"]
"""


def era_40(guest):
    """An extension of the guest's image says what is started."""
    initdata(guest, guest.keys)
    says = {
        "aa_attestation_uri": "unix://" + AA_SOCK, "aa_attestation_socket": AA_SOCK, "cdh_socket": HUB_SOCK,
        "aa_config_path": INITDATA + "/aa.toml", "cdh_config_path": INITDATA + "/cdh.toml", "rest_api_features": "resource",
        "initdata_toml_path": INITDATA + "/initdata.toml", "launch_process_timeout": "6",
        "ocicrypt_config_path": "/etc/ocicrypt_config.json",
    }

    def put(text):
        for name, value in says.items():
            text = text.replace("${%s}" % name, value)
        return text

    for p in sorted(tomllib.loads(MANIFEST)["process"], key=lambda p: p["level"]):
        words = [put(w) for w in p.get("args", [])]
        for optional in p.get("optional_args", []):
            if os.path.exists(guest.path(put(optional["when"]))):
                words += [put(w) for w in optional["args"]]
        if "config" in p and os.path.exists(guest.path(put(p["config"]))):
            words += ["-c", put(p["config"])]
        launch(guest, p["id"], words, put(p["wait_socket"]) if "wait_socket" in p else None)
    calls_of_today(guest)


ERAS = {
    "CC-0.2 to 0.4": era_cc02, "CC-0.5 to 0.7": era_cc05, "CC-0.8": era_cc08, "3.4 to 3.15": era_34, "3.16 to 3.18": era_316,
    "3.19 to today": era_319, "extension manifest": era_40,
}


def in_guest(name, era, **kw):
    print(f"# --- {name}", flush=True)
    guest = Guest(**kw)
    os.makedirs(guest.path("/run/kata-containers/one"))
    bad = agents.failed
    era(guest)
    left = guest.stop()
    check(not left, f"{name}: SIGTERM ends all of it", left)
    check(not guest.sockets(), f"{name}: and its sockets are gone", guest.sockets())
    if agents.failed > bad:
        print("# " + guest.log().decode(errors="replace").replace("\n", "\n# "), flush=True)
    guest.remove()


def test_eras():
    for name, era in ERAS.items():
        in_guest(name, era)


def test_real():
    """kata-agent's own paths and ports, its words and no other."""
    agents.enter_namespace()
    for name, era in ERAS.items():
        in_guest(name, era, real=True)


# --- readiness


def test_moment():
    """A socket that is there is served: who connects the moment its file appears is never refused."""
    guest = Guest()
    path, refused = guest.path(AA_SOCK), 0
    for turn in range(2 * TRIES):
        joins = turn >= TRIES  # first as who becomes the agent, then as who hands over
        if turn == TRIES:
            guest.start(ATTESTATION)
            path = guest.path(HUB_SOCK)
        words = ["-s", guest.unix(HUB_SOCK)] if joins else ["--attestation_sock", guest.unix(AA_SOCK)]
        p = guest.spawn(HUB if joins else ATTESTATION, *words)
        try:
            dial_at_once(path).close()
        except ConnectionRefusedError:
            refused += 1
        p.kill()
        p.wait()
        guest.started.remove(p)
        if not until(lambda: not os.path.exists(path), 0.1 if joins else 0):
            with contextlib.suppress(FileNotFoundError):  # the agent may be at it
                os.unlink(path)
    check(refused == 0, f"of {2 * TRIES} connections at the first moment none is refused", f"{refused} were")
    guest.remove()


def role_answers_late(role, fds, setup, call, kind, extra):
    """A role that finds a call before its settings: does it wait for them?"""
    spare = [os.open("/dev/null", os.O_RDONLY) for _ in range(6)]  # low numbers are the role's
    control, rpc = (socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2))
    job.send(rpc[0], kind, call, extra)

    def arrange():
        os.dup2(control[1].fileno(), 3)
        os.dup2(rpc[1].fileno(), fds)
    mode = "root" if os.geteuid() == 0 else "user"
    p = subprocess.Popen([f"cacao: {role}", "1", mode, "-1", "-1"], executable=agents.PROGRAM, env={}, pass_fds=(3, fds),
                         preexec_fn=arrange, stdin=subprocess.DEVNULL)
    for s in (control[1], rpc[1]):
        s.close()
    for fd in spare:
        os.close(fd)
    waits = not select.select([rpc[0]], [], [], 0.5)[0]
    job.send(control[0], *setup)
    rpc[0].settimeout(30)
    answer = rpc[0].recv(4096)
    control[0].close()
    p.wait(30)
    return waits and job.struct.unpack(">H", answer[:2])[0] == job.MESSAGE["M_CALL_DONE"]


def test_first():
    """A call is what key and tee are started for: it lies there before their settings, and waits for them."""
    number = {name: n for n, name in enumerate(job.names("agent/services.h", r"enum call \{"))}
    r, w = os.pipe()
    check(role_answers_late("key", 5, ("M_KEY_SETUP", job.text("") + b"\0"), bytes([number["CALL_RESOURCE"]]) +
                            job.text("kbs:///default/key/1") + job.text(""), "M_CALL_PIPE", [w]),
          "key answers no call before it has its settings")
    check(role_answers_late("tee", 4, ("M_TEE_SETUP", job.text("") + bytes(7)), bytes([number["CALL_TEE"]]), "M_CALL", []),
          "nor does tee")
    os.close(r), os.close(w)
    got = []
    for _ in range(ROUNDS):
        guest = Guest()
        guest.spawn(HUB, "-s", guest.unix(HUB_SOCK))
        dial_at_once(guest.path(HUB_SOCK)).close()
        got.append(result(guest.connect(), agents.get_resource("kbs:///default/key/1")))
        guest.stop(signal.SIGKILL)
        guest.remove()
    wrong = [g for g in got if g != SECRET]
    check(not wrong, f"the first call of {ROUNDS} agents, made at once, is answered", wrong)


if __name__ == "__main__":
    agents.main(globals(), sys.argv[1:])
