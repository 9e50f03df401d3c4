"""What scenarios.py and evidence.py have in common: TAP, the emulator around a program, the verifier."""

import os
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
VECTORS = os.path.join(os.path.dirname(HERE), "vectors", "evidence")
SENT = "00112233445566778899"
FUSE = os.access("/dev/fuse", os.R_OK | os.W_OK)


class Test:
    """Counts and tells."""

    def __init__(self, work):
        self.work = work
        self.roots = self.file("roots")
        self.count = 0
        self.failed = 0

    def file(self, name):
        """A file of ours"""
        return os.path.join(self.work, name)

    def ok(self, good, name, why=""):
        """One line"""
        self.count += 1
        self.failed += not good
        print("ok" if good else "not ok", self.count, "-", name, flush=True)
        if not good and why:
            print("#", str(why).strip().replace("\n", "\n# "))

    def skip(self, name, why):
        """One line"""
        self.count += 1
        print("ok", self.count, "-", name, "# SKIP", why)

    def emulate(self, tee, options, *command, before=()):
        """The emulator around a program; status, output, what it says"""
        done = subprocess.run([*before, f"{HERE}/tee-emulator", "--tee", tee, "--roots", self.roots, *options, "--",
                               *command], capture_output=True, check=False, timeout=300)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def probe(self, tee, options, *words, **more):
        """The same around probe.py"""
        return self.emulate(tee, options, f"{HERE}/probe.py", *words, **more)

    def verify(self, tee, path, root, *more):
        """Status and what it says"""
        done = subprocess.run([f"{HERE}/verify.py", tee, path, "--root", root, *more],
                              capture_output=True, check=False, text=True)
        return done.returncode, done.stdout + done.stderr

    def verify_ours(self, tee, data, certs=None, root=None):
        """Evidence of the emulator"""
        root = root or {"tdx": "tdx-root.pem", "snp": "snp-ark.pem", "csv": "csv-hrk.cert"}[tee]
        if tee == "csv":
            certs = os.path.join(self.roots, "csv-hsk-cek.cert")
        with open(self.file("evidence"), "wb") as out:
            out.write(data)
        return self.verify(tee, self.file("evidence"), os.path.join(self.roots, root), "--report-data", SENT,
                           *(("--certs", certs) if certs else ()))
