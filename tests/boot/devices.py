#!/usr/bin/env python3
"""The TEE devices of the guest in the boot test, served from here: each socket below becomes a port of virtio-serial.

usage: devices.py ROOTS SOCKETS    says so when all sockets are there, and runs until it is killed
"""

import functools
import os
import select
import socket
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VECTORS = os.path.join(TESTS, "vectors", "evidence")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TESTS, "tee"))

# pylint: disable=wrong-import-position
from emulator import faults, hygon, relayed, roots, snp, tdx  # noqa: E402


def ports(keys):
    """By name: who answers, as a function of the stream"""
    def node(name, make, *wrong):
        faulty = faults.Faults(wrong)
        return functools.partial(Messages, relayed.Node(name, make(faulty), faulty))

    def sev(faulty):
        return snp.Device(snp.Platform(keys, faulty))

    def csv(faulty):
        return hygon.Device(hygon.Platform(keys, faulty))

    def provider(*wrong):
        faulty = faults.Faults(wrong)
        collect = {"tdx_guest": tdx.Platform(keys, faulty).collect, "sev_guest": snp.Platform(keys, faulty).collect}
        return functools.partial(Messages, relayed.Provider(collect, faulty))

    def quoting(faulty):
        return tdx.Device(tdx.Platform(keys, faulty), "mvp")

    def canned(make, path):
        def made(faulty):
            device = make(faulty)
            with open(os.path.join(VECTORS, path), "rb") as into:
                device.platform.canned = into.read()
            return device
        return made

    return {
        "snp": node("sev-guest", sev),
        "snp-busy": node("sev-guest", sev, "vmm-error:2"),
        "snp-refuses": node("sev-guest", sev, "status:0x16"),
        "snp-public": node("sev-guest", canned(sev, "snp/test-report.bin")),
        "csv": node("csv-guest", csv),
        "csv-refuses": node("csv-guest", csv, "ioctl:EIO"),
        "csv-event": node("csv-guest", csv),
        "tdx": node("tdx_guest", quoting),
        "tdx-event": node("tdx_guest", quoting),
        "tdx-public": node("tdx_guest", canned(quoting, "tdx/tdx_quote_4.dat")),
        "tdx-alone": node("tdx_guest", lambda faulty: tdx.Device(tdx.Platform(keys, faulty), "upstream")),
        "qgs": tdx.Service(tdx.Platform(keys, faults.Faults([])), None).connected,
        "tsm": provider(),
        "tsm-busy": provider("outblob:EBUSY:2"),
        "tsm-late": provider("outblob:ETIMEDOUT"),
    }


class Messages:
    """Of the kernel: each begins with its length, as x86 has it."""

    def __init__(self, server, stream):
        self.server = server
        self.stream = stream
        self.got = b""

    def ready(self):
        """Bytes have come; False at the end"""
        data = self.stream.recv(65536)
        self.got += data
        while len(self.got) >= 4:
            size = int.from_bytes(self.got[:4], "little")
            if len(self.got) < size:
                break
            request, self.got = self.got[:size], self.got[size:]
            answer = self.server.serve(request)
            if answer is not None:
                self.stream.sendall(answer)
        return bool(data)


class Port:
    """One port: begin(stream) gives who talks there as soon as the guest's machine has connected."""

    def __init__(self, listener, begin):
        self.listener = listener
        self.begin = begin
        self.stream = None
        self.talk = None

    def fileno(self):
        """For select"""
        return (self.stream or self.listener).fileno()

    def ready(self):
        """Something has come; False at the end"""
        if self.talk is not None:
            return self.talk.ready()
        self.stream = self.listener.accept()[0]
        self.talk = self.begin(self.stream)
        return True


def main():
    """Never returns by itself before the machine has gone"""
    keys, folder = sys.argv[1:]
    served = []
    for name, begin in ports(roots.Roots(keys)).items():
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.join(folder, name))
        listener.listen(1)
        served.append(Port(listener, begin))
    print(*(os.path.basename(port.listener.getsockname()) for port in served), flush=True)
    while served:
        for port in select.select(served, [], [])[0]:
            if not port.ready():
                served.remove(port)


if __name__ == "__main__":
    main()
