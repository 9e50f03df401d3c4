"""Callers of a running agent: every method of agent/services.c with success, failure, malformed message, deadline, disconnect.

usage: services.py STATUS-SOCKET ATTESTATION HUB OLD-KEYPROVIDER OLD-RESOURCE IMAGE BUNDLES BLACK-HOLE SERVICES.C
Each socket is a path. Prints lines for adopt of lib.sh. A method that is not tried here is a failure.
"""

import base64
import json
import os
import re
import signal
import socket
import sys
import threading
import time

from providers import (Failed, SECRET, Ttrpc, field, fields, frame, packet_of, say, secret_of, take, ttrpc_request,
                       unwrap_request, wrap_request)

own, attestation, hub, old_keys, old_resource, image, bundles, black_hole, table = sys.argv[1:10]
CANARY = b"canary-5ec2e7"
AA = "attestation_agent.AttestationAgentService"
BROKER = open(os.path.join(os.path.dirname(bundles), "broker")).read().strip().encode()
NAME, ADDRESS = BROKER.split(b"::", 1)


def call(path, service, method, message, timeout=20):
    """The answer's message, or Failed."""
    c = Ttrpc("unix://" + path)
    c.stream += 2
    c.s.settimeout(60)
    c.s.sendall(frame(c.stream, ttrpc_request(method, message, timeout, service, True)))
    stream, reply = c.answer()
    c.close()
    assert stream == c.stream
    if isinstance(reply, Failed):
        raise reply
    return reply


def code(*args, **kw):
    try:
        call(*args, **kw)
        return 0, ""
    except Failed as e:
        return e.code, e.text


def status():
    return json.loads(fields(call(own, "cacao.AgentService", "Status", b""))[1])


def role(name):
    """The pid of a role; 0 while it does not run."""
    for r in status()["roles"]:
        if r["name"] == name:
            return r.get("pid", 0)
    return 0


def new_bundle():
    new_bundle.n += 1
    return os.path.join(bundles, str(new_bundle.n)).encode()


new_bundle.n = 0


def pulled(reply, bundle):
    return reply[1].startswith(b"sha256:") and os.path.exists(os.path.join(bundle.decode(), "config.json"))


# --- what is said and what comes: door, message, is it right?, a message that fails and its codes and words, who answers


def wrapped():
    return packet_of(fields(call(old_keys, "keyprovider.KeyProviderService", "WrapKey", field(1, wrap_request())))[1])


def tries():
    packet = wrapped()
    bundle = new_bundle()
    old = field(2, NAME) + field(3, ADDRESS)
    yield ("GetEvidence", AA, attestation, field(1, b"abc"), lambda r: b"report_data" in r[1],
           field(1, b"x" * 5000), (8,), "5000|4096", "tee")
    yield "GetAdditionalEvidence", AA, attestation, field(1, b"abc"), lambda r: r == {}, None, (), "", None
    yield "GetAdditionalTees", AA, attestation, b"", lambda r: r == {}, None, (), "", None
    yield "GetTeeType", AA, attestation, b"", lambda r: r[1] == b"sample", None, (), "", "tee"
    yield ("ExtendRuntimeMeasurement", AA, attestation, field(1, b"d") + field(2, b"o") + field(3, b"c"),
           lambda r: r.get(1, 0) == 2, field(1, b"event") + field(2, 17), (3,), "", "tee")
    for method, feature in (("GetToken", "tokens"), ("BindInitData", "init data"), ("CheckInitData", "init data"),
                            ("UpdateConfiguration", "configuration")):
        yield method, AA, attestation, field(1, b"kbs"), feature, None, (), "", None
    yield ("GetResource", "api.GetResourceService", hub, field(1, b"kbs:///default/key/canary"), lambda r: r[1] == CANARY,
           field(1, b"kbs:///default/key/none"), (5,), r"\[CDH\] \[ERROR\]: Get Resource failed", "key")
    yield ("PullImage", "api.ImagePullService", hub, field(1, image.encode()) + field(2, bundle),
           lambda r: pulled(r, bundle), field(1, image.encode() + b"-none") + field(2, new_bundle()), (5, 14),
           "Failed to pull image", "job")
    yield "UnsealSecret", "api.SealedSecretService", hub, field(1, b"sealed.a.b.c"), "sealed secrets", None, (), "", None
    yield "SecureMount", "api.SecureMountService", hub, field(1, b"block-device"), "secure mounts", None, (), "", None
    yield ("WrapKey", "keyprovider.KeyProviderService", old_keys, field(1, wrap_request()),
           lambda r: b"keywrapresults" in r[1], field(1, b"{}"), (3,), "", "key")
    yield ("UnWrapKey", "keyprovider.KeyProviderService", hub, field(1, unwrap_request(packet)),
           lambda r: secret_of(r[1]) == SECRET, field(1, unwrap_request(b"{}")), (3,), "", "key")
    yield ("GetResource", "getresource.GetResourceService", old_resource, field(1, b"/default/key/canary") + old,
           lambda r: r[1] == CANARY, field(1, b"/default/key/canary") + field(2, b"cc_kbc") + field(3, b"http://x"), (9,),
           "cc_kbc::http://x", "key")
    yield ("GetResource", "getresource.GetResourceService", old_resource,
           field(1, NAME) + field(2, ADDRESS) + field(3, b'{"name":"Policy","optional":{}}'), lambda r: r[1] == b"policy",
           field(1, NAME) + field(2, ADDRESS) + field(3, b'{"name":"No such"}'), (12,), "name", "key")
    yield "Status", "cacao.AgentService", own, b"", lambda r: "roles" in json.loads(r[1]), None, (), "", None
    yield "Version", "cacao.AgentService", own, b"", lambda r: "version" in json.loads(r[1]), None, (), "", None


