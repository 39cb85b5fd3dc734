#!/usr/bin/python3
"""A key statement that is signed well and vouches for an encryption key of any kind.

  make_card.py IDENTITY KIND [--expired]

IDENTITY is a private key, PEM. KIND is a number of bits, even, exponent-N, ec or private."""

import random
import sys
import time

import p2ppeer
from jwcrypto import jwk


def number(value):
    return p2ppeer.base64url_encode(value.to_bytes((value.bit_length() + 7) // 8 or 1, "big"))


def odd_number(bits):
    return random.getrandbits(bits) | 1 << (bits - 1) | 1


def encryption_key(kind):
    if kind == "2048":
        return p2ppeer.public(p2ppeer.new_key())
    key = {"kty": "RSA", "n": number(odd_number(2048)), "e": "AQAB"}
    if kind.isdigit():
        key["n"] = number(odd_number(int(kind)))
    elif kind == "even":
        key["n"] = number(odd_number(2048) - 1)
    elif kind == "exponent-huge":
        key["e"] = number(odd_number(2000))
    elif kind.startswith("exponent-"):
        key["e"] = number(int(kind.removeprefix("exponent-")))
    elif kind == "ec":
        key = {"kty": "EC", "crv": "P-256", "x": key["n"][:43], "y": key["n"][43:86]}
    elif kind == "private":
        key["d"] = key["n"]
    return key


def main():
    with open(sys.argv[1], "rb") as file:
        identity = jwk.JWK.from_pem(file.read())
    iat = int(time.time()) - (1000 if "--expired" in sys.argv else 0)
    claims = {"v": 1, "iss": identity.thumbprint(), "jwk": p2ppeer.public(identity),
              "ek": encryption_key(sys.argv[2]), "seq": iat, "iat": iat,
              "exp": iat + (500 if "--expired" in sys.argv else 86400)}
    print(p2ppeer.sign(identity, "p2pchat-keys+jwt", claims))


if __name__ == "__main__":
    main()
