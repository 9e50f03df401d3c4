#!/usr/bin/env python3
"""The token server of a docker-registry.

  tokenserver.py PORTFILE LOGFILE CERTIFICATE KEY

Tokens are signed with an EC key whose certificate the registry trusts. user:secret-word may do all that is asked for;
who says nothing may pull. LOGFILE gets a line per request: path, who asked.
"""

import base64
import http.server
import json
import ssl
import sys
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from proxy import publish


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Server(http.server.BaseHTTPRequestHandler):
    key, chain, log = None, None, None

    def log_message(self, *_):
        pass

    def token(self, access):
        now = int(time.time())
        head = {"typ": "JWT", "alg": "ES256", "x5c": Server.chain}
        claims = {"iss": "test", "aud": "registry", "sub": "user", "exp": now + 300, "nbf": now - 10, "iat": now,
                  "jti": str(now), "access": access}
        text = encode(json.dumps(head).encode()) + b"." + encode(json.dumps(claims).encode())
        r, s = utils.decode_dss_signature(Server.key.sign(text, ec.ECDSA(hashes.SHA256())))
        return (text + b"." + encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()

    def do_GET(self):
        given = self.headers.get("Authorization", "")
        known = given == "Basic " + base64.b64encode(b"user:secret-word").decode()
        Server.log.write("%s %s\n" % (self.path, "user" if known else "nobody"))
        Server.log.flush()
        access = []
        for scope in urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("scope", []):
            kind, name, actions = scope.split(":")
            actions = [a for a in actions.split(",") if known or a == "pull"]
            access.append({"type": kind, "name": name, "actions": actions})
        status = 401 if given and not known else 200
        body = json.dumps({"token": self.token(access)} if status == 200 else {}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    portfile, logfile, certificate, key = sys.argv[1:5]
    with open(key, "rb") as f:
        Server.key = serialization.load_pem_private_key(f.read(), None)
    with open(certificate) as f:
        Server.chain = [base64.b64encode(ssl.PEM_cert_to_DER_cert(f.read())).decode()]
    Server.log = open(logfile, "w")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    publish(portfile, server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
