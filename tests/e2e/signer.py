#!/usr/bin/env python3
"""Signs images in cosign's layout and pushes the signatures to a registry on this machine (plain http).

signer.py cosign http://HOST/REPO DIGEST KEY.pem [member=value…]
    adds one signature to the image's signature image. Members: name= (docker-reference), digest= and type= of the
    payload, media= of the layer, tamper=1 (the payload is changed after signing), lines=1 (newlines in the signature),
    pss=1 (RSA), for= (the digest whose tag it is put at).
signer.py bundle http://HOST/REPO DIGEST
    says, in the list of referrers, that there is a bundle as cosign 3 makes it.
signer.py raw http://HOST/REPO DIRECTORY
    pushes what lies in a directory: blobs by their hexadecimal digests, manifests by digests ("sha256:…"), then by tags ("sha256-…").
signer.py payload NAME DIGEST
    prints a payload of GPG simple signing.
"""
import base64
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
CONFIG = b'{"architecture":"","config":{},"os":"","rootfs":{"type":"layers","diff_ids":[]}}'


def split(url):
    scheme, rest = url.split("://")
    host, repo = rest.split("/", 1)
    return "%s://%s/v2/%s" % (scheme, host, repo), host + "/" + repo


def request(method, url, data=None, kind=None):
    req = urllib.request.Request(url, data=data, method=method, headers={"Accept": MANIFEST + ", " + INDEX})
    if kind:
        req.add_header("Content-Type", kind)
    with urllib.request.urlopen(req) as answer:
        return answer.read(), answer.headers


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(kind, data):
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


def push_blob(base, data):
    _, head = request("POST", base + "/blobs/uploads/", b"")
    where = head["Location"]
    request("PUT", where + ("&" if "?" in where else "?") + "digest=" + digest_of(data), data, "application/octet-stream")


def push_manifest(base, name, document):
    data = json.dumps(document).encode()
    request("PUT", base + "/manifests/" + name, data, document["mediaType"])
    return data


def payload(name, digest, kind):
    critical = {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": digest}, "type": kind}
    return critical


def sign(key_file, data, pss):
    with open(key_file, "rb") as f:
        key = serialization.load_pem_private_key(f.read(), None)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    assert isinstance(key, rsa.RSAPrivateKey)
    how = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else padding.PKCS1v15()
    return key.sign(data, how, hashes.SHA256())


def existing(base, tag):
    try:
        return json.loads(request("GET", base + "/manifests/" + tag)[0])["layers"]
    except urllib.error.HTTPError as e:
        if e.code != 404:
            raise
        return []


def cosign(url, digest, key, members):
    base, name = split(url)
    tag = members.get("for", digest).replace(":", "-") + ".sig"
    data = json.dumps({
        "critical": payload(members.get("name", name), members.get("digest", digest),
                            members.get("type", "cosign container image signature")),
        "optional": None}).encode()
    signature = base64.b64encode(sign(key, data, "pss" in members)).decode()
    if "tamper" in members:
        data = data.replace(b"null", b"{}")
    if "lines" in members:
        signature = "\r\n".join(signature[i:i + 20] for i in range(0, len(signature), 20)) + "\n"
    layer = descriptor(members.get("media", PAYLOAD), data)
    layer["annotations"] = {"dev.cosignproject.cosign/signature": signature}
    push_blob(base, CONFIG)
    push_blob(base, data)
    push_manifest(base, tag, {
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", CONFIG),
        "layers": existing(base, tag) + [layer]})


def bundle(url, digest):
    base, _ = split(url)
    data = b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}'
    push_blob(base, data)
    push_blob(base, b"{}")
    kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
    artifact = push_manifest(base, "bundle", {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"), "layers": [descriptor(kind, data)]})
    entry = descriptor(MANIFEST, artifact)
    entry["artifactType"] = kind
    push_manifest(base, digest.replace(":", "-"), {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})


def raw(url, directory):
    base, _ = split(url)
    names = os.listdir(directory)
    for kind in (lambda n: len(n) == 64, lambda n: n.startswith("sha256:"), lambda n: n.startswith("sha256-")):
        for name in filter(kind, names):
            with open(os.path.join(directory, name), "rb") as f:
                data = f.read()
            if len(name) == 64:
                push_blob(base, data)
            else:
                request("PUT", base + "/manifests/" + name, data, json.loads(data)["mediaType"])


def main(args):
    if args[0] == "cosign":
        cosign(args[1], args[2], args[3], dict(a.split("=", 1) for a in args[4:]))
    elif args[0] == "bundle":
        bundle(args[1], args[2])
    elif args[0] == "raw":
        raw(args[1], args[2])
    else:
        print(json.dumps({"critical": payload(args[1], args[2], "atomic container signature"), "optional": {}}))


main(sys.argv[1:])
