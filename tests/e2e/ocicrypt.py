#!/usr/bin/env python3
"""Layer encryption AES_256_CTR_HMAC_SHA256 done a second time, independent of the program.

  ocicrypt.py keys DIR KID...                      fresh keys: DIR/aa-offline_fs_kbc-keys.json
  ocicrypt.py encrypt SRC[:TAG] DST[:TAG] KEYS KID [--layer N]... [--hmac-of-plain]
  ocicrypt.py check ENC[:TAG] PLAIN[:TAG] KEYS KID [--layer N]...
                                                   layers of ENC open to exactly those of PLAIN; others are the same
  ocicrypt.py kat DIR                              known answers, kat.json and its files
  ocicrypt.py to-jwe SRC[:TAG] DST[:TAG] KEYS KID PUBLIC.pem      layer keys wrapped as skopeo reads them
  ocicrypt.py from-jwe SRC[:TAG] DST[:TAG] KEYS KID PRIVATE.pem   and back
  ocicrypt.py other-key SRC[:TAG] DST[:TAG] KEYS KID              the same layers with keys that are not theirs

KEYS is an aa-offline_fs_kbc-keys.json; KID is written repo/type/tag.
"""

import argparse
import base64
import copy
import hashlib
import hmac
import json
import os
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mkimage import Layout, dump, split_ref

PREFIX = "org.opencontainers.image.enc."
PUBOPTS = PREFIX + "pubopts"
KEYS = PREFIX + "keys.provider.attestation-agent"
JWE = PREFIX + "keys.jwe"


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


def load_key(path, kid):
    with open(path) as f:
        return unb64(json.load(f)[kid])


def ctr(key, nonce, data):
    return Cipher(algorithms.AES(key), modes.CTR(nonce)).encryptor().update(data)


def mac(key, ciphertext):
    return hmac.new(key, ciphertext, hashlib.sha256).digest()


def wrap(kek, kid, plain):
    iv = os.urandom(12)
    return {"kid": "kbs:///" + kid, "wrapped_data": b64(AESGCM(kek).encrypt(iv, plain, None)),
            "iv": b64(iv), "wrap_type": "A256GCM"}


def unwrap(kek, packet):
    if packet["wrap_type"] != "A256GCM":
        raise ValueError("wrap_type " + packet["wrap_type"])
    iv = unb64(packet["iv"])
    if len(iv) != 12:
        raise ValueError("iv of %d bytes" % len(iv))
    return AESGCM(kek).decrypt(iv, unb64(packet["wrapped_data"]), None)


def make_keys(args):
    keys = {kid: b64(os.urandom(32)) for kid in args.kid}
    os.makedirs(args.directory, exist_ok=True)
    path = os.path.join(args.directory, "aa-offline_fs_kbc-keys.json")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        json.dump(keys, f, indent=1)


def encrypt_layer(target, layer, plain, kek, args):
    key, nonce = os.urandom(32), os.urandom(16)
    ciphertext = ctr(key, nonce, plain)
    tag = mac(key, plain if args.hmac_of_plain else ciphertext)
    private = dump({"symkey": b64(key), "digest": layer["digest"],
                    "cipheroptions": {"nonce": b64(nonce)}})
    public = {"cipher": "AES_256_CTR_HMAC_SHA256", "hmac": b64(tag), "cipheroptions": {}}
    packet = dump(wrap(kek, args.kid, private))
    return {"mediaType": layer["mediaType"] + "+encrypted", "digest": target.add(ciphertext),
            "size": len(ciphertext),
            "annotations": {PUBOPTS: b64(dump(public)), KEYS: b64(packet)}}


def encrypt(args):
    source, source_tag = split_ref(args.source)
    target, target_tag = split_ref(args.target)
    source, target = Layout(source), Layout(target).create()
    kek = load_key(args.keys, args.kid)
    manifest = copy.deepcopy(source.manifest(source_tag))
    target.add(source.read(manifest["config"]["digest"]))
    for n, layer in enumerate(manifest["layers"]):
        plain = source.read(layer["digest"])
        if args.layer and n not in args.layer:
            target.add(plain)
        else:
            manifest["layers"][n] = encrypt_layer(target, layer, plain, kek, args)
    data = dump(manifest)
    descriptor = {"mediaType": manifest["mediaType"], "digest": target.add(data),
                  "size": len(data)}
    target.tag(target_tag, descriptor)
    print(descriptor["digest"])


