"""The three names: in any order, at the same moment, twice, with other settings; and the death of each process.

usage: kata_names.py TEST...   Prints lines "ok NAME", "not ok NAME" for adopt of lib.sh.
"""

import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import time

import agents
import job
from agents import (AA_SOCK, ATTESTATION, HUB, HUB_SOCK, NAMES, OWN_SOCK, REST, TEE_TYPE, UNAVAILABLE, Guest, alive, check, code,
                    effort, processes, read, stat_of, until, write)

RESOURCE = agents.get_resource("kbs:///default/key/1")
ROUNDS = 50


def names_of(guest):
    return sorted(n["name"] for n in guest.status()["names"])


def shown(guest):
    return sorted(p.split("/")[-1] for p in processes().values())


def fails(p, text, name, guest):
    """It ends with an error that says so."""
    try:
        rc = p.wait(30)
    except subprocess.TimeoutExpired:
        p.kill()
        rc = 0
    said = read(p.log).decode()
    guest.started.remove(p)
    check(rc not in (0, 1) and text in said, name, f"{rc}: {said}")


# --- names


def test_orders():
    for order in itertools.permutations(NAMES):
        guest = Guest().start(*order)
        short = ", ".join(n.split("-")[0] for n in order)
        good = names_of(guest) == sorted(NAMES) and guest.role("key")["pid"] == 0
        c = guest.connect()
        good = good and code(c.call, *RESOURCE) == 0 and code(guest.connect(AA_SOCK).call, *TEE_TYPE) not in (UNAVAILABLE, -1)
        ours = shown(guest)
        wanted = sorted(list(NAMES) + ["cacao: rpc", "cacao: key", "cacao: tee"])
        check(good and ours == wanted, f"{short}: one agent, one key process", ours)
        c.close()
        guest.remove()


def test_race():
    good = 0
    for _ in range(ROUNDS):
        guest = Guest()
        ends = []
        for name, words in ((ATTESTATION, ["--attestation_sock", guest.unix(AA_SOCK)]), (HUB, ["-s", guest.unix(HUB_SOCK)]),
                            (REST, [])):
            r, w = os.pipe()
            guest.spawn(name, *words, "--ready-fd", str(w), pass_fds=(w,))
            os.close(w)
            ends.append(os.fdopen(r, "rb"))
        ready = [r.readline() != b"" for r in ends]
        if all(ready) and names_of(guest) == sorted(NAMES) and shown(guest).count("cacao: rpc") == 1:
            good += 1
        else:
            print("#", ready, guest.log().decode())
        for r in ends:
            r.close()
        guest.stop(signal.SIGKILL)
        guest.remove()
    check(good == ROUNDS, f"{ROUNDS} times all three at the same moment: one agent each time", f"{good} times")


READERS = 2  # of a hub's settings: our file, the kernel's command line


def caught(agent, before):
    """A reader of settings among the agent's children that was not there before, stopped; None"""
    for pid in map(int, read(f"/proc/{agent}/task/{agent}/children").split()):
        try:
            if pid not in before and read(f"/proc/{pid}/cmdline").startswith(b"cacao: config\0"):
                os.kill(pid, signal.SIGSTOP)
                if until(lambda p=pid: stat_of(p)[0] == b"T", 1):
                    return pid
        except OSError:
            pass  # it was faster
    return None


def slow_guest():
    """Its settings take a reader a while, for they have many lines and words that say nothing."""
    guest = Guest(cmdline="agent.aa_kbc_params=offline_fs_kbc::{keys}" + " a=" * 60000)
    with open(guest.config, "a", encoding="ascii") as f:
        f.write("\n" * 200000)
    return guest.start(ATTESTATION)


def stop_config(guest):
    """The hub is started, and the last reader of its settings is caught at that, and stopped: (hub, reader)"""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        r, w = os.pipe()
        hub = guest.spawn(HUB, "-s", guest.unix(HUB_SOCK), "--ready-fd", str(w), pass_fds=(w,))
        os.close(w)
        hub.told, readers = os.fdopen(r, "rb"), []
        while not select.select([hub.told], [], [], 0)[0]:  # once it is served they have escaped
            reader = caught(guest.started[0].pid, readers)
            if reader:
                readers.append(reader)
                if len(readers) == READERS:
                    return hub, reader
                os.kill(reader, signal.SIGCONT)
        hub.told.close()
        kill(hub.pid)
        hub.wait()
        guest.started.remove(hub)
        until(lambda: HUB not in names_of(guest))
    raise AssertionError("the reader of settings is never seen")


