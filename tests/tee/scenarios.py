#!/usr/bin/env python3
"""The emulator without the agent, as a TAP program.

probe.py asks by the bare interfaces of the kernel; what it gets is verified by verify.py, which shares no
code with the emulator and proves itself on public quotes and reports of real hardware first.
"""

import hashlib
import os
import subprocess
import sys
import tempfile

from harness import FUSE, HERE, SENT, VECTORS, Test

EXTENDED = "5a" * 48

# What goes wrong, who asks, and the errno that comes: the kernel's, or of probe.py's own checks.
FAULTS = (
    ("snp", ["--no-tsm", "--fault", "missing"], ["snp", SENT], "ENOENT"),
    ("snp", ["--no-tsm", "--no-device"], ["snp", SENT], "ENOENT"),
    ("snp", ["--no-tsm", "--fault", "open:EACCES"], ["snp", SENT], "EACCES"),
    ("csv", ["--fault", "open:EBUSY"], ["csv", SENT], "EBUSY"),
    ("snp", ["--no-tsm", "--fault", "ioctl:EIO"], ["snp", SENT], "EIO"),
    ("snp", ["--no-tsm", "--fault", "vmm-error:2"], ["snp", SENT], "ETIMEDOUT"),
    ("snp", ["--no-tsm", "--fault", "status:0x16"], ["snp", SENT], "EIO"),
    ("snp", ["--no-tsm", "--fault", "certs-forever"], ["snp", SENT, "/dev/null"], "EIO"),
    ("csv", ["--fault", "status:1"], ["csv", SENT], "EIO"),
    ("csv", ["--csv1"], ["csv", SENT, "2"], "ENOTTY"),
    ("tdx", ["--no-tsm", "--fault", "ioctl:EBUSY"], ["report0", SENT], "EBUSY"),
    ("tdx", ["--no-tsm"], ["extend", "80315403", "3", "00"], "ENOTTY"),
    ("tdx", ["--no-tsm", "--tdx-driver", "mvp"], ["extend", "80315403", "1", "00"], "EINVAL"),
    ("tdx", ["--no-tsm", "--tdx-driver", "5.15"], ["extend", "80085404", "0", "00"], "EINVAL"),
    ("csv", [], ["csvrtmr", "2", "00"], "EINVAL"),
    ("csv", ["--csv1"], ["csvrtmr", "3", "00"], "ENOTTY"),
    ("csv", ["--fault", "extend:EBUSY"], ["csvrtmr", "4", "00"], "EBUSY"),
    ("csv", ["--fault", "status:9"], ["csvrtmr", "4", "00"], "EREMOTEIO"),
    ("tdx", ["--no-tsm", "--tdx-driver", "mvp", "--fault", "in-flight"], ["quote", "/dev/tdx_guest", "80105404",
                                                                       "REPORT"], "EREMOTEIO"),
    ("tdx", ["--no-tsm", "--tdx-driver", "mvp", "--fault", "empty"], ["quote", "/dev/tdx_guest", "80105404",
                                                                   "REPORT"], "EBADMSG"),
    ("tdx", ["--no-tsm", "--qgs", "4050", "--fault", "connect:ETIMEDOUT"], ["qgs", "4050", "REPORT"], "ETIMEDOUT"),
    ("tdx", ["--no-tsm", "--qgs", "4050"], ["qgs", "4051", "REPORT"], "ECONNRESET"),
    ("tdx", ["--no-tsm", "--qgs", "4050", "--fault", "short:20"], ["qgs", "4050", "REPORT"], "EBADMSG"),
    ("tdx", ["--no-tsm", "--qgs", "4050", "--fault", "status:18"], ["qgs", "4050", "REPORT"], "EREMOTEIO"),
    ("tdx", ["--no-tsm"], ["tsm", "tdx_guest", SENT], "ENOENT"),
    ("tdx", ["--fault", "mkdir:ENXIO"], ["tsm", "tdx_guest", SENT], "ENXIO"),
    ("tdx", ["--fault", "provider:pkvm"], ["tsm", "tdx_guest", SENT], "ENODEV"),
    ("tdx", ["--fault", "outblob:EBUSY"], ["tsm", "tdx_guest", SENT], "EBUSY"),
    ("tdx", ["--fault", "outblob:ETIMEDOUT"], ["tsm", "tdx_guest", SENT], "ETIMEDOUT"),
    ("tdx", ["--fault", "generation"], ["tsm", "tdx_guest", SENT], "ESTALE"),
    ("snp", ["--fault", "auxblob:EIO"], ["tsm", "sev_guest", SENT, "/dev/null"], "EIO"),
    ("tdx", ["--fault", "extend:EBUSY"], ["rtmr", "3", EXTENDED], "EBUSY"),
    ("tdx", [], ["rtmr", "3", "00"], "EINVAL"),
)

