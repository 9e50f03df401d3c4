#!/usr/bin/env python3
"""A registry at two addresses that sends its clients about and lies to them.

  front.py PORTFILE LOGFILE LAYOUT [CERTIFICATE KEY]

PORTFILE gets the ports of "home" (127.0.0.1, https with a certificate), of "away" (localhost, the same scheme)
and of "plain" (localhost, always http). A path is /v2/BEHAVIOUR/PARAMETER/KIND/NAME; the behaviour is the name of
a method below, manifest_BEHAVIOUR or blob_BEHAVIOUR; "basic-BEHAVIOUR" wants user:word first, and what has no method
for this kind gets the image "good" of the layout. LOGFILE has a line per request: place, method, path, Authorization;
and a line "place raw …" with the first three bytes of what is no HTTP.
"""

import base64
import hashlib
import http.server
import json
import os
import ssl
import sys
import threading
import time

from mkimage import Layout, dump

OCTETS = [("Content-Type", "application/octet-stream")]
INDEX = "application/vnd.oci.image.index.v1+json"
ESCAPES = "\x1b[31mred\x1b[0m\x07\r\nsecond line \u202e\x9b2J"


def basic(user, word):
    return "Basic " + base64.b64encode(("%s:%s" % (user, word)).encode()).decode()


