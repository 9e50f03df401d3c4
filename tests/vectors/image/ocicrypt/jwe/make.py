#!/usr/bin/python3
"""Messages of JSON Web Encryption made by jwcrypto (Debian: python3-jwcrypto), and a key set as RFC 7517 has it.

usage: make.py DIR     DIR holds good/*, each of which opens to plain.json, and refused/*
Keys: ../keys, and those that are made here when they are missing.
"""
import json
import os
import sys

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwcrypto import jwe, jwk

here = os.path.dirname(os.path.abspath(__file__))
out = sys.argv[1]
PLAIN = json.dumps({
    "symkey": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "digest": "",
    "cipheroptions": {"nonce": "MDEyMzQ1Njc4OWFiY2RlZg=="}}).encode()


def key(path):
    with open(path, "rb") as f:
        return jwk.JWK.from_pem(f.read())


def make_key(name, curve):
    path = os.path.join(out, name)
    if not os.path.exists(path):
        pem = ec.generate_private_key(curve()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with open(path, "wb") as f:
            f.write(pem)
    return key(path)


def write(name, text):
    path = os.path.join(out, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


rsa = key(os.path.join(here, "../keys/rsa.pkcs8.pem"))
p256 = key(os.path.join(here, "../keys/ec.pkcs8.pem"))
p384 = make_key("p384.pem", ec.SECP384R1)
p521 = make_key("p521.pem", ec.SECP521R1)
registry = jwe.default_allowed_algs + ["RSA1_5"]


def seal(name, k, compact=False, **header):
    m = jwe.JWE(PLAIN, json.dumps(header), algs=registry)
    m.add_recipient(k)
    write(name, m.serialize(compact))


def several(**shared):
    m = jwe.JWE(PLAIN, json.dumps(shared), algs=registry)
    m.add_recipient(rsa, json.dumps({"alg": "RSA1_5"}))
    m.add_recipient(rsa, json.dumps({"alg": "RSA-OAEP", "kid": "a"}))
    m.add_recipient(p256, json.dumps({"alg": "ECDH-ES+A256KW"}))
    m.add_recipient(p384, json.dumps({"alg": "ECDH-ES+A128KW"}))
    return json.loads(m.serialize())


write("plain.json", PLAIN.decode())
seal("good/rsa-oaep", rsa, alg="RSA-OAEP", enc="A256GCM")
seal("good/rsa-oaep-compact", rsa, True, alg="RSA-OAEP", enc="A256GCM")
seal("good/rsa-oaep-256", rsa, alg="RSA-OAEP-256", enc="A128GCM")
seal("good/p256-a256kw", p256, alg="ECDH-ES+A256KW", enc="A256GCM")
seal("good/p256-compact", p256, True, alg="ECDH-ES+A256KW", enc="A256GCM")
seal("good/p256-a128kw", p256, alg="ECDH-ES+A128KW", enc="A192GCM")
seal("good/p256-parties", p256, alg="ECDH-ES+A256KW", enc="A256GCM", apu="QWxpY2U", apv="Qm9i", typ="JOSE")
seal("good/p384-a192kw", p384, alg="ECDH-ES+A192KW", enc="A256GCM")
seal("good/p521-a256kw", p521, alg="ECDH-ES+A256KW", enc="A128GCM")
g = several(enc="A256GCM")
write("good/several", json.dumps(g))
g["encrypted_key"] = g["recipients"][0]["encrypted_key"]
write("good/several-and-one-outside", json.dumps(g))
seal("refused/rsa1_5", rsa, alg="RSA1_5", enc="A256GCM")
seal("refused/direct", p256, alg="ECDH-ES", enc="A256GCM")
seal("refused/cbc", rsa, alg="RSA-OAEP", enc="A256CBC-HS512")
seal("refused/zip", rsa, alg="RSA-OAEP", enc="A256GCM", zip="DEF")
for name, k in (("rsa.jwk", rsa), ("p256.jwk", p256), ("p521.jwk", p521)):
    write(name, k.export_private())
