"""The hostile corpus, replies: named cases, each with what a server answers and what
p2pchat-protocol(7), WHAT A CLIENT MAKES OF THE REPLY, says of it. run_hostile_replies.py gives them to
p2pchat's clients.
"""

import hashlib
import json
import os
import threading

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import serialization

import p2ppeer
import raw_jose as jose
from hostile_requests import BODY, DAY, FRAME, MESSAGE, REGISTRATION, escaped, spaced
from raw_jose import Members, b64, text

SECRET = b"never to be shown"  # in the body of every ack that does not count
BODY_TEXT = b"\x1b[2J\x1b]0;title\x07\xc2\x9b2J\r\n{\"forged\":1}\xe2\x80\xae\xff\0"  # in every one that does

# Instead of octets: what the server does.
CLOSE, RESET, SILENCE = "close", "reset", "silence"

# How long a client waits for what never comes, in seconds: a slow and busy machine begins to wait in time.
WAIT = 10

# Keys of the right form that the policy refuses, by their names in hostile_requests.py.
WEAK_N = ("0", "1", "3", "512 bits", "1024 bits", "2047 bits", "4097 bits", "8192 bits", "98000 bits", "1000000 bits", "even",
          "power of two", "zero-led", "zeros")
WEAK_E = ("", "AA", "AQ", "Ag", "Aw", "EQ", "AQAA", "AAEAAQ", "AQABAA", "AQAC", "AQABAQABAQAB", "aqab")
REFUSED_BY_POLICY = tuple(f"{key} {member}" for key in ("ek", "jwk") for member in (
    *(f"n {name}" for name in WEAK_N), *(f"e {name!r}" for name in WEAK_E)))


class Asked:
    """A request as it has come in: keys, or an opened one."""

    def __init__(self, frame, keys):
        self.frame, self.claims, self.typ, self.token = frame, {}, "keys", b""
        if frame != b"keys":
            kid = json.loads(jose.unb64(jose.segment(frame, 0)))["kid"]
            self.token = jose.open_sealed(frame, next(key for key in keys if key.id == kid))
            header, payload, _ = (jose.unb64(part) for part in (self.token + b"..").split(b".")[:3])
            self.typ, self.claims = json.loads(header)["typ"], json.loads(payload)
            self.rk = jose.unb64(self.claims["rk"].encode())
            self.rh = b64(hashlib.sha256(frame).digest()).decode()


def made(cases):
    """The cases, with the kind of those that have to be made to be told."""
    for case in cases:
        if case.kind == "unread":
            case.kind = case.registration = bad_or_foreign(case.make(None, 1))
    return cases


class Reply:
    """kind: a row of the table for a message, see KINDS of run_hostile_replies.py, or for the second
    attempt behind newer-; registration: the same for a registration. make: of Asked and the number of the attempt, the octets
    that go out (with their NUL), one of the words above, or (octets, word, octets): the first, then
    the last in pieces for ever."""

    def __init__(self, name, kind, make, registration=None, seconds=None, body=b"", rc=0):
        self.name, self.kind, self.make, self.registration = name, kind, make, registration or kind
        self.seconds, self.body, self.rc = seconds, body, rc  # seconds: how long the client waits
        self.connections = 2 if kind.startswith("newer") else 1


def closed(value, depth=1):
    """By the closed profile, apart from which members there are."""
    if isinstance(value, dict):
        return depth <= 4 and all(closed(inner, depth + 1) for inner in value.values())
    return isinstance(value, str) or p2ppeer.integer(value)


def bad_or_foreign(octets):
    """Which of the two is said of octets that are no reply at all."""
    try:
        header = p2ppeer.json_object(p2ppeer.octets(octets.split(b"\0")[0].split(b".")[0].decode("latin-1")))
    except p2ppeer.Refused:
        return "foreign"
    typ = header.get("typ")
    return "bad" if closed(header) and isinstance(typ, str) and typ.startswith("p2pchat") else "foreign"


class Speaker:
    """The key of the node for which this thread speaks."""

    def __init__(self):
        self.local = threading.local()

    def become(self, key):
        self.local.key = key

    def __getattr__(self, name):
        return getattr(self.local.key, name)