# --- the five ways of each


def deadline(name, path, service, method, message, backend):
    """With its backend stopped, the call ends when its time is over, and works again afterwards."""
    if backend == "job":
        began = time.monotonic()
        slow = field(1, f"{black_hole}/x:y".encode()) + field(2, new_bundle())
        got, _ = code(path, service, method, slow, timeout=0.5)
        say(got == 4 and time.monotonic() - began < 30, f"{name}: its time is over in time ({got})")
        return
    if backend is None:
        say(code(path, service, method, message, timeout=-1)[0] == 4, f"{name}: no time at all")
        return
    pid = role(backend)
    os.kill(pid, signal.SIGSTOP)
    try:
        got, _ = code(path, service, method, message, timeout=0.3)
    finally:
        os.kill(pid, signal.SIGCONT)
    say(got == 4, f"{name}: its time is over ({got})")


def disconnect(name, path, service, method, message):
    for n in (5, 10, 10000):    # in the head, before the body, after all
        c = Ttrpc("unix://" + path)
        c.s.sendall(frame(1, ttrpc_request(method, message, 20, service, True))[:n])
        c.close()
    say(code(own, "cacao.AgentService", "Version", b"")[0] == 0, f"{name}: callers that go away")


def try_method(method, service, path, message, right, bad, codes, words, backend):
    name = f"{service}/{method}"
    if isinstance(right, str):
        got, text = code(path, service, method, message)
        say(got == 14 and right in text, f"{name}: there is none yet, and which: {text}")
    else:
        try:
            say(right(fields(call(path, service, method, message))), f"{name}: works")
        except Failed as e:
            say(False, f"{name}: {e}")
        got, text = code(path, service, method, b"\x0a\x05x")
        say(got == 3, f"{name}: a message that is none ({got})")
    if bad is not None:
        got, text = code(path, service, method, bad)
        say(got in codes and re.search(words, text) is not None, f"{name}: fails as it must ({got}: {text})")
    deadline(name, path, service, method, message, backend)
    disconnect(name, path, service, method, message)


def doors():
    for path, service, method in ((hub, AA, "GetEvidence"), (attestation, "api.GetResourceService", "GetResource"),
                                  (old_keys, "api.GetResourceService", "GetResource"), (hub, "cacao.AgentService", "Status"),
                                  (old_resource, "keyprovider.KeyProviderService", "UnWrapKey"),
                                  (hub, "keyprovider.KeyProviderService", "WrapKey")):
        say(code(path, service, method, b"")[0] == 12, f"{service}/{method} is not for {os.path.basename(path)}")


def together():
    """One connection, a pull that hangs, and other calls beside it; 64 in flight."""
    c = Ttrpc("unix://" + hub)
    slow = field(1, f"{black_hole}/x:y".encode()) + field(2, new_bundle())
    c.s.settimeout(60)
    c.s.sendall(frame(1, ttrpc_request("PullImage", slow, 600, "api.ImagePullService", True)))
    resource = field(1, b"kbs:///default/key/canary")
    for i in range(60):
        c.s.sendall(frame(101 - 2 * (i % 3) + 6 * (i // 3), ttrpc_request("GetResource", resource, 20,
                                                                         "api.GetResourceService", True)))
    good = 0
    for _ in range(60):
        stream, reply = c.answer()
        good += stream != 1 and not isinstance(reply, Failed) and fields(reply)[1] == CANARY
    say(good == 60, f"60 resources while a pull hangs ({good})")
    slow = field(1, f"{black_hole}/x:y".encode()) + field(2, new_bundle())
    c.s.sendall(frame(301, ttrpc_request("PullImage", slow, 1, "api.ImagePullService", True)))
    stream, reply = c.answer()
    say(stream == 301 and isinstance(reply, Failed) and reply.code == 4, "then the time of another is over")
    c.close()


