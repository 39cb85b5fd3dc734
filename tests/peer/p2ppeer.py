#!/usr/bin/python3
"""A second p2pchat peer, written from p2pchat-protocol(7) alone, on python3-jwcrypto: if it gets on
with p2pchat, the page says enough. A module for tests, and:

  p2ppeer.py keygen DIR                 makes a node, prints its fingerprint
  p2ppeer.py rotate DIR [--forget]      makes its next encryption key; --forget destroys the others
  p2ppeer.py register DIR HOST:PORT     pins who listens there and introduces the node
  p2ppeer.py send DIR HOST:PORT         sends stdin; prints the reply
  p2ppeer.py serve DIR PORT             prints its port (0: any), then answers until it is killed;
                                        bodies go to DIR/inbox/ID, what was answered to DIR/log
  p2ppeer.py misbehave KIND DIR PORT    the same, but from request --after + 1 on in its own way
  p2ppeer.py age HOME SECONDS           makes the newest key statement of a p2pchat home older

register and send write a word for each reply to stderr: the st of an ack, or newer (and try again),
statement, changed, bad, foreign, nothing. They exit 0 if the last one is that of --expect-st.
"""

import argparse
import functools
import hashlib
import ipaddress
import json
import os
import re
import socket
import socketserver
import sys
import threading
import time

from cryptography.hazmat.primitives import serialization
from jwcrypto import jwe, jwk, jws
from jwcrypto.common import JWException, base64url_decode, base64url_encode

FRAME, UNKNOWN_FRAME, BODY, DAY = 4194304, 16384, 1048576, 86400
MESSAGE, REGISTRATION = "p2pchat-msg+jwt", "p2pchat-reg+jwt"
WORDS = {MESSAGE: ("ok", "dup", "pending", "busy", "skew", "conflict"),
         REGISTRATION: ("trusted", "pending", "busy", "skew")}


class Refused(Exception):
    """A rule of the page is broken."""


class Weak(Refused):
    """A public key that the key policy refuses."""


def need(condition, rule, kind=Refused):
    if not condition:
        raise kind(rule)


def now():
    return int(time.time())


# ---- closed profile

def octets(text, length=None):
    """The octets of canonical base64url."""
    need(isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]*", text), "base64url")
    need(len(text) % 4 != 1, "length of base64url")
    value = base64url_decode(text)
    need(base64url_encode(value) == text, "canonical base64url")
    need(length is None or len(value) == length, "length")
    return value


def json_object(data):
    def members(pairs):
        need(len(dict(pairs)) == len(pairs), "a member twice")
        return dict(pairs)

    def integer(text):
        need(not text.startswith("-") and len(text) <= 16 and int(text) < 2**53, "integer")
        return int(text)

    def never(_):
        raise Refused("type")

    try:
        value = json.loads(data.decode(), object_pairs_hook=members, parse_int=integer,
                           parse_float=never, parse_constant=never)
        json.dumps(value, ensure_ascii=False).encode()  # refuses half a surrogate pair
    except (ValueError, RecursionError) as error:
        raise Refused("JSON") from error
    need(isinstance(value, dict), "no object")
    return value


def segments(token, count):
    parts = token.split(".")
    need(len(parts) == count, "segments")
    return [octets(part) for part in parts]


def integer(value):
    return type(value) is int  # True is none


def digest(value):
    return bool(octets(value, 32))


def spaces(value):
    return isinstance(value, str) and not value.strip(" ")


def body(value):
    return len(octets(value)) <= BODY


def name(value):
    return (isinstance(value, str) and len(value.encode()) <= 64
            and not re.search("[\0-\x1f\x7f-\x9f]", value))


def address(value):
    match = isinstance(value, str) and re.fullmatch(r"(.*?):([1-9][0-9]{0,4})", value, re.ASCII | re.DOTALL)
    if not match:
        return value == ""
    host, port = match.groups()
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return False
        return host.endswith("]") and "%" not in host and int(port) < 65536
    return bool(re.fullmatch(r"([A-Za-z0-9.][A-Za-z0-9.-]{0,252})?", host)) and int(port) < 65536


def one(value):
    return integer(value) and value == 1


