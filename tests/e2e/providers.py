"""Callers of a key provider: gRPC by grpcio, ttrpc by hand, and many that do not behave.

usage: providers.py TEST ADDRESS   with ADDRESS grpc:HOST:PORT, grpc:unix:///PATH or ttrpc:unix:///PATH
Prints lines "ok NAME", "not ok NAME" for adopt of lib.sh.
"""

import base64
import json
import os
import select
import socket
import struct
import sys
import threading
import time

SERVICE = "keyprovider.KeyProviderService"
SECRET = b'{"symkeyopts":"not a real key","cipheroptions":{}}'
PATIENCE = 60   # seconds for an answer that will come: how fast is not the question here


def say(good, name):
    print(("ok " if good else "not ok ") + name, flush=True)


# --- protobuf, as far as needed


def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(data):
    out, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            out[tag >> 3] = number()
        else:
            n = number()
            out[tag >> 3] = data[at:at + n]
            at += n
    return out


# --- the protocol


def wrap_request(kid="kbs:///default/key/1"):
    parameter = base64.b64encode(b"keyid=" + kid.encode()).decode()
    return json.dumps({
        "op": "keywrap",
        "keywrapparams": {"ec": {"Parameters": {"attestation-agent": [parameter]}, "DecryptConfig": {"Parameters": None}},
                          "optsdata": base64.b64encode(SECRET).decode()},
        "keyunwrapparams": {"dc": None, "annotation": None},
    }).encode()


def as_bytes(value):
    return bytes(value) if isinstance(value, list) else base64.b64decode(value)


def packet_of(reply):
    return as_bytes(json.loads(reply)["keywrapresults"]["annotation"])


def unwrap_request(packet):
    return json.dumps({
        "op": "keyunwrap",
        "keywrapparams": {"ec": None, "optsdata": None},
        "keyunwrapparams": {"dc": {"Parameters": {"attestation-agent": [base64.b64encode(b"a::b").decode()]}},
                            "annotation": base64.b64encode(packet).decode()},
    }).encode()


def secret_of(reply):
    return as_bytes(json.loads(reply)["keyunwrapresults"]["optsdata"])


