#!/usr/bin/env python3
"""A bad line to a good registry.

  faultproxy.py PORTFILE LOGFILE PORT

Forwards GETs to the registry at 127.0.0.1:PORT, and spoils what comes back as the first part of the repository's
name says: "b.cut-100.ok" in /v2/b.cut-100.ok/REPOSITORY/… is for blobs ("m": manifests; the others pass): the first
request for each is spoiled by the method cut("100"), the second and all further ones by ok(). LOGFILE gets a line per request:
what was done, path, Range.
"""

import email.utils
import hashlib
import http.client
import http.server
import json
import sys
import threading
import time

from proxy import publish


class Line(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry, log, asked, lock = 0, None, {}, threading.Lock()

    def log_message(self, *_):
        pass

    def do_GET(self):
        parts = self.path.split("/")
        script, kind = parts[2].split("."), parts[-2][:1]
        action = "ok"
        if self.path.endswith("?away"):
            script = [word for word in script if word != "away"]
        with Line.lock:
            count = Line.asked[self.path] = Line.asked.get(self.path, 0) + 1
            if kind == script[0]:
                action = script[min(count, len(script) - 1)]
            Line.log.write("%s %s %s\n" % (action, self.path, self.headers.get("Range", "-")))
            Line.log.flush()
        self.upstream = "/".join(parts[:2] + parts[3:])
        name, *words = action.split("-")
        try:
            getattr(self, name)(*words)
        except OSError:
            self.close_connection = True

    def fetch(self, path=None, ranged=True):
        """(status, headers, body) of the registry"""
        connection = http.client.HTTPConnection("127.0.0.1", Line.registry)
        headers = {k: v for k, v in self.headers.items() if k in ("Accept", "Range") and (ranged or k != "Range")}
        connection.request("GET", path or self.upstream, headers=headers)
        answer = connection.getresponse()
        known = ("Content-Type", "Docker-Content-Digest", "Content-Range", "ETag", "Location")
        return answer.status, [(k, v) for k, v in answer.getheaders() if k in known], answer.read()

    def send_head(self, status, headers, length):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, status, headers, body, length=None):
        self.send_head(status, headers, len(body) if length is None else length)
        self.wfile.write(body)
        if length is not None and length != len(body):
            self.close_connection = True

    # --- what can go wrong

    def ok(self):
        self.send(*self.fetch())

    def drop(self):
        self.close_connection = True

    def head(self):
        """Cut in the middle of a header"""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: appl")
        self.close_connection = True

    def cut(self, count):
        status, headers, body = self.fetch()
        self.send(status, headers, body[:int(count)], len(body))

    def short(self):
        """The registry has less than it should have, and does not know."""
        status, headers, body = self.fetch(ranged=False)
        body = body[:-7]
        if "Range" in self.headers:
            first = int(self.headers["Range"][6:-1])
            if first >= len(body):
                return self.send(416, [("Content-Range", "bytes */%d" % len(body))], b"")
        return self.send(status, headers, body)

    def long(self):
        status, headers, body = self.fetch()
        self.send(status, headers, body + b"surplus")

    def more(self, count):
        """Content-Length promises more than comes."""
        status, headers, body = self.fetch()
        self.send(status, headers, body, len(body) + int(count))

    def less(self, count):
        status, headers, body = self.fetch()
        self.send(status, headers, body, len(body) - int(count))

    def norange(self):
        self.send(*self.fetch(ranged=False))

    def badrange(self):
        """Other bytes than those asked for"""
        first = int(self.headers["Range"][6:-1])
        _, headers, body = self.fetch(ranged=False)
        total = len(body)
        headers.append(("Content-Range", "bytes %d-%d/%d" % (first - 1, total - 1, total)))
        self.send(206, headers, body[first - 1:])

    def badtotal(self):
        first = int(self.headers["Range"][6:-1])
        _, headers, body = self.fetch(ranged=False)
        headers.append(("Content-Range", "bytes %d-%d/%d" % (first, len(body) - 1, len(body) + 1)))
        self.send(206, headers, body[first:])

    def unasked(self):
        """A part that nobody asked for"""
        _, headers, body = self.fetch()
        headers.append(("Content-Range", "bytes 0-%d/%d" % (len(body) - 1, len(body))))
        self.send(206, headers, body)

    def norangeheader(self):
        first = int(self.headers["Range"][6:-1])
        _, headers, body = self.fetch(ranged=False)
        self.send(206, headers, body[first:])

    def error(self, status, headers=()):
        text = {"errors": [{"code": "TEST", "message": "as the test wants it"}]}
        self.send(status, headers, json.dumps(text).encode())

    def status(self, status):
        self.error(int(status))

    def after(self, status, seconds):
        self.error(int(status), [("Retry-After", seconds)])

    def date(self, status, seconds):
        at = email.utils.formatdate(time.time() + int(seconds), usegmt=True)
        self.error(int(status), [("Retry-After", at)])

    def html(self, status):
        self.send(int(status), [("Content-Type", "text/html"), ("Retry-After", "0")], b"<html>Bad gateway</html>")

    def slow(self):
        """A byte a second"""
        status, headers, body = self.fetch()
        self.send_head(status, headers, len(body))
        for i in range(60):
            self.wfile.write(body[i:i + 1])
            time.sleep(1)
        self.close_connection = True

    def silent(self):
        time.sleep(60)
        self.close_connection = True

    def lie(self):
        status, headers, body = self.fetch()
        headers = [(k, v) for k, v in headers if k != "Docker-Content-Digest"]
        self.send(status, headers + [("Docker-Content-Digest", "sha256:" + hashlib.sha256(b"").hexdigest())], body)

    def swap(self):
        """The tag has moved."""
        self.send(*self.fetch(self.upstream.rpartition("/")[0] + "/other"))

    def away(self):
        """To another place, where the line is as bad."""
        self.send(307, [("Location", "http://localhost:%d%s?away" % (self.server.server_address[1], self.path))], b"")

    def garbage(self):
        self.wfile.write(b"\x00\x01 no HTTP\r\n\r\n")
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
