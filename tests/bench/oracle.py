#!/usr/bin/python3
"""Does the time of an answer tell why a request was refused? All of these get the same bytes:

  bad OAEP        the wrapped key does not unwrap
  bad tag         it does, and the tag is wrong
  bad signature   of a sender that the listener knows
  unknown sender  whom it does not know, with a signature that is right

Sends them in turn, in a new order each round, and prints the median time from the request to the end
of the reply and, for each pair, the difference of the medians and the p of a Mann-Whitney test: how
often chance alone makes such a difference.

usage: oracle.py [--samples N] [--bits N] [--sender-bits N] [--signature-bits N] [--head-first]
  --samples         of each kind (default: 2000)
  --bits            of the listener's keys (default: 3072)
  --sender-bits     of the senders' identity keys (default: 3072)
  --signature-bits  of the signatures that are wrong, instead of the sender's
  --head-first      the first two segments are sent ahead, so that the key is unwrapped when the
                    rest comes, from which the time is taken
"""

import argparse
import gc
import itertools
import math
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peer"))
import p2ppeer
from jwcrypto import jwk
from jwcrypto.common import base64url_decode, base64url_encode

BIN = os.environ["P2PCHAT_BIN"]
DIFFERENT = 100  # requests of each kind, used again and again
PATIENCE = 30  # seconds
AHEAD = 0.06  # seconds: what the key takes to unwrap, and a token to come back


def p2pchat(home, *words):
    return subprocess.run([BIN, "--home", home, *words], check=True, capture_output=True, text=True).stdout.strip()


# ---- the requests


def key_like(bits):
    """An integer of that many bits that is below any modulus of as many."""
    return b"\0" + os.urandom(bits // 8 - 1)


class Maker:
    """Requests of two senders, one of which the listener at `port` knows, to it."""

    def __init__(self, folder, home, port, signature_bits):
        self.known, self.unknown = (p2ppeer.Node(f"{folder}/{name}", create=True) for name in ("known", "unknown"))
        where = f"127.0.0.1:{port}"
        for node in (self.known, self.unknown):
            statement = p2ppeer.read_statement(p2ppeer.ask(where, "keys"))
            self.pin, self.ek = statement["iss"], statement["ek"]
        options = types.SimpleNamespace(iat=0, aud=None, life=None, id=None)
        claims = self.known.claims(options, p2ppeer.REGISTRATION, self.pin, keys=self.known.statement(), addr="",
                                   name="known")
        p2ppeer.ask(where, self.known.seal(self.ek, p2ppeer.REGISTRATION, claims)[0])
        p2pchat(home, "peers", "accept", f"SHA256:{self.known.ik}", "--as", "known")
        self.options, self.signature_bits = options, signature_bits

    def segments(self, node, bad_signature=False):
        claims = node.claims(self.options, p2ppeer.MESSAGE, self.pin, body=base64url_encode(b"hello"))
        if not bad_signature:
            return node.seal(self.ek, p2ppeer.MESSAGE, claims)[0].split(".")
        sign = p2ppeer.sign

        def sign_wrong(key, typ, content):
            head, payload, right = sign(key, typ, content).split(".")
            bits = self.signature_bits or len(base64url_decode(right)) * 8
            return f"{head}.{payload}.{base64url_encode(key_like(bits))}"

        p2ppeer.sign = sign_wrong
        try:
            return node.seal(self.ek, p2ppeer.MESSAGE, claims)[0].split(".")
        finally:
            p2ppeer.sign = sign

    def bad_oaep(self):
        parts = self.segments(self.known)
        parts[1] = base64url_encode(key_like(len(base64url_decode(parts[1])) * 8))
        return parts

    def bad_tag(self):
        parts = self.segments(self.known)
        parts[4] = base64url_encode(os.urandom(16))
        return parts

    def bad_signature(self):
        return self.segments(self.known, bad_signature=True)

    def unknown_sender(self):
        return self.segments(self.unknown, bad_signature=self.signature_bits is not None)


# ---- the measurement


def answer_time(port, request, head_first):
    """Nanoseconds, and the reply."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        if head_first:
            head = request.index(b".", request.index(b".") + 1) + 1
            connection.sendall(request[:head])
            time.sleep(AHEAD)
            request = request[head:]
        begin = time.perf_counter_ns()
        connection.sendall(request)
        while not received.endswith(b"\0"):
            piece = connection.recv(65536)
            if not piece:
                sys.exit("oracle: error: closed without a reply")
            received += piece
        return time.perf_counter_ns() - begin, received


def measure(port, requests, samples, head_first):
    times, replies = {kind: [] for kind in requests}, set()
    gc.disable()
    for kind, pool in requests.items():  # what the listener does once only
        answer_time(port, pool[0], head_first)
    for number in range(samples):
        for kind in random.sample(list(requests), len(requests)):
            taken, reply = answer_time(port, requests[kind][number % DIFFERENT], head_first)
            times[kind].append(taken / 1000)
            replies.add(reply)
    if len(replies) != 1:
        sys.exit(f"oracle: error: {len(replies)} different replies")
    return times


def mann_whitney(first, second):
    """The two-sided p, by the normal approximation, with the correction for ties."""
    n, m = len(first), len(second)
    ordered = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    rank_sum, before, ties = 0.0, 0, 0
    for _, group in itertools.groupby(ordered, key=lambda pair: pair[0]):
        members = [side for _, side in group]
        size = len(members)
        rank_sum += members.count(0) * (before + (size + 1) / 2)
        before += size
        ties += size**3 - size
    total = n + m
    u = rank_sum - n * (n + 1) / 2
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    return math.erfc(abs(u - n * m / 2) / math.sqrt(2 * variance)) if variance else 1.0


def report(times):
    median = {kind: statistics.median(values) for kind, values in times.items()}
    for kind, values in times.items():
        low, _, high = statistics.quantiles(values, n=4)
        print(f"{kind:16} median {median[kind]:8.1f} us, half of them {low:.1f} to {high:.1f}")
    for first, second in itertools.combinations(times, 2):
        difference = median[second] - median[first]
        print(f"{second} - {first}: {difference:+.1f} us ({100 * difference / median[first]:+.2f} %), "
              f"p = {mann_whitney(times[first], times[second]):.2g}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--bits", default="3072")
    parser.add_argument("--sender-bits", type=int, default=3072)
    parser.add_argument("--signature-bits", type=int)
    parser.add_argument("--head-first", action="store_true")
    options = parser.parse_args()
    p2ppeer.new_key = lambda: jwk.JWK.generate(kty="RSA", size=options.sender_bits)
    with tempfile.TemporaryDirectory() as folder:
        home = f"{folder}/alice"
        p2pchat(home, "keygen", "--bits", options.bits)
        listener = subprocess.Popen([BIN, "--home", home, "listen", "-k", "-p", "0", "-a", "127.0.0.1"],
                                    stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            port = int(listener.stderr.readline().rsplit(":", 1)[1])
            maker = Maker(folder, home, port, options.signature_bits)
            kinds = (maker.bad_oaep, maker.bad_tag, maker.bad_signature, maker.unknown_sender)
            requests = {kind.__name__.replace("_", " "): [(".".join(kind()) + "\0").encode() for _ in range(DIFFERENT)]
                        for kind in kinds}
            report(measure(port, requests, options.samples, options.head_first))
        finally:
            listener.terminate()
            listener.wait()


main()