class Failed(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


# --- callers


class Grpc:
    def __init__(self, address):
        import grpc
        self.grpc = grpc
        self.channel = grpc.insecure_channel(address.replace("unix://", "unix:"))

    def call(self, method, request, timeout=PATIENCE, service=SERVICE, raw=False, compression=None):
        ask = self.channel.unary_unary(f"/{service}/{method}")
        try:
            reply = ask(request if raw else field(1, request), timeout=timeout,
                        compression=compression or self.grpc.Compression.NoCompression)
        except self.grpc.RpcError as e:
            raise Failed(e.code().value[0], e.details())
        return fields(reply).get(1, b"")

    def close(self):
        self.channel.close()


def dial(address):
    address = address.split(":", 1)[1]
    if address.startswith("unix://"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address[7:])  # waits where the backlog is full; with a time limit it would fail
        s.settimeout(PATIENCE)
    else:
        host, port = address.rsplit(":", 1)
        s = socket.create_connection((host, int(port)), PATIENCE)
    return s


def take(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def frame(stream, data, kind=1, flags=0):
    return struct.pack(">IIBB", len(data), stream, kind, flags) + data


def ttrpc_request(method, request, timeout=PATIENCE, service=SERVICE, raw=False):
    payload = request if raw else field(1, request)
    return (field(1, service.encode()) + field(2, method.encode()) + field(3, payload) +
            field(4, int(timeout * 1e9)))


class Ttrpc:
    def __init__(self, address):
        self.s = dial("ttrpc:" + address)
        self.stream = -1

    def answer(self):
        n, stream, kind, flags = struct.unpack(">IIBB", take(self.s, 10))
        data = fields(take(self.s, n))
        status = fields(data.get(1, b""))
        if status.get(1, 0):
            return stream, Failed(status[1], status.get(2, b"").decode())
        return stream, data.get(2, b"")

    def call(self, method, request, timeout=PATIENCE, service=SERVICE, raw=False):
        self.stream += 2
        self.s.sendall(frame(self.stream, ttrpc_request(method, request, timeout, service, raw)))
        stream, reply = self.answer()
        if isinstance(reply, Failed):
            raise reply
        assert stream == self.stream
        return fields(reply).get(1, b"")

    def close(self):
        self.s.close()


def caller(address):
    kind, rest = address.split(":", 1)
    return (Grpc if kind == "grpc" else Ttrpc)(rest)


def fails(call, codes, name, *args, **kw):
    try:
        call(*args, **kw)
        say(False, f"{name}: it worked")
    except Failed as e:
        good = e.code in codes and SECRET.decode() not in str(e.text)
        say(good, name if good else f"{name}: {e}")


def serves(address, name):
    """A fresh caller is served."""
    try:
        c = caller(address)
        reply = c.call("UnWrapKey", unwrap_request(packet_of(c.call("WrapKey", wrap_request()))))
        c.close()
        say(secret_of(reply) == SECRET, name)
    except (Failed, OSError, EOFError) as e:
        say(False, f"{name}: {e!r}")


# --- tests


def test_calls(address):
    c = caller(address)
    packet = packet_of(c.call("WrapKey", wrap_request()))
    say(json.loads(packet)["kid"] == "kbs:///default/key/1", "a key is wrapped with the one that was named")
    say(SECRET not in packet, "its packet does not hold it")
    say(secret_of(c.call("UnWrapKey", unwrap_request(packet))) == SECRET, "and unwrapped again")
    fails(c.call, [5], "a key that is not there", "WrapKey", wrap_request("kbs:///default/key/none"))
    fails(c.call, [3], "a key id that leads elsewhere", "WrapKey", wrap_request("kbs:///default/../key"))
    broken = json.loads(packet)
    broken["wrapped_data"] = base64.b64encode(b"x" * 60).decode()
    fails(c.call, [7], "a packet that was changed", "UnWrapKey", unwrap_request(json.dumps(broken).encode()))
    fails(c.call, [3], "a packet that is none", "UnWrapKey", unwrap_request(b"{}"))
    fails(c.call, [3], "the other method's request", "UnWrapKey", wrap_request())
    fails(c.call, [3], "no JSON", "WrapKey", b"\xff{")
    fails(c.call, [3], "no request", "WrapKey", b"", raw=True)
    fails(c.call, [3], "no message", "WrapKey", b"\x0a\xff\xff\xff\xff\x0f", raw=True)
    fails(c.call, [12], "an unknown method", "Wrapkey", wrap_request())
    fails(c.call, [12], "an unknown service", "WrapKey", wrap_request(), service="keyprovider.Other")
    fails(c.call, [8], "a request that is too large", "WrapKey", b" " * 62000)
    fails(c.call, [8], "one that is much too large", "WrapKey", b" " * 3000000)
    if address.startswith("grpc"):
        import grpc
        fails(c.call, [12], "a compressed request", "WrapKey", wrap_request() + b" " * 2000,
              compression=grpc.Compression.Gzip)
    say(secret_of(c.call("UnWrapKey", unwrap_request(packet))) == SECRET, "the connection has survived all of it")
    c.close()


def test_many(address):
    """Many callers at a time, each with several calls."""
    good, lock = [], threading.Lock()

    def work():
        c = caller(address)
        for _ in range(5):
            packet = packet_of(c.call("WrapKey", wrap_request()))
            if secret_of(c.call("UnWrapKey", unwrap_request(packet))) == SECRET:
                with lock:
                    good.append(1)
        c.close()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    say(len(good) == 100, f"20 callers, 100 pairs of calls: {len(good)} right")


def test_connections(address):
    held = []
    for _ in range(200):
        held.append(dial(address))
    serves(address, "with 200 idle connections another caller is served")
    gone = 0
    for s in held:
        s.settimeout(0.01)
        try:
            while True:
                if not s.recv(4096):
                    gone += 1
                    break
        except OSError as e:
            gone += isinstance(e, ConnectionError)
    say(gone >= 70, f"the oldest had to go ({gone})")
    for s in held:
        s.close()


def valid_bytes(address):
    if address.startswith("ttrpc"):
        return frame(1, ttrpc_request("WrapKey", wrap_request()))
    def h2(kind, flags, stream, body):
        return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body

    def header(name, value):
        return bytes([0, len(name)]) + name + bytes([len(value)]) + value

    block = b"".join(header(n, v) for n, v in (
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/keyprovider.KeyProviderService/WrapKey"),
        (b":authority", b"localhost"), (b"content-type", b"application/grpc"), (b"te", b"trailers")))
    message = field(1, wrap_request())
    return (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2(4, 0, 0, b"") + h2(1, 4, 1, block) +
            h2(0, 1, 1, b"\0" + struct.pack(">I", len(message)) + message))


def test_cuts(address):
    """A request, ended after each of its bytes; and one that comes byte by byte."""
    data = valid_bytes(address)
    for n in range(len(data)):
        s = dial(address)
        s.sendall(data[:n])
        s.close()
    serves(address, f"after {len(data)} requests that were cut short it serves")
    s = dial(address)
    for n in range(len(data)):
        s.sendall(data[n:n + 1])
    got = b""
    s.settimeout(PATIENCE)
    while b"wrapped_data" not in got and b"keywrapresults" not in got:
        part = s.recv(65536)
        if not part:
            break
        got += part
    say(b"keywrapresults" in got, "a request byte by byte is answered")
    s.close()


def test_flips(address):
    """Every byte of a request, changed; the server must stay."""
    data = valid_bytes(address)
    for n in range(0, len(data)):
        s = dial(address)
        s.sendall(data[:n] + bytes([data[n] ^ 0xff]) + data[n + 1:])
        s.close()
    serves(address, f"after {len(data)} requests with a changed byte it serves")


def test_odd(address):
    """What only ttrpc can be told."""
    for n in (4194304, 4194305, 0x7fffffff, 0xffffffff):
        s = Ttrpc(address.split(":", 1)[1])
        s.s.sendall(struct.pack(">IIBB", n, 5, 1, 0) + b"x" * 100)
        stream, answer = s.answer()
        say(stream == 5 and isinstance(answer, Failed) and answer.code == 8, f"a length of {n} is refused at once")
        s.close()
    c = Ttrpc(address.split(":", 1)[1])
    for kind in (0, 2, 4, 99, 255):
        c.s.sendall(frame(7, b"junk", kind))
    c.s.sendall(frame(7, b"junk", 3))
    stream, answer = c.answer()
    say(stream == 7 and isinstance(answer, Failed) and answer.code == 3, "unknown types are passed over, data is refused")
    for stream in (9, 3, 21):
        c.s.sendall(frame(stream, ttrpc_request("WrapKey", wrap_request())))
    streams = sorted(c.answer()[0] for _ in range(3))
    say(streams == [3, 9, 21], "calls on falling stream ids are answered")
    c.s.sendall(frame(31, ttrpc_request("WrapKey", wrap_request(), -1)))
    say(getattr(c.answer()[1], "code", 0) == 4, "a time that has passed")
    for i in range(100):
        c.s.sendall(frame(101 + 2 * i, ttrpc_request("WrapKey", wrap_request())))
    codes = [getattr(c.answer()[1], "code", 0) for _ in range(100)]
    say(codes.count(0) >= 16 and set(codes) <= {0, 8}, f"100 calls at once: {codes.count(0)} done, the rest refused")
    c.close()


def test_reader(address):
    """A caller that asks and does not read; meanwhile others are served."""
    s = dial(address)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.setblocking(False)
    data = frame(1, b"x", 3) * 1000 if address.startswith("ttrpc") else valid_bytes(address)
    sent, end = 0, time.monotonic() + 3
    while time.monotonic() < end and sent < 50000000:
        try:
            sent += s.send(data)
        except BlockingIOError:
            if not select.select([], [s], [], 0.3)[1]:
                break
        except OSError:
            break
        if not address.startswith("ttrpc"):
            data = b"\0\0\x08\x06\0\0\0\0\0" + b"p" * 8
    say(sent < 50000000, f"who does not read is not read from any more ({sent} bytes)")
    serves(address, "while he waits others are served")
    s.close()


def test_stalls(address):
    """Half a request: the connection is closed after a while, and not at once."""
    data = valid_bytes(address)
    start = time.monotonic()    # the server begins to count after this
    s = dial(address)
    s.sendall(data[:len(data) - 1])
    s.settimeout(20 + PATIENCE)
    try:
        while s.recv(4096):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        say(False, "half a request: the connection stays")
        return
    took = time.monotonic() - start
    say(took > 15, f"half a request: the connection was closed after {took:.0f} s")
    s.close()


if __name__ == "__main__":
    globals()["test_" + sys.argv[1]](sys.argv[2])
    sys.stdout.flush()
    os._exit(0)  # grpcio's threads take their time
