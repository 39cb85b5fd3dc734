#!/usr/bin/python3
"""What a thief of the keys can read: tries every private key in a p2pchat home on recorded requests.

  open_recorded.py HOME FRAME...     prints how many of the files open
"""

import os
import re
import sys

import p2ppeer
from jwcrypto import jwk


def keys(home):
    for name in sorted(os.listdir(home)):
        with open(f"{home}/{name}", "rb") as file:
            for pem in re.findall(rb"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n", file.read(), re.DOTALL):
                yield jwk.JWK.from_pem(pem)


def opens(frame, key):
    try:
        p2ppeer.decrypt(key, "RSA-OAEP-256", frame)
        return True
    except p2ppeer.Refused:
        return False


def main():
    frames = []
    for path in sys.argv[2:]:
        with open(path, encoding="ascii") as file:
            frames.append(file.read().rstrip("\0"))
    known = list(keys(sys.argv[1]))
    count = sum(any(opens(frame, key) for key in known) for frame in frames)
    print(f"{count} of {len(frames)} open")


if __name__ == "__main__":
    main()
