#!/usr/bin/env python3
"""policy_differential.py AA-CLI FOLDER CASES: generated policies, names and GPG signatures; aa-cli verify and skopeo must decide
alike. Where they differ on purpose stands in DIFFERENCES; everything else is a failure. Prints lines beginning with #."""

import base64
import collections
import concurrent.futures
import json
import os
import random
import re
import sys

from policy_world import Gpg, HOSTS, Registry, ask_cacao, ask_skopeo, dump, payload

TYPE = "atomic container signature"
ACCEPT, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}

# Rule, what cacao says, what skopeo 1.9.3 says, and why.
DIFFERENCES = [
    ("dead scope", "invalid", "*", "a scope that matches nothing is an error, not a silent gap"),
    ("weak digest", "refuse", "accept", "SHA-1 can be forged; gpg 2.2 still takes it"),
    ("short key", "refuse", "accept", "RSA below 2048 bits"),
    ("subkey", "accept", "refuse", "signatures by subkeys count, as in newer containers/image"),
    ("unrecognisable beside a good one", "accept", "refuse", "one message that is none does not spoil the others"),
    ("no keys", "invalid", "*", "keyPaths with nothing in it is an error of the policy"),
    ("a ring that is none", "refuse", "accept", "every key ring of a list must be one"),
    ("data behind the message", "refuse", "accept", "exactly one message"),
]