def starter(guest):
    """One that has connected, and says nothing yet."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(guest.path("/run/cacao/start.sock"))
    s.settimeout(30)
    return s


def test_meanwhile():
    """While settings are read for one that starts, others start, end, and the whole is told to end."""
    guest = slow_guest()
    agent = guest.started[0]
    with starter(guest) as early:
        time.sleep(0.1)
        hub, reader = stop_config(guest)
        job.send(early, "M_FACE_START", bytes([len(NAMES) - 1]) + job.text("") + b"\0")
        time.sleep(0.1)
        agent.send_signal(signal.SIGSTOP)  # the reader's end wakes nobody later: it is told of with its answer
        until(lambda: stat_of(agent.pid)[0] == b"T")
        os.kill(reader, signal.SIGCONT)
        until(lambda: not alive(reader), 1)
        agent.send_signal(signal.SIGCONT)
        try:
            answer = early.recv(100)
        except OSError as e:
            answer = repr(e).encode()
        check(answer[12:] == b"\0", "who connected earlier and speaks later is served", answer)
        check(until(lambda: names_of(guest) == sorted(NAMES)), "and so is the one that was being served")
    check(until(lambda: REST not in names_of(guest)), "its end is seen")
    kill(hub.pid)
    until(lambda: HUB not in names_of(guest))
    hub, reader = stop_config(guest)
    kill(hub.pid)
    os.kill(reader, signal.SIGCONT)
    check(until(lambda: names_of(guest) == [ATTESTATION]) and not until(lambda: names_of(guest) != [ATTESTATION], 0.5),
          "one that dies while it is being served is forgotten", guest.status())
    check(guest.spawn_ready(HUB).ready, "and can be started again")
    guest.remove()
    guest = slow_guest()
    agent = guest.started[0]
    stop_config(guest)
    agent.send_signal(signal.SIGTERM)
    check(until(lambda: agent.poll() is not None) and agent.returncode == 0, "a request to end is heard then, too", guest.log())
    guest.remove()
    guest = slow_guest()
    _, reader = stop_config(guest)
    kill(next(pid for pid, name in processes().items() if name == "cacao: rpc"))
    time.sleep(0.1)
    os.kill(reader, signal.SIGCONT)
    check(until(lambda: HUB in names_of(guest)) and code(guest.connect().call, *RESOURCE) == 0,
          "rpc dies meanwhile: the new one serves it", guest.log())
    check(guest.log().count(b"started anew") == 1, "and it is told of once")
    guest.remove()


def test_replaced():
    """kata-agent starts again what was killed before the agent has seen its end: the new one's socket stays."""
    guest = Guest().start(ATTESTATION, HUB)
    agent, hub = guest.started
    agent.send_signal(signal.SIGSTOP)
    kill(hub.pid)
    os.unlink(guest.path(HUB_SOCK))
    guest.spawn(HUB, "-s", guest.unix(HUB_SOCK))
    there = until(lambda: os.path.exists(guest.path(HUB_SOCK)))
    agent.send_signal(signal.SIGCONT)
    check(there and until(lambda: guest.started[-1].pid in [n["pid"] for n in guest.status()["names"]]),
          "one that was killed and started at once is served")
    check(os.path.exists(guest.path(HUB_SOCK)) and code(guest.connect().call, *RESOURCE) == 0, "at its own socket")
    guest.stop()
    check(not os.path.exists(guest.path(HUB_SOCK)), "which goes with it")
    guest.remove()


def test_again():
    guest = Guest().start()
    c = guest.connect()
    fails(guest.spawn(ATTESTATION, "--attestation_sock", guest.unix(AA_SOCK)), "another process serves it",
          "the same name a second time is refused", guest)
    fails(guest.spawn(HUB, "-s", guest.unix(HUB_SOCK)), "another process serves it", "so is the hub", guest)
    check(os.path.exists(guest.path(HUB_SOCK)) and names_of(guest) == sorted(NAMES), "the first one's socket stays")
    check(code(c.call, *RESOURCE) == 0, "and so does its connection")
    c.close()
    guest.remove()


