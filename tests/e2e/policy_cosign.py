#!/usr/bin/env python3
"""policy_cosign.py AA-CLI FOLDER CASES: generated policies, names and cosign signatures; aa-cli verify must decide as
policy_oracle.py does. Prints lines beginning with #."""

import base64
import collections
import concurrent.futures
import json
import random
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from policy_oracle import ANNOTATION, SIMPLE, TYPE, judge
from policy_world import HOSTS, Registry, ask_cacao, dump, payload

REJECT, ACCEPT = {"type": "reject"}, {"type": "insecureAcceptAnything"}


class World:
    def __init__(self, aa, folder):
        self.aa, self.folder = aa, folder
        self.registry = Registry()
        self.registries = folder + "/registries.toml"
        self.registry.registries_conf(self.registries)
        self.keys = {
            "p256": ec.generate_private_key(ec.SECP256R1()), "p384": ec.generate_private_key(ec.SECP384R1()),
            "p521": ec.generate_private_key(ec.SECP521R1()), "rsa": rsa.generate_private_key(65537, 2048),
            "pss": rsa.generate_private_key(65537, 2048), "ed25519": ed25519.Ed25519PrivateKey.generate(),
            "stranger": ec.generate_private_key(ec.SECP256R1()),
        }
        self.pems = {name: key.public_key().public_bytes(serialization.Encoding.PEM,
                                                         serialization.PublicFormat.SubjectPublicKeyInfo).decode()
                     for name, key in self.keys.items()}
        self.pems["garbage"] = "-----BEGIN PUBLIC KEY-----\nQUJD\n-----END PUBLIC KEY-----\n"
        for name, pem in self.pems.items():
            with open(self.path(name), "w") as f:
                f.write(pem)

    def path(self, name):
        return "%s/%s.pub" % (self.folder, name)

    def sign(self, name, body):
        key = self.keys[name]
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(body, ec.ECDSA(hashes.SHA256()))
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(body)
        if name == "pss":
            return key.sign(body, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        return key.sign(body, padding.PKCS1v15(), hashes.SHA256())


class Case:
    """A repository of its own, with a signature image; a policy; what the oracle says."""

    def __init__(self, world, rng, number):
        self.rng, self.world, self.number = rng, world, number
        self.name = "%s/case%d/app" % (rng.choice(HOSTS), number)
        self.tag = rng.choice(["v1", "v2"])
        self.reference = self.name + rng.choice([":" + self.tag, ":" + self.tag, "@" + world.registry.digest])
        self.signers = [rng.choice(list(world.keys)) for _ in range(rng.choice([1, 1, 2]))]
        self.layers = [self.layer() for _ in range(rng.choice([0, 1, 1, 1, 2, 4]))]
        if self.layers or rng.random() < 0.3:
            tag = world.registry.digest.replace(":", "-") + ".sig"
            manifest = world.registry.put_manifest(b"{}", self.layers)
            world.registry.tags[self.name.split("/", 1)[1] + ":" + tag] = manifest
        self.text = self.policy_text()
        self.path = "%s/policy-%d.json" % (world.folder, number)
        with open(self.path, "w") as f:
            f.write(self.text)
        self.want = judge(self.text, self.reference, world.registry.digest, self.layers, world.registry.blobs)

    def payload(self):
        rng, digest = self.rng, self.world.registry.digest
        said = payload(TYPE, digest, self.name + rng.choice(["", "", "", ":" + self.tag, ":v9", "@" + digest]))
        if rng.random() < 0.5:
            said["optional"] = None
        if rng.random() < 0.75:
            return said
        other = "sha256:" + "0" * 64
        return rng.choice([
            payload(TYPE, other, self.name), payload("atomic container signature", digest, self.name),
            payload(TYPE, digest, "vendor.example.test/app"), payload(TYPE, digest, "vendor.example.test/app:v1"),
            payload(TYPE, digest, ""), payload(TYPE, digest, "UPPER/x"), {**said, "x": 1}, {"critical": said["critical"]},
            {**said, "optional": []}, {**said, "optional": {"timestamp": 0.5}}, {**said, "optional": {"creator": 1}},
            {**said, "critical": {**said["critical"], "x": 1}}, [], "text", 7,
        ])

    def layer(self):
        rng = self.rng
        body = dump(self.payload())
        signature = bytearray(self.world.sign(rng.choice(self.signers + self.signers + list(self.world.keys)), body))
        if rng.random() < 0.08:
            signature[rng.randrange(len(signature))] ^= 1 << rng.randrange(8)
        text = base64.b64encode(bytes(signature)).decode()
        how = rng.randrange(20)
        if how == 0:
            text = text[:20] + "\n" + text[20:] + "\r\n"
        elif how == 1:
            text = rng.choice([text[:-1], text + "!", text + " ", " " + text, "", text + "AAAA"])
        layer = {"mediaType": SIMPLE if how != 2 else "application/octet-stream", **self.world.registry.put(body),
                 "annotations": {ANNOTATION: text}}
        if how == 3:
            del layer["annotations"]
        return layer

    def identity(self):
        other = self.rng.choice([self.name, "vendor.example.test/app"])
        return self.rng.choice([
            {"type": "matchRepository"}, {"type": "matchRepository"}, {"type": "matchRepository"}, {"type": "matchExact"},
            {"type": "matchRepoDigestOrExact"}, {"type": "exactRepository", "dockerRepository": other},
            {"type": "exactReference", "dockerReference": other + ":v1"},
            {"type": "remapIdentity", "prefix": self.rng.choice([self.name, self.name.split("/")[0], self.name[:-1]]),
             "signedPrefix": "vendor.example.test/app"}, None])

    def requirement(self):
        rng, world = self.rng, self.world
        names = [rng.choice(self.signers + ["p256"]) if rng.random() < 0.9 else rng.choice(["stranger", "garbage", "missing"])
                 for _ in range(3)]
        usable = [n for n in names if n != "missing"] or ["rsa"]
        b64 = [base64.b64encode(world.pems[n].encode()).decode() for n in usable]
        req = rng.choice([
            {"keyPath": world.path(names[0])}, {"keyPath": world.path(names[0])}, {"keyPaths": [world.path(n) for n in names]},
            {"keyData": b64[0]}, {"keyData": world.pems[usable[0]]}, {"keyDatas": b64}])
        identity = self.identity()
        if identity:
            req["signedIdentity"] = identity
        req["type"] = "sigstoreSigned"
        if rng.random() < 0.03:
            req["rekorPublicKeyPath"] = world.path("p256")
        return req

    def policy_text(self):
        rng = self.rng
        reqs = [self.requirement() if rng.random() < 0.95 else rng.choice([ACCEPT, REJECT]) for _ in range(rng.choice([1, 1, 1, 2]))]
        policy = {"default": reqs}
        if rng.random() < 0.5:
            host = self.name.split("/")[0]
            scope = rng.choice([self.reference, self.name, self.name.rsplit("/", 1)[0], host, "", "*.test", "*.example.test",
                                "other.test", self.name + "/below"])
            policy = {"default": [rng.choice([ACCEPT, REJECT, REJECT])], "transports": {"docker": {scope: reqs}}}
        if rng.random() > 0.1:
            return json.dumps(policy)
        good = {"type": "sigstoreSigned", "keyPath": "/x"}
        bad = rng.choice([
            {**good, "x": 1}, {**good, "keyData": "QUJD"}, {"type": "sigstoreSigned"}, {**good, "keyType": "GPGKeys"},
            {"type": "sigstoreSigned", "keyData": "QUJD"}, {"type": "sigstoreSigned", "keyData": "!"},
            {"type": "sigstoreSigned", "keyPaths": []}, {"type": "sigstoreSigned", "keyDatas": "x"},
            {"type": "sigstoreSigned", "keyPaths": ["/x", ""]}, {**good, "keyPath": ""}, {**good, "signedIdentity": {"type": "x"}},
            {**good, "signedIdentity": {"type": "exactReference", "dockerReference": "a.test/x"}},
            {**good, "rekorPublicKeyPath": "/x", "rekorPublicKeyData": "QUJD"}, {"type": "cosignSigned", "keyPath": "/x"}])
        policy["default"] = policy["default"] + [bad]
        text = json.dumps(policy)
        return rng.choice([text, text, text[:-1], text.replace('"default"', '"default":[{"type":"reject"}],"default"')])


def main():
    aa, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 20240802
    world = World(aa, folder)
    rng = random.Random(seed)
    cases = [Case(world, random.Random(rng.random()), n) for n in range(count)]
    verdicts, bad = collections.Counter(c.want for c in cases), 0

    def ask(case):
        return ask_cacao(aa, world.registries, case.path, case.reference)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for case, (ours, said) in zip(cases, pool.map(ask, cases)):
            if ours == case.want:
                continue
            bad += 1
            if bad <= 10:
                print("# case %d (seed %d): %s: %s, wanted %s: %s\n#   %s\n#   %s" % (
                    case.number, seed, case.reference, ours, case.want, said, case.text[:1200], json.dumps(case.layers)[:1500]))
    print("# %d cases: %s" % (count, ", ".join("%d %s" % (n, v) for v, n in sorted(verdicts.items()))))
    print("# differences: %d" % bad)
    sys.exit(0 if bad == 0 and min(verdicts["accept"], verdicts["refuse"], verdicts["invalid"]) > count / 25 else 1)


if __name__ == "__main__":
    main()