class Replies:
    """Of many nodes: which one makes a reply is said by `identity.become` on the same thread. ek is
    everybody's encryption key; requests makes the statements."""

    def __init__(self, ek, requests):
        self.identity, self.ek, self.requests, self.now = Speaker(), ek, requests, requests.now
        self.keys = (ek, requests.large)  # that open what is asked
        self.first = {}  # acks of the first attempt, by node and jti

    def statement(self, **changes):
        return jose.statement(self.identity, self.requests.statement_of(self.identity, **changes))

    def ack(self, asked, st=None, body=SECRET):
        if st is None:
            st = "trusted" if asked.typ == REGISTRATION else "ok"
        return Members({"v": 1, "iss": self.identity.id, "aud": asked.claims["iss"], "irt": asked.claims["jti"], "rh": asked.rh,
                        "st": st, "iat": self.now, "body": b64(body if asked.typ == MESSAGE else b"").decode(), "rc": 0,
                        "keys": "", "pad": "  "})

    @staticmethod
    def sealed(asked, ack, header=None, key=None, iv=None):
        ack = ack if isinstance(ack, bytes) else ack.written()
        header = jose.direct_header() if header is None else header
        return jose.jwe(header, b"", key or asked.rk, ack, iv) + b"\0"

    def good_body(self, asked):
        return BODY_TEXT if asked.typ == MESSAGE else b""

    # ---- acks

    def acks(self):
        for group in (self.words, self.ack_claims, self.ack_tokens, self.ack_headers, self.swapped):
            yield from group()

    def words(self):
        def reply(name, kind, registration, st, rc=0, body=b""):
            return Reply(f"word {name}", kind, lambda asked, _: self.sealed(asked, self.ack(asked, st, body).set("rc", text(rc))),
                         registration, body=body if kind == "ok" else b"", rc=rc if kind == "ok" else 0)

        for st in ("ok", "dup"):
            yield reply(st, "ok", "bad", st, body=BODY_TEXT)
            yield reply(f"{st}, empty", "ok", "bad", st)
        for rc in (1, 64, 255):
            yield reply(f"ok, rc {rc}", "ok", "bad", "ok", rc, BODY_TEXT)
        for st, kind, registration in (("busy", "untaken", "untaken"), ("skew", "untaken", "untaken"), ("pending", "pending", "pending"),
                                       ("conflict", "conflict", "bad"), ("trusted", "bad", "ok")):
            yield reply(st, kind, registration, st)
            yield reply(f"{st} with a body", "bad", registration, st, body=SECRET)  # a registration gets none
            yield reply(f"{st} with rc", "bad", "bad", st, 1)
        for st in ("", "OK", "Ok", "ok ", "ok\0", "okay", "o", "true", "200", "later", "\u202eko", "\x1b[2J", "ok" * 9000):
            yield reply(f"{st[:9]!r} ({len(st)})", "bad", "bad", st, body=SECRET)

    FINE = {"keys": ("empty-string", "word", "number-string", "space", "format", "control", "bidi", "10k", "nul-escape"),
            "pad": ("empty-string", "space"), "iat": ("zero", "two"), "rc": ("two",), "body": ("empty-string", "10k")}

    def ack_claims(self):
        like = Members({"v": 1, "iss": "i", "aud": "a", "irt": "t", "rh": "h", "st": "s", "iat": 3, "body": "b", "rc": 0, "keys": "k",
                        "pad": "  "})

        def reply(name, kind, change, **more):
            return Reply(f"ack {name}", kind, lambda asked, _: self.sealed(asked, change(self.ack(asked))), **more)

        for member, value in like.pairs:
            claim = json.loads(member)
            yield reply(f"{claim} missing", "bad", lambda ack, claim=claim: ack.drop(claim))
            yield reply(f"{claim} twice", "bad", lambda ack, claim=claim: ack.add(text(claim), ack.get(claim)))
            yield reply(f"{claim} twice-by-escape", "bad",
                        lambda ack, member=member, claim=claim: ack.add(b'"\\u%04x' % member[1] + member[2:], ack.get(claim)))
            for kind, raw in jose.wrong_types(value):
                fine = kind in self.FINE.get(claim, ())
                body = jose.unb64(json.loads(raw).encode()) if fine and claim == "body" else SECRET
                # Beside trusted neither may be.
                registration = "bad" if claim == "rc" or kind == "10k" and claim == "body" else None
                yield reply(f"{claim} {kind}", "ok" if fine else "bad", lambda ack, claim=claim, raw=raw: ack.set(claim, raw),
                            registration=registration, body=body if fine else b"", rc=2 if fine and claim == "rc" else 0)
            if value[:1] == b'"':
                yield reply(f"{claim} escaped", "ok", lambda ack, claim=claim: ack.set(claim, escaped(ack.get(claim))), body=SECRET)
        for extra in ("nbf", "exp", "jti", "sub", "", "Body", "rc2", "__proto__"):
            yield reply(f"extra {extra!r}", "bad", lambda ack, extra=extra: ack.add(text(extra), b'""'))
        for rc in ("256", "-1", "65536", "4294967296", "1.5"):
            yield reply(f"rc {rc}", "bad", lambda ack, rc=rc: ack.set("rc", rc.encode()))
        yield reply("iat the last second", "ok", lambda ack: ack.set("iat", text(2**53 - 1)), body=SECRET)
        for length, kind in ((BODY, "ok"), (BODY + 1, "bad")):
            body = b"x" * length
            yield reply(f"body of {length}", kind, lambda ack, body=body: ack.set("body", text(b64(body).decode())),
                        registration="bad", body=body if kind == "ok" else b"")
        for word in ("aGVsbG8=", "aGVs bG8", "aGVsbG9", "aGVsb+8", "a", "\u00e9"):
            yield reply(f"body {word!r}", "bad", lambda ack, word=word: ack.set("body", text(word)))
        for word in ("x", "\t", "\u00a0", " " * 100 + "\0"):
            yield reply(f"pad {word!r}", "bad", lambda ack, word=word: ack.set("pad", text(word)))
        yield reply("pad of 1 MiB", "ok", lambda ack: ack.set("pad", text(" " * BODY)), body=SECRET)
        for claim in ("iss", "aud", "irt", "rh"):
            for name, change in (("=", lambda right: right + "="), ("cut", lambda right: right[:-1]), ("lower", str.lower),
                                 ("prefix", lambda right: "SHA256:" + right), ("array", lambda right: [right]),
                                 ("trailing bits", lambda right: jose.trailing_bit(right.encode()).decode()),
                                 ("space", lambda right: right + " "), ("nul", lambda right: right + "\0")):
                yield reply(f"{claim} {name}", "bad",
                            lambda ack, claim=claim, change=change: ack.set(claim, text(change(json.loads(ack.get(claim))))))
        for claim, value in (("iss", self.ek.id), ("aud", self.identity.id), ("irt", "A" * 22), ("rh", "A" * 43), ("iss", "A" * 43)):
            yield reply(f"{claim} {value[:5]}", "bad", lambda ack, claim=claim, value=value: ack.set(claim, text(value)))
        yield Reply("ack spaced", "ok", lambda asked, _: self.sealed(asked, spaced(self.ack(asked))), body=SECRET)
        sample = Members({"v": 1, "st": "ok"})
        for index, (name, _) in enumerate(jose.json_variants(sample.written())):
            yield Reply(f"ack json {name}", "bad", lambda asked, _, index=index: self.sealed(
                asked, list(jose.json_variants(self.ack(asked).written()))[index][1]))
        # What stands in keys is a courtesy.
        for name, token in [("of another", lambda: self.requests.statement), ("stored", self.statement),
                            ("older", lambda: self.statement(seq=self.now - 1)), ("forked", lambda: self.statement(ek=self.requests.weak_free())),
                            ("newer, expired", lambda: self.statement(seq=self.now + 9, iat=self.now - 9, exp=self.now - 3)),
                            *list(self.requests.bad_statements(self.identity))[::9]]:
            yield reply(f"keys {name}", "ok", lambda ack, token=token: ack.set("keys", text(token().decode("latin-1"))), body=SECRET)

    def ack_tokens(self):
        def changed(name, kind, change, **more):
            return Reply(f"ack {name}", kind, lambda asked, _: change(self.sealed(asked, self.ack(asked))[:-1]) + b"\0", **more)

        sample = b64(b"x" * 50)
        for number, part in ((0, "header"), (2, "iv"), (3, "ciphertext"), (4, "tag")):
            names = [name for name, _ in jose.base64_variants(sample)]
            for name in names:
                def varied(token, number=number, name=name):
                    variants = dict(jose.base64_variants(jose.segment(token, number)))
                    return jose.with_segment(token, number, variants.get(name, b"="))
                yield changed(f"{part} {name}", "foreign" if number == 0 else "bad", varied)
            yield changed(f"{part} empty", "foreign" if number == 0 else "bad",
                          lambda token, number=number: jose.with_segment(token, number, b""))
            if number:
                yield changed(f"{part} changed", "bad", lambda token, number=number: jose.with_segment(
                    token, number, (b"B" if jose.segment(token, number)[:1] == b"A" else b"A") + jose.segment(token, number)[1:]))
        for name, key in (("key of one octet", b"\0"), ("key of 256 octets", bytes(256))):
            yield changed(name, "bad", lambda token, key=key: jose.with_segment(token, 1, b64(key)))
        for number, part, lengths in ((2, "iv", (0, 8, 11, 13, 16)), (4, "tag", (0, 4, 8, 12, 15, 17))):
            for length in lengths:
                yield changed(f"{part} of {length}", "bad", lambda token, number=number, length=length: jose.with_segment(
                    token, number, b64((jose.unb64(jose.segment(token, number)) * 2)[:length])))
        for length in (8, 16):
            yield Reply(f"ack sealed with an iv of {length}", "bad",
                        lambda asked, _, length=length: self.sealed(asked, self.ack(asked), iv=os.urandom(length)))
        yield changed("dot behind", "bad", lambda token: token + b".")
        yield changed("four parts", "bad", lambda token: token.rsplit(b".", 1)[0])
        yield changed("space behind", "bad", lambda token: token + b" ")
        yield changed("line break behind", "bad", lambda token: token + b"\n")
        yield changed("twice", "bad", lambda token: token + token)
        yield changed("space before", "foreign", lambda token: b" " + token)
        yield changed("quoted", "foreign", lambda token: b'"' + token + b'"')
        yield changed("dot before", "foreign", lambda token: b"." + token)
        yield changed("in HTTP", "foreign", lambda token: b"HTTP/1.1 200 OK\r\n\r\n" + token)
        yield changed("octets behind the NUL", "ok", lambda token: token + b"\0HTTP/1.1 200 OK\r\n\x1b[2J", body=SECRET)
        yield changed("NULs behind", "ok", lambda token: token + b"\0" * 1000, body=SECRET)
        yield changed("another reply behind", "ok", lambda token: token + b"\0" + token, body=SECRET)
        yield Reply("ack cut in half", "nothing", lambda asked, _: (lambda whole: (whole[:len(whole) // 2], CLOSE, b""))(
            self.sealed(asked, self.ack(asked))))
        yield Reply("ack without its NUL", "nothing", lambda asked, _: (self.sealed(asked, self.ack(asked))[:-1], CLOSE, b""))
        yield Reply("ack without its NUL, and silence", "nothing",
                    lambda asked, _: (self.sealed(asked, self.ack(asked))[:-1], SILENCE, b""), seconds=WAIT)

    def ack_headers(self):
        right = jose.direct_header()

        def reply(name, header):
            kind = bad_or_foreign(b64(header if isinstance(header, bytes) else header.written()))
            return Reply(f"ack header {name}", kind, lambda asked, _: self.sealed(asked, self.ack(asked), header))

        for name, header in self.requests.header_changes(right, self.ek):
            yield reply(name, header)
        for alg in ("RSA-OAEP-256", "A256KW", "A256GCMKW", "none", "PBES2-HS256+A128KW"):
            yield reply(f"alg {alg}", right.set("alg", text(alg)))
        for typ in ("p2pchat+jwe", "p2pchat", "p2pchat-ack", "p2pchatx", "P2PCHAT-ACK+JWE", "p2pcha", "JWE", "x-p2pchat"):
            yield reply(f"typ {typ}", right.set("typ", text(typ)))
        yield Reply("ack header spaced", "ok", lambda asked, _: self.sealed(asked, self.ack(asked), spaced(right)), body=SECRET)
        for bits in (128, 192):
            yield Reply(f"ack A{bits}GCM", "bad", lambda asked, _, bits=bits: self.sealed(
                asked, self.ack(asked), right.set("enc", text(f"A{bits}GCM")), asked.rk[:bits // 8]))

    def swapped(self):
        """Right acks of something else."""
        def other(name, change, key=None):
            return Reply(f"swapped {name}", "bad", lambda asked, _: self.sealed(asked, change(asked), key=key and key(asked)))

        yield other("rk zeros", self.ack, lambda asked: bytes(32))
        yield other("rk random", self.ack, lambda asked: os.urandom(32))
        yield other("rk from jti", self.ack, lambda asked: hashlib.sha256(asked.claims["jti"].encode()).digest())
        yield other("of another message", lambda asked: self.ack(asked).set("irt", text(b64(os.urandom(16)).decode()))
                    .set("rh", text(b64(os.urandom(32)).decode())))
        yield other("of the other type", lambda asked: self.ack(asked, "ok" if asked.typ == REGISTRATION else "trusted"))
        yield other("hash with the NUL", lambda asked: self.ack(asked).set(
            "rh", text(b64(hashlib.sha256(asked.frame + b"\0").digest()).decode())))
        yield other("of another peer", lambda asked: self.ack(asked).set("iss", text(self.requests.trusted.id)))
        yield other("for another sender", lambda asked: self.ack(asked).set("aud", text(self.requests.trusted.id)))
        yield Reply("swapped signed by the peer", "bad", lambda asked, _: jose.jws(
            self.identity, jose.signed_header(self.identity, "p2pchat-ack+jwe"), self.ack(asked).written()) + b"\0")
        yield Reply("swapped signed within", "bad", lambda asked, _: self.sealed(asked, jose.jws(
            self.identity, jose.signed_header(self.identity, "p2pchat-ack+jwt"), self.ack(asked).written())))
        yield Reply("swapped HMAC under rk", "bad", lambda asked, _: jose.jws(self.identity, Members(
            {"alg": "HS256", "typ": "p2pchat-ack+jwe"}), self.ack(asked).written(), jose.hs256(asked.rk)) + b"\0")
        yield Reply("swapped request sent back", "bad", lambda asked, _: asked.frame + b"\0")
        yield Reply("swapped request opened and sent back", "bad", lambda asked, _: asked.token + b"\0")
        yield Reply("swapped request sealed with dir", "bad", lambda asked, _: self.sealed(asked, asked.token))
        yield Reply("swapped sealed to an encryption key", "bad",
                    lambda asked, _: jose.seal(self.ek, self.ack(asked).written()) + b"\0")
        yield Reply("swapped claims alone", "foreign", lambda asked, _: self.ack(asked).written() + b"\0")

    # ---- statements

    def statements(self, pinned=True, to_keys=False):
        """pinned: the client knows this identity, and has a statement of it."""
        others = ("of another", "of the listener")
        distrusted = (*others, *(() if to_keys else ("expired",)))
        for name, make in self.requests.bad_statements(self.identity):
            if name in others and not pinned:
                continue  # nothing is wrong with those
            kind = "distrusted" if name in distrusted or name in REFUSED_BY_POLICY else None
            yield Reply(f"statement {name}", kind or "unread", lambda asked, _, make=make: make() + b"\0")

    def news(self):
        """In answer to a request."""
        now = self.now

        def newer(number, **changes):
            return self.statement(seq=now + number, **changes) + b"\0"

        yield Reply("statement stored", "distrusted", lambda asked, _: self.statement() + b"\0")
        yield Reply("statement older", "distrusted", lambda asked, _: newer(-1))
        yield Reply("statement older and expired", "distrusted", lambda asked, _: newer(-1, iat=now - 9, exp=now - 3))
        yield Reply("statement forked", "bad", lambda asked, _: self.statement(ek=self.requests.weak_free()) + b"\0")
        yield Reply("statement newer and expired", "bad", lambda asked, _: newer(1, iat=now - 9, exp=now - 3))
        for name, changes in (("", {}), (" with 4096 bits", {"ek": self.requests.large.jwk})):
            yield Reply(f"statement newer{name}, then an ack", "newer-ok",
                        lambda asked, attempt, changes=changes: newer(1, **changes) if attempt == 1 else self.sealed(
                            asked, self.ack(asked, None, BODY_TEXT)), body=BODY_TEXT)
        yield Reply("statement newer for ever", "newer-distrusted", lambda asked, attempt: newer(attempt))
        yield Reply("statement the newest of all", "newer-distrusted", lambda asked, attempt: self.statement(seq=2**53 - 2 + attempt - 1) + b"\0")

        def first_ack(asked, attempt):
            return newer(1) if attempt == 1 else self.first.pop((self.identity.id, asked.claims["jti"]))

        def keeping(asked, attempt):
            if attempt == 1:
                self.first[self.identity.id, asked.claims["jti"]] = self.sealed(asked, self.ack(asked))
            return first_ack(asked, attempt)

        yield Reply("statement newer, then the first ack", "newer-bad", keeping)
        yield Reply("statement newer, then garbage", "newer-foreign", lambda asked, attempt: newer(1) if attempt == 1 else b"\xff\xfe\0")
        yield Reply("statement newer, then a close", "newer-nothing", lambda asked, attempt: newer(1) if attempt == 1 else CLOSE)
        yield Reply("statement newer, then busy", "newer-untaken", lambda asked, attempt: newer(1) if attempt == 1 else self.sealed(
            asked, self.ack(asked, "busy", b"")))

    # ---- what is nothing of this protocol

    def foreign(self, pinned=True):
        other = self.requests.trusted.pem
        changed = "distrusted" if pinned else "foreign"
        curve = ec.generate_private_key(ec.SECP256R1())
        private = self.ek.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                serialization.NoEncryption())
        frames = {
            "empty": (b"", "foreign"), "word": (b"ok", "foreign"), "identify": (b"identify", "foreign"), "spaces": (b" " * 999, "foreign"),
            "http": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "foreign"), "html": (b"<html>\x1b[2J</html>", "foreign"),
            "ssh": (b"SSH-2.0-OpenSSH_9.2p1\r\n", "foreign"), "smtp": (b"220 \x1b]0;t\x07\r\n", "foreign"),
            "tls-alert": (b"\x15\x03\x01", "foreign"), "json": (b'{"typ":"p2pchat-ack+jwe"}', "foreign"), "latin-1": (b"gr\xfc\xdf", "foreign"),
            "escapes": (b"\x1b[2J\x1b]0;t\x07\x9b", "foreign"), "bidi": ("\u202e".encode(), "foreign"), "dots": (b"." * 9, "foreign"),
            "four-dots": (b"....", "foreign"), "two-dots": (b"..", "foreign"),
            "header-alone": (b64(jose.direct_header().written()), "bad"),
            "header-and-escape": (b64(jose.direct_header().written()) + b".\x1b[2J", "bad"),
            "ack-of-nothing": (jose.jwe(jose.direct_header(), b"", os.urandom(32), b"{}"), "bad"),
            "pem-other": (other, changed),
            "pem-other-crlf": (other.replace(b"\n", b"\r\n"), changed), "pem-other-unended": (other.rstrip(b"\n"), changed),
            "pem-twice": (other * 2, "foreign"), "pem-text-before": (b"x\n" + other, "foreign"), "pem-text-behind": (other + b"x", "foreign"),
            "pem-begun": (b"-----BEGIN PUBLIC KEY-----\n", "foreign"), "pem-empty": (b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "foreign"),
            "pem-broken": (other[:100] + b"!!" + other[102:], "foreign"), "pem-private": (private, "foreign"),
            "pem-certificate": (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "foreign"),
            "pem-curve": (curve.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo), "foreign"),
        }
        weak = {"512": (2**511 + 1, 65537), "1024": (2**1023 + 1, 65537), "2047": (2**2046 + 1, 65537), "4097": (2**4096 + 1, 65537),
                "16384": (2**16383 + 1, 65537), "e-3": (self.ek.n, 3), "e-1": (self.ek.n, 1), "e-even": (self.ek.n, 65536),
                "even": (self.ek.n + 1, 65537)}
        for name, (n, e) in weak.items():
            frames[f"pem-weak-{name}"] = (jose.public_pem(n, e), "distrusted")
        frames["pem-other-4096"] = (self.requests.large.pem, changed)
        for name, (frame, kind) in frames.items():
            yield Reply(f"frame {name}", kind, lambda asked, _, frame=frame: frame + b"\0")
        for name, change in (("", bytes), ("-crlf", lambda own: own.replace(b"\n", b"\r\n"))):
            yield Reply(f"frame pem-own{name}", "foreign", lambda asked, _, change=change: change(self.identity.pem) + b"\0")
        for typ, kind in (("JWT", "foreign"), ("p2pchat-keys2+jwt", "bad")):
            yield Reply(f"frame {typ}", kind, lambda asked, _, typ=typ: jose.jws(
                self.identity, jose.signed_header(self.identity, typ), b"{}") + b"\0")
        yield Reply("tls-alert", "foreign", lambda asked, _: b"\x15\x03\x01\0\x02\x02\x46")
        yield Reply("tls-hello", "foreign", lambda asked, _: bytes.fromhex("160301007a020000760303") + os.urandom(100))
        for name, begin, piece in (("garbage", b"", bytes(range(128, 256)) * 512), ("banner", b"220 ", b"x" * 65536),
                                   ("letters", b"eyJ", b"aGVsbG8h" * 8192), ("spaces", b"", b"ICAg" * 16384),
                                   ("pem", b"-----BEGIN PUBLIC KEY-----\n", b"MIIBojANBgkqhkiG9w0BAQEFAAOCAY8A\n" * 2048),
                                   ("line breaks", b"", b"\n" * 65536), ("nested", b"eyJ4Ijp7", b"Ingi" * 16384)):
            yield Reply(f"endless {name}", "foreign", lambda asked, _, begin=begin, piece=piece: (begin, "endless", piece))

    def silences(self):
        yield Reply("closed at once", "nothing", lambda asked, _: CLOSE)
        yield Reply("reset", "nothing", lambda asked, _: RESET)
        yield Reply("silence", "nothing", lambda asked, _: SILENCE, seconds=WAIT)
        yield Reply("slow letters", "nothing", lambda asked, _: (b"", "slow", b"ICAg"), seconds=WAIT)
        yield Reply("slow ciphertext", "nothing", lambda asked, _: (b64(jose.direct_header().written()) + b"..AAAAAAAAAAAAAAAA.", "slow", b"A"),
                    seconds=WAIT)
        yield Reply("slow pem", "nothing", lambda asked, _: (b"-----BEGIN PUBLIC KEY-----\n", "slow", b"A\n"),
                    seconds=WAIT)

    def too_long(self):
        """Beyond the limit of a frame, with the beginning of an ack."""
        start = b64(jose.direct_header().written()) + b"..AAAAAAAAAAAAAAAA."
        for length, kind in ((FRAME, "bad"), (FRAME + 1, "long")):
            yield Reply(f"ack of {length} octets", kind, lambda asked, _, length=length: start + b"A" * (length - len(start)) + b"\0")
        yield Reply("endless ciphertext", "long", lambda asked, _: (start, "endless", b"A" * 65536))

    def to_requests(self):
        for group in (self.acks, self.news, self.statements, self.foreign, self.too_long, self.silences):
            yield from group()

    def to_keys(self, pinned):
        yield from self.statements(pinned, True)
        yield from self.foreign(pinned)
        yield from self.silences()
