#!/usr/bin/env python3
"""The JSON of the key provider protocol, as a bystander reads it.

  calls.py data FILE            the bytes that a request or an answer carries, in hex
  calls.py unwrap REPLY         the request that asks for unwrapping what a wrapping answered
"""

import base64
import json
import sys


def octets(value):
    """Go writes base64, Rust an array of numbers."""
    return bytes(value) if isinstance(value, list) else base64.b64decode(value)


def data_of(doc):
    """Private options or annotation packet, whichever is there"""
    parts = [doc.get(name) or {} for name in ("keywrapparams", "keyunwrapparams", "keywrapresults", "keyunwrapresults")]
    found = [part[name] for part in parts for name in ("optsdata", "annotation") if part.get(name)]
    assert len(found) == 1, "not one thing"
    return octets(found[0])


def main():
    verb, path = sys.argv[1:]
    with open(path, "rb") as f:
        data = data_of(json.load(f))
    if verb == "data":
        print(data.hex())
        return
    dc = {"Parameters": {"attestation-agent": [base64.b64encode(b"Enabled").decode()]}}
    print(json.dumps({"op": "keyunwrap", "keywrapparams": {"ec": None, "optsdata": None},
                      "keyunwrapparams": {"dc": dc, "annotation": base64.b64encode(data).decode()}}))


if __name__ == "__main__":
    main()
