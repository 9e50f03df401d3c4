#!/usr/bin/env python3
"""measure.py time|memory COMMAND...: what a command costs

  time     prints "WALL CPU": seconds passed, and user + system of all its processes
  memory   prints the highest sum of proportional set sizes of all its processes, KiB, sampled every
           10 ms; "-" where that may not be read. A run of its own, since looking costs time too.

Ends with the command's status; its output goes to stderr.
"""

import os
import resource
import subprocess
import sys
import time


def parents():
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    table[int(name)] = int(f.read().rpartition(")")[2].split()[1])
            except OSError:
                pass
    return table


def family(root):
    table, found, grown = parents(), {root}, True
    while grown:
        more = {p for p, parent in table.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found


def pss(pid):
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            for line in f:
                if line.startswith("Pss:"):
                    return int(line.split()[1])
    except PermissionError:
        return None
    except OSError:
        pass
    return 0


def memory(command):
    child = subprocess.Popen(command, stdout=sys.stderr)
    highest, forbidden = 0, False
    while child.poll() is None:
        sizes = [pss(p) for p in family(child.pid)]
        forbidden = forbidden or None in sizes
        highest = max(highest, sum(s or 0 for s in sizes))
        time.sleep(0.01)
    print("-" if forbidden else highest)
    return child.returncode


def clock(command):
    start = time.monotonic()
    status = subprocess.call(command, stdout=sys.stderr)
    wall = time.monotonic() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print("%.3f %.3f" % (wall, usage.ru_utime + usage.ru_stime))
    return status


if __name__ == "__main__":
    sys.exit({"time": clock, "memory": memory}[sys.argv[1]](sys.argv[2:]))
