"""An evaluator of policies with cosign signatures, that shares nothing with the program under test: written from what the policy
language and cosign's format say, with another library for the signatures."""

import base64
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
TYPE = "cosign container image signature"
ANNOTATION = "dev.cosignproject.cosign/signature"
class Invalid(Exception):
    """Of the whole policy."""


def strict(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Invalid("duplicate")
    return dict(pairs)


def need(condition, why):
    if not condition:
        raise Invalid(why)


def split_name(text, default_tag=False):
    """(domain, path, tag, digest) of a name, or None."""
    name, _, digest = text.partition("@")
    tag = None
    if ":" in name.rsplit("/", 1)[-1]:
        name, _, tag = name.rpartition(":")
        if not re.fullmatch(r"\w[\w.-]{0,127}", tag, re.A):
            return None
    if digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest) or "@" in text and not digest:
        return None
    domain, _, path = name.partition("/")
    if not path or not ("." in domain or ":" in domain or domain == "localhost"):
        domain, path = "docker.io", name
    if domain == "docker.io" and "/" not in path:
        path = "library/" + path
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:\d+)?", domain):
        return None
    if not re.fullmatch(r"(/?[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*)+", path):
        return None
    return domain, path, tag or ("latest" if default_tag and not digest else None), digest or None


def check_identity(rule):
    need(isinstance(rule, dict), "identity")
    members = {"matchExact": [], "matchRepoDigestOrExact": [], "matchRepository": [], "exactReference": ["dockerReference"],
               "exactRepository": ["dockerRepository"], "remapIdentity": ["prefix", "signedPrefix"]}
    kind = rule.get("type")
    need(isinstance(kind, str) and kind in members, "identity type")
    need(set(rule) == {"type", *members[kind]}, "members of the identity")
    need(all(isinstance(v, str) for v in rule.values()), "values of the identity")
    if kind in ("exactReference", "exactRepository"):
        name = split_name(rule[members[kind][0]])
        need(name, "name of the identity")
        need(kind == "exactRepository" or name[2] or name[3], "exactReference without tag")
    if kind == "remapIdentity":
        for text in (rule["prefix"], rule["signedPrefix"]):
            need(re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?", text), "prefix")


def pem_of(text):
    if text.startswith("-----BEGIN"):
        return text.encode()
    try:
        data = base64.b64decode("".join(text.split("\n")), validate=True)
    except ValueError as why:
        raise Invalid("base64") from why
    need(data.startswith(b"-----BEGIN"), "PEM")
    return data


def check_requirement(req):
    need(isinstance(req, dict) and isinstance(req.get("type"), str), "requirement")
    if req["type"] in ("insecureAcceptAnything", "reject"):
        need(set(req) == {"type"}, "members")
        return
    need(req["type"] == "sigstoreSigned", "type")
    sources = {"keyPath", "keyPaths", "keyData", "keyDatas", "fulcio"}
    need(set(req) <= sources | {"type", "signedIdentity", "rekorPublicKeyPath", "rekorPublicKeyData"}, "members")
    need(len(sources & set(req)) == 1, "one source of keys")
    need(not {"rekorPublicKeyPath", "rekorPublicKeyData"} <= set(req), "two keys of a log")
    for name in ("keyPaths", "keyDatas"):
        if name in req:
            need(isinstance(req[name], list) and req[name] and all(isinstance(k, str) and k for k in req[name]), name)
    for name in ("keyPath", "keyData"):
        need(name not in req or isinstance(req[name], str) and req[name], name)
    for text in req.get("keyDatas", [req["keyData"]] if "keyData" in req else []):
        pem_of(text)
    if "signedIdentity" in req:
        check_identity(req["signedIdentity"])


def read_policy(text):
    try:
        policy = json.loads(text, object_pairs_hook=strict)
    except ValueError as why:
        raise Invalid("JSON") from why
    need(isinstance(policy, dict) and set(policy) <= {"default", "transports"} and "default" in policy, "members")
    transports = policy.get("transports", {})
    need(isinstance(transports, dict) and all(isinstance(t, dict) for t in transports.values()), "transports")
    for reqs in [policy["default"]] + [r for t in transports.values() for r in t.values()]:
        need(isinstance(reqs, list) and reqs, "list")
        for req in reqs:
            check_requirement(req)
    return policy["default"], transports.get("docker", {})


def deciding(default, scopes, image):
    domain, path, tag, digest = image
    name = domain + "/" + path
    tries = [name + ("@" + digest if digest else ":" + tag)]
    while True:
        tries.append(name)
        if "/" not in name:
            break
        name = name.rpartition("/")[0]
    labels = domain.split(":")[0].split(".")
    tries += ["*." + ".".join(labels[n:]) for n in range(1, len(labels))] + [""]
    for scope in tries:
        if scope in scopes:
            return scopes[scope]
    return default


def named_alike(rule, image, signed):
    kind = rule["type"]
    exact = bool(signed[2] or signed[3])
    if kind == "matchRepository":
        return image[:2] == signed[:2]
    if kind == "exactRepository":
        return split_name(rule["dockerRepository"])[:2] == signed[:2]
    if kind == "exactReference":
        return exact and split_name(rule["dockerReference"]) == signed
    if kind == "remapIdentity":
        name = "/".join(image[:2])
        if name == rule["prefix"] or name.startswith(rule["prefix"] + "/"):
            name = rule["signedPrefix"] + name[len(rule["prefix"]):]
            moved = split_name(name)
            if not moved or "/".join(moved[:2]) != name:
                return False
            image = moved[:2] + image[2:]
    if image[3] and kind != "matchExact":
        return exact and image[:2] == signed[:2]
    return exact and image == signed


def verifies(key, signature, body):
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, body, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            try:
                key.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
            except InvalidSignature:
                key.verify(signature, body, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), hashes.SHA256())
        else:
            key.verify(signature, body)
        return True
    except InvalidSignature:
        return False


