"""Callers that mean no good, beside kata-agent's one connection, which must not notice.

usage: kata_hostile.py TEST...   Prints lines "ok NAME", "not ok NAME" for adopt of lib.sh.
"""

import contextlib
import os
import random
import select
import signal
import socket
import struct
import sys
import time

import agents
from agents import (AA_SOCK, DEADLINE, EXHAUSTED, INVALID, SECRET, UNIMPLEMENTED, Guest, check, code, effort, field, fields,
                    frame, read, until)
from providers import ttrpc_request

RESOURCE = agents.get_resource("kbs:///default/key/1")
LARGE = agents.get_resource("kbs:///default/large/1")
VALID = frame(1, ttrpc_request(RESOURCE[1], RESOURCE[2], 10, RESOURCE[0], raw=True))
MOST = 64  # connections of one socket, and calls of one connection


class World:
    """An agent, and kata's connection, which was there first."""

    def __init__(self):
        self.guest = Guest()
        agents.offline_files(self.guest.keys, {"default/key/1": SECRET, "default/large/1": b"large" * 20000})
        self.guest.start()
        self.kata = self.guest.connect()
        self.served("at first")

    def dial(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.guest.path(agents.HUB_SOCK))  # waits where the backlog is full; with a time limit it would fail
        s.settimeout(20)
        return s

    def send(self, data):
        """Those bytes and the end; whatever is answered."""
        s = self.dial()
        with contextlib.suppress(OSError):
            s.sendall(data)
        s.close()

    def served(self, when):
        """kata's connection answers, and so does a new one."""
        good = fields(self.kata.call(*RESOURCE)).get(1) == SECRET
        c = self.guest.connect()
        good = good and fields(c.call(*RESOURCE)).get(1) == SECRET
        c.close()
        return check(good, f"{when}: kata's connection and a new one are served", self.guest.log().decode()[-1000:])

    @contextlib.contextmanager
    def stopped(self, role="key"):
        pid = self.guest.role(role)["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def end(self):
        c = self.guest.connect()
        c.call(*RESOURCE)
        deaths = [r.get("deaths", 0) for r in self.guest.status()["roles"]]
        log = self.guest.log()
        check(not any(deaths) and b"started anew" not in log, "no process has died of it", log.decode()[-2000:])
        self.guest.remove()


def test_cuts():
    w = World()
    for n in range(len(VALID)):
        w.send(VALID[:n])
    w.served(f"a call cut at each of its {len(VALID)} bytes")
    s = w.dial()
    for n in range(len(VALID)):
        s.sendall(VALID[n:n + 1])
    check(SECRET in s.recv(4096), "a call byte by byte is answered")
    s.close()
    for n in range(len(VALID)):
        for flip in (0xff, 0x80, 1):
            w.send(VALID[:n] + bytes([VALID[n] ^ flip]) + VALID[n + 1:])
    w.served("each of its bytes changed")
    rng = random.Random(20)
    for _ in range(effort(300)):
        w.send(rng.randbytes(rng.randrange(1, 4000)))
        body = rng.randbytes(rng.randrange(0, 300))
        w.send(struct.pack(">IIBB", len(body), rng.randrange(1 << 32), rng.choice((0, 1, 2, 3, 9)), rng.randrange(256)) + body)
        at = rng.randrange(10, len(VALID))
        w.send(VALID[:at] + rng.randbytes(rng.randrange(1, 9)) + VALID[at:])
    w.served("random bytes, some of them in frames")
    w.end()


def raw(c, header, body=b""):
    with c.lock:
        c.s.sendall(struct.pack(">IIBB", *header) + body)


def nested(depth, number=15):
    """Messages in messages."""
    data = b""
    for _ in range(depth):
        data = field(number, data)
        if len(data) > 60000:
            break
    return data


def test_frames():
    w = World()
    for n in (0xffffffff, 0x80000000, 4194305):
        c = w.guest.connect()
        raw(c, (n, 5, 1, 0), b"x" * 1000)
        check(code(c.answer, 5) == EXHAUSTED, f"a length of {n} is refused at once")
        c.close()
    c = w.guest.connect()
    raw(c, (4194304, 7, 1, 0), b"x" * 4194304)
    check(code(c.answer, 7) == EXHAUSTED and code(c.call, *RESOURCE) == 0, "one of 4194304 too, and the connection stays")
    for kind in (0, 2, 4, 255):
        raw(c, (4, 9, kind, 0), b"junk")
    raw(c, (4, 9, 3, 0), b"junk")
    check(code(c.answer, 9) == INVALID, "other types are passed over, data for no stream is refused")
    c.send(*RESOURCE, stream=10)
    check(code(c.answer, 10) == INVALID, "an even stream")
    c.send(*RESOURCE, stream=0)
    check(code(c.answer, 0) == INVALID, "stream 0")
    for i in (4294967295, 11, 3):
        c.send(*RESOURCE, stream=i)
    check([code(c.answer, i) for i in (3, 11, 4294967295)] == [0, 0, 0], "streams in any order")
    with w.stopped():
        c.send(*RESOURCE, stream=21)
        c.send(*RESOURCE, stream=21)
        check(code(c.answer, 21) == INVALID, "a stream that is in use")
    check(code(c.answer, 21) == 0, "whose call is answered")
    for name, message in (("deep nesting", nested(20000)), ("groups without an end", b"\x7b" * 60000),
                          ("groups that end", b"\x7b" * 30000 + b"\x7c" * 30000), ("an endless varint", b"\xff" * 30000),
                          ("a field longer than all", b"\x0a\xff\xff\xff\xff\x0f"), ("field 0", b"\x02\x00"),
                          ("1,000 times the same field", field(1, b"kbs:///default/key/1") * 1000)):
        got = [code(c.call, RESOURCE[0], RESOURCE[1], message)]
        raw(c, (len(message), 4001, 1, 0), message)
        got.append(code(c.answer, 4001))
        check(all(g not in (-1, -2) for g in got) and code(c.call, *RESOURCE) == 0,
              f"{name}, as a message and as a request: answered ({got[0]}, {got[1]}), and the connection stays")
    check(code(c.call, RESOURCE[0], "Nothing") == UNIMPLEMENTED, "an unknown method")
    check(code(c.call, "api." + "x" * 900, "GetResource") == UNIMPLEMENTED, "an unknown service of some length")
    c.close()
    w.served("after all of these")
    w.end()


def test_calls():
    w = World()
    c = w.guest.connect()
    with w.stopped():
        ids = [c.send(*RESOURCE) for _ in range(MOST + 40)]
        early = [code(c.answer, i) for i in ids[MOST:]]
    check(set(early) == {EXHAUSTED}, f"of {len(ids)} calls at a time those above {MOST} are refused at once", early)
    late = [code(c.answer, i) for i in ids[:MOST]]
    check(late == [0] * MOST, f"{MOST} calls in flight are answered", late)
    with w.stopped():
        began = time.monotonic()
        got = code(c.call, *RESOURCE, timeout=0.3)
        took = time.monotonic() - began
    check(got == DEADLINE and 0.2 < took < 20, f"a deadline of 0.3 s ends its call after {took:.1f} s")
    check(code(c.call, *RESOURCE, timeout=-1) == DEADLINE, "a time that has passed")
    check(code(c.call, *RESOURCE, timeout=0) == 0, "no deadline is none")
    with w.stopped():
        for _ in range(20):
            gone = w.guest.connect()
            for _ in range(10):
                gone.send(*RESOURCE)
            gone.close()
    w.served("200 calls whose callers are gone")
    w.end()


def is_closed(s):
    s.settimeout(0.01)
    try:
        return not s.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True


def test_connections():
    w = World()
    held = [w.dial() for _ in range(1000)]
    check(until(lambda: sum(map(is_closed, held)) >= 1000 - MOST), "of 1,000 connections most are turned away")
    check(fields(w.kata.call(*RESOURCE)).get(1) == SECRET, "kata's was there before, and answers")
    check(code(w.guest.connect(AA_SOCK).call, *agents.TEE_TYPE) != -1, "other sockets are not concerned")
    for s in held:
        s.close()
    until(lambda: code(w.guest.connect().call, *RESOURCE) == 0)
    w.served("when they are gone")
    w.end()


def test_slow():
    """Half a request, and answers that nobody reads: both are cut off, and nobody else waits for them."""
    w = World()
    began, slowest, first = time.monotonic(), 0, None
    half = [w.dial() for _ in range(4)]
    for s in half:
        s.sendall(VALID[:-1])
    lazy = [w.dial() for _ in range(8)]
    for s in lazy:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for i in range(40):
            s.sendall(frame(1 + 2 * i, ttrpc_request(LARGE[1], LARGE[2], 600, LARGE[0], raw=True)))
    while time.monotonic() - began < 14:
        before = time.monotonic()
        w.kata.call(*RESOURCE)
        slowest = max(slowest, time.monotonic() - before)
        if first is None and any(map(is_closed, half)):
            first = time.monotonic() - began
        time.sleep(0.5)
    check(slowest < 5, f"beside slow writers and readers a call takes {slowest:.1f} s at most")  # who waits for them waits for 20
    check(first is None or first > 14, "they have some time", first)
    check(until(lambda: all(map(is_closed, half)), 60), "half a request ends its connection after 20 s")
    until(lambda: all(has_ended(s) or waiting(s) == 40 for s in lazy))  # 20 s from when the answers were there
    cut = list(map(has_ended, lazy))
    refused = [answers(s) for s, gone in zip(lazy, cut) if not gone]
    check(any(cut) and all(n == 40 for n in refused), f"so do answers that are not read ({sum(cut)}), or they were refused",
          (cut, refused))
    w.served("afterwards")
    w.end()


def has_ended(s):
    """The other side has closed, whatever lies there to be read."""
    p = select.poll()
    p.register(s, 0)
    return any(event & select.POLLHUP for _, event in p.poll(0))


def waiting(s):
    """How many are there, and stay."""
    try:
        data = s.recv(1 << 22, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return 0
    at = n = 0
    while len(data) >= at + 10 and len(data) >= at + 10 + int.from_bytes(data[at:at + 4], "big"):
        at += 10 + int.from_bytes(data[at:at + 4], "big")
        n += 1
    return n


def answers(s):
    """How many are there to be read."""
    n = 0
    s.settimeout(1)
    with contextlib.suppress(OSError, EOFError):
        while True:
            agents.providers.take(s, struct.unpack(">IIBB", agents.providers.take(s, 10))[0])
            n += 1
    return n


def memory(pid):
    """KiB: PSS for root, else RSS."""
    wanted = "Pss:" if os.geteuid() == 0 else "VmRSS:"
    where = "smaps_rollup" if os.geteuid() == 0 else "status"
    return next(int(line.split()[1]) for line in read(f"/proc/{pid}/{where}").decode().splitlines() if line.startswith(wanted))


def test_soak():
    w = World()
    seconds = effort(8)

    def processes():
        status = w.guest.status()
        return {"monitor": status["pid"], **{r["name"]: r["pid"] for r in status["roles"] if r["pid"]}}

    def sizes():  # without a call, which would be a connection more
        return {name: (memory(pid), len(os.listdir(f"/proc/{pid}/fd")) if os.geteuid() == 0 else 0) for name, pid in pids.items()}

    def rounds(end):
        n = 0
        while time.monotonic() < end:
            c = w.guest.connect()
            ids = [c.send(*call) for call in (RESOURCE, LARGE, agents.UNSEAL, agents.unwrap(agents.PACKET)) * 4]
            n += sum(code(c.answer, i) in (0, agents.UNAVAILABLE) for i in ids[:12])
            c.close()
            w.send(VALID[:30])
            n += code(w.kata.call, *RESOURCE) == 0
        return n

    code(w.guest.connect(AA_SOCK).call, *agents.TEE_TYPE)
    rounds(time.monotonic() + 2)
    pids = processes()
    for _ in range(2):  # rpc looks at all connections in turn: it has closed those that were ended before
        w.kata.call(*RESOURCE)
    time.sleep(0.3)
    before = sizes()
    n = rounds(time.monotonic() + seconds)
    until(lambda: all(fds == before[name][1] for name, (_, fds) in sizes().items()), 30)  # callers are going yet
    check(processes() == pids, "no process is another one")
    sanitized = b"__asan_init" in read(agents.PROGRAM)
    for name, (kib, fds) in sizes().items():
        check(fds == before[name][1], f"{name}: its descriptors are as many as before", (before[name], fds))
        if sanitized:
            print(f"skip {name}: its memory is flat # sanitizers keep what is freed", flush=True)
        else:
            check(kib - before[name][0] < 512, f"{name}: its memory is flat", f"{before[name]}, after {n} calls {kib} KiB")
    print(f"# {n} calls in {seconds} s; " + ", ".join(f"{name} {kib} KiB" for name, (kib, _) in sizes().items()))
    w.end()


if __name__ == "__main__":
    agents.main(globals(), sys.argv[1:])