REQUEST = {"v": one, "iss": digest, "aud": digest, "iat": integer, "exp": integer,
           "jti": lambda value: bool(octets(value, 16)), "rk": digest, "pad": spaces}
CLAIMS = {MESSAGE: dict(REQUEST, body=body),
          REGISTRATION: dict(REQUEST, keys=lambda value: isinstance(value, str), addr=address, name=name)}
STATEMENT = {"v": one, "iss": digest, "jwk": lambda value: bool(key_of(value)),
             "ek": lambda value: bool(key_of(value)), "seq": integer, "iat": integer, "exp": integer}
ACK = {"v": one, "iss": digest, "aud": digest, "irt": REQUEST["jti"], "rh": digest,
       "st": lambda value: isinstance(value, str), "iat": integer, "body": body,
       "rc": lambda value: integer(value) and value <= 255, "keys": CLAIMS[REGISTRATION]["keys"], "pad": spaces}


def check(claims, rules):
    need(claims.keys() == rules.keys(), "other claims")
    for claim, holds in rules.items():
        need(holds(claims[claim]), claim)
    return claims


# ---- keys

def key_of(members):
    """The key of a JWK, by the key policy."""
    need(isinstance(members, dict) and members.keys() == {"kty", "n", "e"}, "members of a key")
    need(members["kty"] == "RSA" and isinstance(members["e"], str) and isinstance(members["n"], str), "key")
    need(len(members["n"]) <= 16384, "key too long", Weak)
    policy(octets(members["n"]), octets(members["e"]))
    return jwk.JWK(**members)


def policy(modulus, exponent):
    need(modulus[:1] != b"\0" and 2048 <= int.from_bytes(modulus, "big").bit_length() <= 4096, "size of key", Weak)
    need(exponent == b"\1\0\1" and modulus[-1] % 2 == 1, "exponent or modulus", Weak)


def public(key):
    return {member: key.export_public(as_dict=True)[member] for member in ("kty", "n", "e")}


def size(key):
    return len(octets(public(key)["n"]))


@functools.lru_cache(maxsize=None)
def private_key(text):
    """Reading one takes longer than using it."""
    return jwk.JWK.from_json(text)


def new_key():
    return jwk.JWK.generate(kty="RSA", size=2048)


# ---- tokens

