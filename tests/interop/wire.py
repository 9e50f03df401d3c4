#!/usr/bin/env python3
"""What a gRPC client and a key provider say to each other: recorded, shown, said again.

  wire.py record PORTFILE PORT FILE     forwards connections to 127.0.0.1:PORT; what the client of the first one says
                                        goes to FILE
  wire.py show FILE                     the JSON of a recorded request
  wire.py say PORT FILE                 says a recorded request again; prints the JSON of the answer

HTTP/2 (RFC 9113) is taken apart only into frames: a call is alone on its connection, and its message is in the DATA
frames. Exit status 1: the answer is an error of gRPC.
"""

import os
import socket
import struct
import sys
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, ACK, END_STREAM = 0, 1, 4, 1, 1


def frames(data):
    """(type, flags, payload, all of it) of each whole frame"""
    while len(data) >= 9:
        size = int.from_bytes(data[:3], "big")
        if len(data) < 9 + size:
            return
        yield data[3], data[4], data[9:9 + size], data[:9 + size]
        data = data[9 + size:]


def varint(data):
    value, shift = 0, 0
    for i, byte in enumerate(data):
        value |= (byte & 127) << shift
        if byte < 128:
            return value, data[i + 1:]
        shift += 7
    raise ValueError("no end of a number")


def message(data):
    """The one field of the one protobuf message in the DATA frames; None where there is none"""
    body = b"".join(payload for kind, _, payload, _ in frames(data) if kind == DATA)
    if not body:
        return None
    packed, size = struct.unpack(">BI", body[:5])
    assert packed == 0 and size == len(body) - 5 and body[5] == 0x0a, "not one plain message"
    size, text = varint(body[6:])
    assert size == len(text), "more than one field"
    return text


def say(port, said):
    """The bytes of the answer"""
    assert said.startswith(PREFACE)
    line = socket.create_connection(("127.0.0.1", port), 60)
    line.settimeout(60)
    line.sendall(PREFACE)
    heard = b""
    for kind, flags, _, frame in frames(said[len(PREFACE):]):
        # The settings of the other side can only be acknowledged when they have come.
        while kind == SETTINGS and flags & ACK and not any(k == SETTINGS for k, *_ in frames(heard)):
            heard += receive(line)
        line.sendall(frame)
        if kind == DATA and flags & END_STREAM:
            break   # what follows was said when the answer had come, the end of the connection included
    # The last frame is HEADERS: trailers, or an answer that is nothing but an error.
    while not any(kind == HEADERS and flags & END_STREAM for kind, flags, *_ in frames(heard)):
        heard += receive(line)
    return heard


def receive(line):
    data = line.recv(65536)
    if not data:
        raise EOFError("the answer ends early")
    return data


def forward(source, target, keep):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            keep.append(data)
            target.sendall(data)
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def record(portfile, port, path):
    listener = socket.create_server(("127.0.0.1", 0))
    with open(portfile + ".new", "w") as f:
        f.write("%d\n" % listener.getsockname()[1])
    os.rename(portfile + ".new", portfile)
    while True:
        client, _ = listener.accept()
        server, said = socket.create_connection(("127.0.0.1", port)), []
        back = threading.Thread(target=forward, args=(server, client, []))
        back.start()
        forward(client, server, said)
        back.join()
        if not os.path.exists(path):
            with open(path + ".new", "wb") as f:
                f.write(b"".join(said))
            os.rename(path + ".new", path)


def main():
    verb, *words = sys.argv[1:]
    if verb == "record":
        return record(words[0], int(words[1]), words[2])
    with open(words[-1], "rb") as f:
        data = f.read()
    text = message(data[len(PREFACE):] if verb == "show" else say(int(words[0]), data))
    if text is None:
        return 1
    sys.stdout.buffer.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