def test_settings():
    guest = Guest()
    for name, url in (("one", guest.keys), ("other", guest.dir)):
        write(f"{guest.dir}/{name}.toml", f'[kbc]\nname = "offline_fs_kbc"\nurl = "{url}"\n')
    write(guest.dir + "/broken.toml", "[kbc\n")
    write(guest.dir + "/aa.toml", "[eventlog_config]\nenable_eventlog = 5\n")
    fails(guest.spawn(ATTESTATION, "--attestation_sock", guest.unix(AA_SOCK), "-c", guest.dir + "/none.toml"), "none.toml",
          "settings that are not there", guest)
    fails(guest.spawn(HUB, "-s", guest.unix(HUB_SOCK), "-c", guest.dir + "/broken.toml"), "broken.toml",
          "settings that cannot be read", guest)
    check(not guest.sockets(), "leave no socket behind", guest.sockets())
    guest.start(ATTESTATION)
    p = guest.spawn_ready(HUB, "-c", guest.dir + "/one.toml")
    check(p.ready, "the hub with its settings")
    c = guest.connect()
    fails(guest.spawn(HUB, "-s", guest.unix("/run/second.sock"), "-c", guest.dir + "/other.toml"), "one.toml",
          "settings that contradict are refused at the later start", guest)
    fails(guest.spawn(ATTESTATION, "--attestation_sock", guest.unix("/run/second.sock"), "-c", guest.dir + "/broken.toml"),
          "broken.toml", "so are some that cannot be read", guest)
    check(not os.path.exists(guest.path("/run/second.sock")), "they leave no socket behind")
    check(code(c.call, *RESOURCE) == 0 and names_of(guest) == [ATTESTATION, HUB], "the first goes on with its own")
    check(guest.spawn_ready(REST).ready, "and takes others")
    c.close()
    guest.remove()


def test_stale():
    guest = Guest().start()
    c = guest.connect()
    c.call(*RESOURCE)
    left = guest.stop(signal.SIGKILL)
    check(not left and OWN_SOCK in guest.sockets(), "all are killed at once: sockets stay, processes do not", left)
    check(names_of(guest.start()) == sorted(NAMES), "they are started again over what is left")
    check(code(guest.connect().call, *RESOURCE) == 0, "and answer")
    check(c.closed, "who was connected has lost his connection")
    guest.stop(signal.SIGKILL)
    write(guest.path("/run/cacao/lock"), "1")
    check(names_of(guest.start(REST, HUB)) == [REST, HUB], "a lock's content means nothing")
    guest.remove()


def test_strangers():
    """As root: another user can neither start a part of it, nor call."""
    guest = Guest().start()
    above = [guest.dir]
    while above[-1] != "/":
        above.append(os.path.dirname(above[-1]))
    above = [d for d in above if os.stat(d).st_mode & 0o005 != 0o005]  # temporary folders are their owner's alone
    for path in (*above, guest.path("/run"), guest.path("/run/cc"), guest.keys, guest.bin):
        os.chmod(path, 0o755)
    as_user = dict(user=65534, group=65534, extra_groups=[])
    where = agents.tempfile.mkdtemp(prefix="stranger.")
    os.chown(where, 65534, 65534)
    fails(guest.spawn(HUB, "-s", f"unix://{where}/hub.sock", **as_user), "ermission denied",
          "another user cannot start a part of it", guest)
    p = subprocess.run([sys.executable, "-c", "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])",
                        guest.path(HUB_SOCK)], stderr=subprocess.PIPE, check=False, **as_user)
    check(b"PermissionError" in p.stderr, "nor call it")
    os.chmod(guest.path(HUB_SOCK), 0o666)
    os.chmod(guest.path("/run/cacao"), 0o755)
    os.chmod(guest.path("/run/cacao/start.sock"), 0o666)
    caller = ("import socket, sys\ns = socket.socket(socket.AF_UNIX, %s)\ns.connect(sys.argv[1])\ns.settimeout(5)\n"
              "sys.exit(len(s.recv(1)))")
    for kind, path, name in (("socket.SOCK_STREAM", HUB_SOCK, "call it"),
                             ("socket.SOCK_SEQPACKET", "/run/cacao/start.sock", "join it")):
        p = subprocess.run([sys.executable, "-c", caller % kind, guest.path(path)], stderr=subprocess.PIPE, check=False, **as_user)
        check(p.returncode == 0, f"though the file's mode let him he could not {name}", p.stderr)
    check(guest.log().count(b"may not start") == 1 and b"turned away" in guest.log(), "the log tells")
    fails(guest.spawn(ATTESTATION, "--attestation_sock", f"unix://{where}/aa.sock", **as_user), "directory of our own",
          "a run directory of somebody else is none", guest)
    agents.shutil.rmtree(where)
    guest.remove()