def many():
    """Connections that do nothing take no place of others, and one that was there before all of them stays."""
    first = Ttrpc("unix://" + hub)
    idle = []
    for _ in range(1000):
        s = socket.socket(socket.AF_UNIX)
        s.connect(attestation)
        idle.append(s)
    say(code(hub, "api.GetResourceService", "GetResource", field(1, b"kbs:///default/key/canary"))[0] == 0,
        "with 1000 connections elsewhere the hub answers")
    first.stream = 1
    first.s.sendall(frame(1, ttrpc_request("GetResource", field(1, b"kbs:///default/key/canary"), 20,
                                           "api.GetResourceService", True)))
    say(not isinstance(first.answer()[1], Failed), "who was there before is still there")
    for s in idle:
        s.close()
    first.close()


def hoard():
    """Half requests that fill the memory for secrets, while an answer is under way: it comes, or is refused; rpc stays."""
    pid = role("rpc")
    key = role("key")
    os.kill(key, signal.SIGSTOP)
    results = []
    ask = (hub, "api.GetResourceService", "GetResource", field(1, b"kbs:///default/key/canary"))
    t = threading.Thread(target=lambda: results.append(code(*ask, timeout=3)))
    t.start()
    time.sleep(0.2)
    held = []
    for _ in range(40):
        c = Ttrpc("unix://" + old_keys)
        c.s.sendall(frame(1, ttrpc_request("WrapKey", b"\x0a" + b"x" * 60000, 20, "keyprovider.KeyProviderService", True))[:-1])
        held.append(c)
    os.kill(key, signal.SIGCONT)
    t.join()
    say(results[0][0] in (0, 4, 8), f"a call while memory is short ({results[0][0]}: {results[0][1]})")
    ticks = cpu(pid)
    time.sleep(1)
    say(cpu(pid) - ticks < os.sysconf("SC_CLK_TCK") // 10, f"rpc waits quietly ({cpu(pid) - ticks} ticks in a second)")
    for c in held:
        c.close()
    say(code(*ask)[0] == 0 and role("rpc") == pid, "afterwards all is well")


def cpu(pid):
    words = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return int(words[11]) + int(words[12])


def deaths():
    """A role that dies costs the call that it had."""
    for name, path, service, method, message in (
            ("key", hub, "api.GetResourceService", "GetResource", field(1, b"kbs:///default/key/canary")),
            ("tee", attestation, AA, "GetTeeType", b"")):
        pid = role(name)
        os.kill(pid, signal.SIGSTOP)
        c = Ttrpc("unix://" + path)
        c.s.settimeout(60)
        c.s.sendall(frame(1, ttrpc_request(method, message, 20, service, True)))
        c.s.sendall(frame(3, ttrpc_request("Nothing", b"", 20, "api.Nothing", True)))
        first, _ = c.answer()  # rpc's own, when it has passed on the one before
        os.kill(pid, signal.SIGKILL)
        stream, reply = c.answer()
        c.close()
        say(first == 3 and stream == 1 and isinstance(reply, Failed) and reply.code == 14,
            f"{name} dies: its call is refused ({reply})")
        say(code(path, service, method, message)[0] == 0 and role(name) not in (0, pid), f"{name}: the next call starts another")


def main():
    text = open(table).read()
    aa = re.search(r'#define ATTESTATION\s+"([^"]+)"', text).group(1)
    there = {(s.strip('"').replace("ATTESTATION", aa), m) for s, m in
             re.findall(r'(?:\.method = \{ |NONE_YET\()(ATTESTATION|"[^"]+"), "(\w+)"', text)}
    tried = set()
    for t in tries():
        tried.add((t[1], t[0]))
        try:
            try_method(*t)
        except (OSError, EOFError) as e:
            say(False, f"{t[1]}/{t[0]}: {e!r}")
    missing = sorted(f"{s}/{m}" for s, m in there - tried)
    say(not missing and len(there) >= 18, f"every method of the table is tried{': not ' + ', '.join(missing) if missing else ''}")
    for test in (doors, together, many, hoard, deaths):
        try:
            test()
        except (OSError, EOFError, Failed) as e:
            say(False, f"{test.__doc__ or test.__name__}: {e!r}")


if __name__ == "__main__":
    main()
