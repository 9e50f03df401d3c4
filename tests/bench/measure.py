#!/usr/bin/env python3
"""measure.py time|look COMMAND...: what a command and all processes it starts cost, as one line of JSON

  time   wall and cpu (user + system), seconds
  look   memory: the highest sum of proportional set sizes, KiB, sampled every 5 ms (null where that may not
         be read); written: bytes that went to a disk. A run of its own, since looking costs time.

Ends with the command's status; the command's output goes to stderr.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def reap():
    """Waits for every process that is left below us, so that all are counted."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass


def used(before=None):
    """What ended processes have used (since then): a wrapper may have had some before us."""
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, blocks = now.ru_utime + now.ru_stime, now.ru_oublock
    return (cpu, blocks) if before is None else (cpu - before[0], blocks - before[1])


def clock(command):
    before, start = used(), time.monotonic()
    child = subprocess.Popen(command, stdout=sys.stderr)
    _, how = os.waitpid(child.pid, 0)
    wall = time.monotonic() - start
    reap()
    return os.waitstatus_to_exitcode(how), {"wall": wall, "cpu": used(before)[0]}


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
    """All processes below root; root itself is not one of them."""
    table, found, grown = parents(), {root}, True
    while grown:
        more = {p for p, parent in table.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found - {root}


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


def look(command):
    before = used()
    child = subprocess.Popen(command, stdout=sys.stderr)
    highest, forbidden = 0, False
    while True:
        pid, how = os.waitpid(child.pid, os.WNOHANG)
        if pid != 0:
            break
        sizes = [pss(p) for p in family(os.getpid())]
        forbidden = forbidden or None in sizes
        highest = max(highest, sum(s or 0 for s in sizes))
        time.sleep(0.005)
    reap()
    return os.waitstatus_to_exitcode(how), {"memory": None if forbidden else highest,
                                            "written": used(before)[1] * 512}


def main():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    status, said = {"time": clock, "look": look}[sys.argv[1]](sys.argv[2:])
    print(json.dumps(said))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
