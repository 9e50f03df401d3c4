#!/usr/bin/env python3
"""Events by the agent in the emulator, as a TAP program: what verify.py finds in the registers is what the log leads to, replayed
here, after events, pulls, faults and crashes.

usage: measure.py AA-CLI MKIMAGE
"""

import base64
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile

from harness import FUSE, SENT, VECTORS, Test

STATE = "/run/attestation-agent"
LOG, AHEAD = STATE + "/eventlog", STATE + "/.wal_event_entry"
RTMR = "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr%d:sha384"
# Of each platform: number and name of the digest, which register number of the log is which register.
KINDS = {"tdx": (0xC, "sha384", 1), "csv": (0x12, "sm3", 0)}
# Without FUSE there are only nodes.
BY_DEVICE = ["--no-tsm", "--tdx-driver", "mvp"]
TDX = [] if FUSE else BY_DEVICE
SIZES = {4: 20, 0xB: 32, 0xC: 48, 0xD: 64, 0x12: 32}


def first(tee, index):
    """What the emulator's registers hold in the beginning"""
    if tee == "tdx":
        return hashlib.sha384(b"emulated rtmr%d" % index).digest() if index < 2 else bytes(48)
    text = b"emulated launch" if index == 0 else b"emulated rtmr%d" % index
    return hashlib.new("sm3", text).digest() if index < 3 else bytes(32)


def records(log):
    """Number, type, digests, event of each record, from the specification's text"""
    assert log[-8:] == b"\xff" * 8, "no end mark"
    log = log[:-8]
    size = struct.unpack_from("<I", log, 28)[0]
    at = 32 + size
    while at < len(log):
        number, kind, count = struct.unpack_from("<III", log, at)
        at += 12
        digests = {}
        for _ in range(count):
            alg = struct.unpack_from("<H", log, at)[0]
            digests[alg] = log[at + 2:at + 2 + SIZES[alg]]
            at += 2 + SIZES[alg]
        size = struct.unpack_from("<I", log, at)[0]
        yield number, kind, digests, log[at + 4:at + 4 + size]
        at += 4 + size


def ours(tee, log):
    """Our records: register and text"""
    alg, name, offset = KINDS[tee]
    for number, kind, digests, event in records(log):
        if event[:4] != b"LEAA":
            continue
        text = event[8:]
        assert kind == 6 and list(digests) == [alg] and struct.unpack_from("<I", event, 4)[0] == len(text), "form"
        assert hashlib.new(name, event).digest() == digests[alg], "digest"
        yield number - offset, text.decode(), digests[alg]


class MeasureTest(Test):
    """With the programs under test."""

    def __init__(self, work, program, mkimage):
        super().__init__(work)
        self.program = program
        self.image = self.file("image:one")
        with open(self.file("policy"), "w", encoding="ascii") as out:
            out.write('{"default":[{"type":"insecureAcceptAnything"}]}')
        subprocess.run([sys.executable, mkimage, "build", self.image, "files=2"], check=True, stdout=subprocess.DEVNULL)
        self.digest = subprocess.run([sys.executable, mkimage, "digest", self.image], check=True, capture_output=True,
                                     text=True).stdout.strip()
        os.mkdir(self.file("target"))

    def shell(self, tee, options, script):
        """A script in the emulator, with the agent as aa, and evidence in a file at its end; status, what was said"""
        done = self.emulate(tee, options, "sh", "-c", f"aa() {{ '{self.program}' \"$@\"; }}\n{script}\n"
                            f"aa evidence get --report-data {SENT} >'{self.file('ours')}'")
        return done[0], done[2]

    def pull(self, image, measure):
        """The words of a pull"""
        return (f"aa pull --snapshot flat --policy '{self.file('policy')}' --trusted-storage '{self.work}' --measure {measure} "
                f"'oci:{image}' '{self.file('target/bundle')}' && rm -r '{self.file('target/bundle')}'")

    def left(self):
        """Nothing of a pull, one hopes"""
        return os.listdir(self.file("target"))

    def texts(self, tee):
        """The events of the evidence that was left in the file, or why it is not right"""
        with open(self.file("ours"), "rb") as into:
            data = into.read()
        if not data:
            return "no evidence"
        status, claims = self.verify_ours(tee, data)
        if status:
            return claims
        log = json.loads(data)["cc_eventlog"]
        registers, found = {}, []
        try:
            for index, text, digest in ours(tee, base64.b64decode(log or "")) if log else ():
                value = registers.get(index) or first(tee, index)
                registers[index] = hashlib.new(KINDS[tee][1], value + digest).digest()
                found.append((index, text))
        except (AssertionError, KeyError, struct.error) as wrong:
            return f"log: {wrong}"
        for index in range(4) if tee == "tdx" else (3, 4):
            wanted = (registers.get(index) or first(tee, index)).hex()
            if f"rtmr{index} {wanted}" not in claims.splitlines():
                return f"register {index} is not what the log leads to:\n{claims}"
        return found

    def leads_to(self, name, tee, options, script, wanted, said=""):
        """After this script evidence has these events, and nothing else is in the registers"""
        if os.path.exists(self.file("ours")):
            os.unlink(self.file("ours"))
        status, text = self.shell(tee, options, script)
        found = self.texts(tee) if status == 0 else f"exit status {status}"
        self.ok(found == wanted and said in text and bool(text) == bool(said), name, f"{found}\n{text}")

    def refused(self, name, tee, options, script, said):
        """After this script no evidence is to be had"""
        status, text = self.shell(tee, options, script)
        with open(self.file("ours"), "rb") as into:
            self.ok(status == 12 and not into.read() and said in text, name, f"{status} {text}")