class Case:
    def __init__(self, world, rng, number):
        self.world, self.rng, self.number = world, rng, number
        self.rules = set()
        host, path = rng.choice(HOSTS), rng.choice(["ns/app", "ns/sub/app", "ns/ap"])
        self.name = host + "/" + path
        self.tag = rng.choice(["v1", "v1", "v1", "v2", "v2", "latest"])
        self.by_digest = rng.random() < 0.2
        odd = rng.choice([m for m in world.messages if m[0]]) if rng.random() < 0.04 else None
        if odd:
            self.name, self.tag, self.by_digest = "registry.example.test:5000/ns/app", "v1", False
        self.reference = self.name + ("@" + world.registry.digest if self.by_digest else ":" + self.tag)
        self.signatures = self.pick_signatures()
        self.text = json.dumps(self.likely()) if odd else self.policy_text()
        if odd:
            self.signatures = [odd] + [m for m in world.messages if m[2] == self.reference][:rng.choice([0, 1])]

    # -- signatures

    def pick_signatures(self):
        fitting = [m for m in self.world.messages if m[2] == self.name + ":" + self.tag]
        return [self.rng.choice(fitting if fitting and self.rng.random() < 0.75 else self.world.messages)
                for _ in range(self.rng.choice([0, 1, 1, 1, 1, 2, 3]))]

    # -- policies

    def identity(self):
        rng, name = self.rng, self.name
        other = rng.choice(["vendor.example.test/ns/app", self.name, "registry.example.test:5000/ns/app"])
        return rng.choice([
            None, None, None, None, {"type": "matchRepository"}, {"type": "matchRepository"}, {"type": "matchExact"}, {"type": "matchRepoDigestOrExact"}, {"type": "matchRepository"},
            {"type": "exactReference", "dockerReference": other + ":" + rng.choice(["v1", "v2"])},
            {"type": "exactRepository", "dockerRepository": other},
            {"type": "remapIdentity", "prefix": rng.choice([name, name.split("/")[0], name[:-1], name.rsplit("/", 1)[0]]),
             "signedPrefix": rng.choice(["vendor.example.test", "vendor.example.test/ns", "vendor.example.test/ns/app"])},
        ])

    def requirement(self):
        rng = self.rng
        if rng.random() < 0.12:
            return dict(rng.choice([ACCEPT, ACCEPT, REJECT]))
        if rng.random() < 0.03:
            return {"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}
        req = {"type": "signedBy", "keyType": "GPGKeys" if rng.random() > 0.03 else "X509Certificates"}
        rings = [rng.choice(self.world.rings) for _ in range(rng.choice([1, 2, 3]))]
        source = rng.choice(["keyPath", "keyPath", "keyPaths", "keyData"])
        if source == "keyData":
            with open(self.world.rings[0] if "missing" in rings[0] else rings[0], "rb") as f:
                req["keyData"] = base64.b64encode(f.read() or b"x").decode()
        else:
            req[source] = rings if source == "keyPaths" else rings[0]
            if source == "keyPaths" and any("garbage" in ring for ring in rings):
                self.rules.add("a ring that is none")
        identity = self.identity()
        if identity:
            req["signedIdentity"] = identity
        return req

    def scopes(self):
        host = self.name.split("/")[0]
        bare = host.split(":")[0]
        parts = self.name.split("/")
        parents = ["/".join(parts[:n]) for n in range(1, len(parts))]
        wild = ["*." + ".".join(bare.split(".")[n:]) for n in range(1, bare.count(".") + 1)]
        return [self.reference, self.name, *parents, *wild, "", self.name + ":other", self.name[:-1],
                "other.example.test", "*." + bare] + ([] if ":" not in host else [bare])

    def likely(self):
        """A policy that a good signature meets."""
        rng = self.rng
        req = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "%s/%s.gpg" % (self.world.folder, rng.choice(["both", "all", "all"]))}
        identity = rng.choice([None, None, {"type": "matchExact"}, {"type": "matchRepository"}])
        if identity:
            req["signedIdentity"] = identity
        return {"default": [REJECT], "transports": {"docker": {rng.choice(self.scopes()[:4]): [req]}}}

    def policy(self):
        rng = self.rng
        if rng.random() < 0.3:
            return self.likely()

        def reqs():
            return [self.requirement() for _ in range(rng.choice([1, 1, 1, 1, 2]))]
        found = {"default": [REJECT] if rng.random() < 0.2 else reqs(), "transports": {}}
        chosen = rng.sample(self.scopes(), rng.choice([0, 1, 2, 3]))
        if chosen:
            found["transports"]["docker"] = {scope: reqs() for scope in chosen}
        if rng.random() < 0.1:
            found["transports"][rng.choice(["dir", "atomic", "new"])] = {"": [ACCEPT]}
        if rng.random() < 0.04:
            self.rules.add("dead scope")
            dead = rng.choice([self.name + "/", "busybox", self.name.upper().replace("EXAMPLE", "x"), "*", "a.*.test"])
            found["transports"].setdefault("docker", {})[dead] = [rng.choice([ACCEPT, REJECT])]
        return found

    def damage(self, policy):
        """A policy that nobody may take."""
        rng = self.rng
        req = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": self.world.rings[0]}
        bad = rng.choice([
            {**req, "keyData": "QUJD"}, {**req, "x": 1}, {**req, "keyType": "Keys"}, {"type": "magic"}, {}, None, [], "reject",
            {"type": " reject"}, {"type": "insecureAcceptAnything", "x": 1}, {"type": "signedBy", "keyType": "GPGKeys"},
            {**req, "keyPath": ""}, {**req, "keyPath": 7}, {"type": "signedBy", "keyPath": "x"},
            {"type": "signedBy", "keyType": "GPGKeys", "keyData": "!"},
            {"type": "signedBy", "keyType": "GPGKeys", "keyPaths": []},
            {**req, "signedIdentity": {}}, {**req, "signedIdentity": {"type": "any"}}, {**req, "signedIdentity": None},
            {**req, "signedIdentity": {"type": "matchExact", "x": 1}},
            {**req, "signedIdentity": {"type": "exactReference", "dockerReference": "a.test/x"}},
            {**req, "signedIdentity": {"type": "exactReference"}},
            {**req, "signedIdentity": {"type": "exactRepository", "dockerRepository": "A.test/X"}},
            {**req, "signedIdentity": {"type": "remapIdentity", "prefix": "a.test/x:v1", "signedPrefix": "b.test"}},
            {**req, "signedIdentity": {"type": "remapIdentity", "prefix": "a.test"}},
            {"type": "signedBaseLayer"}, {"type": "cacao.x"},
        ])
        how = rng.randrange(7)
        if how == 0:
            policy["default"] = []
        elif how == 1:
            del policy["default"]
        elif how == 2:
            policy["more"] = 1
        elif how == 3:
            text = json.dumps(policy)
            return text[:rng.randrange(len(text))]
        elif how == 4:
            return rng.choice(['{"default":[{"type":"reject"}],"default":%s}', '{"default":%s,}', '{"default":%s}{}',
                               '/* */{"default":%s}', "{'default':%s}", '{"default":%s,"transports":[]}',
                               '{"default":%s,"transports":{"docker":{"":[]}}}']) % json.dumps([ACCEPT])
        elif how == 5:
            policy["transports"] = {"docker": {"unrelated.test": [bad]}}
            if bad and "keyPaths" in bad:
                self.rules.add("no keys")
        else:
            policy["default"] = [ACCEPT, bad]
            if bad and "keyPaths" in bad:
                self.rules.add("no keys")
        return json.dumps(policy)

    def policy_text(self):
        if self.rng.random() < 0.12:
            return self.damage({"default": [ACCEPT], "transports": {}})
        return json.dumps(self.policy())

    # -- both programs

    def run(self, world):
        folder = "%s/case-%d" % (world.folder, self.number)
        path = "/".join(self.name.split("/")[1:])
        store = "%s/store/%s@%s" % (folder, path, world.registry.digest.replace(":", "="))
        os.makedirs(store)
        os.makedirs(folder + "/d")
        with open(folder + "/d/default.yaml", "w") as f:
            f.write("default-docker:\n  sigstore: file://%s/store\n" % folder)
        for n, message in enumerate(self.signatures):
            with open("%s/signature-%d" % (store, n + 1), "wb") as f:
                f.write(message[1])
        with open(folder + "/policy.json", "w") as f:
            f.write(self.text)
        theirs = ask_skopeo(folder + "/copy", world.registries, folder + "/policy.json", self.reference, folder + "/d")
        ours = ask_cacao(world.aa, world.registries, folder + "/policy.json", self.reference,
                         [] if os.environ.get("NOSIG") else ["--sigstore-config", folder + "/d"])
        return ours, theirs


