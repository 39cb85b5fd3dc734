#!/usr/bin/python3
"""Reads tests/vectors as its README.md says and has the peer of p2ppeer.py, which was written from
p2pchat-protocol(7) alone, answer each file. Says which differ; the last line counts those that hold.

  check_vectors.py FOLDER
"""

import functools
import os
import re
import sys
import tempfile

import p2ppeer
from jwcrypto import jwk

STATES = {"taken": "0 taken", "newer": "again", "statement": "77 unknown", "changed": "77 unknown",
          "weak": "77 unknown", "bad": "65 unknown", "foreign": "76 unknown", "ok": "0 acked", "dup": "0 acked",
          "trusted": "0 done", "busy": "75 not taken", "skew": "75 not taken", "conflict": "65 failed"}


def read(path):
    """The lines of a scenario, each with its octets."""
    def octet(match):
        return bytes([int(match.group(1), 16)])

    with open(path, "rb") as file:
        lines = [line.rstrip(b"\n").split(b": ", 1) for line in file]
    return [(name.decode(), re.sub(rb"\\x(..)", octet, value)) for name, value in lines]


class Silent(p2ppeer.Node):
    """A node that keeps its state in memory."""

    def save(self):
        pass


class Vectors:
    def __init__(self, folder):
        self.folder = folder
        self.statements = {name: self.statement(name) for name in ("alice", "bob", "bob-old", "carol", "dave")}

    @functools.lru_cache(maxsize=None)
    def key(self, name):
        with open(f"{self.folder}/keys/{name}.pem", "rb") as file:
            return jwk.JWK.from_pem(file.read())

    def statement(self, name):
        with open(f"{self.folder}/keys/{name}.statement", encoding="ascii") as file:
            return file.read().rstrip("\n")

    def peer(self, name, standing):
        claims = p2ppeer.read_statement(self.statements[name])
        return claims["iss"], {"standing": standing, "iat": 0, **{part: claims[part] for part in ("seq", "jwk", "ek")}}

    def node(self, name, keys, peers, folder, purged=0):
        node = Silent.__new__(Silent)
        node.folder, node.identity = folder, self.key(f"{name}-identity")
        node.state = {"identity": node.identity.export(as_dict=True), "peers": dict(peers), "ids": {},
                      "purged": {str(purged // (30 * 86400)): purged},
                      "keys": [{"key": self.key(f"{key}-encryption").export(as_dict=True),
                                "statement": self.statements[key]} for key in keys]}
        node.ik, node.peers = node.identity.thumbprint(), node.state["peers"]
        return node

    def listener(self, lines):
        """What Bob answers to each frame."""
        options = type("Options", (), {"standing": "pending", "reply": "", "rc": 0})
        fields = dict(lines)
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(f"{folder}/inbox")
            bob = self.node("bob", ["bob-old", "bob"], [self.peer("alice", "trusted"), self.peer("dave", "pending")],
                            folder, int(fields.get("purged", 0)))
            return [self.word(bob, value, options) for name, value in lines if name == "frame"]

    def word(self, bob, frame, options):
        reply, word = bob.answer(frame, options)
        if word == "identify":
            return "pem"
        if reply == self.statements["bob"]:
            return "statement"
        newest = bob.open(frame.decode())["newest"]
        return f"ack {word}" + ("" if newest else " with keys")

    def client(self, lines):
        """What Alice makes of the reply."""
        fields = {name: value.decode("latin-1") for name, value in lines}
        stored = [] if fields["stored"] == "none" else [self.peer("bob", "trusted")]
        alice = self.node("alice", ["alice"], stored, None)
        pin = None if fields["pin"] == "none" else self.peer("bob", "trusted")[0]
        sent, typ = None, None
        if fields["request"] != "keys":
            typ = p2ppeer.MESSAGE if fields["request"] == "message" else p2ppeer.REGISTRATION
            digest = p2ppeer.hashlib.sha256(fields["frame"].encode()).digest()
            sent = {"typ": typ, "rk": fields["rk"], "jti": fields["jti"], "rh": p2ppeer.base64url_encode(digest)}
        ack, word = alice.judge(fields["reply"], pin, sent, int(fields.get("attempt", 1)))
        if word == "pending":
            return "77 not taken" if typ == p2ppeer.MESSAGE else "0 done"
        return "79 acked" if ack and ack["rc"] else STATES[word]


def main():
    vectors, held, count = Vectors(sys.argv[1]), 0, 0
    for side in ("listener", "client"):
        for name in sorted(os.listdir(f"{vectors.folder}/{side}")):
            lines = read(f"{vectors.folder}/{side}/{name}")
            time = int(dict(lines)["now"])
            p2ppeer.now = lambda time=time: time
            expected = [value.decode() for line, value in lines if line == "expect"]
            got = vectors.listener(lines) if side == "listener" else [vectors.client(lines)]
            count += 1
            held += got == expected
            if got != expected:
                print(f"{side}/{name}: expected {', '.join(expected)}, got {', '.join(got)}")
    print(f"{held} of {count} hold")
    return held != count


if __name__ == "__main__":
    sys.exit(main())