# Generations of processors and kinds of keys; whose root; what verify.py finds.
CHIPS = (
    (["--vlek"], None, ("version 3", "signer VLEK", "chip " + "00" * 64)),
    (["--snp-chip", "turin"], "snp-turin-ark.pem", ("version 5", "signer VCEK", "00" * 56 + "\n")),
    (["--snp-chip", "turin", "--vlek"], "snp-turin-ark.pem", ("version 5", "signer VLEK", "chip " + "00" * 64)),
)

# Evidence that comes, but must not be believed: why verify.py does not.
DOUBTFUL = (
    ("snp", ["--fault", "signature"], ["snp", SENT, "CERTS"], "wrong signature of the report"),
    ("snp", ["--fault", "report-data"], ["snp", SENT, "CERTS"], "other report data"),
    ("snp", ["--fault", "short:1000"], ["snp", SENT, "CERTS"], "1184 bytes"),
    ("csv", ["--fault", "signature"], ["csv", SENT], "wrong signature of the report"),
    ("csv", ["--fault", "report-data"], ["csv", SENT], "other report data"),
    ("csv", ["--fault", "mac"], ["csv", SENT], "wrong MAC"),
    ("csv", ["--fault", "nonce"], ["csv", SENT], "wrong MAC"),
    ("csv", ["--fault", "mac"], ["csv", SENT, "2"], "wrong MAC"),
    ("tdx", ["--fault", "signature"], ["tsm", "tdx_guest", SENT], "wrong signature of the quote"),
    ("tdx", ["--fault", "report-data"], ["tsm", "tdx_guest", SENT], "other report data"),
    ("tdx", ["--fault", "trailing:39"], ["tsm", "tdx_guest", SENT], "the quote has"),
    ("tdx", ["--fault", "short:700"], ["tsm", "tdx_guest", SENT], "the quote has"),
    ("tdx", ["--fault", "empty"], ["tsm", "tdx_guest", SENT], "tdx: error"),
)


def verifier(test):
    """What real hardware gave is verified, and what is not the same is not"""
    intel = f"{VECTORS}/tdx/intel_sgx_root_ca.pem"
    for tee, name, root, *certs in (
            ("tdx", "tdx/tdx_quote_4.dat", intel), ("tdx", "tdx/tdx_quote_5.dat", intel),
            ("snp", "snp/test-report.bin", f"{VECTORS}/snp/milan_ask_ark_asvk.pem", f"{VECTORS}/snp/test-vcek.der"),
            ("snp", "snp/test-vlek-report.bin", f"{VECTORS}/snp/milan_ask_ark_asvk.pem", f"{VECTORS}/snp/test-vlek.der"),
            ("snp", "snp/evidence_v3_genoa.json", f"{VECTORS}/snp/genoa_ask_ark_asvk.pem"),
            ("csv", "csv/report_v1.bin", f"{VECTORS}/csv/hrk.cert", f"{VECTORS}/csv/hsk_cek.cert"),
            ("csv", "csv/csv_evidence.json", f"{VECTORS}/csv/hrk.cert"),
            ("csv", "csv-synthetic/report_v2.bin", f"{VECTORS}/csv-synthetic/hrk.cert",
             f"{VECTORS}/csv-synthetic/hsk_cek.cert")):
        status, text = test.verify(tee, f"{VECTORS}/{name}", root, *(("--certs", *certs) if certs else ()))
        test.ok(status == 0, f"verifier: {name}", text)
        if not name.endswith(".json"):
            with open(f"{VECTORS}/{name}", "rb") as into:
                data = bytearray(into.read())
            data[150] ^= 1
            with open(test.file("changed"), "wb") as out:
                out.write(data)
            status, text = test.verify(tee, test.file("changed"), root, *(("--certs", *certs) if certs else ()))
            test.ok(status and "wrong signature" in text, f"verifier: {name} with a bit changed", text)


