#!/usr/bin/env python3
"""The daemon's part towards a pull of its own: starts the role "job" as the monitor does, and tells what it answered.

usage: job.py PROGRAM [SETTING=VALUE | SETTING=@FILE]... IMAGE BUNDLE     SETTING: IMAGE_POLICY, KBC, ... (agent/config.h)
       job.py PROGRAM [SETTING=VALUE]... --sweep BUNDLE
--host-chose-broker: the setting KBC comes from the kernel's command line.
--pid FILE: the number of the process, which is also that of its session, is written there.
Prints the digest; a failure goes to standard error as "CODE text", exit status 1; no answer at all: 2.
Numbers come from the headers, so that they need not be written down twice."""

import argparse
import array
import os
import re
import socket
import struct
import subprocess
import sys

from proxy import publish

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def names(path, start):
    """The members of the enum that begins so, in order."""
    text = re.sub(r"/\*.*?\*/", "", open(os.path.join(TOP, path)).read(), flags=re.S)
    body = text[re.search(start, text).end():]
    words = [w.strip() for w in body[:body.index("}")].split(",")]
    return [w.split("=")[0].strip() for w in words if w]


MESSAGE = {name: i + 1 for i, name in enumerate(names("agent/roles.h", r"enum \{\s*(?=M_FILE\b)"))}
SETTING = {name: i for i, name in enumerate(names("agent/config.h", r"enum setting \{"))}
ORIGIN = {name: i for i, name in enumerate(names("agent/config.h", r"enum config_origin \{"))}
ERRORS = [None] + re.findall(r"^ERR_DEF\((\w+)", open(os.path.join(TOP, "lib/err.def")).read(), re.M)


def text(value):
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(raw)) + raw


def formatted(settings, host_chose_broker):
    out = b""
    for word in settings:
        name, _, value = word.partition("=")
        if value.startswith("@"):
            value = open(value[1:]).read()
        origin = "ORIGIN_CMDLINE" if host_chose_broker and name == "KBC" else "ORIGIN_FILE"
        out += struct.pack(">BBI", SETTING["SET_" + name], ORIGIN[origin], 0) + text(value)
    return out + b"\xff" + text("")


def send(sock, kind, body=b"", fds=()):
    extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([struct.pack(">HHII", MESSAGE[kind], 0, 0, len(body)) + body], extra)


def start(program, sock, image):
    """Control and executable at 3 and 4, log at 2, and an empty environment."""
    def arrange():
        os.dup2(sock.fileno(), 3)
        os.dup2(image, 4)
    mode = "root" if os.geteuid() == 0 else "user"
    return subprocess.Popen(["cacao: job", "2", mode, "-1", "-1"], executable=program, env={}, close_fds=True,
                            pass_fds=(3, 4), preexec_fn=arrange, start_new_session=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("words", nargs="+")
    p.add_argument("--sweep", action="store_true")
    p.add_argument("--host-chose-broker", action="store_true")
    p.add_argument("--pid")
    args = p.parse_intermixed_args()
    places = 1 if args.sweep else 2
    settings, order = args.words[:-places], args.words[-places:]

    # 3 and 4 are the job's: nothing of ours may lie there.
    spare = [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    image = os.open(args.program, os.O_RDONLY)
    job = start(args.program, theirs, image)
    theirs.close()
    for fd in spare:
        os.close(fd)
    if args.pid:
        publish(args.pid, job.pid)
    memory = os.memfd_create("settings")
    os.write(memory, formatted(settings, args.host_chose_broker))
    os.lseek(memory, 0, os.SEEK_SET)
    send(ours, "M_JOB_CONFIG", fds=[memory])
    send(ours, "M_JOB_SWEEP" if args.sweep else "M_JOB_PULL", b"".join(text(w) for w in order))
    answer = ours.recv(65536)
    job.wait(60)
    if args.sweep:
        return job.returncode
    if not answer:
        print("the job has told nothing", file=sys.stderr)
        return 2
    kind, _, _, length = struct.unpack(">HHII", answer[:12])
    if kind != MESSAGE["M_JOB_DONE"] or length != len(answer) - 12:
        print("not an answer", file=sys.stderr)
        return 2
    if answer[12] == 0:
        print(answer[17:].decode())
        return 0
    code, = struct.unpack(">I", answer[13:17])
    print(ERRORS[code], answer[25:].decode(errors="replace"), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