def events(test):
    """One after the other"""
    test.leads_to("no event", "tdx", TDX, "", [])
    test.leads_to("an event", "tdx", TDX, "aa evidence extend example.org/x Load 'some thing'",
                  [(3, "example.org/x Load some thing")])
    test.leads_to("by PCR", "tdx", TDX, "aa evidence extend --pcr 8 a b c; aa evidence extend --pcr 23 a b ''",
                  [(2, "a b c"), (3, "a b ")])
    if FUSE:
        test.leads_to("all registers of TDX", "tdx", [],
                      "for n in 0 1 2 6 7 15 16; do aa evidence extend --tee tdx --pcr $n a b $n; done",
                      [(3, "a b 0"), (0, "a b 1"), (1, "a b 2"), (1, "a b 6"), (0, "a b 7"), (2, "a b 15"), (3, "a b 16")])
        test.leads_to("behind the log of the firmware", "tdx", ["--ccel", f"{VECTORS}/ccel/CCEL_data_tdshim"],
                      "aa evidence extend a b c", [(3, "a b c")])
    for driver in "mvp", "v3", "5.15":
        test.leads_to(f"TDX by the ioctl of {driver}", "tdx", ["--no-tsm", "--tdx-driver", driver],
                      "aa evidence extend a b c; aa evidence extend --pcr 9 d e f", [(3, "a b c"), (2, "d e f")])
    test.leads_to("CSV", "csv", [], "aa evidence extend a b c; aa evidence extend --pcr 9 d e f", [(4, "a b c"), (3, "d e f")])
    test.leads_to("CSV, a register of the firmware", "csv", [], "aa evidence extend --pcr 1 a b c; aa evidence extend d e f",
                  [(4, "d e f")], "firmware's (UNSUPPORTED)")
    test.leads_to("the log and its folder are nobody else's", "csv", [],
                  f"aa evidence extend a b c; ls -l {LOG} | grep -q ^-rw------- && ls -ld {STATE} | grep -q ^drwx------ || echo no >&2",
                  [(4, "a b c")])
    test.leads_to("eight at once", "csv", [], "for n in 1 2 3 4 5 6 7 8; do aa evidence extend a b c & done; wait",
                  [(4, "a b c")] * 8)
    for words, said in (("'a b' c d", "one word"), ("a '' d", "one word"), ("a b 'c\nd'", "one line"), ("--pcr 24 a b c", "23"),
                        ("a b", "wants get"), (f"a b {'x' * 4096}", "LIMIT")):
        test.leads_to(f"extend {words[:16]!r}: refused", "csv", [], f"aa evidence extend {words} && exit 1", [], said)


def platforms(test):
    """Without registers"""
    for tee, options, error in (("snp", ["--no-tsm"], "UNSUPPORTED"), ("csv", ["--csv1"], "UNSUPPORTED"),
                                ("tdx", ["--no-tsm", "--tdx-driver", "upstream"], "UNSUPPORTED"), ("none", [], "NO_TEE")):
        status, _, text = test.emulate(tee, options, "sh", "-c", f"'{test.program}' evidence extend a b c; ls -A {STATE} >&2; exit 5")
        test.ok(status == 5 and f"({error})\n" in text and "eventlog" not in text and "wal" not in text,
                f"{tee} {' '.join(options)}: {error}, and no log", text)


def faults(test):
    """Nothing half done"""
    for tee, options, where in (("csv", [], 4), ("tdx", TDX, 3)):
        test.leads_to(f"{tee}: a register that cannot be extended leaves nothing", tee, [*options, "--fault", "extend:EIO:1"],
                      "aa evidence extend a b c; aa evidence extend d e f", [(where, "d e f")], "(EVIDENCE)")
    test.leads_to("a log that cannot be written is completed later", "csv", [],
                  f"mkdir {LOG}; aa evidence extend a b c; rmdir {LOG}; aa evidence extend d e f", [(4, "d e f")], "(STORAGE)")


