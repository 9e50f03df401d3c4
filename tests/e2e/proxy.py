#!/usr/bin/env python3
"""A slow line: forwards TCP to 127.0.0.1:PORT, answers at so many bytes a second.

  proxy.py PORTFILE PORT RATE        writes its own port into PORTFILE; runs until killed

The rate counts for all connections together, so that a pull takes as long as its bytes.
"""

import os
import select
import socket
import sys
import time


class Line:
    """One connection: what the client sends goes on at once, answers go at the rate."""

    def __init__(self, client, port):
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", port))

    def close(self):
        self.client.close()
        self.server.close()


def publish(path, port):
    with open(path + ".new", "w") as f:
        f.write("%d\n" % port)
    os.rename(path + ".new", path)


def pump(source, target, size):
    """False at the end of the line"""
    try:
        data = source.recv(size)
        if data:
            target.sendall(data)
        return bool(data)
    except OSError:
        return False


def main():
    portfile, port, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    listener = socket.create_server(("127.0.0.1", 0))
    publish(portfile, listener.getsockname()[1])
    lines, tick = [], 0.02
    quantum, turn = max(1, int(rate * tick)), 0
    due = time.monotonic()
    while True:
        upward = {line.client: line for line in lines}
        ready, _, _ = select.select([listener] + list(upward), [], [], max(0, due - time.monotonic()))
        for s in ready:
            if s is listener:
                lines.append(Line(listener.accept()[0], port))
            elif not pump(s, upward[s].server, 65536):
                upward[s].close()
                lines.remove(upward[s])
        if time.monotonic() < due:
            continue
        due = max(due + tick, time.monotonic() - tick)
        downward = {line.server: line for line in lines}
        ready, _, _ = select.select(list(downward), [], [], 0)
        if ready:
            turn += 1
            line = downward[ready[turn % len(ready)]]
            if not pump(line.server, line.client, quantum):
                line.close()
                lines.remove(line)


if __name__ == "__main__":
    main()
