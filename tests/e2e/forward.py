#!/usr/bin/env python3
"""A forward proxy.

  forward.py PORTFILE LOGFILE [CERTIFICATE KEY]

Speaks http, or https with a certificate, to its clients. Takes CONNECT and GETs of whole URLs; wants user:word from
those who ask for a host called "localhost". LOGFILE has a line per request: method, target, credentials or "-".
"""

import base64
import http.client
import http.server
import select
import socket
import ssl
import sys
import urllib.parse

from proxy import publish


class Forward(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log = None

    def log_message(self, *_):
        pass

    def admitted(self):
        given = self.headers.get("Proxy-Authorization", "-")
        Forward.log.write("%s %s %s\n" % (self.command, self.path, given))
        Forward.log.flush()
        if "localhost" not in self.path or given == "Basic " + base64.b64encode(b"user:word").decode():
            return True
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_CONNECT(self):
        if not self.admitted():
            return
        host, _, port = self.path.rpartition(":")
        there = socket.create_connection((host, int(port)))
        self.send_response(200)
        self.end_headers()
        ends = {self.connection: there, there: self.connection}
        self.close_connection = True
        while True:
            waiting = isinstance(self.connection, ssl.SSLSocket) and self.connection.pending()
            ready = [self.connection] if waiting else select.select(list(ends), [], [])[0]
            for end in ready:
                data = end.recv(65536)
                if not data:
                    there.close()
                    return
                ends[end].sendall(data)

    def do_GET(self):
        if not self.admitted():
            return
        url = urllib.parse.urlsplit(self.path)
        connection = http.client.HTTPConnection(url.hostname, url.port)
        kept = {k: v for k, v in self.headers.items() if k in ("Accept", "Range", "Authorization")}
        connection.request("GET", url.path + ("?" + url.query if url.query else ""), headers=kept)
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Transfer-Encoding", "Connection", "Content-Length", "Date", "Server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    portfile, logfile = sys.argv[1:3]
    Forward.log = open(logfile, "w")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    publish(portfile, server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