def test_ready():
    """Readiness besides the socket: a line for --ready-fd (start waits for it), and what systemd wants to hear."""
    guest = Guest()
    where = guest.dir + "/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(where)
        s.settimeout(30)
        for name, words in ((ATTESTATION, ["--attestation_sock", guest.unix(AA_SOCK)]), (HUB, ["-s", guest.unix(HUB_SOCK)])):
            guest.spawn(name, *words, env={**os.environ, "NOTIFY_SOCKET": where})
            said = s.recv(4096)
            check(b"READY=1" in said and name in names_of(guest), f"{name}: systemd is told", said)
    check(guest.spawn_ready(REST).ready, "a name without sockets is ready, too")
    guest.remove()


# --- deaths


def ended(pid):
    return until(lambda: not alive(pid))


def kill(pid, sig=signal.SIGKILL):
    os.kill(pid, sig)
    return ended(pid)


def in_flight(guest, c, role, call):
    """A call that its role has not answered, for it is stopped; then the role dies."""
    pid = guest.role(role)["pid"]
    os.kill(pid, signal.SIGSTOP)
    streams = [c.send(*call) for _ in range(3)]
    code(c.call, *agents.NOBODY)
    kill(pid)
    return [code(c.answer, s) for s in streams]


def test_key():
    guest = Guest().start()
    c, other = guest.connect(), guest.connect(AA_SOCK)
    check(code(c.call, *RESOURCE) == 0, "key is there")
    got = in_flight(guest, c, "key", RESOURCE)
    check(got.count(UNAVAILABLE) >= 1 and set(got) <= {0, UNAVAILABLE}, "key dies: the calls that it had are unavailable", got)
    check(code(c.call, *RESOURCE) == 0, "the next one starts it again, on the same connection")
    check(guest.role("key")["deaths"] == 1 and not guest.role("key")["down"], "status tells of its death", guest.status())
    for _ in range(2):
        pid = guest.role("key")["pid"]
        kill(pid)
        until(lambda: guest.role("key")["pid"] != pid)
        last = code(c.call, *RESOURCE)
    check(last == UNAVAILABLE and guest.role("key")["down"], "after three deaths within a minute it is left alone", guest.status())
    check(code(c.call, *RESOURCE) == UNAVAILABLE and guest.role("key")["pid"] == 0, "for the next call, too")
    check(code(other.call, *TEE_TYPE) not in (UNAVAILABLE, -1), "others are served meanwhile")
    check(b"left alone" in guest.log(), "the log says so")
    if effort(2) > 2:  # a minute is long
        check(until(lambda: code(c.call, *RESOURCE) == 0, 70) and not guest.role("key")["down"], "after a minute it is back")
    guest.remove()


def test_tee():
    guest = Guest().start()
    c, hub = guest.connect(AA_SOCK), guest.connect()
    usual = code(c.call, *TEE_TYPE)
    got = in_flight(guest, c, "tee", TEE_TYPE)
    check(got.count(UNAVAILABLE) >= 1 and set(got) <= {usual, UNAVAILABLE}, "tee dies: the calls that it had are unavailable", got)
    check(code(c.call, *TEE_TYPE) == usual and guest.role("tee")["deaths"] == 1, "the next one starts it again")
    check(code(hub.call, *RESOURCE) == 0, "keys are not concerned")
    guest.remove()