class World:
    def __init__(self, aa, folder):
        self.aa, self.folder = aa, folder
        self.registry = Registry()
        self.registries = folder + "/registries.toml"
        self.registry.registries_conf(self.registries)
        self.make_keys()
        self.messages = [m if len(m) == 3 else (*m, "") for m in self.make_messages()]

    def make_keys(self):
        self.gpg = gpg = Gpg(self.folder + "/gpg")
        gpg.key("alice", "rsa2048")
        gpg.key("bob", "ed25519")
        gpg.key("eve", "nistp256")
        gpg.key("short", "rsa1024")
        gpg.key("sub", "rsa2048", "cert")
        fingerprint = re.search(r"fpr:+([0-9A-F]+):", gpg.run("--with-colons", "--list-keys", "sub@example.test").decode())
        gpg.run("--quick-add-key", fingerprint[1], "ed25519", "sign")
        self.rings = []
        for name, data in [("alice", gpg.ring("alice")), ("alice.asc", gpg.ring("alice", armor=True)),
                           ("both", gpg.ring("alice", "bob")), ("bob", gpg.ring("bob")), ("short", gpg.ring("short")),
                           ("sub", gpg.ring("sub")), ("all", gpg.ring("alice", "bob", "short", "sub")),
                           ("garbage", b"not a key ring"), ("eve", gpg.ring("eve"))]:
            self.rings.append("%s/%s.gpg" % (self.folder, name))
            with open(self.rings[-1], "wb") as f:
                f.write(data)
        # The usual ones more often.
        self.rings += [self.rings[0], self.rings[2]] * 6 + [self.folder + "/missing.gpg"]

    def make_messages(self):
        """Pairs of the rule it falls under (or '') and the message; good ones several times."""
        digest, name = self.registry.digest, "registry.example.test:5000/ns/app"
        names = [h + "/" + p for h in HOSTS for p in ("ns/app", "ns/sub/app", "ns/ap")] + ["vendor.example.test/ns/app"]
        for reference in names:
            for suffix in (":v1", ":v1", ":v2", "", "@" + digest):
                body = dump(payload(TYPE, digest, reference + suffix))
                yield "", self.gpg.sign("alice", body), reference + suffix
                yield "", self.gpg.sign("bob", body), reference + suffix
        good = payload(TYPE, digest, name + ":v1")
        bodies = [
            payload(TYPE, "sha256:" + "0" * 64, name + ":v1"), payload("other type", digest, name + ":v1"),
            payload(TYPE, digest, ""), payload(TYPE, digest, "Registry/UPPER"), payload(TYPE, digest, name + ":v1", x=1),
            {"critical": good["critical"]}, {**good, "optional": {"creator": 7}}, {**good, "optional": {"timestamp": 1.5}},
            {**good, "optional": None}, {**good, "critical": {**good["critical"], "x": 1}}, "text",
        ]
        for body in bodies:
            yield "", self.gpg.sign("alice", dump(body))
        text = dump(good)
        yield "", self.gpg.sign("eve", text)
        signed = bytearray(self.gpg.sign("alice", text, "--compress-algo", "none"))
        yield "data behind the message", self.gpg.sign("alice", text) + b"\x00\x01\x02"
        signed[len(signed) // 3] ^= 1
        yield "", bytes(signed)
        yield "short key", self.gpg.sign("short", text)
        yield "weak digest", self.gpg.sign("alice", text, "--digest-algo", "SHA1")
        yield "subkey", self.gpg.sign("sub", text)
        yield "unrecognisable beside a good one", self.gpg.sign("alice", text, "--armor")
        yield "unrecognisable beside a good one", b"random bytes"
        yield "unrecognisable beside a good one", b""


def allowed(case, ours, theirs):
    """The rule that explains a difference, or None."""
    rules = case.rules | {m[0] for m in case.signatures}
    for rule, we, they, _ in DIFFERENCES:
        if rule in rules and ours == we and they in ("*", theirs):
            return rule
    return None


def reason(said):
    """The sort of a refusal, without names and numbers."""
    said = said.split('msg="')[-1]
    said = re.sub(r"sha256:[0-9a-f]+|[\w./:-]*example\.test[\w./:@-]*|\{.*|/[\w./-]+|\d+|\\?\".*?\"", "", said)
    return re.sub(r"\W+", " ", said)[:60]


def main():
    aa, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 20240801
    world = World(aa, folder)
    rng = random.Random(seed)
    cases = [Case(world, random.Random(rng.random()), n) for n in range(count)]
    verdicts, reasons, explained, bad = collections.Counter(), collections.Counter(), collections.Counter(), 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for case, (ours, theirs) in zip(cases, pool.map(lambda c: c.run(world), cases)):
            verdicts[theirs[0]] += 1
            if theirs[0] != "accept":
                reasons[reason(theirs[1])] += 1
            if ours[0] == theirs[0] and ours[0] != "fault":
                continue
            rule = allowed(case, ours[0], theirs[0])
            if rule:
                explained[rule] += 1
                continue
            bad += 1
            if bad <= 10:
                print("# case %d (seed %d): %s\n#   cacao: %s: %s\n#   skopeo: %s: %s\n#   %s\n#   %s" % (
                    case.number, seed, case.reference, *ours, *theirs, case.text[:1500], [m[0] for m in case.signatures]))
    world.gpg.end()
    refused = verdicts["refuse"] + verdicts["invalid"]
    print("# %d cases: %d accepted, %d refused for %d reasons, %d policies invalid" % (
        count, verdicts["accept"], verdicts["refuse"], len(reasons), verdicts["invalid"]))
    print("# on purpose: " + ", ".join("%s %d" % x for x in sorted(explained.items())))
    print("# differences: %d" % bad)
    enough = count < 1000 or (verdicts["accept"] >= 300 and refused >= 300 and len(reasons) >= 12)
    if not enough:
        print("# too few of some kind: %s" % dict(reasons))
    sys.exit(0 if bad == 0 and enough else 1)


if __name__ == "__main__":
    main()