class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    layout, log, ports, scheme, asked = None, None, {}, "http", {}

    # --- the ground

    def log_message(self, *_):
        pass

    def note(self, *words):
        Front.log.write(" ".join((self.server.place,) + words) + "\n")
        Front.log.flush()

    def send_error(self, code, message=None, explain=None):
        self.note("raw", self.raw_requestline[:3].hex())
        self.close_connection = True

    def url(self, place, rest):
        """Where the same is found at another place; home and away differ in name, port, or both."""
        scheme = "http" if place == "plain" else Front.scheme
        host = "127.0.0.1" if place == "home" else "localhost"
        return "%s://%s:%d%s" % (scheme, host, Front.ports[place], rest)

    def answer(self, status, data=b"", headers=(), length=True):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status in (408, 429, 500, 502, 503, 504):   # asked for again, but a test has no time
            self.send_header("Retry-After", "0")
        if length:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def error(self, status, code="DENIED", message="as the test wants it", headers=()):
        text = {"errors": [{"code": code, "message": message}]}
        self.answer(status, json.dumps(text).encode(), headers)

    def redirect(self, location, status=307):
        self.answer(status, b"", [("Location", location)])

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def endless(self, status, headers):
        """A body without end; the log gets how much of it was taken."""
        self.answer(status, b"", list(headers) + [("Transfer-Encoding", "chunked")], length=False)
        sent = 0
        try:
            while sent < 200 << 20:
                self.chunk(b" " * 65536)
                sent += 65536
        except OSError:
            pass
        self.note("sent", str(sent >> 20), "MiB")
        self.close_connection = True

    def do_GET(self):
        given = self.headers.get("Authorization")
        self.note(self.command, self.path, given or "-")
        path = self.path.partition("?")[0]
        try:
            self.route(path, given)
        except OSError:
            self.close_connection = True

    def route(self, path, given):
        parts = path.split("/")
        if len(parts) != 6 or parts[4] not in ("manifests", "blobs"):
            return self.error(404, "NAME_UNKNOWN")
        behaviour, self.parameter, kind, name = parts[2:]
        if behaviour.startswith("basic-"):
            behaviour = behaviour[6:]
            if given != basic("user", "word"):
                return self.error(401, "UNAUTHORIZED", headers=[("WWW-Authenticate", 'Basic realm="x"')])
        kind = kind[:-1] + "_"
        known = [k for k in ("manifest_", "blob_") if hasattr(self, k + behaviour.replace("-", "_"))]
        if behaviour != "good" and not known:
            return self.error(404, "NAME_UNKNOWN", "no such behaviour: " + behaviour)
        return getattr(self, kind + behaviour.replace("-", "_"), getattr(self, kind + "good"))(name)

    def document(self, name):
        """(bytes, media type) of a manifest by tag or digest"""
        if name.startswith("sha256:"):
            return Front.layout.read(name), Front.layout.find("good")["mediaType"]
        found = Front.layout.find(name if name == "other" else "good")
        return Front.layout.read(found["digest"]), found["mediaType"]

    def send_document(self, data, kind, digest=None, more=()):
        digest = digest or "sha256:" + hashlib.sha256(data).hexdigest()
        self.answer(200, data, [("Content-Type", kind), ("Docker-Content-Digest", digest)] + list(more))

    def manifest_good(self, name):
        self.send_document(*self.document(name))

    def blob_good(self, digest):
        self.answer(200, Front.layout.read(digest), OCTETS)

    # --- redirects of blobs

    def blob_away(self, digest):
        self.redirect(self.url("away", "/v2/good/x/blobs/" + digest), int(self.parameter))

    def blob_away_closed(self, digest):
        self.redirect(self.url("away", "/v2/basic-good/x/blobs/" + digest))

    def blob_away_back(self, digest):
        self.redirect(self.url("away", "/v2/home-again/x/blobs/" + digest))

    def blob_home_again(self, digest):
        self.redirect(self.url("home", "/v2/basic-good/x/blobs/" + digest))

    def blob_port(self, digest):
        """The same host name at another port is another place."""
        self.redirect(self.url("away", "/v2/good/x/blobs/" + digest).replace("localhost", "127.0.0.1"))

    def blob_plain(self, digest):
        self.redirect(self.url("plain", "/v2/good/x/blobs/" + digest))

    def blob_rooted(self, digest):
        self.redirect("/v2/basic-good/x/blobs/" + digest)

    def blob_relative(self, digest):
        self.redirect("../../../good/x/blobs/../blobs/" + digest)

    def blob_no_scheme(self, digest):
        self.redirect("//localhost:%d/v2/good/x/blobs/%s" % (Front.ports["away"], digest))

    def blob_chain(self, digest):
        left = int(self.parameter)
        if left == 0:
            return self.blob_good(digest)
        return self.redirect("/v2/chain/%d/blobs/%s" % (left - 1, digest))

    def blob_loop(self, digest):
        self.redirect(self.path)

    def blob_ping(self, digest):
        """A loop over two hosts"""
        other = "away" if self.server.place == "home" else "home"
        self.redirect(self.url(other, self.path))

    def blob_to(self, digest):
        places = {
            "user": self.url("away", "/v2/good/x/blobs/" + digest).replace("://", "://user:word@"),
            "word": self.url("away", "/v2/good/x/blobs/" + digest).replace("://", "://:word@"),
            "file": "file:///etc/passwd",
            "file-host": "file://localhost/etc/passwd",
            "unix": "unix:///run/x.sock",
            "http-unix": "http+unix://%2Frun%2Fx.sock/v2/",
            "ftp": "ftp://localhost/x",
            "gopher": "gopher://localhost:%d/_GET%%20/" % Front.ports["plain"],
            "nowhere": "",
            "space": "/v2/good/x/blobs/%s /x" % digest,
            "port": "http://localhost:99999/",
            "long": "/" + "x" * 9000,
            "escapes": "/v2/good/\x1b[31m/blobs/x",
        }
        self.redirect(places[self.parameter])

    def blob_two_ways(self, digest):
        self.answer(307, b"", [("Location", "/v2/good/x/blobs/" + digest), ("Location", "/elsewhere")])

    def blob_long_way(self, digest):
        self.endless(307, [("Location", "/v2/good/x/blobs/" + digest)])

    def manifest_moved(self, name):
        self.redirect(self.url("away", "/v2/good/x/manifests/" + name), 301)

    # --- lies

    def manifest_digest_lie(self, name):
        self.send_document(*self.document(name), digest=Front.layout.find("other")["digest"])

    def manifest_digest_odd(self, name):
        self.send_document(*self.document(name), digest="sha256:../../x")

    def manifest_length(self, name):
        self.wrong_length(*self.document(name))

    def blob_length(self, digest):
        self.wrong_length(Front.layout.read(digest), OCTETS[0][1])

    def wrong_length(self, data, kind):
        claim = len(data) + {"less": -1, "more": 1, "much-more": 1000000}[self.parameter]
        self.answer(200, data, [("Content-Type", kind), ("Content-Length", str(claim))], length=False)
        self.close_connection = True

    def manifest_endless(self, name):
        self.endless(200, [("Content-Type", self.document(name)[1])])

    def manifest_headers(self, name):
        data, kind = self.document(name)
        self.send_document(data, kind, more=[("X-%d" % i, "x") for i in range(int(self.parameter))])

    def manifest_header(self, name):
        data, kind = self.document(name)
        self.send_document(data, kind, more=[("X-Long", "x" * int(self.parameter))])

    def manifest_interim(self, name):
        """Answers before the answer, without end"""
        try:
            for _ in range(1 << 20):
                self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n")
        except OSError:
            self.note("interim", "cut")
        self.close_connection = True

    def trailer(self, status, data, headers, lines):
        self.answer(status, b"", list(headers) + [("Transfer-Encoding", "chunked")], length=False)
        self.chunk(data)
        self.wfile.write(b"0\r\n" + lines + b"\r\n")

    def blob_trailer(self, digest):
        """Lines behind the body that belong before one"""
        lines = b"Location: /v2/other/x\r\nContent-Type: x/y\r\nWWW-Authenticate: Basic realm=x\r\n"
        self.trailer(200, Front.layout.read(digest), OCTETS, lines)

    def manifest_trailers(self, name):
        data, kind = self.document(name)
        try:
            self.trailer(200, data, [("Content-Type", kind)], b"X-Trailer: x\r\n" * (1 << 20))
        except OSError:
            self.note("trailers", "cut")

    def manifest_wrong_type(self, name):
        self.send_document(self.document(name)[0], INDEX)

    def manifest_schema1(self, name):
        doc = {"schemaVersion": 1, "name": "x", "tag": "latest", "architecture": "amd64", "fsLayers": [],
               "history": []}
        kind = "application/vnd.docker.distribution.manifest.v1+" + self.parameter
        self.send_document(dump(doc), kind)

    def manifest_status(self, name):
        self.error(int(self.parameter), "TEST_CODE")

    def blob_blob_status(self, digest):
        self.error(int(self.parameter), "TEST_CODE")

    def manifest_html(self, name):
        page = "<html><title>%s</title><h1>Bad gateway</h1></html>" % ESCAPES
        self.answer(502, page.encode(), [("Content-Type", "text/html")])

    def manifest_html_good(self, name):
        self.answer(200, ("<html>%s</html>" % ESCAPES).encode(), [("Content-Type", "text/html")])

    def manifest_escapes(self, name):
        self.error(500, "\x1b]0;title\x07" + ESCAPES, ESCAPES)

    def manifest_reason(self, name):
        self.wfile.write(b"HTTP/1.1 500 \x1b[31mred\x07\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")

    def manifest_type_escapes(self, name):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: \x1b[31mred\r\nContent-Length: 2\r\n\r\n{}")

    def manifest_error_endless(self, name):
        self.endless(int(self.parameter), [("Content-Type", "text/plain")])

    def blob_error_endless_blob(self, digest):
        self.endless(503, [("Content-Type", "text/plain")])

    # --- change and delay

    def manifest_tag_swap(self, name):
        asked = Front.asked[name] = Front.asked.get(name, 0) + 1
        self.send_document(*self.document("good" if asked == 1 else "other"))

    def manifest_index_swap(self, name):
        """An index that names one manifest, and another one under its digest."""
        if name.startswith("sha256:"):
            return self.send_document(*self.document(self.parameter))
        entry = dict(Front.layout.find("good"))
        config = json.loads(Front.layout.read(Front.layout.manifest("good")["config"]["digest"]))
        entry["platform"] = {"os": config["os"], "architecture": config["architecture"]}
        entry.pop("annotations", None)
        return self.send_document(dump({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}), INDEX)

    def manifest_slow(self, name):
        """All of it, in so many parts of a tenth of a second."""
        data, kind = self.document(name)
        parts = int(self.parameter)
        data += b" " * 2048 * parts
        self.answer(200, b"", [("Content-Type", kind), ("Content-Length", str(len(data)))], length=False)
        for i in range(parts):
            self.wfile.write(data[len(data) * i // parts:len(data) * (i + 1) // parts])
            time.sleep(0.1)

    def blob_stall(self, digest):
        """Not before there is a file LOGFILE.go, a minute at most."""
        end = time.monotonic() + 60
        while time.monotonic() < end and not os.path.exists(Front.log.name + ".go"):
            time.sleep(0.05)
        self.blob_good(digest)


def listen(place, address, handler, certificate):
    server = http.server.ThreadingHTTPServer((address, 0), handler)
    server.daemon_threads, server.place = True, place
    server.handle_error = lambda *_: None   # clients that hang up
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Front.scheme = "https"
    Front.ports[place] = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main(handler=Front):
    portfile, logfile, layout = sys.argv[1:4]
    certificate = sys.argv[4:6]
    Front.layout, Front.log = Layout(layout), open(logfile, "w")
    listen("home", "127.0.0.1", handler, certificate)
    listen("away", "127.0.0.1", handler, certificate)
    listen("plain", "127.0.0.1", handler, None)
    with open(portfile + ".new", "w") as f:
        f.write("%(home)d %(away)d %(plain)d\n" % Front.ports)
    os.rename(portfile + ".new", portfile)
    threading.Event().wait()


if __name__ == "__main__":
    main()
