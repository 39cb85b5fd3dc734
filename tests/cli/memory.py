#!/usr/bin/python3
"""What another process finds in the memory of a running one.

  memory.py key PID FILE              prints what there is of the private key in a PEM file: text (of
                                      the PEM), octets (of the numbers in it), numbers (that OpenSSL
                                      computes with)
  memory.py content-key PID FILE FRAME...
                                      prints "octets" if there are those of the content key of one of
                                      the sealed requests; FILE is the private key that opens them
"""

import base64
import re
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding


def regions(pid):
    """The bytes of all that the process can write to, a mapping at a time."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            begin, end, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if not mode.startswith("rw"):
                continue
            memory.seek(int(begin, 16))
            try:
                yield memory.read(int(end, 16) - int(begin, 16))
            except OSError:
                pass  # a guard page, or memory of a device


def found(pid, needles):
    """The names of those whose bytes are there, in their order."""
    names = set()
    for region in regions(pid):
        names |= {name for name, parts in needles.items() if any(part in region for part in parts)}
    return [name for name in needles if name in names]


def private_key(path):
    """Its PEM block and what it holds."""
    with open(path, "rb") as file:
        block = re.search(rb"-----BEGIN PRIVATE KEY-----\n.*?-----END PRIVATE KEY-----\n", file.read(), re.DOTALL)
    return block[0], serialization.load_pem_private_key(block[0], None)


def key(pid, path):
    pem, secret = private_key(path)
    numbers = secret.private_numbers()
    secrets = [numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1]
    # 32 bytes of each are enough to know it by, and the first and last may be rounded off.
    octets = [number.to_bytes((number.bit_length() + 7) // 8, "big")[8:40] for number in secrets]
    needles = {
        "text": pem.splitlines()[2:-2],
        "octets": octets,
        "numbers": [part[::-1] for part in octets],
    }
    print(*found(pid, needles))


def content_key(pid, path, *frames):
    secret = private_key(path)[1]
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    content_keys = []
    for frame in frames:
        with open(frame, encoding="ascii") as file:
            wrapped = file.read().split(".")[1]
        content_keys.append(secret.decrypt(base64.urlsafe_b64decode(wrapped + "=="), oaep))
    print(*found(pid, {"octets": content_keys}))


def main():
    tool, pid, *files = sys.argv[1:]
    {"key": key, "content-key": content_key}[tool](pid, *files)


main()
