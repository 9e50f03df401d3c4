#!/usr/bin/env python3
"""A bad line for uploads to a good registry.

  pushproxy.py PORTFILE LOGFILE PORT

Forwards all to the registry at 127.0.0.1:PORT, but for the steps that the first part of the repository's name says:
"send.cut-1000.ok" in /v2/send.cut-1000.ok/REPOSITORY/… is about bytes that are sent: the first request of this step is
spoiled by the method do_cut("1000"), the second and all further ones by do_ok(). Steps are find, open, send,
close (an upload's end without bytes) and name (a manifest); with "_auth" behind it the line, as it is reached under
127.0.0.1, wants a password, any. LOGFILE gets a line per request, before it is answered: step, what was done,
method, path, Authorization, bytes.
"""

import http.client
import http.server
import json
import sys
import threading
import time

from proxy import publish


def step_of(method, path):
    """Which step of an upload a request is"""
    if "/manifests/" in path:
        return "name" if method == "PUT" else "other"
    if method in ("HEAD", "POST"):
        return {"HEAD": "find", "POST": "open"}[method]
    return {"PATCH": "send", "PUT": "close"}.get(method, "other")


class Line(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry, log, asked, lock = 0, None, {}, threading.Lock()

    def log_message(self, *_):
        pass

    def handle_expect_100(self):
        return True     # said when the bytes are wanted

    def handle_any(self):
        parts = self.path.split("/")
        self.script, self.upstream = parts[2], "/".join(parts[:2] + parts[3:])
        self.taken, self.told = 0, False
        step, *actions = self.script.split(".")
        step, _, locked = step.partition("_")
        self.step = step_of(self.command, self.path)
        if self.step == "close" and self.headers.get("Content-Length", "0") != "0":
            self.step = "send"
        action = "ok"
        with Line.lock:
            if step == self.step and "away=1" not in self.path:
                count = Line.asked[self.script] = Line.asked.get(self.script, 0) + 1
                action = actions[min(count, len(actions)) - 1]
        if locked and self.headers["Host"].startswith("127.") and "Authorization" not in self.headers:
            action = "challenge"
            Line.asked[self.script] = 0
        self.action = action
        name, *words = action.split("-")
        try:
            getattr(self, "do_" + name)(*words)
        except OSError:
            self.close_connection = True
        self.tell()

    def tell(self):
        """Once a request; who has his answer, or sees the end of the line, finds it in the log."""
        if self.told:
            return
        self.told = True
        with Line.lock:
            Line.log.write(" ".join((self.step, self.action, self.command, self.path,
                                     self.headers.get("Authorization", "-").replace(" ", "_"), str(self.taken))) + "\n")
            Line.log.flush()

    do_HEAD = do_GET = do_POST = do_PUT = do_PATCH = handle_any

    def want(self):
        if "Expect" in self.headers:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def pieces(self, size=65536):
        """The request's body as it comes"""
        while "Transfer-Encoding" in self.headers:
            line = self.rfile.readline()
            if not line:
                raise OSError("cut")
            left = int(line, 16)
            if not left:
                self.rfile.readline()
                return
            while left:
                piece = self.rfile.read(min(left, size))
                if not piece:
                    raise OSError("cut")
                left -= len(piece)
                self.taken += len(piece)
                yield piece
            self.rfile.readline()
        left = int(self.headers.get("Content-Length", "0"))
        while left:
            piece = self.rfile.read(min(left, size))
            if not piece:
                raise OSError("cut")
            left -= len(piece)
            self.taken += len(piece)
            yield piece

    def body(self):
        self.want()
        return b"".join(self.pieces())

    def fetch(self):
        """(status, headers, body) of the registry"""
        connection = http.client.HTTPConnection("127.0.0.1", Line.registry)
        headers = {k: v for k, v in self.headers.items() if k in ("Accept", "Content-Type")}
        connection.request(self.command, self.upstream, body=self.body(), headers=headers)
        answer = connection.getresponse()
        known = ("Content-Type", "Docker-Content-Digest", "Location", "WWW-Authenticate", "Range")
        headers = [(k, self.ours(k, v)) for k, v in answer.getheaders() if k in known]
        return answer.status, headers, answer.read()

    def ours(self, name, value):
        """A Location of the registry as it is reached through this line"""
        if name != "Location":
            return value
        path = value[value.index("/v2/") + 3:]
        return "http://%s/v2/%s%s" % (self.headers["Host"], self.script, path)

    def send(self, status, headers, body=b""):
        self.tell()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def change(self, name, change):
        """The registry's answer with one header another"""
        status, headers, body = self.fetch()
        self.send(status, [(k, change(v) if k == name else v) for k, v in headers], body)

    def error(self, status, headers=()):
        text = {"errors": [{"code": "TEST", "message": "as the test\x1b wants it"}]}
        self.send(status, headers, json.dumps(text).encode())

    # --- what can go wrong

    def do_ok(self):
        self.send(*self.fetch())

    def do_drop(self):
        self.close_connection = True

    def do_lost(self):
        """All was done, and nobody hears of it."""
        self.fetch()
        self.close_connection = True

    def do_cut(self, count):
        self.want()
        for _ in self.pieces(1000):
            if self.taken >= int(count):
                break
        self.close_connection = True

    def do_status(self, status):
        self.body()
        self.error(int(status), [("Retry-After", "0")])

    def do_early(self, status):
        """Before a byte of the body is read"""
        self.error(int(status), [("Retry-After", "0"), ("Connection", "close")])
        self.close_connection = True

    def do_middle(self, status):
        self.want()
        next(self.pieces(1000))
        self.do_early(status)

    def do_slow(self):
        self.want()
        for _ in self.pieces(1000):
            time.sleep(0.1)
        self.close_connection = True

    def do_silent(self):
        time.sleep(60)
        self.close_connection = True

    def do_relative(self):
        self.change("Location", lambda v: "/" + v.split("/", 3)[3])

    def do_elsewhere(self):
        """The upload goes on at another name of this machine."""
        self.change("Location", lambda v: v.replace("127.0.0.1", "localhost"))

    def do_to(self, word):
        places = {"file": "file:///etc/passwd", "nowhere": "", "fragment": "/v2/x#y", "user": "http://a:b@localhost/",
                  "lost": "/v2/%s/no/such/upload" % self.script}
        self.change("Location", lambda v: places[word])

    def do_lie(self):
        self.change("Docker-Content-Digest", lambda v: "sha256:" + "0" * 64)

    def do_challenge(self):
        self.error(401, [("WWW-Authenticate", 'Basic realm="x"'), ("Connection", "close")])
        self.close_connection = True

    def do_loop(self):
        self.send(307, [("Location", self.path), ("Connection", "close")])
        self.close_connection = True

    def do_away(self, status):
        place = "http://localhost:%d%s" % (self.server.server_address[1], self.path)
        self.send(int(status), [("Location", place + ("&" if "?" in place else "?") + "away=1"),
                                ("Connection", "close")])
        self.close_connection = True


def main():
    portfile, logfile, registry = sys.argv[1:4]
    Line.registry, Line.log = int(registry), open(logfile, "w")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Line)
    server.daemon_threads = True
    server.handle_error = lambda *_: None   # clients that hang up
    publish(portfile, server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