def itself(test):
    """As a program that runs another"""
    status, _, _ = test.emulate("none", [], "sh", "-c", "exit 7")
    test.ok(status == 7, "it ends as the program does")
    status, _, _ = test.emulate("none", [], "sh", "-c", "kill -9 $$")
    test.ok(status == 128 + 9, "also if it was killed", status)
    status, _, text = test.emulate("none", [], "/nonexistent")
    test.ok(status == 127 and "No such file" in text, "a program that is not there", text)
    for fault in "nonsense", "short:x", "ioctl:ENONSENSE", "ioctl", "provider", "short:1:x":
        status, _, text = test.emulate("none", ["--fault", fault], "true")
        test.ok(status == 1 and text.startswith("tee-emulator: ") and text.count("\n") == 1, f"no such fault: {fault}", text)
    if os.geteuid() == 0:
        status, out, text = test.emulate("csv", [], sys.executable, "-c", f'''if True:
            import os, sys
            sys.path.insert(0, "{HERE}")
            from emulator import places
            os.stat("/dev/csv-guest")
            places.enter()
            there = places.Places()
            there.hide("/dev/csv-guest")
            there.file("/etc/passwd", b"other")
            print(os.path.exists("/dev/csv-guest"), os.path.exists("/dev/zero"), open("/etc/passwd").read())''')
        test.ok(status == 0 and out == b"False True other\n", "what the machine has itself is hidden", text)
    status, out, _ = test.emulate("csv", [], "sh", "-c", "(sleep 0.3; stat -c %F /dev/csv-guest) & exit 0")
    test.ok(status == 0 and out == b"character special file\n", "it waits for the program's children", out)
    test.ok(not os.path.exists("/dev/csv-guest"), "nothing is left outside")
    secret = test.file("secret")
    with open(secret, "wb") as out:
        out.write(b"injected")
    for kernel, path in ("new", "secrets/coco"), ("old", "coco/efi_secret"):
        status, out, text = test.emulate(
            "sev", ["--secret-kernel", kernel, "--secret", "e6f5a162-d67f-4750-a67c-5d065f2a9910=" + secret],
            "sh", "-c", f"cd /sys/kernel/security/{path} && cat * && rm * && ls")
        test.ok((status, out) == (0, b"injected"), f"SEV: a secret, {kernel} kernel", text)
    table = f"{VECTORS}/ccel/cos-113-ccel_table.dat"
    status, out, text = test.emulate(
        "none", ["--ccel", f"{VECTORS}/ccel/CCEL_data_tdshim", "--ccel-table", table],
        "sh", "-c", "cd /sys/firmware/acpi/tables && cat CCEL data/CCEL | wc -c")
    test.ok((status, out.strip()) == (0, b"9886"), "the event log of the firmware", text)


def devices(test):
    """What comes by device nodes and vsock"""
    for driver, kind, node, request in (
            ("upstream", "report0", None, None), ("mvp", "report0", "/dev/tdx_guest", "80105404"),
            ("v3", "report0", "/dev/tdx_guest", "c0105404"), ("5.19a", "report40", "/dev/tdx-guest", "80085402"),
            ("5.19b", "report32", "/dev/tdx-guest", "80085402"), ("5.15", "report15", "/dev/tdx-attest", "80085402")):
        options = ["--no-tsm", "--tdx-driver", driver]
        status, report, text = test.probe("tdx", options, kind, SENT)
        good = report[128:192] == bytes.fromhex(SENT).ljust(64, b"\0") and len(report) == 1024
        good = good and report[32:80] == hashlib.sha384(report[256:495]).digest()
        good = good and report[80:128] == hashlib.sha384(report[512:]).digest()
        test.ok(status == 0 and good, f"TDX: report, driver {driver}", text)
        with open(test.file("report"), "wb") as out:
            out.write(report)
        if node:
            status, quote, text = test.probe("tdx", options, "quote", node, request, test.file("report"))
            status, text = test.verify_ours("tdx", quote) if status == 0 else (status, text)
            test.ok(status == 0, f"TDX: quote by ioctl, driver {driver}", text)
    status, quote, text = test.probe("tdx", ["--no-tsm", "--qgs", "4050"], "qgs", "4050", test.file("report"))
    status, text = test.verify_ours("tdx", quote) if status == 0 else (status, text)
    test.ok(status == 0, "TDX: quote by vsock", text)
    for certs in (), ("certs",):
        files = [test.file(name) for name in certs]
        status, report, text = test.probe("snp", ["--no-tsm"], "snp", SENT, *files)
        status, text = test.verify_ours("snp", report, test.file("certs")) if files and status == 0 else (status, text)
        test.ok(status == 0 and len(report) == 1184, f"SNP: report, {len(certs)} table", text)
    for options, root, wanted in CHIPS:
        status, report, text = test.probe("snp", ["--no-tsm", *options], "snp", SENT, test.file("certs"))
        status, text = test.verify_ours("snp", report, test.file("certs"), root) if status == 0 else (status, text)
        test.ok(status == 0 and all(claim in text for claim in wanted), f"SNP: report with {' '.join(options)}", text)
    status, report, text = test.probe("snp", ["--no-tsm", "--no-certificates"], "snp", SENT, test.file("none"))
    test.ok(status == 0 and not any(open(test.file("none"), "rb").read()), "SNP: a host without certificates", text)
    status, key, text = test.probe("snp", ["--no-tsm"], "key")
    test.ok(status == 0 and len(key) == 32 and test.probe("snp", ["--no-tsm"], "key")[1] == key,
            "SNP: a derived key, the same again", text)
    for version in "1", "2":
        status, report, text = test.probe("csv", [], "csv", SENT, version)
        status, text = test.verify_ours("csv", report) if status == 0 else (status, text)
        test.ok(status == 0 and "version " + version in text, f"CSV: report of version {version}", text)
    canned = f"{VECTORS}/snp/test-report.bin"
    status, report, text = test.probe("snp", ["--no-tsm", "--canned", canned], "snp", SENT)
    with open(canned, "rb") as into:
        test.ok(report == into.read(), "SNP: a report of real hardware, unchanged", text)