def text_of(claims):
    """JSON; a pad in it is filled to the next step."""
    def written():
        return json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()

    if "pad" in claims:
        length = len(written())
        step = 1 << max(length - 1, 511).bit_length()  # the power of two that is not below
        if length > 65536:
            part = (1 << (length.bit_length() - 1)) // 8
            step = -(-length // part) * part
        claims["pad"] = " " * (step - length)
    return written()


def sign(key, typ, claims):
    token = jws.JWS(text_of(claims))
    header = {"alg": "PS256", "kid": key.thumbprint(), "typ": typ}
    token.add_signature(key, "PS256", json.dumps(header))
    return token.serialize(compact=True)


def verify(token, key):
    need(len(segments(token, 3)[2]) == size(key), "size of signature")
    checked = jws.JWS()
    checked.allowed_algs = ["PS256"]
    try:
        checked.deserialize(token)
        checked.verify(key)
    except JWException as error:
        raise Refused("signature") from error


def encrypt(key, header, text):
    token = jwe.JWE(text, json.dumps(header))
    token.add_recipient(key)
    return token.serialize(compact=True)


def decrypt(key, alg, token):
    opened = jwe.JWE()
    opened.allowed_algs = [alg, "A256GCM"]
    try:
        opened.deserialize(token)
        opened.decrypt(key)
    except (JWException, ValueError) as error:
        raise Refused("does not open") from error
    return opened.plaintext


def octet_key(value):
    return jwk.JWK(kty="oct", k=base64url_encode(value))


def read_statement(token):
    """Its claims, and what follows from them alone; not its time, nor what is stored."""
    header, payload, _ = segments(token, 3)
    header, claims = json_object(header), check(json_object(payload), STATEMENT)
    key, kid = key_of(claims["jwk"]), claims["iss"]
    need(header == {"alg": "PS256", "kid": kid, "typ": "p2pchat-keys+jwt"}, "header")
    need(key.thumbprint() == kid and claims["ek"] != claims["jwk"], "identity")
    need(claims["iat"] < claims["exp"] <= claims["iat"] + 400 * DAY, "exp")
    verify(token, key)
    return claims


class Node:
    """One identity with its keys and its state, in DIR/node.json."""

    def __init__(self, folder, create=False):
        self.folder, self.path = folder, os.path.join(folder, "node.json")
        if create:
            os.makedirs(os.path.join(folder, "inbox"))
            self.state = {"identity": new_key().export(as_dict=True), "keys": [], "peers": {}, "ids": {}, "purged": {}}
            self.identity = jwk.JWK(**self.state["identity"])
            self.rotate()
        else:
            with open(self.path, encoding="utf-8") as file:
                self.state = json.load(file)
            self.identity = jwk.JWK(**self.state["identity"])
        self.ik, self.peers = self.identity.thumbprint(), self.state["peers"]

    def save(self):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.path + ".new", self.path)

    def rotate(self, forget=False):
        keys, encryption = self.state["keys"], new_key()
        iss = self.identity.thumbprint()
        seq = max(keys[-1]["seq"] + 1 if keys else 0, now())
        claims = {"v": 1, "iss": iss, "jwk": public(self.identity), "ek": public(encryption),
                  "seq": seq, "iat": now(), "exp": now() + 14 * DAY}
        keys.append({"seq": seq, "key": encryption.export(as_dict=True),
                     "statement": sign(self.identity, "p2pchat-keys+jwt", claims)})
        self.state["keys"] = keys[-1 if forget else -2:]
        self.save()

    def statement(self):
        return self.state["keys"][-1]["statement"]

    # -- as a client

    def seal(self, ek, typ, claims):
        """A request with a fresh rk, and what was sent."""
        claims = dict(claims, rk=base64url_encode(os.urandom(32)), pad="")
        header = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": key_of(ek).thumbprint(),
                  "typ": "p2pchat+jwe", "cty": "JWT"}
        frame = encrypt(key_of(ek), header, sign(self.identity, typ, claims).encode())
        return frame, dict(claims, typ=typ, rh=base64url_encode(hashlib.sha256(frame.encode()).digest()))

    def claims(self, options, typ, aud, **more):
        iat = now() + options.iat
        jti = hashlib.sha256(options.id.encode()).digest()[:16] if options.id else os.urandom(16)
        return {"v": 1, "iss": self.ik, "aud": options.aud or aud, "iat": iat, "jti": base64url_encode(jti),
                "exp": iat + (options.life or (7 * DAY if typ == MESSAGE else 3600)), **more}

    def exchange(self, where, pin, typ, claims):
        """Seals to the stored statement of the peer, once more if that is not the newest."""
        for attempt in (1, 2):
            frame, sent = self.seal(self.peers[pin]["ek"], typ, claims)
            ack, word = self.judge(ask(where, frame), pin, sent, attempt)
            print(word, file=sys.stderr)
            if word != "newer":
                return ack, word
        raise AssertionError

    def judge(self, reply, pin, sent, attempt=1):
        """What a client makes of the reply: the ack, if it is one, and a word. sent: None for keys."""
        try:
            if reply is None:
                return None, "nothing"
            if reply.startswith("-----BEGIN PUBLIC KEY-----"):
                return None, "changed" if pem_thumbprint(reply) != pin and pin else "foreign"
            first = json_object(octets(reply.split(".")[0]))
            if not (isinstance(first.get("typ"), str) and first["typ"].startswith("p2pchat")):
                return None, "foreign"
        except Weak:
            return None, "weak"
        except Refused:
            return None, "foreign"
        try:
            if sent is None:
                return None, self.read_keys(reply, pin)
            if reply.count(".") == 4:
                return self.read_ack(reply, pin, sent)
            return None, self.read_news(reply, pin, attempt)
        except Weak:
            return None, "weak"
        except Refused:
            return None, "bad"

    def read_ack(self, reply, pin, sent):
        header, wrapped, iv, _, tag = segments(reply, 5)
        need(json_object(header) == {"alg": "dir", "enc": "A256GCM", "typ": "p2pchat-ack+jwe"}, "header")
        need(not wrapped and len(iv) == 12 and len(tag) == 16, "sizes")
        ack = check(json_object(decrypt(octet_key(octets(sent["rk"])), "dir", reply)), ACK)
        need((ack["iss"], ack["aud"]) == (pin, self.ik), "iss, aud")
        need((ack["irt"], ack["rh"]) == (sent["jti"], sent["rh"]), "another request")
        need(ack["st"] in WORDS[sent["typ"]], "word")
        need(ack["st"] in ("ok", "dup") or not (ack["body"] or ack["rc"]), "body and rc")
        if ack["keys"]:
            try:
                self.read_news(ack["keys"], pin)
            except Refused:
                pass
        return ack, ack["st"]

    def read_news(self, token, pin, attempt=1):
        claims, stored = read_statement(token), self.peers[pin]
        if claims["iss"] != pin:
            return "changed"
        if claims["seq"] > stored["seq"]:
            if attempt == 2:
                return "statement"
            need(claims["exp"] > now(), "expired")
            self.peers[pin].update(seq=claims["seq"], ek=claims["ek"])
            self.save()
            return "newer"
        need(claims["seq"] < stored["seq"] or claims["ek"] == stored["ek"], "two keys under one number")
        return "statement"

    def read_keys(self, token, pin):
        claims = read_statement(token)
        if pin not in (None, claims["iss"]):
            return "changed"
        stored = self.peers.get(claims["iss"], {"seq": -1})
        need(claims["seq"] > stored["seq"] or (claims["seq"], claims["ek"]) == (stored["seq"], stored["ek"]), "old keys")
        need(claims["exp"] > now(), "expired")
        return "taken"

    # -- as a listener

    def answer(self, frame, options):
        """The reply, and what it is for the log."""
        try:
            if frame.lower() == b"identify":
                return self.identity.export_to_pem().decode(), "identify"
            need(re.fullmatch(rb"[\x20-\x7e]*", frame), "foreign octets")
            need(frame != b"keys", "keys")
            return self.answer_sealed(frame.decode(), options)
        except Refused as reason:
            return self.statement(), f"statement ({reason})"

    def key_for(self, header):
        """The encryption key that the header of a sealed request names, and if it is the newest."""
        header = json_object(header)
        for index, kept in enumerate(reversed(self.state["keys"])):
            key = private_key(json.dumps(kept["key"]))
            if header == {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": key.thumbprint(),
                          "typ": "p2pchat+jwe", "cty": "JWT"}:
                return key, index == 0
        raise Refused("header")

    def open(self, frame):
        """The claims of a sealed request, with typ, rh and newest added."""
        header, wrapped, iv, _, tag = segments(frame, 5)
        key, newest = self.key_for(header)
        need(len(wrapped) == size(key) and len(iv) == 12 and len(tag) == 16, "sizes")
        try:
            token = decrypt(key, "RSA-OAEP-256", frame).decode("ascii")
        except UnicodeDecodeError as error:
            raise Refused("no token") from error
        header, payload, _ = segments(token, 3)
        header, claims = json_object(header), json_object(payload)
        typ, kid = header.get("typ"), header.get("kid")
        need(typ in (MESSAGE, REGISTRATION) and header == {"alg": "PS256", "kid": kid, "typ": typ} and digest(kid),
             "header")
        stored = self.peers.get(kid)
        need(stored or typ == REGISTRATION, "unknown sender")
        introduced = read_statement(claims.get("keys")) if typ == REGISTRATION and digest(kid) and isinstance(
            claims.get("keys"), str) else None
        need(stored or introduced and introduced["iss"] == kid, "no key")
        verify(token, key_of(stored["jwk"] if stored else introduced["jwk"]))
        check(claims, CLAIMS[typ])
        need(claims["iss"] == kid != self.ik == claims["aud"], "iss, aud")
        need(claims["iat"] < claims["exp"] <= claims["iat"] + 30 * DAY, "exp")
        need(typ == MESSAGE or introduced["iss"] == kid and introduced["exp"] > now(), "keys")
        return dict(claims, typ=typ, newest=newest, introduced=introduced,
                    rh=base64url_encode(hashlib.sha256(frame.encode()).digest()))

    def ack(self, claims, st, reply=b"", rc=0, **changes):
        text = {"v": 1, "iss": self.ik, "aud": claims["iss"], "irt": claims["jti"], "rh": claims["rh"],
                "st": st, "iat": now(), "body": base64url_encode(reply), "rc": rc,
                "keys": "" if claims["newest"] else self.statement(), "pad": "", **changes}
        return encrypt(octet_key(octets(claims["rk"])),
                       {"alg": "dir", "enc": "A256GCM", "typ": "p2pchat-ack+jwe"}, text_of(text))

    def answer_sealed(self, frame, options):
        claims = self.open(frame)
        spans = [exp for span, exp in self.state["purged"].items() if int(span) * 30 * DAY <= now() + 600 + 30 * DAY]
        if claims["iat"] > now() + 600 or claims["exp"] <= max([now(), *spans]):
            return self.ack(claims, "skew"), "skew"
        take = self.take_message if claims["typ"] == MESSAGE else self.take_registration
        st, reply, rc = take(claims, options)
        self.save()
        return self.ack(claims, st, reply, rc), st

    def take_registration(self, claims, options):
        peer, statement = self.peers.get(claims["iss"]), claims["introduced"]
        if not peer:
            peer = self.peers[claims["iss"]] = {"standing": options.standing, "iat": 0, "seq": 0}
        if claims["iat"] > peer["iat"]:
            need(statement["seq"] > peer["seq"] or statement["seq"] == peer["seq"] and
                 statement["ek"] == peer["ek"], "keys have fallen behind")
            peer.update({part: statement[part] for part in ("seq", "jwk", "ek")},
                        **{part: claims[part] for part in ("iat", "addr", "name")})
        return peer["standing"], b"", 0

    def take_message(self, claims, options):
        if self.peers[claims["iss"]]["standing"] != "trusted":
            return "pending", b"", 0
        ids, text, name_of = self.state["ids"], octets(claims["body"]), f"{claims['iss']} {claims['jti']}"
        for old in [old for old, kept in ids.items() if kept["exp"] + DAY < now()]:
            exp = ids.pop(old)["exp"]
            span = str(exp // (30 * DAY))
            self.state["purged"][span] = max(exp, self.state["purged"].get(span, 0))
        content = hashlib.sha256(b"\0".join([MESSAGE.encode(), self.ik.encode(), text])).hexdigest()
        if name_of in ids:
            kept = ids[name_of]
            if kept["hash"] != content:
                return "conflict", b"", 0
            kept["exp"] = max(kept["exp"], claims["exp"])
            return "dup", octets(kept["body"]), kept["rc"]
        with open(os.path.join(self.folder, "inbox", claims["jti"]), "xb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        reply = os.fsencode(options.reply)
        ids[name_of] = {"hash": content, "exp": claims["exp"], "body": base64url_encode(reply), "rc": options.rc}
        return "ok", reply, options.rc


def pem_thumbprint(text):
    need(len(text) <= 16384 and text.count("-----BEGIN") == 1, "one PEM")
    need(text.rstrip("\r\n\t ").endswith("-----END PUBLIC KEY-----"), "nothing behind it")
    try:
        numbers = serialization.load_pem_public_key(text.encode()).public_numbers()
        modulus, exponent = (n.to_bytes((n.bit_length() + 7) // 8, "big") for n in (numbers.n, numbers.e))
    except (ValueError, AttributeError) as error:
        raise Refused("PEM") from error
    policy(modulus, exponent)
    return jwk.JWK(kty="RSA", e="AQAB", n=base64url_encode(modulus)).thumbprint()


def ask(where, frame):
    """The reply to a frame, or None. Octets that are no ASCII come out as no token."""
    host, port = where.rsplit(":", 1)
    reply = b""
    try:
        with socket.create_connection((host.strip("[]"), int(port)), 10) as line:
            line.sendall(frame.encode() + b"\0")
            while b"\0" not in reply and len(reply) <= FRAME:
                part = line.recv(65536)
                if not part:
                    return None
                reply += part
    except OSError:
        return None
    return reply.split(b"\0")[0].decode("ascii", "replace")


# ---- servers

def receive(line, known):
    """One frame without its NUL, or None: then the connection is closed without a reply."""
    kept, count, start, dropped = b"", 0, time.monotonic(), False
    while True:
        left = start + 10 + max(0, count - 65536) // 65536 - time.monotonic()
        if left <= 0:
            return None
        line.settimeout(left)
        part = line.recv(65536)
        end = part.find(b"\0")
        count += len(part) if end < 0 else end
        if not part or count > FRAME or 0 <= end < len(part) - 1:
            return None
        kept = kept if dropped else kept + (part if end < 0 else part[:end])
        if len(kept) > UNKNOWN_FRAME and not known(kept[:UNKNOWN_FRAME]):
            kept, dropped = b"", True
        if end >= 0:
            return kept


class Exchange(socketserver.BaseRequestHandler):
    def known(self, beginning):
        try:
            need(b"." in beginning, "no dot")
            return bool(Node(self.server.options.dir).key_for(octets(beginning.split(b".")[0].decode("ascii", "replace"))))
        except Refused:
            return False

    def handle(self):
        options = self.server.options
        try:
            with self.server.lock:
                self.server.count += 1
                behaves = self.server.count <= options.after
            if not behaves and options.kind == "early-close":
                self.request.recv(1)
                return
            frame = receive(self.request, self.known)
            if frame is None:
                return
            with self.server.lock:
                node = Node(options.dir)
                if behaves:
                    reply, word = node.answer(frame, options)
                    self.server.earlier = reply if reply.count(".") == 4 else self.server.earlier
                else:
                    reply, word = misbehave(self.server, node, frame)
                with open(os.path.join(options.dir, "log"), "a", encoding="utf-8") as log:
                    log.write(word + "\n")
            if isinstance(reply, bytes):  # the whole of what goes out, whatever it is
                self.request.sendall(reply)
                return
            while reply is ENDLESS:
                self.request.sendall(b"A" * 65536)
            if reply is not SILENT:
                self.request.sendall(reply.encode() + b"\0")
            self.request.settimeout(1 if reply is not SILENT else None)
            while self.request.recv(65536):
                pass
        except OSError:
            pass


ENDLESS, SILENT = object(), object()
KINDS = ("other-requests-ack", "wrong-rk", "wrong-irt", "wrong-rh", "wrong-word", "old-statement", "other-key",
         "same-seq", "newer", "expired", "endless", "silent", "http", "empty", "pem", "other-pem",
         "early-close", "cut")


def misbehave(server, node, frame):
    """The reply of a server that does not keep to the page, and a word for the log."""
    kind, stranger = server.options.kind, server.stranger
    if kind in ("other-requests-ack", "wrong-rk", "wrong-irt", "wrong-rh", "wrong-word", "cut"):
        try:
            claims = node.open(frame.decode())
        except Refused:  # no request to acknowledge
            claims = {"iss": node.ik, "newest": True, "typ": MESSAGE, "jti": "A" * 22, "rh": "A" * 43, "rk": "A" * 43}
        st = WORDS[claims["typ"]][0]
        if kind == "other-requests-ack":
            return server.earlier or node.ack(dict(claims, rk="B" * 42 + "A"), st), kind
        changes = {"wrong-irt": {"irt": "A" * 22}, "wrong-rh": {"rh": "A" * 43}, "wrong-word": {"st": "yes"}}
        if kind == "wrong-rk":
            claims["rk"] = base64url_encode(os.urandom(32))
        reply = node.ack(claims, **{"st": st, **changes.get(kind, {})})
        return (reply[:-9].encode() if kind == "cut" else reply), kind
    if kind == "newer":
        node.rotate(forget=True)
    if kind in ("same-seq", "expired"):
        claims = read_statement(node.statement())
        claims.update({"ek": public(stranger.identity)} if kind == "same-seq" else
                      {"seq": claims["seq"] + 1, "iat": now() - 20, "exp": now() - 10})
        return sign(node.identity, "p2pchat-keys+jwt", claims), kind
    return {"old-statement": node.state["keys"][0]["statement"], "newer": node.statement(),
            "other-key": stranger and stranger.statement(), "endless": ENDLESS, "silent": SILENT,
            "http": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "empty": "",
            "pem": node.identity.export_to_pem().decode(),
            "other-pem": stranger and stranger.identity.export_to_pem().decode()}[kind], kind


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64


def serve(options):
    with Server(("127.0.0.1", options.port), Exchange) as server:
        server.options, server.lock, server.count = options, threading.Lock(), 0
        server.earlier = server.stranger = None
        if options.kind in ("other-key", "same-seq", "other-pem"):
            folder = os.path.join(options.dir, "stranger")
            server.stranger = Node(folder, create=not os.path.exists(folder))
        if options.kind == "old-statement":
            Node(options.dir).rotate()
        print(server.server_address[1], flush=True)
        server.serve_forever()


# ---- command line

def register(options):
    node = Node(options.dir)
    reply = ask(options.where, "keys")
    _, word = node.judge(reply, options.to, None)
    need(word == "taken", word)
    claims = read_statement(reply)
    pin = claims["iss"]
    peer = node.peers.setdefault(pin, {"standing": "trusted", "iat": 0, "seq": 0})
    peer.update({part: claims[part] for part in ("seq", "jwk", "ek")})
    keys = node.state["keys"][0]["statement"] if options.old_keys else node.statement()
    claims = node.claims(options, REGISTRATION, pin, keys=keys, addr=options.addr, name=options.name)
    _, word = node.exchange(options.where, pin, REGISTRATION, claims)
    if word in ("trusted", "pending"):
        node.save()
        print(f"SHA256:{pin}")
    return word


def send(options):
    node = Node(options.dir)
    pin = options.to or next(iter(node.peers))
    text = base64url_encode(sys.stdin.buffer.read())
    ack, word = node.exchange(options.where, pin, MESSAGE, node.claims(options, MESSAGE, pin, body=text))
    if ack:
        sys.stdout.buffer.write(octets(ack["body"]))
    return word


def age(options):
    """HOME/encryption-SEQ.pem is a line with the statement, then the private key."""
    files = [file for file in os.listdir(options.dir) if file.startswith("encryption-")]
    path = os.path.join(options.dir, max(files))
    with open(path, encoding="ascii") as file:
        first, rest = file.readline(), file.read()
    with open(os.path.join(options.dir, "identity.pem"), "rb") as file:
        identity = jwk.JWK.from_pem(file.read())
    label, old = first.split()
    claims = read_statement(old)
    claims.update(iat=claims["iat"] - options.seconds, exp=claims["exp"] - options.seconds)
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{label} {sign(identity, 'p2pchat-keys+jwt', claims)}\n{rest}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("keygen", "rotate", "register", "send", "serve", "misbehave", "age"):
        words = commands.add_parser(command)
        if command == "misbehave":
            words.add_argument("kind", choices=KINDS)
        words.add_argument("dir")
        if command == "rotate":
            words.add_argument("--forget", action="store_true")
        elif command == "age":
            words.add_argument("seconds", type=int)
        elif command in ("register", "send"):
            words.add_argument("where", metavar="HOST:PORT")
            words.add_argument("--to", help="the IK of the peer; send: else the one registered first")
            words.add_argument("--id", help="derive jti from this name")
            words.add_argument("--aud", help="claim another receiver")
            words.add_argument("--iat", type=int, default=0, help="seconds to add to the clock")
            words.add_argument("--life", type=int, help="seconds from iat to exp")
            words.add_argument("--expect-st", default="trusted,pending" if command == "register" else "ok")
            words.add_argument("--addr", default="")
            words.add_argument("--name", default="peer")
            words.add_argument("--old-keys", action="store_true", help="register with the former statement")
        elif command != "keygen":
            words.add_argument("port", type=int)
            words.add_argument("--after", type=int, default=0 if command == "misbehave" else 10**9)
            words.add_argument("--standing", default="trusted", help="what strangers become")
            words.add_argument("--reply", default="")
            words.add_argument("--rc", type=int, default=0)
            words.set_defaults(**({} if command == "misbehave" else {"kind": None}))
    options = parser.parse_args()
    if options.command == "keygen":
        print(f"SHA256:{Node(options.dir, create=True).ik}")
    elif options.command == "rotate":
        Node(options.dir).rotate(options.forget)
    elif options.command == "age":
        age(options)
    elif options.command in ("serve", "misbehave"):
        serve(options)
    else:
        word = (register if options.command == "register" else send)(options)
        sys.exit(0 if word in options.expect_st.split(",") else 1)


if __name__ == "__main__":
    main()
