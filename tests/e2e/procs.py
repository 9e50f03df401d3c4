#!/usr/bin/env python3
"""The processes of one pull, seen from outside through /proc.

  procs.py list SESSION             "PID ROLE" of each process of the session
  procs.py wait SESSION ROLE[=N]... until all of these are there, a minute; then as list
  procs.py none SESSION SECONDS     until the session is empty
  procs.py without SESSION ROLE SECONDS
                                    until none has this role; prints how many milliseconds that took
  procs.py most SESSION ROLE        the highest number of processes that have this role for a fifth of a second together,
                                    until the session is empty; one that is about to end does not count
  procs.py check SESSION STAGING WORD...
                                    a table, and a line "ok …"/"not ok …"/"skip … # why" for each rule;
                                    the words must stand on no role's command line, which is public
"""

import os
import re
import sys
import time

ROLES = ("key", "pull", "crypt", "unpack")
SOURCES = ("net", "archive")  # one of them
# Those that may hold a path at all, and below what: the folder the bundle is made in.
PATHS = ("pull", "unpack")


def read(path, mode="r"):
    with open(path, mode) as f:
        return f.read()


class Process:
    def __init__(self, pid):
        self.pid = pid
        stat = read("/proc/%d/stat" % pid).rpartition(")")[2].split()
        self.state, self.parent, self.session = stat[0], int(stat[1]), int(stat[3])
        argv = read("/proc/%d/cmdline" % pid, "rb").split(b"\0")
        name = argv[0].decode("ascii", "replace")
        self.role = name[len("cacao: "):] if name.startswith("cacao: ") else "monitor"
        if self.role.startswith("monitor"):
            self.role = "monitor"

    def details(self):
        self.status = dict(line.split(":\t", 1) for line in
                           read("/proc/%d/status" % self.pid).splitlines() if ":\t" in line)
        self.uids = [int(u) for u in self.status["Uid"].split()]
        try:
            self.fds = {int(n): os.readlink("/proc/%d/fd/%s" % (self.pid, n))
                        for n in os.listdir("/proc/%d/fd" % self.pid)}
        except PermissionError:
            self.fds = None
        return self


def session(number):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                p = Process(int(name))
            except (OSError, IndexError):
                continue
            if p.session == number and p.state != "Z":
                found.append(p)
    return found


def show(processes):
    for p in processes:
        print(p.pid, p.role)


def wait_for(number, words):
    wanted = {role: int(count or 1) for role, _, count in (word.partition("=") for word in words)}
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = session(number)
        there = [p.role for p in found]
        if all(there.count(role) >= count for role, count in wanted.items()):
            show(found)
            return True
        time.sleep(0.02)
    show(session(number))
    return False


def wait_none(number, seconds):
    end = time.monotonic() + seconds
    while session(number):
        if time.monotonic() > end:
            show(session(number))
            return False
        time.sleep(0.02)
    return True


def wait_without(number, role, seconds):
    start = time.monotonic()
    while any(p.role == role for p in session(number)):
        if time.monotonic() > start + seconds:
            return False
        time.sleep(0.01)
    print(int((time.monotonic() - start) * 1000))
    return True


def most(number, role):
    highest = 0
    while True:
        found = session(number)
        if not found:
            return highest
        pids = {p.pid for p in found if p.role == role}
        if len(pids) > highest:
            time.sleep(0.2)
            highest = max(highest, len(pids & {p.pid for p in session(number) if p.role == role}))
        time.sleep(0.01)


def inet_sockets():
    inodes = {}
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        try:
            lines = read("/proc/net/" + kind).splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            inodes[line.split()[9]] = kind
    return inodes


def describe(link, inet):
    match = re.match(r"socket:\[(\d+)\]", link)
    if match:
        return inet.get(match.group(1), "socket")
    return re.sub(r":\[\d+\]", "", link)


def verdict(good, name, why=""):
    print("%s %s" % ("ok" if good else "not ok", name))
    if not good and why:
        print("# " + why)


