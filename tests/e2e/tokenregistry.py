#!/usr/bin/env python3
"""A registry that wants tokens, and its token server.

  tokenregistry.py PORTFILE LOGFILE LAYOUT [CERTIFICATE KEY]

Arguments and log as of front.py. The path is /v2/BEHAVIOUR/PARAMETER/KIND/NAME: the behaviour is a method
challenge_BEHAVIOUR below, which says how the 401 looks, the parameter a method token_PARAMETER, which says
what the token server at /token/PARAMETER answers. Right is the token made from path and credentials.
"""

import json
import urllib.parse

from front import Front, basic, main

TOKEN = "secret-token-of-the-test"


class TokenRegistry(Front):
    uses = {}

    def do_POST(self):
        self.form = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        self.do_GET()

    def route(self, path, given):
        parts = path.split("/")
        if parts[1] == "token":
            return getattr(self, "token_" + parts[2].replace("-", "_"))(given)
        self.behaviour, self.parameter = parts[2], parts[3]
        if self.behaviour == "ends" and self.is_fresh(given):
            return super().route("/".join(["", "v2", "good", "x"] + parts[4:]), given)
        if self.behaviour == "scopes" and given == "Bearer " + TOKEN + "-wide":
            return super().route("/".join(["", "v2", "good", "x"] + parts[4:]), given)
        self.given = given
        if given == "Bearer " + TOKEN and self.behaviour not in ("never", "ends", "scopes"):
            return super().route("/".join(["", "v2", "good", "x"] + parts[4:]), given)
        self.challenge = getattr(self, "challenge_" + self.behaviour.replace("-", "_"))
        headers = [("WWW-Authenticate", line) for line in self.challenge()]
        return self.error(401, "UNAUTHORIZED", headers=headers)

    def is_fresh(self, given):
        """Each token of token_fresh is good for two requests."""
        if given not in TokenRegistry.uses:
            return False
        TokenRegistry.uses[given] += 1
        return TokenRegistry.uses[given] <= 2

    # --- challenges: lists of header lines

    def realm(self, place="home"):
        return self.url(place, "/token/" + self.parameter)

    def bearer(self, realm=None, scope="repository:token/x:pull"):
        return 'Bearer realm="%s",service="the test",scope="%s"' % (realm or self.realm(), scope)

    def challenge_usual(self):
        return [self.bearer()]

    def challenge_ends(self):
        return [self.bearer()]

    def challenge_scopes(self):
        """The scope that is told first is not enough."""
        if self.given:
            return [self.bearer(scope="wide") + ',error="insufficient_scope"']
        return [self.bearer(scope="narrow")]

    def challenge_basic(self):
        return ['Basic realm="x"']

    def challenge_never(self):
        return [self.bearer()]

    def challenge_no_scope(self):
        return ['Bearer realm="%s"' % self.realm()]

    def challenge_two_in_line(self):
        return ['Basic realm="a, b=\\"c\\"", ' + self.bearer()]

    def challenge_two_other_way(self):
        return [self.bearer() + ', Basic realm="x"']

    def challenge_two_lines(self):
        return ['Basic realm="x"', "Negotiate", self.bearer()]

    def challenge_case(self):
        return ['bEARER  REALM="%s" , Service = "the test",,sCoPe="x"' % self.realm()]

    def challenge_away(self):
        return [self.bearer(self.realm("away"))]

    def challenge_plain(self):
        return [self.bearer(self.realm("plain"))]

    def challenge_user(self):
        return [self.bearer(self.realm().replace("://", "://user:word@"))]

    def challenge_link_local(self):
        return [self.bearer(Front.scheme + "://169.254.169.254/latest/meta-data")]

    def challenge_link_local6(self):
        return [self.bearer(Front.scheme + "://[fe80::1]/token")]

    def challenge_file(self):
        return [self.bearer("file:///etc/passwd")]

    def challenge_no_realm(self):
        return ['Bearer service="x"']

    def challenge_space(self):
        return [self.bearer(self.realm() + " HTTP/1.1")]

    def challenge_unknown(self):
        return ['Negotiate abc==, Digest realm="x", nonce="y"']

    def challenge_none(self):
        return []

    def challenge_malformed(self):
        return ['Bearer realm="' + self.realm()]

    def challenge_escapes(self):
        return [self.bearer("https://x/\\\x1b[31m".replace("\x1b", "\u009b") + "\u00ff")]

    # --- token server

    def send_token(self, doc):
        self.answer(200, json.dumps(doc).encode(), [("Content-Type", "application/json")])

    def token_good(self, given):
        self.send_token({"token": TOKEN, "expires_in": 60})

    def token_fresh(self, given):
        token = "%s-%d" % (TOKEN, len(TokenRegistry.uses))
        TokenRegistry.uses["Bearer " + token] = 0
        self.send_token({"token": token, "expires_in": 300})

    def token_by_scope(self, given):
        self.send_token({"token": TOKEN + "-wide" if "scope=wide" in self.path else TOKEN + "-narrow"})

    def token_identity(self, given):
        form = urllib.parse.parse_qs(getattr(self, "form", ""))
        wanted = {"grant_type": ["refresh_token"], "client_id": ["cacao"], "service": ["the test"],
                  "scope": ["repository:token/x:pull"], "refresh_token": ["secret-word/1"]}
        if self.command != "POST" or given or form != wanted:
            return self.error(401, "UNAUTHORIZED", "wrong identity")
        return self.send_token({"access_token": TOKEN})

    def token_access(self, given):
        self.send_token({"access_token": TOKEN})

    def token_basic(self, given):
        if given != basic("user", "secret-word"):
            return self.error(401, "UNAUTHORIZED", "wrong credentials",
                              [("WWW-Authenticate", 'Basic realm="again"')])
        return self.send_token({"token": TOKEN})

    def token_other(self, given):
        self.send_token({"token": "some-other-token"})

    def token_empty(self, given):
        self.send_token({})

    def token_number(self, given):
        self.send_token({"token": 5})

    def token_lines(self, given):
        self.send_token({"token": TOKEN + "\r\nX-Evil: 1"})

    def token_html(self, given):
        self.answer(200, b"<html>\x1b[31mlog in here</html>", [("Content-Type", "text/html")])

    def token_large(self, given):
        self.send_token({"token": TOKEN, "more": "x" * (2 << 20)})

    def token_long(self, given):
        self.send_token({"token": "x" * 100000})

    def token_endless(self, given):
        self.endless(200, [("Content-Type", "application/json")])

    def token_moved(self, given):
        self.redirect(self.url("away", "/token/good"))

    def token_fault(self, given):
        self.error(503, "UNAVAILABLE", "come back later")


if __name__ == "__main__":
    main(TokenRegistry)
