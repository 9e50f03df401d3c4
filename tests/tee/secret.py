#!/usr/bin/env python3
"""Secrets injected into guests of SEV, by the agent in the emulator, as a TAP program: taken once, whole, and shown to nobody.

usage: secret.py AA-CLI
"""

import os
import sys
import tempfile

from harness import Test

KEYS, OTHER = "e6f5a162-d67f-4750-a67c-5d065f2a9910", "00000000-1111-2222-3333-444444444444"
CONTENT = b'{"key_id1":"bm9ib2R5IG1heSBzZWUgdGhpcyBhbnl3aGVyZQ=="}\0\0\0'
PLACES = {"new": "/sys/kernel/security/secrets/coco", "old": "/sys/kernel/security/coco/efi_secret"}


class SecretTest(Test):
    """With the program under test."""

    def __init__(self, work, program):
        super().__init__(work)
        self.program = program
        self.taken = self.file("taken")
        with open(self.file("injected"), "wb") as out:
            out.write(CONTENT)

    def run(self, options, script, secret=KEYS):
        """A script in a guest with a secret; status, what was said, what was taken"""
        if os.path.lexists(self.taken):
            os.unlink(self.taken)
        script = f"aa() {{ '{self.program}' evidence \"$@\"; }}; f='{self.taken}'\n{script}"
        injected = ["--secret", f"{secret}={self.file('injected')}"] if secret else []
        status, out, text = self.emulate("sev", [*injected, *options], "sh", "-c", script)
        taken = None
        if os.path.lexists(self.taken):
            with open(self.taken, "rb") as into:
                taken = into.read()
        if CONTENT[5:20] in out + text.encode():
            text = "the secret was shown: " + text
        return status, text, taken


def taken(test, name, options, place):
    """Once, and then it is gone from the kernel"""
    status, text, got = test.run(options, "aa secret keys $f")
    test.ok((status, text, got) == (0, "", CONTENT), f"{name}: taken, whole", f"{status} {text} {got}")
    test.ok(os.stat(test.taken).st_mode & 0o777 == 0o600, f"{name}: in a file that is nobody else's")
    status, text, got = test.run(options, f"aa secret keys $f; mv $f $f.1; ls -A {place}/; aa secret keys $f")
    test.ok(status == 12 and got is None and "(NO_TEE)" in text, f"{name}: a second time there is none", f"{status} {text}")
    status, text, got = test.run(options, "aa get --tee sev")
    test.ok(status == 1 and "cannot ask for a report" in text and "keys is there, a connection is not there" in text,
            f"{name}: no report, but a secret", f"{status} {text}")
    status, text, got = test.run(options, f"aa get --tee sev; test -e {place}/{KEYS}")
    test.ok(status == 0, f"{name}: to tell of it does not take it", text)


def refusals(test):
    """What must not be"""
    status, text, got = test.run([], "aa secret keys $f", secret=OTHER)
    test.ok(status == 12 and got is None and "(NO_TEE)" in text, "keys that were not injected", f"{status} {text}")
    status, text, got = test.run([], f"aa secret {OTHER} $f", secret=OTHER)
    test.ok((status, text, got) == (0, "", CONTENT), "by its GUID", f"{status} {text}")
    for name in "Keys", "../../../etc/passwd", OTHER[:-1], OTHER.replace("4", "G"), "/" * 36:
        status, text, got = test.run([], f"aa secret {name} $f")
        test.ok(status == 2 and got is None and "(USAGE)" in text, f"secret {name}: refused", f"{status} {text}")
    status, text, got = test.run([], "echo here >$f; aa secret keys $f")
    test.ok(status == 15 and got == b"here\n" and "(STORAGE)" in text, "a file that is there stays", f"{status} {text}")
    status, text, got = test.run([], f"echo here >$f; aa secret keys $f; test -e {PLACES['new']}/{KEYS}")
    test.ok(status == 0, "and so does the secret", text)
    status, text, got = test.run([], f"chmod 555 {PLACES['new']}; aa secret keys $f")
    test.ok(status == 12 and got is None and "remove" in text, "one that the kernel keeps is not used", f"{status} {text} {got}")
    status, text, got = test.run([], "aa extend a b c")
    test.ok(status == 1 and "no registers" in text, "SEV has no registers", f"{status} {text}")
    status, out, text = test.emulate("snp", ["--no-tsm"], test.program, "evidence", "get", "--tee", "sev")
    test.ok(status == 12 and not out and "(NO_TEE)" in text, "what is no guest of SEV", f"{status} {text}")


def module(test):
    """Found and loaded without modprobe, when SEV is asked for and not before"""
    loads = ["--secret-module", "--log"]
    for kernel in PLACES:
        status, text, got = test.run(["--secret-kernel", kernel, *loads], "aa secret keys $f")
        test.ok(status == 0 and got == CONTENT and text.count("finit_module") == 1, f"module, {kernel} kernel: loaded", f"{status} {text}")
        status, text, got = test.run(["--secret-kernel", kernel, *loads], "aa get --tee sev; aa get --tee sev; aa get")
        test.ok(text.count("finit_module") == 1 and text.count("keys is there") == 3, f"module, {kernel} kernel: once", text)
    status, text, got = test.run(loads, "aa get; aa extend a b c; aa get --tee snp")
    test.ok("finit_module" not in text, "module: not for anybody who does not name SEV", text)
    status, text, got = test.run(["--secret-module", "--fault", "module:ENODEV"], "aa secret keys $f")
    test.ok(status == 12 and got is None and "load the module" in text, "module: nothing was injected", f"{status} {text}")


def main():
    """Exit status"""
    with tempfile.TemporaryDirectory() as work:
        test = SecretTest(work, sys.argv[1])
        status, _, text = test.emulate("none", [], "true")
        if status and os.geteuid():
            print("1..0 # SKIP no user namespace here:", text.strip())
            return 0
        for kernel, place in PLACES.items():
            taken(test, f"{kernel} kernel", ["--secret-kernel", kernel], place)
        refusals(test)
        if os.geteuid() == 0:
            module(test)
        print(f"1..{test.count}")
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())