def check(number, staging, words):
    found = [p.details() for p in session(number)]
    inet = inet_sockets()
    roles = [p for p in found if p.role in ROLES + SOURCES]
    source = next((p.role for p in roles if p.role in SOURCES), "net")
    for p in sorted(found, key=lambda p: (p.role != "monitor", p.role)):
        s = p.status
        print("# %-8s uid %-6d CapEff %s NoNewPrivs %s Seccomp %s VmLck %s" % (
            p.role, p.uids[1], s["CapEff"].strip(), s["NoNewPrivs"].strip(), s["Seccomp"].strip(),
            s.get("VmLck", "?").strip()))
        if p.fds is not None:
            print("#   " + "  ".join("%d %s" % (n, describe(l, inet))
                                     for n, l in sorted(p.fds.items())))
    verdict(set(p.role for p in roles) == set(ROLES) | {source}, "every role has its process",
            "seen: " + " ".join(sorted(p.role for p in found)))
    each(roles, "NoNewPrivs is set", lambda p: p.status["NoNewPrivs"].strip() == "1")
    each(roles, "a seccomp filter is active", lambda p: p.status["Seccomp"].strip() == "2")
    each([p for p in roles if p.role != "unpack"], "no capability",
         lambda p: all(int(p.status[c], 16) == 0 for c in ("CapEff", "CapPrm", "CapInh", "CapAmb")))
    if os.geteuid() == 0:
        # sys_module, sys_rawio, sys_ptrace, sys_admin, net_admin, net_raw, bpf, sys_boot
        never = 1 << 16 | 1 << 17 | 1 << 19 | 1 << 21 | 1 << 12 | 1 << 13 | 1 << 39 | 1 << 22
        each([p for p in found if p.role == "monitor"], "the monitor keeps no capability over the machine",
             lambda p: int(p.status["CapPrm"], 16) & never == 0)
    # chown, dac_override, dac_read_search, fowner, fsetid, mknod, setfcap
    keeps = sum(1 << c for c in (0, 1, 2, 3, 4, 27, 31))
    each([p for p in roles if p.role == "unpack"], "no more capabilities than a layer needs",
         lambda p: int(p.status["CapEff"], 16) & ~keeps == 0)
    strangers = [p for p in roles if p.uids[1] != 0]
    each(strangers, "cannot be dumped or traced by its own user",
         lambda p: os.stat("/proc/%d/environ" % p.pid).st_uid == 0)
    each(roles, "nothing but words on the command line", lambda p: not any(
        w.encode() in read("/proc/%d/cmdline" % p.pid, "rb") for w in words))
    if os.geteuid() == 0:
        check_as_root(found, roles, inet, staging, source)
    else:
        for name in ROOT_TESTS:
            print("skip %s # needs root" % name)
        each(roles, "runs as the caller", lambda p: set(p.uids) == {os.geteuid()})


ROOT_TESTS = (
    "all but unpack: each a user of its own, none root",
    "no further groups", "net is the only one with an internet socket", "no unexpected descriptor",
    "an empty environment", "net and crypt hold no way to a file",
)


def check_as_root(found, roles, inet, staging, source):
    confined = [p for p in roles if p.role != "unpack"]
    users = [p.uids[1] for p in confined]
    alone = {p.role: p.uids[1] for p in confined}
    verdict(0 not in users and len(set(alone.values())) == len(alone), ROOT_TESTS[0], str(alone))
    each(confined, ROOT_TESTS[1], lambda p: not p.status["Groups"].strip())
    online = {p.role for p in found for l in p.fds.values() if describe(l, inet) in
              ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")}
    verdict(online == {"net"} & {source}, ROOT_TESTS[2], "seen in: " + " ".join(sorted(online)))

    def expected(p, link):
        if p.role == "key":     # the files of its broker
            return re.search(r"/aa-offline_fs_kbc-(keys|resources)\.json$", link)
        if p.role == "archive":
            return link.endswith("/archive.tar")
        return p.role in PATHS and link.startswith(staging.rstrip("/") + "/")

    def unexpected(p):
        return [l for l in p.fds.values() if l.startswith("/") and l != "/dev/null" and
                not l.startswith("/memfd:") and not expected(p, l)]

    each(roles, ROOT_TESTS[3], lambda p: not unexpected(p))
    for p in roles:
        for link in unexpected(p):
            print("# %s holds %s" % (p.role, link))
    each(roles, ROOT_TESTS[4], lambda p: not read("/proc/%d/environ" % p.pid, "rb").strip(b"\0"))
    each([p for p in roles if p.role in ("net", "crypt")], ROOT_TESTS[5],
         lambda p: not any(l.startswith("/") and l != "/dev/null" for l in p.fds.values()))


def each(processes, name, rule):
    broken = []
    for p in processes:
        try:
            if not rule(p):
                broken.append(p.role)
        except OSError as e:
            broken.append("%s (%s)" % (p.role, e.strerror))
    verdict(processes and not broken, name, "not so: " + " ".join(broken))


def main():
    command, number = sys.argv[1], int(sys.argv[2])
    if command == "list":
        show(session(number))
    elif command == "wait":
        sys.exit(0 if wait_for(number, sys.argv[3:]) else 1)
    elif command == "without":
        sys.exit(0 if wait_without(number, sys.argv[3], float(sys.argv[4])) else 1)
    elif command == "most":
        print(most(number, sys.argv[3]))
    elif command == "none":
        sys.exit(0 if wait_none(number, float(sys.argv[3])) else 1)
    elif command == "check":
        check(number, sys.argv[3], sys.argv[4:])


if __name__ == "__main__":
    main()
