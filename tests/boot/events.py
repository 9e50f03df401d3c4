#!/usr/bin/env python3
"""Is this event in the log of this evidence, and has it led to what the verifier found in the register?

usage: events.py TEE EVIDENCE CLAIMS REGISTER TEXT    CLAIMS: what verify.py said
"""

import base64
import hashlib
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "tee"))

# pylint: disable=wrong-import-position
from measure import KINDS, first, ours  # noqa: E402


def main():
    """Exit status"""
    tee, evidence, claims, register, text = sys.argv[1:]
    with open(evidence, "rb") as into:
        log = base64.b64decode(json.load(into)["cc_eventlog"])
    found = list(ours(tee, log))
    if [(str(index), event) for index, event, _ in found] != [(register, text)]:
        sys.exit(f"events: {found}")
    index, _, digest = found[0]
    wanted = f"rtmr{index} {hashlib.new(KINDS[tee][1], first(tee, index) + digest).hexdigest()}"
    with open(claims, encoding="ascii") as into:
        if wanted not in into.read().splitlines():
            sys.exit("not in the register: " + wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