def registers(test):
    """Extended by each ioctl; --registers tells what became of them"""
    once = "a5" * 48
    kept = test.file("registers")
    for driver, request in ("mvp", "80315403"), ("v3", "40315403"), ("5.15", "80085404"):
        status, _, text = test.probe("tdx", ["--no-tsm", "--tdx-driver", driver, "--registers", kept],
                                     "extend", request, "3", once)
        wanted = hashlib.sha384(bytes(48) + bytes.fromhex(once)).hexdigest()
        with open(kept, encoding="ascii") as into:
            lines = into.read().splitlines()
        test.ok(status == 0 and lines[2:] == [f"rtmr2 {'00' * 48}", f"rtmr3 {wanted}"], f"TDX: extension, driver {driver}", text)
    wanted = hashlib.new("sm3", bytes(32) + bytes.fromhex(once)[:32]).hexdigest()
    status, report, text = test.emulate("csv", ["--registers", kept], "sh", "-c",
                                        f'"$0" csvrtmr 4 {once[:64]} >&2 && "$0" csv {SENT} 2', f"{HERE}/probe.py")
    status, text = test.verify_ours("csv", report) if status == 0 else (status, text)
    with open(kept, encoding="ascii") as into:
        lines = into.read().splitlines()
    test.ok(status == 0 and f"rtmr4 {wanted}" in text and lines[3:] == [f"rtmr3 {'00' * 32}", f"rtmr4 {wanted}"],
            "CSV: extension, and in the report", text)


def trees(test):
    """configfs-tsm and the measurement files"""
    status, quote, text = test.probe("tdx", [], "tsm", "tdx_guest", SENT)
    status, text = test.verify_ours("tdx", quote) if status == 0 else (status, text)
    test.ok(status == 0, "TDX: quote by configfs-tsm", text)
    status, report, text = test.probe("snp", [], "tsm", "sev_guest", SENT, test.file("certs"))
    status, text = test.verify_ours("snp", report, test.file("certs")) if status == 0 else (status, text)
    test.ok(status == 0, "SNP: report and certificates by configfs-tsm", text)
    status, token, text = test.probe("cca", [], "tsm", "arm_cca_guest", SENT)
    test.ok(status == 0 and bytes.fromhex(SENT) in token, "CCA: a token by configfs-tsm", text)
    status, after, text = test.emulate("tdx", [], "sh", "-c", f'''
        {HERE}/probe.py rtmr 3 {EXTENDED} >{test.file("first")} && {HERE}/probe.py rtmr 3 {EXTENDED} &&
        {HERE}/probe.py tsm tdx_guest {SENT} >{test.file("quote")}''')
    value = hashlib.sha384(bytes(48) + bytes.fromhex(EXTENDED)).digest()
    test.ok(open(test.file("first"), "rb").read() == value, "TDX: a register is extended", text)
    value = hashlib.sha384(value + bytes.fromhex(EXTENDED)).digest()
    with open(test.file("quote"), "rb") as into:
        text = test.verify_ours("tdx", into.read())[1]
    test.ok(after == value and "rtmr3 " + value.hex() in text, "TDX: and is in the quote", text)
    status, _, text = test.emulate("tdx", [], "mkdir", "/sys/kernel/config/tsm/report/forgotten")
    test.ok(status == 0 and "left in configfs-tsm: forgotten" in text, "a directory that nobody removed is told", text)
    status, _, text = test.emulate("tdx", [], "sh", "-c", '''cd /sys/kernel/config/tsm/report; mkdir x; cd x
        ! head -c 65 /dev/zero 2>/dev/null >inblob && ! cat inblob && ! rm outblob && ! cat outblob &&
        head -c 63 /dev/zero >inblob && ! cat outblob && rmdir ../x''')
    test.ok(status == 0, "configfs-tsm refuses what it must", text)
    quote = f"{VECTORS}/tdx/tdx_prod_quote_SPR_E4.dat"
    _, out, text = test.probe("tdx", ["--canned", quote], "tsm", "tdx_guest", SENT)
    with open(quote, "rb") as into:
        test.ok(out == into.read(), "TDX: a quote of real hardware, unchanged", text)


