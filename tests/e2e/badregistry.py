#!/usr/bin/env python3
"""A registry that lies; the first part of the repository's name says how.

  badregistry.py PORTFILE LOGFILE LAYOUT [CERTIFICATE KEY]

Serves the images "good" and "other" of an OCI layout as /v2/FAULT/…: with any name and tag "good" is meant.
LOGFILE gets a line per request: method, path, Host, and whether it carried credentials.
"""

import base64
import hashlib
import http.server
import json
import ssl
import sys

from mkimage import Layout
from proxy import publish

USER = "Basic " + base64.b64encode(b"user:word").decode()
TOKEN = "token-for-one-repository"
FAULTS = (
    "good", "truncate", "short", "longer", "longer-chunked", "flip", "digest-lie", "tagswap",
    "pinned", "wrongtype", "endless", "loop", "auth", "auth-away", "token", "token-http-away",
    "e500", "e429", "garbage", "two-lengths", "gzip-encoding", "many-headers", "drop",
    "to-file", "empty-manifest",
)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    layout, log, asked = None, None, {}

    def log_message(self, *_):
        pass

    def answer(self, status, data=b"", headers=(), length=True, body=True):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(data)

    def error(self, status, code="DENIED", headers=()):
        text = {"errors": [{"code": code, "message": "as the test wants it"}]}
        self.answer(status, json.dumps(text).encode(), headers)

    def here(self):
        return "127.0.0.1:%d" % self.server.server_address[1]

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        given = self.headers.get("Authorization")
        Handler.log.write("%s %s %s %s\n" % (self.command, self.path, self.headers.get("Host"),
                                             given.split()[0] if given else "-"))
        Handler.log.flush()
        path = self.path.partition("?")[0]
        if path == "/token":
            return self.answer(200, json.dumps({"token": TOKEN}).encode())
        parts = path.strip("/").split("/")
        if path in ("/v2/", "/v2"):
            return self.answer(200, b"{}")
        if len(parts) < 4 or parts[0] != "v2" or parts[-2] not in ("manifests", "blobs"):
            return self.error(404, "NAME_UNKNOWN")
        fault = parts[1]
        if fault not in FAULTS:
            return self.error(404, "NAME_UNKNOWN")
        if not self.admitted(fault, given):
            return None
        if parts[-2] == "manifests":
            return self.manifest(fault, parts[-1])
        return self.blob(fault, parts[-1])

    def admitted(self, fault, given):
        """False when a refusal has been sent."""
        if fault in ("auth", "auth-away") and given != USER:
            self.error(401, "UNAUTHORIZED", [("WWW-Authenticate", 'Basic realm="test"')])
        elif fault == "token" and given != "Bearer " + TOKEN:
            self.challenge(self.here())
        elif fault == "token-http-away":
            self.challenge("localhost:%d" % self.server.server_address[1])
        elif fault == "e500":
            self.error(500, "UNKNOWN", [("Retry-After", "0")])
        elif fault == "e429":
            self.error(429, "TOOMANYREQUESTS", [("Retry-After", "0")])
        elif fault == "drop":
            self.close_connection = True
        elif fault == "garbage":
            self.wfile.write(b"\x00\x01\x02 this is not HTTP\r\n\r\n")
            self.close_connection = True
        elif fault == "many-headers":
            self.answer(200, b"{}", [("X-%d" % i, "v" * 200) for i in range(5000)])
        else:
            return True
        return False

    def challenge(self, host):
        value = 'Bearer realm="http://%s/token",service="test",scope="repository:x:pull"' % host
        self.error(401, "UNAUTHORIZED", [("WWW-Authenticate", value)])

    def manifest(self, fault, reference):
        name = "good"
        if fault == "pinned":
            name = "other"
        elif fault == "tagswap" and not reference.startswith("sha256:"):
            Handler.asked[reference] = Handler.asked.get(reference, 0) + 1
            name = "good" if Handler.asked[reference] == 1 else "other"
        descriptor = Handler.layout.find(name)
        if reference.startswith("sha256:") and fault != "pinned":
            try:
                data = Handler.layout.read(reference)
            except FileNotFoundError:
                return self.error(404, "MANIFEST_UNKNOWN")
        else:
            data = Handler.layout.read(descriptor["digest"])
        kind, digest = descriptor["mediaType"], "sha256:" + hashlib.sha256(data).hexdigest()
        if fault == "digest-lie":
            digest = Handler.layout.find("other")["digest"]
        if fault == "wrongtype":
            kind = "application/vnd.oci.image.index.v1+json"
        if fault == "empty-manifest":
            data = b""
        headers = [("Content-Type", kind), ("Docker-Content-Digest", digest)]
        if fault == "endless":
            return self.endless(headers)
        if fault == "two-lengths":
            headers.append(("Content-Length", "5"))
        return self.answer(200, data, headers)

    def endless(self, headers):
        self.answer(200, b"", headers + [("Transfer-Encoding", "chunked")], length=False)
        try:
            for _ in range(100000):
                self.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        except OSError:
            self.close_connection = True

    def blob(self, fault, digest):
        try:
            data = Handler.layout.read(digest)
        except FileNotFoundError:
            return self.error(404, "BLOB_UNKNOWN")
        octets = [("Content-Type", "application/octet-stream")]
        if fault == "loop":
            return self.answer(307, b"", [("Location", self.path)])
        if fault == "to-file":
            return self.answer(307, b"", [("Location", "file:///etc/passwd")])
        if fault == "auth-away":
            place = "http://localhost:%d/v2/good/x/blobs/%s" % (self.server.server_address[1], digest)
            return self.answer(307, b"", [("Location", place)])
        if fault == "truncate":
            self.answer(200, data, octets, body=False)
            self.wfile.write(data[:len(data) // 2])
            self.wfile.flush()
            self.close_connection = True
            return None
        if fault == "short":
            data = data[:-7]
        elif fault == "longer":
            data += b"surplus"
        elif fault == "flip":
            data = data[:-1] + bytes([data[-1] ^ 1])
        elif fault == "gzip-encoding":
            octets.append(("Content-Encoding", "gzip"))
        elif fault == "longer-chunked":
            data += b"surplus"
            self.answer(200, b"", octets + [("Transfer-Encoding", "chunked")], length=False)
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
            return None
        return self.answer(200, data, octets)


def main():
    portfile, logfile, layout = sys.argv[1:4]
    Handler.layout = Layout(layout)
    Handler.log = open(logfile, "w")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[4], sys.argv[5])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    publish(portfile, server.server_address[1])
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
