#!/usr/bin/env python3
"""Ports of 127.0.0.1 for servers that have to be told theirs.

  ports.py free PID         prints one that is free, that the kernel gives to nobody who asks for any, and that nobody
                            else is told while the process PID lives
  ports.py wait PORT PID    until this process listens there, a minute at most; exit 1 if it does not
"""

import os
import random
import socket
import sys
import time

HELD = []


def free_port():
    """Held: bound, alone, and not listened on. A server with SO_REUSEADDR may do so; until then who connects is refused."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low, high = map(int, f.read().split())
    outside = [*range(10000, low), *range(max(high + 1, 10000), 65536)]
    for _ in range(1000):
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", random.choice(outside or [0])))
        except OSError:
            s.close()
            continue
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)     # it is no longer alone: our server may, too
        HELD.append(s)
        return s.getsockname()[1]
    sys.exit("ports.py: no port is free")


def hold(pid):
    """In the background; nobody's output waits for the end of that."""
    here = HELD[0].fileno()
    os.closerange(0, here)
    os.closerange(here + 1, 1024)
    while os.path.exists("/proc/%d" % pid):
        time.sleep(0.2)
    os._exit(0)


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
        port = free_port()
        if os.fork() == 0:
            hold(int(sys.argv[2]))
        print(port)
    elif not wait(int(sys.argv[2]), int(sys.argv[3])):
        sys.exit(1)