def faults(test):
    """Each gives its error, and leaves no directory"""
    places = {"REPORT": test.file("report"), "CERTS": test.file("certs")}
    for tee, options, words, expected in FAULTS:
        if words[0] in ("tsm", "rtmr") and not FUSE:
            continue
        _, _, text = test.probe(tee, options, *(places.get(word, word) for word in words))
        test.ok(text == expected + "\n", f"{tee} {' '.join(options)}: {words[0]} gets {expected}", text)
    for tee, options, words, expected in DOUBTFUL:
        if words[0] == "tsm" and not FUSE:
            continue
        options = options + ([] if words[0] == "tsm" else ["--no-tsm"])
        _, out, text = test.probe(tee, options, *(places.get(word, word) for word in words))
        status, text = test.verify_ours(tee, out, places["CERTS"] if tee == "snp" else None)
        test.ok(status and expected in text, f"{tee} {' '.join(options)}: {words[0]} is not believed", text)
    status, out, text = test.probe("snp", ["--no-tsm", "--fault", "vmm-error:1:1"], "snp", SENT, test.file("certs"))
    test.ok(status == 0 and len(out) == 1184, "a fault wears off", text)


def as_another(test):
    """Root of a user namespace is enough, where /dev/fuse is for all as usual; in a folder that others can reach"""
    with tempfile.TemporaryDirectory(dir="/tmp") as work:
        os.chmod(work, 0o777)
        test.work, test.roots = work, os.path.join(work, "roots")
        in_namespace(test)


def in_namespace(test):
    """The same emulator, started by user 65534"""
    script = '[ -e "$1/fuse" ] || mknod "$1/fuse" c 10 229; chmod 666 "$1/fuse"; mount --bind "$1/fuse" /dev/fuse; shift; exec "$@"'
    before = ["unshare", "-m", "sh", "-c", script, "sh", test.work,
              "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*before, "sh", "-c", f"unshare -Urm true && test -x {HERE}/probe.py"],
                      check=False, capture_output=True).returncode:
        test.skip("root of a user namespace", "there are none, or this folder is not for all")
        return
    status, quote, text = test.probe("tdx", [], "tsm", "tdx_guest", SENT, before=before)
    status, text = test.verify_ours("tdx", quote) if status == 0 else (status, text)
    test.ok(status == 0, "root of a user namespace: configfs-tsm", text)
    status, out, text = test.emulate("csv", [], "sh", "-c", f"id -u >&2; exec {HERE}/probe.py csv {SENT}",
                                     before=before)
    status, why = test.verify_ours("csv", out) if status == 0 else (status, text)
    test.ok(status == 0 and text == "65534\n", "the program keeps its user", text + why)


def main():
    """Exit status"""
    with tempfile.TemporaryDirectory() as work:
        test = Test(work)
        verifier(test)
        status, _, text = test.emulate("csv", [], "true")
        if status and os.geteuid():
            test.skip("the emulator", "no user namespace here: " + text.strip())
        else:
            itself(test)
            devices(test)
            registers(test)
            if FUSE:
                trees(test)
            faults(test)
            if os.geteuid() == 0:
                as_another(test)
        print(f"1..{test.count}")
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())
