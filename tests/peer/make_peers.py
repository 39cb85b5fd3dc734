#!/usr/bin/python3
"""Many peers in little time: the key statements of COUNT new identities, a line each. The identities
share their primes and all vouch for one encryption key, whose private half nobody keeps: nothing
that is sent to them can be answered.

  make_peers.py COUNT"""

import itertools
import math
import sys
import time

import p2ppeer
from cryptography.hazmat.primitives.asymmetric import rsa
from jwcrypto import jwk

EXPONENT = 65537


def identity_of(p, q):
    d = pow(EXPONENT, -1, math.lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(EXPONENT, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q),
                                    rsa.rsa_crt_iqmp(p, q), public)
    return jwk.JWK.from_pyca(numbers.private_key())


def identities():
    """Each new prime makes one with every earlier one."""
    primes = []
    while True:
        numbers = rsa.generate_private_key(EXPONENT, 2048).private_numbers()
        for prime in (numbers.p, numbers.q):
            yield from (identity_of(prime, earlier) for earlier in primes)
            primes.append(prime)


def statement(identity, encryption_key):
    iat = int(time.time())
    claims = {"v": 1, "iss": identity.thumbprint(), "jwk": p2ppeer.public(identity),
              "ek": encryption_key, "seq": iat, "iat": iat, "exp": iat + p2ppeer.DAY}
    return p2ppeer.sign(identity, "p2pchat-keys+jwt", claims)


def main():
    encryption_key = p2ppeer.public(p2ppeer.new_key())
    for identity in itertools.islice(identities(), int(sys.argv[1])):
        print(statement(identity, encryption_key), flush=True)


if __name__ == "__main__":
    main()