def crash(state, text="a b c"):
    """What a process leaves in RTMR3 and beside the log when it is killed in the midst of an event, as Python"""
    return f"""python3 - <<'END'
import fcntl, hashlib, os, struct
text, rtmr = {text.encode()!r}, {RTMR % 3!r}
event = b"LEAA" + struct.pack("<I", len(text)) + text
digest = hashlib.sha384(event).digest()
try:
    log = open({LOG!r}, "rb").read()
except FileNotFoundError:
    log = b""
old = bytes(48)
if os.path.exists(rtmr):
    old = open(rtmr, "rb").read()
elif log:
    old = hashlib.sha384(old + log[14:62]).digest()
expected = hashlib.sha384(old + digest).digest()
if {state!r} == "tampered":
    expected = bytes([expected[0] ^ 1]) + expected[1:]
open({AHEAD!r}, "wb").write(struct.pack(">Q", len(log)) + expected + text)
into_it = bytes(48) if {state!r} == "elsewhere" else digest
if {state!r} in ("ahead", "tampered", "cut", "hidden"):
    pass
elif os.path.exists(rtmr):
    with open(rtmr, "wb", buffering=0) as out:
        out.write(into_it)
else:
    with open("/dev/tdx_guest", "rb") as device:
        fcntl.ioctl(device, 0x80315403, into_it + bytes([3]))
record = struct.pack("<IIIH", 4, 6, 1, 12) + digest + struct.pack("<I", len(event)) + event
if {state!r} in ("part", "logged"):
    open({LOG!r}, "ab").write(record[:30] if {state!r} == "part" else record)
if {state!r} == "cut":
    open({AHEAD!r}, "wb").write(b"1234567")
if {state!r} == "hidden":
    open({AHEAD!r}, "wb").write(struct.pack(">Q", len(log)) + bytes(48) + text)
END
"""


def crashes(test, name, options):
    """Killed at each step: the next one completes the log, whether it adds an event or makes evidence"""
    before = "aa evidence extend x y z; "
    done = [(3, "x y z"), (3, "a b c")]
    for state in "ahead", "extended", "part", "logged":
        test.leads_to(f"{name}: killed, {state}: evidence", "tdx", options, before + crash(state), done)
        test.leads_to(f"{name}: killed, {state}: an event", "tdx", options, before + crash(state) + "aa evidence extend d e f",
                      done + [(3, "d e f")])
    test.leads_to(f"{name}: killed before the first event, registers alike", "tdx", options, f"mkdir -p {STATE}; " + crash("ahead"), [])
    for state in "tampered", "cut", "hidden":
        test.refused(f"{name}: {state}: no evidence", "tdx", options, before + crash(state), "(EVIDENCE)")
        test.refused(f"{name}: {state}: no events", "tdx", options, before + crash(state) + "aa evidence extend d e f && exit 1",
                     "(EVIDENCE)")
    test.refused(f"{name}: a register that somebody else has extended", "tdx", options, before + crash("elsewhere"), "tampered")


def pulls(test):
    """Images"""
    event = f'github.com/confidential-containers PullImage {{"image":"oci:{test.image}", "digest":"{test.digest}"}}'
    run = ">/dev/null 2>&1 || echo failed >&2"
    for measure in "on", "required":
        test.leads_to(f"a pull, {measure}", "csv", [], f"({test.pull(test.image, measure)}) {run}", [(4, event)])
    test.leads_to("twice is once", "csv", [], f"({test.pull(test.image, 'on')}; {test.pull(test.image, 'required')}) {run}", [(4, event)])
    test.leads_to("off", "csv", [], f"({test.pull(test.image, 'off')}) {run}", [])
    odd = test.file('odd"\\')
    os.symlink(test.image.split(":", maxsplit=1)[0], odd)
    test.leads_to("a name that JSON must escape", "csv", [], f"({test.pull(odd + ':one', 'required')}) {run}",
                  [(4, 'github.com/confidential-containers PullImage {"image":' + json.dumps(f"oci:{odd}:one") +
                    f', "digest":"{test.digest}"}}')])
    for tee, options, error in (("snp", ["--no-tsm"], "UNSUPPORTED"), ("none", [], "NO_TEE"),
                                ("csv", ["--fault", "extend:EIO"], "EVIDENCE")):
        script = f"aa() {{ '{test.program}' \"$@\"; }}; "
        status, out, text = test.emulate(tee, options, "sh", "-c", script + test.pull(test.image, "required"))
        test.ok(status not in (0, 70) and not out and f"({error})" in text and not test.left(),
                f"required, {tee} {' '.join(options)}: {error}, and nothing is left", f"{status} {text} {test.left()}")
        status, out, text = test.emulate(tee, options, "sh", "-c", script + test.pull(test.image, "on"))
        test.ok(status == 0 and out.decode().strip() == test.digest and "not measured" in text,
                f"on, {tee} {' '.join(options)}: a warning", f"{status} {text}")
    with open(test.file("policy"), "w", encoding="ascii") as out:
        out.write('{"default":[{"type":"reject"}]}')
    test.leads_to("an image that is refused is not measured", "csv", [], f"({test.pull(test.image, 'on')}) 2>/dev/null", [])


def main():
    """Exit status"""
    with tempfile.TemporaryDirectory() as work:
        test = MeasureTest(work, sys.argv[1], sys.argv[2])
        status, _, text = test.emulate("none", [], "true")
        if status and os.geteuid():
            print("1..0 # SKIP no user namespace here:", text.strip())
            return 0
        events(test)
        platforms(test)
        faults(test)
        if FUSE:
            crashes(test, "measurements", [])
        crashes(test, "TDREPORT", BY_DEVICE)
        pulls(test)
        print(f"1..{test.count}")
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())
