#!/usr/bin/env python3
"""Callers of a running agent who want images, by ttrpc and nothing else.

usage: callers.py pull SOCKET [--timeout S] [--again S [--after FILE]] [--leave S] IMAGE BUNDLE [IMAGE BUNDLE]...
           one connection, a call for each pair, all at once. --again: who was late asks once more on the same
           connection, when that file is there. --leave: closes the connection after so long, without waiting for an answer.
       callers.py crowd SOCKET CALLS IMAGE... BUNDLES
           so many calls by as many connections as they need; call i wants image i and the bundle BUNDLES/i modulo 16.
Each answer is a line: the digest, or the number of the code and the text. Exit status 1 if one is no digest."""

import argparse
import os
import socket
import sys
import threading
import time

from providers import Failed, Ttrpc, field, frame, ttrpc_request

SERVICE = "api.ImagePullService"
PER_CONNECTION = 12	# an agent takes 16
BUNDLES = 16


class Puller(Ttrpc):
    def __init__(self, path):
        super().__init__("unix://" + path)
        self.s.settimeout(170)
        self.left = {}

    def ask(self, image, bundle, timeout):
        self.stream += 2
        request = field(1, image.encode()) + field(2, bundle.encode())
        self.s.sendall(frame(self.stream, ttrpc_request("PullImage", request, timeout, SERVICE, True)))
        self.left[self.stream] = (image, bundle)

    def take(self):
        """The next answer: what it is for, and the digest or a failure."""
        stream, reply = self.answer()
        asked = self.left.pop(stream)
        if not isinstance(reply, Failed):
            reply = reply[2:].decode()  # its only field
        return asked, reply


def show(reply):
    print(f"{reply.code} {reply.text}" if isinstance(reply, Failed) else reply, flush=True)
    return isinstance(reply, Failed)


def pull(args):
    caller = Puller(args.socket)
    for image, bundle in zip(args.words[::2], args.words[1::2]):
        caller.ask(image, bundle, args.timeout)
    if args.leave is not None:
        time.sleep(args.leave)
        caller.s.shutdown(socket.SHUT_RDWR)
        caller.close()
        return 0
    failed = 0
    again = args.again
    while caller.left:
        asked, reply = caller.take()
        if again is not None and isinstance(reply, Failed) and reply.code == 4:
            show(reply)
            while args.after and not os.path.exists(args.after):
                time.sleep(0.02)
            caller.ask(*asked, again)
            again = None
        else:
            failed += show(reply)
    return 1 if failed else 0


def crowd(args):
    calls, images, bundles = int(args.words[0]), args.words[1:-1], args.words[-1]
    results = []

    def some(numbers):
        caller = Puller(args.socket)
        for i in numbers:
            at = i % BUNDLES
            caller.ask(images[at % len(images)], f"{bundles}/{at}", args.timeout)
        while caller.left:
            results.append(caller.take()[1])

    lists = [range(i, min(i + PER_CONNECTION, calls)) for i in range(0, calls, PER_CONNECTION)]
    threads = [threading.Thread(target=some, args=(numbers,)) for numbers in lists]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    failed = sum([show(r) for r in results])
    return 1 if failed or len(results) != calls else 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=("pull", "crowd"))
    p.add_argument("socket")
    p.add_argument("words", nargs="+")
    p.add_argument("--timeout", type=float, default=120)
    p.add_argument("--again", type=float)
    p.add_argument("--after")
    p.add_argument("--leave", type=float)
    args = p.parse_intermixed_args()
    return pull(args) if args.what == "pull" else crowd(args)


sys.exit(main())