def counts(layer, blobs, keys, rule, image, digest):
    """Does this layer of the signature image satisfy?"""
    body = blobs.get(layer["digest"])
    text = layer.get("annotations", {}).get(ANNOTATION)
    if layer["mediaType"] != SIMPLE or body is None or text is None:
        return False
    try:
        signature = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
        if not any(verifies(key, signature, body) for key in keys):
            return False
        said = json.loads(body, object_pairs_hook=strict)
        critical, optional = said["critical"], said["optional"]
        if set(said) != {"critical", "optional"} or set(critical) != {"identity", "image", "type"}:
            return False
        if set(critical["identity"]) != {"docker-reference"} or set(critical["image"]) != {"docker-manifest-digest"}:
            return False
        if optional is not None and not (isinstance(optional, dict) and isinstance(optional.get("creator", ""), str)
                                         and type(optional.get("timestamp", 0)) is int):
            return False
        signed = split_name(critical["identity"]["docker-reference"])
        return bool(critical["type"] == TYPE and critical["image"]["docker-manifest-digest"] == digest and signed
                    and named_alike(rule, image, signed))
    except (ValueError, KeyError, TypeError, AttributeError, Invalid):
        return False


def judge(text, reference, digest, layers, blobs):
    try:
        default, scopes = read_policy(text)
    except Invalid:
        return "invalid"
    image = split_name(reference, True)
    if image[3]:
        image = image[:2] + (None, image[3])
    for req in deciding(default, scopes, image):
        if req["type"] == "reject" or "fulcio" in req or any(m.startswith("rekor") for m in req):
            return "refuse"
        if req["type"] == "insecureAcceptAnything":
            continue
        try:
            pems = [pem_of(k) for k in req.get("keyDatas", [req.get("keyData")]) if k]
            for path in req.get("keyPaths", [req.get("keyPath")]):
                if path:
                    with open(path, "rb") as f:
                        pems.append(f.read())
            keys = [serialization.load_pem_public_key(pem) for pem in pems]
        except (OSError, ValueError):
            return "refuse"
        rule = req.get("signedIdentity", {"type": "matchRepoDigestOrExact"})
        if not any(counts(layer, blobs, keys, rule, image, digest) for layer in layers):
            return "refuse"
    return "accept"