class Failure(Exception):
    pass


def demand(condition, what):
    if not condition:
        raise Failure(what)


def oci_type(media_type):
    """The type under which OCI knows a layer of docker's."""
    docker = "application/vnd.docker.image.rootfs.diff.tar"
    if not media_type.startswith(docker):
        return media_type
    return "application/vnd.oci.image.layer.v1.tar" + media_type[len(docker):].replace(".", "+")


def check_same_layer(enc, plain):
    """A layer that was not to be encrypted."""
    demand(enc["mediaType"] == oci_type(plain["mediaType"]), "media type " + enc["mediaType"])
    demand(enc["digest"] == plain["digest"] and enc["size"] == plain["size"], "digest or size")
    demand(not [k for k in enc.get("annotations", {}) if k.startswith(PREFIX)], "annotations")


def check_layer(n, enc, plain, encrypted_blob, plain_blob, kek, kid):
    """Every rule about one encrypted layer, by what stands in its annotations."""
    notes = enc.get("annotations", {})
    demand(enc["mediaType"] == oci_type(plain["mediaType"]) + "+encrypted", "media type " + enc["mediaType"])
    demand(set(k for k in notes if k.startswith(PREFIX)) == {PUBOPTS, KEYS},
           "annotations " + " ".join(sorted(notes)))
    public = json.loads(unb64(notes[PUBOPTS]))
    demand(public["cipher"] == "AES_256_CTR_HMAC_SHA256", "cipher " + public["cipher"])
    demand(not public.get("cipheroptions"), "public options hold a cipher option")
    packet = json.loads(unb64(notes[KEYS]))
    demand(packet["kid"] in ("kbs:///" + kid, kid), "kid " + packet["kid"])
    try:
        private = json.loads(unwrap(kek, packet))
    except InvalidTag:
        raise Failure("the wrapped key does not open")
    key, nonce = unb64(private["symkey"]), unb64(private["cipheroptions"]["nonce"])
    demand(len(key) == 32 and len(nonce) == 16, "sizes of key and nonce")
    demand(mac(key, encrypted_blob) == unb64(public["hmac"]), "HMAC over the ciphertext")
    demand(enc["size"] == len(encrypted_blob), "size in the descriptor")
    demand(private.get("digest") in ("", plain["digest"]), "digest of the plain blob")
    demand(ctr(key, nonce, encrypted_blob) == plain_blob, "decrypted bytes")
    return key, nonce


def check(args):
    enc_dir, enc_tag = split_ref(args.encrypted)
    plain_dir, plain_tag = split_ref(args.plain)
    enc, plain = Layout(enc_dir), Layout(plain_dir)
    kek = load_key(args.keys, args.kid)
    left, right = enc.manifest(enc_tag), plain.manifest(plain_tag)
    demand(len(left["layers"]) == len(right["layers"]), "number of layers")
    demand(left["config"]["digest"] == right["config"]["digest"], "image configuration")
    seen = set()
    for n, (e, p) in enumerate(zip(left["layers"], right["layers"])):
        try:
            if args.layer and n not in args.layer:
                check_same_layer(e, p)
                demand(enc.read(e["digest"]) == plain.read(p["digest"]), "bytes")
                continue
            seen.update(check_layer(n, e, p, enc.read(e["digest"]), plain.read(p["digest"]),
                                    kek, args.kid))
        except Failure as fault:
            raise Failure("layer %d: %s" % (n, fault))
    demand(len(seen) == 2 * len(args.layer or left["layers"]), "a key or nonce is used twice")


def kat(args):
    with open(os.path.join(args.directory, "kat.json")) as f:
        cases = json.load(f)["positive"]
    for case in cases:
        key = unb64(case["privopts"]["symkey"])
        nonce = unb64(case["privopts"]["cipheroptions"]["nonce"])
        with open(os.path.join(args.directory, case["name"] + ".cipher"), "rb") as f:
            ciphertext = f.read()
        with open(os.path.join(args.directory, case["name"] + ".plain"), "rb") as f:
            plain = f.read()
        demand(mac(key, ciphertext) == unb64(case["pubopts"]["hmac"]), case["name"] + ": HMAC")
        demand(ctr(key, nonce, ciphertext) == plain, case["name"] + ": CTR")
    print("%d known answers" % len(cases))


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