def test_rpc():
    guest = Guest().start()
    for turn in range(3):
        c = guest.connect()
        before = guest.role("rpc")["pid"]
        check(code(c.call, *RESOURCE) == 0, "rpc serves") if turn == 0 else None
        kill(before)
        if turn == 2:
            break
        check(until(lambda: c.closed) and code(c.call, *RESOURCE) == -1, "rpc dies: connections are gone")
        c = until(lambda: (lambda n: n if code(n.call, *RESOURCE) == 0 else None)(guest.connect()))
        check(c and guest.role("rpc")["pid"] != before and names_of(guest) == sorted(NAMES),
              "who connects again is served by another, at all sockets")
    check(until(lambda: not processes()), "three deaths of rpc within a minute are the end of all", processes())
    check(not [s for s in guest.sockets() if "start" not in s], "and leave no socket", guest.sockets())
    guest.remove()


def test_starters():
    guest = Guest().start()
    attestation, hub, rest = guest.started
    c, aa = guest.connect(), guest.connect(AA_SOCK)
    for sig in (signal.SIGKILL, signal.SIGTERM):
        hub.send_signal(sig)
        hub.wait()
        check(until(lambda: not os.path.exists(guest.path(HUB_SOCK))) and until(lambda: c.closed),
              f"the hub's name ends ({sig.name}): its socket and its callers are gone")
        check(names_of(guest) == [REST, ATTESTATION] and code(aa.call, *TEE_TYPE) not in (UNAVAILABLE, -1),
              "the other names are still called")
        hub = guest.spawn_ready(HUB)
        c = guest.connect()
        check(hub.ready and code(c.call, *RESOURCE) == 0, "it can be started again")
    rest.kill()
    rest.wait()
    check(until(lambda: names_of(guest) == [ATTESTATION, HUB]) and code(c.call, *RESOURCE) == 0,
          "api-server-rest ends: nothing else does")
    attestation.kill()
    attestation.wait()
    check(until(lambda: c.closed and not processes()), "the monitor dies: so do all others", processes())
    check(hub.wait() == 50 and b"the agent is gone (CRASH)" in guest.log(), "and say why")
    guest.remove()


def test_signals():
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        guest = Guest().start()
        c = guest.connect()
        c.call(*RESOURCE)
        monitor = guest.started[0]
        monitor.send_signal(sig)
        rc = monitor.wait(30)
        check(until(lambda: not processes()) and not guest.sockets(), f"{sig.name} ends the agent, all names and all sockets",
              (processes(), guest.sockets()))
        others = [p.wait() for p in guest.started[1:]]
        check(rc == 0 and others == [0, 0] and until(lambda: c.closed), f"{sig.name}: the exit status is 0, of the other names, too",
              (rc, others, guest.log().decode()))
        guest.remove()


def test_pull():
    """The process of a pull, and one below it."""
    guest = Guest().start()
    bundle = guest.dir + "/bundles/one"
    os.makedirs(bundle)
    c = guest.connect()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = "127.0.0.1:%d/nobody/nothing:1" % silent.getsockname()[1]
        for victim in ("job", "net", "pull"):
            stream = c.send(*agents.pull(image, bundle), timeout=600)
            pid = until(lambda: next((p for p, name in processes().items() if name == "cacao: " + victim), None))
            check(pid and guest.status()["pulls"], f"a pull has its {victim} process, and is in status", processes())
            time.sleep(0.2)
            kill(pid)
            got = code(c.answer, stream)
            check(got not in (0, -1, -2), f"{victim} dies: its pull fails ({got})")
            check(until(lambda: not [n for n in processes().values() if n in ("cacao: job", "cacao: net", "cacao: pull")]),
                  "nothing of it is left", processes())
            check(code(c.call, *RESOURCE) == 0 and not guest.status()["pulls"], "others are served")
            check(until(lambda: os.listdir(guest.dir + "/bundles") == ["one"]) and not os.listdir(bundle), "the bundle is empty",
                  os.listdir(guest.dir + "/bundles"))
        c.send(*agents.pull(image, bundle), timeout=600)
        until(lambda: "cacao: net" in processes().values())
        c.close()
        check(until(lambda: "cacao: job" not in processes().values()), "the caller goes: so does his pull", processes())
    guest.remove()


if __name__ == "__main__":
    agents.main(globals(), sys.argv[1:])
