"""Callers of a running agent that others have written: every method of services.py by containerd's ttrpc, by the ttrpc crate, or
by grpcio, with success, failure, malformed message, deadline, disconnect.

usage: peers.py (the arguments of services.py) PEER [the four doors by gRPC: HOST:PORT]
PEER is a program of tests/peers, or grpc. Prints lines for adopt of lib.sh.
"""

import concurrent.futures
import os
import re
import select
import signal
import subprocess
import sys
import time

import services
from providers import Failed, field, fields, say

PEER = sys.argv[10]
NAME = os.path.basename(PEER)
GRPC = dict(zip((services.attestation, services.hub, services.old_keys, services.old_resource), sys.argv[11:15]))
BROKEN = b"\x0a\x05x"
LONG = 30


class Program:
    """A program of tests/peers: one connection, any number of calls at a time."""

    def __init__(self, path):
        self.program = subprocess.Popen([PEER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.sent, self.answers, self.rest = 0, {}, b""

    def send(self, service, method, message, timeout):
        self.sent += 1
        self.program.stdin.write(f"{self.sent} {service} {method} {int(timeout * 1000)} {message.hex()}\n".encode())
        self.program.stdin.flush()
        return self.sent

    def answer(self, call):
        end = time.monotonic() + 2 * LONG
        while call not in self.answers:
            if not select.select([self.program.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise EOFError("no answer")
            data = os.read(self.program.stdout.fileno(), 1 << 16)
            if not data:
                raise EOFError("the peer has ended")
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                number, code, text = line.split(b" ")
                self.answers[int(number)] = int(code), bytes.fromhex(text.decode())
        return self.answers.pop(call)

    def leave(self):
        """As a process that dies."""
        self.program.kill()
        self.program.communicate()


class Grpc:
    def __init__(self, path):
        import grpc
        self.grpc = grpc
        # a connection of its own
        self.channel = grpc.insecure_channel(GRPC[path], options=[("grpc.use_local_subchannel_pool", 1)])

    def send(self, service, method, message, timeout):
        # kept: one that nobody holds is cancelled
        self.last = self.channel.unary_unary(f"/{service}/{method}").future(message, timeout=timeout)
        return self.last

    def answer(self, call):
        try:
            return 0, call.result()
        except self.grpc.RpcError as e:
            return e.code().value[0], e.details().encode()
        except concurrent.futures.CancelledError:
            return 1, b"cancelled"

    def leave(self):
        self.channel.close()


def connect(path):
    return (Grpc if PEER == "grpc" else Program)(path)


class Stopped:
    """While nobody answers: the process of this backend stands still."""

    def __init__(self, backend):
        self.pid = services.status()["pid"] if backend == "monitor" else services.role(backend)

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def ask(door, service, method, message, timeout=LONG):
    return door.answer(door.send(service, method, message, timeout))


def hanging(bundle):
    return field(1, f"{services.black_hole}/x:y".encode()) + field(2, bundle)


def success(door, name, service, method, message, right):
    code, answer = ask(door, service, method, message)
    if isinstance(right, str):
        say(code == 14 and right in answer.decode(), f"{name}: there is none yet, and which ({code}: {answer})")
        return
    say(code == 0 and right(fields(answer)), f"{name}: works" + (f" ({code}: {answer})" if code else ""))
    code, answer = ask(door, service, method, BROKEN)
    say(code == 3, f"{name}: a message that is none ({code})")


def deadline(door, name, service, method, message, backend):
    if backend == "job":
        code, _ = ask(door, service, method, hanging(services.new_bundle()), 0.5)
    elif backend is not None:
        with Stopped(backend):
            code, _ = ask(door, service, method, message, 0.3)
    elif NAME == "peer-rust":  # the one that sends what is over already
        code, _ = ask(door, service, method, message, -0.001)
    else:
        print(f"# {name}: is answered at once, and this client does not send what is late already", flush=True)
        return
    say(code == 4, f"{name}: its time is over ({code})")
    code, _ = ask(door, service, method, BROKEN)
    say(code in (3, 14), f"{name}: then the connection is as before ({code})")


def comes_true(what):
    end = time.monotonic() + 30
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def pulls(bundle):
    return any(p["bundle"] == bundle.decode() for p in services.status()["pulls"])


def disconnect(path, name, service, method, message, backend):
    door = connect(path)
    if backend == "job":
        bundle = services.new_bundle()
        door.send(service, method, hanging(bundle), LONG)
        began = comes_true(lambda: pulls(bundle))
        door.leave()
        say(began and comes_true(lambda: not pulls(bundle)), f"{name}: the pull ends with its caller")
        door, bundle = connect(path), services.new_bundle()
        code, _ = ask(door, service, method, hanging(bundle), 1)
        say(code == 4 and (PEER == "grpc" or comes_true(lambda: pulls(bundle))), f"{name}: it goes on for who is late ({code})")
        door.leave()
        say(comes_true(lambda: not pulls(bundle)), f"{name}: until he leaves")
        return
    if backend is not None:
        with Stopped(backend):
            door.send(service, method, message, LONG)
            time.sleep(0.1)
            door.leave()
    else:
        door.send(service, method, message, LONG)
        door.leave()
    code, _ = services.code(services.own, "cacao.AgentService", "Version", b"")
    say(code == 0, f"{name}: without its caller ({code})")


def try_method(doors, method, service, path, message, right, bad, codes, words, backend):
    name = f"{NAME}: {service}/{method}"
    if PEER == "grpc" and path not in GRPC:
        print(f"# {name}: our own socket speaks ttrpc only", flush=True)
        return
    if path not in doors:
        doors[path] = connect(path)
    if method == "Status":
        backend = "monitor"
    success(doors[path], name, service, method, message, right)
    if bad is not None:
        code, text = ask(doors[path], service, method, bad)
        say(code in codes and re.search(words, text.decode()) is not None, f"{name}: fails as it must ({code}: {text})")
    deadline(doors[path], name, service, method, message, backend)
    disconnect(path, name, service, method, message, backend)


def together(door):
    """What a connection carries at a time, each answer with its call."""
    resource = field(1, b"kbs:///default/key/canary")
    missing = field(1, b"kbs:///default/key/none")
    calls = [door.send("api.GetResourceService", "GetResource", missing if i % 3 == 0 else resource, LONG) for i in range(60)]
    answers = [door.answer(c) for c in calls]
    good = sum(a[0] == 5 if i % 3 == 0 else a[0] == 0 and fields(a[1])[1] == services.CANARY for i, a in enumerate(answers))
    say(good == 60, f"{NAME}: 60 calls at a time ({good} right)")
    code, _ = ask(door, "api.GetResourceService", "GetResource", b" " * 3000000)
    say(code == 8, f"{NAME}: a message that is too large ({code})")
    code, _ = ask(door, "api.GetResourceService", "GetResource", resource)
    say(code == 0, f"{NAME}: and the connection stays ({code})")


def descriptors(pid):
    """None where we may not look."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return None


def main():
    doors = {}
    services.new_bundle.n = {"peer-go": 1000, "peer-rust": 2000, "grpc": 3000}[NAME]
    rpc = services.role("rpc")
    time.sleep(0.5)
    before = descriptors(rpc)
    for t in services.tries():
        try:
            try_method(doors, *t)
        except (OSError, EOFError, Failed) as e:
            say(False, f"{NAME}: {t[1]}/{t[0]}: {e!r}")
    together(doors[services.hub])
    for door in doors.values():
        door.leave()
    # grpcio keeps connections of closed channels as long as it likes
    if before is None or PEER == "grpc":
        return
    say(comes_true(lambda: descriptors(rpc) <= before), f"{NAME}: no descriptor is left behind ({before})")


main()