def jwe_seal(public, plain):
    key, iv = os.urandom(32), os.urandom(12)
    protected = b64url(dump({"alg": "RSA-OAEP", "enc": "A256GCM"}))
    sealed = AESGCM(key).encrypt(iv, plain, protected.encode())
    return {"protected": protected, "encrypted_key": b64url(public.encrypt(key, OAEP)),
            "iv": b64url(iv), "ciphertext": b64url(sealed[:-16]), "tag": b64url(sealed[-16:])}


def jwe_open(private, doc):
    demand(json.loads(unb64url(doc["protected"])) == {"alg": "RSA-OAEP", "enc": "A256GCM"}, "JWE header")
    key = private.decrypt(unb64url(doc["encrypted_key"]), OAEP)
    return AESGCM(key).decrypt(unb64url(doc["iv"]), unb64url(doc["ciphertext"]) + unb64url(doc["tag"]),
                               doc["protected"].encode())


def rewrap(args, change):
    """The same blobs under another wrapping of their keys: change(annotations)."""
    source, source_tag = split_ref(args.source)
    target, target_tag = split_ref(args.target)
    source, target = Layout(source), Layout(target).create()
    manifest = source.manifest(source_tag)
    for blob in [manifest["config"]] + manifest["layers"]:
        target.add(source.read(blob["digest"]))
    for layer in manifest["layers"]:
        change(layer["annotations"])
    data = dump(manifest)
    target.tag(target_tag, {"mediaType": manifest["mediaType"], "digest": target.add(data),
                            "size": len(data)})


def to_jwe(args):
    kek = load_key(args.keys, args.kid)
    with open(args.pem, "rb") as f:
        public = serialization.load_pem_public_key(f.read())

    def change(notes):
        private_options = unwrap(kek, json.loads(unb64(notes.pop(KEYS))))
        notes[JWE] = b64(dump(jwe_seal(public, private_options)))

    rewrap(args, change)


def from_jwe(args):
    kek = load_key(args.keys, args.kid)
    with open(args.pem, "rb") as f:
        private = serialization.load_pem_private_key(f.read(), None)

    def change(notes):
        private_options = jwe_open(private, json.loads(unb64(notes.pop(JWE))))
        notes[KEYS] = b64(dump(wrap(kek, args.kid, private_options)))

    rewrap(args, change)


def other_key(args):
    """What someone can make who has a key of the broker's, but none of the layers' keys."""
    kek = load_key(args.keys, args.kid)

    def change(notes):
        private_options = {"symkey": b64(os.urandom(32)), "digest": "",
                           "cipheroptions": {"nonce": b64(os.urandom(16))}}
        notes[KEYS] = b64(dump(wrap(kek, args.kid, dump(private_options))))

    rewrap(args, change)


def main():
    parser = argparse.ArgumentParser(description="layer encryption, a second time")
    commands = parser.add_subparsers(dest="command", required=True)
    c = commands.add_parser("keys")
    c.add_argument("directory")
    c.add_argument("kid", nargs="+")
    c.set_defaults(run=make_keys)
    c = commands.add_parser("encrypt")
    for name in ("source", "target", "keys", "kid"):
        c.add_argument(name)
    c.add_argument("--layer", type=int, action="append", help="only this one; repeat")
    c.add_argument("--hmac-of-plain", action="store_true", help="a wrong HMAC")
    c.set_defaults(run=encrypt)
    c = commands.add_parser("check")
    for name in ("encrypted", "plain", "keys", "kid"):
        c.add_argument(name)
    c.add_argument("--layer", type=int, action="append", help="only this one is encrypted; repeat")
    c.set_defaults(run=check)
    c = commands.add_parser("kat")
    c.add_argument("directory")
    c.set_defaults(run=kat)
    for name, run in (("to-jwe", to_jwe), ("from-jwe", from_jwe)):
        c = commands.add_parser(name)
        for argument in ("source", "target", "keys", "kid", "pem"):
            c.add_argument(argument)
        c.set_defaults(run=run)
    c = commands.add_parser("other-key")
    for argument in ("source", "target", "keys", "kid"):
        c.add_argument(argument)
    c.set_defaults(run=other_key)
    args = parser.parse_args()
    try:
        args.run(args)
    except Failure as fault:
        sys.exit("ocicrypt.py: %s" % fault)


if __name__ == "__main__":
    main()
