#!/usr/bin/env python3
"""search.py WORD PATH...: how often the word stands in the files below the paths, in any usual spelling

As it is, as hexadecimal digits, and in base64 at each of its three alignments. Prints the number of hits;
names the places on stderr.
"""

import base64
import os
import sys

CHUNK = 1 << 20


def spellings(word):
    raw = word.encode()
    found = {"as it is": raw, "hexadecimal": raw.hex().encode()}
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw + bytes(2))
        # the letters that depend on the neighbours are cut off
        found["base64, shifted by %d" % shift] = text[(shift * 8 + 5) // 6:(shift + len(raw)) * 8 // 6]
    return found


def files(paths):
    for path in paths:
        if os.path.isfile(path):
            yield path
        for top, _, names in os.walk(path):
            for name in names:
                name = os.path.join(top, name)
                if os.path.isfile(name) and not os.path.islink(name):
                    yield name


def count(path, wanted):
    hits, tail = 0, b""
    longest = max(len(w) for w in wanted.values())
    with open(path, "rb") as f:
        for chunk in iter(lambda: f.read(CHUNK), b""):
            text = tail + chunk
            for how, word in wanted.items():
                # what lies in the tail alone was counted before
                old = tail.count(word) if len(tail) >= len(word) else 0
                new = text.count(word) - old
                if new > 0:
                    print("%s: %s" % (path, how), file=sys.stderr)
                    hits += new
            tail = text[-(longest - 1):]
    return hits


def main():
    wanted = spellings(sys.argv[1])
    print(sum(count(path, wanted) for path in files(sys.argv[2:])))


if __name__ == "__main__":
    main()
