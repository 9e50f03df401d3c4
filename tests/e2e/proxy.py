#!/usr/bin/env python3
"""A slow line: forwards TCP to 127.0.0.1:PORT, answers at so many bytes a second.

  proxy.py PORTFILE PORT RATE        writes its own port into PORTFILE; runs until killed

The rate counts for all connections together, so that a pull takes as long as its bytes. After SIGUSR1 the line is fast.
"""

import os
import select
import signal
import socket
import sys
import time

FAST = 1 << 20


class Line:
    """
    One connection: what the client sends goes on at once, answers go at the rate. A client that does not
    read, as one whose layer waits for its turn, holds up nobody else.
    """

    def __init__(self, client, port):
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", port))
        self.rest = b""     # of what was read from the server

    def ask(self):
        """False at the end of the line"""
        try:
            data = self.client.recv(65536)
            self.server.sendall(data)
            return bool(data)
        except OSError:
            return False

    def answer(self, size):
        """False at the end of the line"""
        try:
            data = self.rest or self.server.recv(size)
            self.rest = data[self.client.send(data, socket.MSG_DONTWAIT):]
            return bool(data)
        except BlockingIOError:
            self.rest = data
            return True
        except OSError:
            return False

    def close(self):
        self.client.close()
        self.server.close()


def publish(path, port):
    with open(path + ".new", "w") as f:
        f.write("%d\n" % port)
    os.rename(path + ".new", path)


def main():
    portfile, port, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tick = 0.02
    quantum = max(1, int(rate * tick))

    def hurry(*_):
        nonlocal quantum
        quantum = FAST

    signal.signal(signal.SIGUSR1, hurry)
    listener = socket.create_server(("127.0.0.1", 0))
    publish(portfile, listener.getsockname()[1])
    lines, turn = [], 0
    due = time.monotonic()
    while True:
        upward = {line.client: line for line in lines}
        ready, _, _ = select.select([listener] + list(upward), [], [], max(0, due - time.monotonic()))
        for s in ready:
            if s is listener:
                lines.append(Line(listener.accept()[0], port))
            elif not upward[s].ask():
                upward[s].close()
                lines.remove(upward[s])
        if time.monotonic() < due:
            continue
        due = max(due + tick, time.monotonic() - tick)
        readable, writable, _ = select.select([line.server for line in lines], [line.client for line in lines], [], 0)
        ready = [line for line in lines if line.client in writable and (line.rest or line.server in readable)]
        if ready:
            turn += 1
            line = ready[turn % len(ready)]
            if not line.answer(quantum):
                line.close()
                lines.remove(line)


if __name__ == "__main__":
    main()
