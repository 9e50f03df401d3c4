#!/usr/bin/env python3
"""Ports of 127.0.0.1 for servers that have to be told theirs.

  ports.py free GIVEN       prints one that is free, that the kernel gives to nobody who asks for any, and that is not
                            yet in the file GIVEN, into which it goes
  ports.py wait PORT PID    until this process listens there, a minute at most; exit 1 if it does not
"""

import os
import random
import socket
import sys
import time

GIVEN = set()


def free_port(given=GIVEN):
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low, high = map(int, f.read().split())
    outside = [*range(10000, low), *range(max(high + 1, 10000), 65536)]
    for _ in range(1000):
        try:
            with socket.create_server(("127.0.0.1", random.choice(outside or [0]))) as s:
                port = s.getsockname()[1]
        except OSError:
            continue
        if port not in given:
            given.add(port)
            return port
    sys.exit("ports.py: no port is free")


def listens(port, pid):
    """False while it does not; who answers there may be another."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    wanted = {"socket:[%s]" % row[9] for row in rows if row[1] == "0100007F:%04X" % port and row[3] == "0A"}
    for name in os.listdir("/proc/%d/fd" % pid) if wanted else ():
        try:
            if os.readlink("/proc/%d/fd/%s" % (pid, name)) in wanted:
                return True
        except FileNotFoundError:
            pass
    return False


def ended(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(") ")[2][0] == "Z"


def wait(port, pid):
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end and not ended(pid):
            if listens(port, pid):
                return True
            time.sleep(0.02)
    except OSError:     # it is no more
        pass
    return False


if __name__ == "__main__":
    if sys.argv[1] == "free":
        with open(sys.argv[2], "a+") as table:
            table.seek(0)
            port = free_port(set(map(int, table)))
            print(port, file=table)
        print(port)
    elif not wait(int(sys.argv[2]), int(sys.argv[3])):
        sys.exit(1)
