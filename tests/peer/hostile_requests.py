"""The hostile corpus, requests: named cases, each with the octets that a client sends and the reply
that p2pchat-protocol(7) gives to them. run_hostile_requests.py sends them to a listener.
"""

import hashlib
import itertools
import json
import os
import zlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

import raw_jose as jose
from raw_jose import Key, Members, b64, text

FRAME, BODY, UNKNOWN, DAY = 4194304, 1048576, 16384, 86400
MESSAGE, REGISTRATION = "p2pchat-msg+jwt", "p2pchat-reg+jwt"


def type_of(claims):
    return MESSAGE if any(name == b'"body"' for name, _ in claims.pairs) else REGISTRATION


def key_of_4096_bits():
    """Of the primes on both sides of 2^2048: those that nobody can guess take seconds to find."""
    p, q = 2**2048 - 1557, 2**2048 + 981
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    return Key(rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key())


class Case:
    """expect: pem, statement, none (closed without a reply), or the st of an ack. unchanged: whatever
    may change with that st, this one changes nothing."""

    def __init__(self, name, octets, expect, sender=None, claims=None, half_close=False, keys=False, unchanged=False):
        self.name, self.octets, self.expect, self.unchanged = name, octets, expect, unchanged
        self.half_close, self.keys = half_close, keys  # keys: the ack brings the current statement
        self.sender, self.frame = sender, octets.split(b"\0")[0]
        # Of an accepted request: its type, and what its ack refers to.
        self.typ = type_of(claims) if claims else None
        self.jti = json.loads(claims.get("jti")) if claims else None
        self.rk = jose.unb64(json.loads(claims.get("rk")).encode()) if claims else None


def spaced(members):
    """The same object with white space, escapes and another order."""
    pairs = [(b'"\\u%04x' % name[1] + name[2:], value) for name, value in reversed(members.pairs)]
    return b" \t\r\n{ " + b" ,\n".join(name + b" :\t" + value for name, value in pairs) + b" } "


def escaped(raw):
    """A JSON string with each character escaped."""
    return b'"' + b"".join(b"\\u%04x" % ord(letter) for letter in json.loads(raw)) + b'"'


class Requests:
    """victim, ek, old_ek: keys of the listener. trusted, pending, blocked, stranger: its peers' and
    nobody's; other: a key of somebody else."""

    def __init__(self, now, **cast):
        self.now = now
        self.__dict__.update(cast)
        self.later = itertools.count(now - 5000)  # of registrations, each newer than the last
        self.introduced = {}
        self.weak, self.large = rsa.generate_private_key(65537, 1024), key_of_4096_bits()

    # ---- right ones

    def claims(self, title, sender, **more):
        jti = b64(hashlib.sha256(title.encode()).digest()[:16]).decode()
        return Members({"v": 1, "iss": sender.id, "aud": self.victim.id, "iat": self.now - 60,
                        "exp": self.now + 7 * DAY, "jti": jti, "rk": b64(os.urandom(32)).decode(), "pad": " " * 8, **more})

    def message_claims(self, name, sender=None, body=b"hello"):
        return self.claims(name, sender or self.trusted, body=b64(body).decode())

    def statement_of(self, key, **changes):
        """seq follows the time, which is the same for all of one run."""
        claims = jose.statement_claims(key, self.other, self.now, self.now - 60, self.now + 14 * DAY)
        for claim, value in changes.items():
            claims = claims.set(claim, value if isinstance(value, bytes) else text(value))
        return claims

    def registration_claims(self, title, sender=None, **more):
        sender = sender or self.pending
        if sender.id not in self.introduced:
            self.introduced[sender.id] = jose.statement(sender, self.statement_of(sender)).decode()
        keys = self.introduced[sender.id]
        return self.claims(title, sender, iat=next(self.later), **{"keys": keys, "addr": "", "name": "x", **more})

    def case(self, name, expect, claims, sender=None, typ=None, header=None, payload=None, signature=jose.pss,
             signer=None, around=None, change=None, ek=None, **how):
        """Signs and seals. header, payload, around: octets or Members in the place of the right header
        and claims of the JWS, and of the header of the JWE; change: done to the JWS."""
        typ = typ or type_of(claims)
        sender = sender or (self.trusted if typ == MESSAGE else self.pending)
        token = jose.jws(signer or sender, jose.signed_header(sender, typ) if header is None else header,
                         claims.written() if payload is None else payload, signature)
        token = change(token) if change else token
        frame = jose.seal(ek or self.ek, token, around)
        taken = claims if expect not in ("statement", "none", "pem") else None
        return Case(name, frame + b"\0", expect, sender, taken, **how)

    def message(self, name, expect, sender=None, body=b"hello", **how):
        return self.case(name, expect, self.message_claims(name, sender, body), sender, **how)

    def registration(self, name, expect, sender=None, claims=None, **how):
        return self.case(name, expect, claims or self.registration_claims(name, sender), sender, **how)

    def frame(self, name, octets, expect):
        return Case(f"frame {name}", octets, expect)

    def sealed(self, name, token, expect="statement"):
        return Case(name, token + b"\0", expect)

    # ---- the corpus

    def all(self):
        groups = (self.frames, self.other_protocols, self.jwe_headers, self.jwe_algorithms, self.jwe_keys, self.jwe_parts,
                  self.jws_headers, self.jws_signatures, self.jws_forms, self.message_claim_types, self.message_values,
                  self.registration_claim_types, self.names, self.addresses, self.statements, self.strangers,
                  self.forwarded, self.repeated, self.clocks, self.bodies, self.lengths)
        for group in groups:
            yield from group()

    def frames(self):
        for word in ("identify", "IDENTIFY", "iDeNtIfY"):
            yield self.frame(word, word.encode() + b"\0", "pem")
        for word in ("", " ", "keys", "KEYS", "keys ", " keys", "keys\n", "keys\r\n", "identify ", " identify", "identif",
                     "identifyy", "identify\n", "identify=1", "ıdentify", "{}", "null", "%s%n%x", ".", "..", "...",
                     "....", ".....", "a.b.c.d.e", "." * 4000, "-----BEGIN PUBLIC KEY-----\n",
                     "$(id)", "`id`", "; id", "../../etc/passwd", "-rf", "\x1b[2J", "\u202e", "\ufeffkeys"):
            yield self.frame(repr(word)[:40], word.encode() + b"\0", "statement")
        for octet in (1, 9, 10, 13, 27, 127, 128, 155, 192, 237, 254, 255):
            yield self.frame(f"octet-{octet}", bytes([octet]) + b"\0", "statement")
            yield self.frame(f"keys-and-octet-{octet}", b"keys" + bytes([octet]) + b"\0", "statement")
        yield self.frame("own-pem", self.victim.pem + b"\0", "statement")
        yield self.frame("own-statement", self.statement + b"\0", "statement")
        yield self.frame("old-statement", self.old_statement + b"\0", "statement")
        for name, behind in (("nul", b"\0"), ("octet", b"x"), ("request", b"keys\0"), ("line-break", b"\n")):
            yield self.frame(f"keys-and-{name}", b"keys\0" + behind, "none")
            yield self.frame(f"message-and-{name}", self.message(f"behind {name}", "none").octets + behind, "none")
        yield Case("frame nothing-at-all", b"", "none", half_close=True)
        whole = self.message("cut", "none").octets
        for length in (1, 100, len(whole) // 2, len(whole) - 1):
            yield Case(f"frame cut-at-{length}", whole[:length], "none", half_close=True)
        yield Case("frame keys-without-nul", b"keys", "none", half_close=True)

    def other_protocols(self):
        hello = bytes.fromhex("16030100a5010000a10303") + bytes(range(32)) + bytes.fromhex(
            "20") + bytes(range(32)) + bytes.fromhex("00021301010000560000000e000c0000096c6f63616c686f7374")
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for name, octets in (
                ("tls", hello), ("tls-sslv2", bytes.fromhex("802e0100020015000000") + b"x" * 37),
                ("http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")),
                ("smb", b"\0\0\0\x85\xffSMBr\0\0\0\0"), ("rdp", bytes.fromhex("030000130ee000000000000100080003000000")),
                ("socks5", b"\5\1\0"), ("socks4", b"\4\1\0\x50\x7f\0\0\1user\0"), ("dns", b"\0\x1d\x12\x34\1\0\0\1\0\0\0\0\0\0"),
                ("proxy-2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"), ("postgresql", b"\0\0\0\x08\x04\xd2\x16\x2f"),
                ("mqtt", b"\x10\x0c\0\4MQTT\4\2\0\x3c\0\0"), ("java", b"\xac\xed\0\5sr\0\1x")):
            # What begins with a NUL, or ends with its only one, is a whole frame.
            expect = "statement" if octets.find(b"\0") == len(octets) - 1 else "none"
            yield Case(f"protocol {name}", octets, expect, half_close=True)
        for name, octets in (
                ("http-get", request), ("http-connect", b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n"),
                ("http-post", b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nkeys"), ("ssh", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
                ("proxy-1", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"), ("smtp", b"EHLO localhost\r\n"),
                ("ftp", b"USER anonymous\r\n"), ("redis", b"*1\r\n$4\r\nINFO\r\n"), ("memcached", b"stats\r\n"),
                ("irc", b"NICK x\r\nUSER x 0 * :x\r\n"), ("telnet", b"\xff\xfd\x03\xff\xfb\x18"), ("shell", b"() { :;}; id\n"),
                ("log4j", b"${jndi:ldap://127.0.0.1/a}"), ("xml", b"<?xml version='1.0'?><!DOCTYPE x SYSTEM '/etc/passwd'>")):
            yield Case(f"protocol {name}", octets, "none", half_close=True)
            yield Case(f"protocol {name} and NUL", octets + b"\0", "statement")

    # ---- JWE

    EXTRA = {"crit": b'["exp"]', "crit-empty": b"[]", "zip": b'"DEF"', "jku": b'"http://127.0.0.1/keys"', "jwk": None,
             "x5u": b'"http://127.0.0.1/x"', "x5c": b'["MIIB"]', "x5t": b'"AAAA"', "x5t#S256": b'"AAAA"', "b64": b"false",
             "epk": b'{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}', "apu": b'"AA"', "apv": b'"AA"',
             "p2s": b'"AAAAAAAAAAA"', "p2c": b"2147483647", "iv": b'"AAAAAAAAAAAAAAAA"', "tag": b'"AAAAAAAAAAAAAAAAAAAAAA"',
             "exp": b"1", "iss": b'"x"', "nonce": b'"x"', "url": b'"x"', "": b'""', "kid2": b'"x"', "Alg": b'"none"',
             "__proto__": b"{}"}

    def header_changes(self, right, key):
        """(name, other header) of JWE and JWS: none of them is the right one."""
        for member, value in right.pairs:
            name = json.loads(member)
            yield f"{name} missing", right.drop(name)
            yield f"{name} twice", right.add(member, value)
            yield f"{name} twice-other-last", right.add(member, b'"x"')
            yield f"{name} twice-other-first", right.set(name, b'"x"').add(member, value)
            yield f"{name} twice-by-escape", right.add(b'"\\u%04x' % member[1] + member[2:], value)
            yield f"{name} upper-name", right.drop(name).add(member.upper(), value)
            word = json.loads(value)
            for other in (word.upper(), word.lower(), word + " ", " " + word, word + "\0", word + "=", word[:-1]):
                if other != word:
                    yield f"{name} {other!r}", right.set(name, text(other))
            for kind, raw in jose.wrong_types(value):
                yield f"{name} {kind}", right.set(name, raw)
        for name, raw in self.EXTRA.items():
            raw = text(key.jwk) if raw is None else raw
            yield f"extra {name}", right.add(text(name.removesuffix("-empty")), raw)
        for name, other in jose.json_variants(right.written()):
            yield f"json {name}", other

    def jwe_headers(self):
        right = jose.sealed_header(self.ek)
        token = jose.jws(self.trusted, jose.signed_header(self.trusted, MESSAGE), self.message_claims("header").written())
        for name, header in self.header_changes(right, self.other):
            yield self.sealed(f"jwe header {name}", jose.seal(self.ek, token, header))
        for word in (self.victim.id, self.trusted.id, "A" * 43, self.ek.id[:-1] + "B", "SHA256:" + self.ek.id,
                     "../encryption.pem", "' OR 1=1 --", "%s"):
            yield self.message(f"jwe header kid {word}", "statement", around=right.set("kid", text(word)))
        yield self.message("jwe header spaced", "ok", around=spaced(right))
        yield self.message("jwe header escaped", "ok", around=right.over((name, escaped(raw)) for name, raw in right.pairs))
        yield self.message("jwe header of the old key", "ok", ek=self.old_ek, keys=True)

    def jwe_algorithms(self):
        """Each done as it says, so that nothing but the rule refuses it."""
        right = jose.sealed_header(self.ek)
        plain = jose.jws(self.trusted, jose.signed_header(self.trusted, MESSAGE), self.message_claims("algorithm").written())
        ways = {"RSA1_5": padding.PKCS1v15(), "RSA-OAEP": jose.oaep(hashes.SHA1), "RSA-OAEP-384": jose.oaep(hashes.SHA384),
                "RSA-OAEP-512": jose.oaep(hashes.SHA512)}
        key = os.urandom(32)
        for alg, how in ways.items():
            wrapped = jose.wrap(self.ek, key, how)
            yield self.sealed(f"jwe alg {alg}", jose.jwe(right.set("alg", text(alg)), wrapped, key, plain))
            yield self.sealed(f"jwe alg {alg} unnamed", jose.jwe(right, wrapped, key, plain))
        for name, how in (("mgf1-sha-1", jose.oaep(mgf=hashes.SHA1)), ("label", jose.oaep(label=b"x"))):
            yield self.sealed(f"jwe oaep {name}", jose.jwe(right, jose.wrap(self.ek, key, how), key, plain))
        public = hashlib.sha256(self.ek.der).digest()
        for name, secret in (("zeros", bytes(32)), ("public-key", public), ("kid", jose.unb64(self.ek.id.encode()))):
            yield self.sealed(f"jwe alg dir {name}", jose.jwe(right.set("alg", b'"dir"'), b"", secret, plain))
            yield self.sealed(f"jwe alg dir {name} unnamed", jose.jwe(right, b"", secret, plain))
            yield self.sealed(f"jwe alg A256KW {name}",
                              jose.jwe(right.set("alg", b'"A256KW"'), aes_key_wrap(secret, key), key, plain))
        for count in (1, 1000, 2**31 - 1, 2**53 - 1, 2**64):
            secret = hashlib.pbkdf2_hmac("sha256", b"password", b"PBES2-HS256+A128KW\0saltsalt", min(count, 1000), 16)
            header = right.set("alg", b'"PBES2-HS256+A128KW"').set("p2s", text(b64(b"saltsalt").decode()))
            yield self.sealed(f"jwe PBES2 p2c {count}",
                              jose.jwe(header.set("p2c", text(count)), aes_key_wrap(secret, key), key, plain))
        for bits in (128, 192):
            short = os.urandom(bits // 8)
            for name, header in (("", right.set("enc", text(f"A{bits}GCM"))), (" unnamed", right)):
                yield self.sealed(f"jwe enc A{bits}GCM{name}", jose.jwe(header, jose.wrap(self.ek, short), short, plain))
        long = os.urandom(64)
        for name, header in (("", right.set("enc", b'"A256CBC-HS512"')), (" unnamed", right)):
            yield self.sealed(f"jwe enc A256CBC-HS512{name}",
                              jose.jwe_cbc(header, jose.wrap(self.ek, long), long, plain))
        for alg in ("none", "ECDH-ES", "A128GCMKW", "RSA-OAEP-256\\u0000"):
            yield self.sealed(f"jwe alg {alg}",
                              jose.jwe(right.set("alg", b'"%s"' % alg.encode()), jose.wrap(self.ek, key), key, plain))
        for name, inside in (("small", plain), ("bomb", bytes(16 << 20))):
            deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = deflate.compress(inside) + deflate.flush()
            yield self.sealed(f"jwe zip {name}", jose.seal(self.ek, packed, right.set("zip", b'"DEF"')))
            yield self.sealed(f"jwe zip {name} unnamed", jose.seal(self.ek, packed))
        # Sealed to other keys, under the right name and under their own.
        for name, key in (("identity", self.victim), ("the sender", self.trusted), ("nobody", self.other)):
            yield self.sealed(f"jwe to {name}", jose.seal(key, plain))
            yield self.sealed(f"jwe to {name} under the right name", jose.seal(key, plain, right))

    def jwe_keys(self):
        right = jose.sealed_header(self.ek)
        plain = jose.jws(self.trusted, jose.signed_header(self.trusted, MESSAGE), self.message_claims("key").written())
        key, size, n = os.urandom(32), self.ek.size, self.ek.n
        wrapped = jose.wrap(self.ek, key)
        for length in (0, 1, 15, 31, 33, 48, 64, 190):
            other = os.urandom(length)
            used = (other + bytes(32))[:32]
            yield self.sealed(f"jwe content key of {length}", jose.jwe(right, jose.wrap(self.ek, other), used, plain))
        for name, octets in (("empty", b""), ("one-octet", b"\0"), ("cut", wrapped[:-1]), ("longer", wrapped + b"\0"),
                             ("zero-before", b"\0" + wrapped), ("twice", wrapped * 2), ("zeros", bytes(size)),
                             ("one", (1).to_bytes(size, "big")), ("n", n.to_bytes(size, "big")),
                             ("n-less-one", (n - 1).to_bytes(size, "big")), ("above-n", (n + 2).to_bytes(size, "big")),
                             ("ones", b"\xff" * size), ("flipped", bytes([wrapped[0] ^ 1]) + wrapped[1:]),
                             ("4096-bits", wrapped + bytes(256)), ("long", bytes(20000))):
            yield self.sealed(f"jwe encrypted key {name}", jose.jwe(right, octets, key, plain))

    def jwe_parts(self):
        token = self.message("parts", "statement").frame
        other = self.message("other parts", "statement").frame
        for number, part in enumerate(("header", "key", "iv", "ciphertext", "tag")):
            segment = jose.segment(token, number)
            for name, variant in jose.base64_variants(segment):
                yield self.sealed(f"jwe {part} {name}", jose.with_segment(token, number, variant))
            yield self.sealed(f"jwe {part} empty", jose.with_segment(token, number, b""))
            yield self.sealed(f"jwe {part} of another", jose.with_segment(token, number, jose.segment(other, number))
                              if part != "header" else jose.with_segment(token, 0, b64(spaced(jose.sealed_header(self.ek)))))
            yield self.sealed(f"jwe {part} dot-inside", jose.with_segment(token, number, segment[:2] + b"." + segment[2:]))
            for at in (0, len(segment) // 2, len(segment) - 2):
                changed = segment[:at] + (b"A" if segment[at:at + 1] != b"A" else b"B") + segment[at + 1:]
                yield self.sealed(f"jwe {part} changed-at-{at}", jose.with_segment(token, number, changed))
        for part, number, lengths in (("iv", 2, (0, 1, 8, 11, 13, 16, 64)), ("tag", 4, (0, 1, 4, 8, 12, 15, 17, 32))):
            octets = (jose.unb64(jose.segment(token, number)) * 8)
            for length in lengths:
                yield self.sealed(f"jwe {part} of {length}", jose.with_segment(token, number, b64(octets[:length])))
        yield self.sealed("jwe tag zeros", jose.with_segment(token, 4, b64(bytes(16))))
        key = os.urandom(32)
        plain = jose.jws(self.trusted, jose.signed_header(self.trusted, MESSAGE), self.message_claims("iv").written())
        for length in (8, 16, 32):
            yield self.sealed(f"jwe sealed with an iv of {length}", jose.jwe(
                jose.sealed_header(self.ek), jose.wrap(self.ek, key), key, plain, os.urandom(length)))
        parts = token.split(b".")
        for name, octets in (("dot-before", b"." + token), ("dot-behind", token + b"."), ("four-parts", b".".join(parts[:4])),
                             ("three-parts", b".".join(parts[:3])), ("six-parts", token + b"." + parts[4]),
                             ("reversed", b".".join(reversed(parts))), ("twice", token + token),
                             ("quoted", b'"' + token + b'"'), ("space-before", b" " + token), ("space-behind", token + b" "),
                             ("line-break-behind", token + b"\n"), ("byte-order-mark", b"\xef\xbb\xbf" + token),
                             ("bearer", b"Bearer " + token), ("double-base64", b64(token)),
                             ("comma", token + b"," + token), ("soft-hyphen", token.replace(b".", ".\u00ad".encode()))):
            yield self.sealed(f"jwe {name}", octets)
        flat = {"protected": parts[0].decode(), "encrypted_key": parts[1].decode(), "iv": parts[2].decode(),
                "ciphertext": parts[3].decode(), "tag": parts[4].decode()}
        yield self.sealed("jwe json-flattened", text(flat))
        yield self.sealed("jwe json-general", text({**flat, "recipients": [{"encrypted_key": flat["encrypted_key"]}]}))

    # ---- JWS

    def jws_headers(self):
        right = jose.signed_header(self.trusted, MESSAGE)
        for name, header in self.header_changes(right, self.other):
            yield self.message(f"jws header {name}", "statement", header=header)
        for typ in (REGISTRATION, "p2pchat-keys+jwt", "p2pchat+jwe", "JWT", "application/" + MESSAGE, "p2pchat-ack+jwe"):
            yield self.message(f"jws typ {typ}", "statement", header=right.set("typ", text(typ)))
        yield self.registration("jws typ of a message", "statement", self.pending, typ=MESSAGE)
        for name, kid in (("nobody", self.stranger.id), ("the victim", self.victim.id), ("the pending one", self.pending.id),
                          ("an encryption key", self.ek.id), ("zeros", "A" * 43), ("path", "../../identity.pem"),
                          ("sql", "x' OR '1'='1"), ("prefix", "SHA256:" + self.trusted.id)):
            yield self.message(f"jws kid of {name}", "statement", header=right.set("kid", text(kid)))
        # The attacker's key beside the header that names the victim's friend.
        for name, raw in (("jwk", text(self.stranger.jwk)), ("jku", b'"http://127.0.0.1/"'), ("x5c", b'["MIIB"]')):
            yield self.message(f"jws {name} of the signer", "statement", signer=self.stranger, header=right.add(text(name), raw))
        yield self.message("jws header spaced", "ok", header=spaced(right))
        yield self.message("jws header escaped", "ok", header=right.over((name, escaped(raw)) for name, raw in right.pairs))

    def jws_signatures(self):
        right = jose.signed_header(self.trusted, MESSAGE)
        for alg in ("none", "None", "NONE", "nOnE", ""):
            header = right.set("alg", text(alg))
            yield self.message(f"jws alg {alg!r} without a signature", "statement", header=header,
                               signature=lambda key, data: b"")
            yield self.message(f"jws alg {alg!r} signed", "statement", header=header)
        secrets = {"pem": self.trusted.pem, "pem-stripped": self.trusted.pem.strip(), "der": self.trusted.der,
                   "n": self.trusted.n.to_bytes(256, "big"), "jwk": text(self.trusted.jwk), "empty": b"",
                   "kid": self.trusted.id.encode()}
        for name, secret in secrets.items():
            for alg in ("HS256", "PS256"):
                yield self.message(f"jws HMAC with {name} as {alg}", "statement", header=right.set("alg", text(alg)),
                                   signature=jose.hs256(secret))
        yield self.message("jws RS256", "statement", header=right.set("alg", b'"RS256"'), signature=jose.pkcs1)
        yield self.message("jws RS256 as PS256", "statement", signature=jose.pkcs1)
        for digest, name in ((hashes.SHA384, "PS384"), (hashes.SHA512, "PS512"), (hashes.SHA1, "PS1")):
            def other(key, data, digest=digest):
                return jose.pss(key, data, digest().digest_size, digest)
            yield self.message(f"jws {name}", "statement", header=right.set("alg", text(name)), signature=other)
            yield self.message(f"jws {name} as PS256", "statement", signature=other)
        for salt in (0, 1, 20, 31, 33, 64, 222):
            yield self.message(f"jws salt of {salt}", "statement", signature=lambda key, data, salt=salt: jose.pss(key, data, salt))
        yield self.message("jws mgf1-sha-1", "statement", signature=lambda key, data: jose.pss(key, data, mgf=hashes.SHA1))
        curve = ec.generate_private_key(ec.SECP256R1())
        for alg in ("ES256", "PS256"):
            yield self.message(f"jws ECDSA as {alg}", "statement", header=right.set("alg", text(alg)),
                               signature=lambda key, data: curve.sign(data, ec.ECDSA(hashes.SHA256())))
        n, size = self.trusted.n, self.trusted.size
        numbers = {"zero": 0, "one": 1, "n": n, "n-less-one": n - 1}
        for name, number in numbers.items():
            yield self.message(f"jws signature {name}", "statement",
                               signature=lambda key, data, number=number: number.to_bytes(size, "big"))

        def plus_n(key, data):
            for _ in range(64):
                number = int.from_bytes(jose.pss(key, data), "big") + n
                if number < 1 << (8 * size):
                    return number.to_bytes(size, "big")
            return number.to_bytes(size + 1, "big")

        changes = {"plus-n": plus_n, "ones": lambda key, data: b"\xff" * size,
                   "zero-before": lambda key, data: b"\0" + jose.pss(key, data),
                   "zero-behind": lambda key, data: jose.pss(key, data) + b"\0",
                   "cut": lambda key, data: jose.pss(key, data)[:-1], "twice": lambda key, data: jose.pss(key, data) * 2,
                   "of-other-data": lambda key, data: jose.pss(key, data + b" "),
                   "of-payload-alone": lambda key, data: jose.pss(key, data.split(b".")[1]),
                   "long": lambda key, data: bytes(100000)}
        for name, signature in changes.items():
            yield self.message(f"jws signature {name}", "statement", signature=signature)
        for name, key in (("stranger", self.stranger), ("pending", self.pending), ("encryption key", self.other),
                          ("listener's encryption key", self.ek)):
            yield self.message(f"jws signed by {name}", "statement", signer=key)
        yield self.registration("jws registration signed by another", "statement", signer=self.stranger)

    def jws_forms(self):
        claims = self.message_claims("forms")
        for number, part in enumerate(("header", "payload", "signature")):
            variants = jose.base64_variants(jose.segment(jose.jws(
                self.trusted, jose.signed_header(self.trusted, MESSAGE), claims.written()), number))
            for name, _ in variants:
                def varied(token, number=number, name=name):
                    # Signed again over what stands there, where it can be.
                    new = dict(jose.base64_variants(jose.segment(token, number))).get(name, b"=")
                    token = jose.with_segment(token, number, new)
                    if number == 2:
                        return token
                    signed = token.rsplit(b".", 1)[0]
                    return signed + b"." + b64(jose.pss(self.trusted, signed))
                yield self.message(f"jws {part} {name}", "statement", change=varied)
            yield self.message(f"jws {part} empty", "statement", change=lambda token, number=number: jose.with_segment(token, number, b""))

        def flat(token):
            parts = [part.decode() for part in token.split(b".")]
            return text({"protected": parts[0], "payload": parts[1], "signature": parts[2]})

        changes = {"two-parts": lambda token: token.rsplit(b".", 1)[0], "four-parts": lambda token: token + b".",
                   "dot-before": lambda token: b"." + token, "line-break-behind": lambda token: token + b"\n",
                   "space-before": lambda token: b" " + token, "nul-behind": lambda token: token + b"\0",
                   "twice": lambda token: token + token, "json": flat, "claims-alone": lambda token: claims.written(),
                   "empty": lambda token: b"", "quoted": lambda token: b'"' + token + b'"',
                   "signed-twice": lambda token: jose.jws(self.trusted, jose.signed_header(self.trusted, MESSAGE), token),
                   "sealed-twice": lambda token: jose.seal(self.ek, token), "random": lambda token: os.urandom(900),
                   "zeros": lambda token: bytes(900), "dots": lambda token: b"." * 900,
                   "own-statement": lambda token: self.statement,
                   "statement-of-sender": lambda token: jose.statement(self.trusted, self.statement_of(self.trusted))}
        for name, change in changes.items():
            yield self.message(f"jws {name}", "statement", change=change)
        for name, payload in jose.json_variants(claims.written()):
            yield self.message(f"jws payload json {name}", "statement", payload=payload)

    # ---- claims

    EXTRA_CLAIMS = ("sub", "nbf", "cnf", "act", "scope", "nonce", "st", "rh", "irt", "rc", "to", "seq", "ek", "jwk", "", "Body",
                    "bodyx", "v ", "__proto__", "ıat")

    def claim_changes(self, right, accepted):
        """(name, expect, change): what is done to claims like these. accepted: the wrong types that
        are right for a claim."""
        for member, value in right.pairs:
            claim = json.loads(member)
            twin = b'"\\u%04x' % member[1] + member[2:]
            yield f"{claim} missing", False, lambda claims, claim=claim: claims.drop(claim)
            yield f"{claim} twice", False, lambda claims, claim=claim: claims.add(text(claim), claims.get(claim))
            yield f"{claim} twice-other-last", False, lambda claims, claim=claim: claims.add(text(claim), b'"x"')
            yield (f"{claim} twice-other-first", False,
                   lambda claims, claim=claim: claims.set(claim, b"1").add(text(claim), claims.get(claim)))
            yield (f"{claim} twice-by-escape", False,
                   lambda claims, claim=claim, twin=twin: claims.add(twin, claims.get(claim)))
            for kind, raw in jose.wrong_types(value):
                yield (f"{claim} {kind}", kind in accepted.get(claim, ()),
                       lambda claims, claim=claim, raw=raw: claims.set(claim, raw))
            if value[:1] == b'"':
                yield f"{claim} escaped", True, lambda claims, claim=claim: claims.set(claim, escaped(claims.get(claim)))
        for claim in self.EXTRA_CLAIMS:
            yield f"extra {claim!r}", False, lambda claims, claim=claim: claims.add(text(claim), b'""')

    def changed(self, name, fine, change, claims, told):
        """What the ack refers to is in the right claims."""
        written = change(claims).written()
        return self.case(name, told if fine else "statement", claims, payload=written)

    PAD = ("empty-string", "space")

    def message_claim_types(self):
        accepted = {"pad": self.PAD, "body": ("empty-string", "10k")}
        for name, fine, change in self.claim_changes(self.message_claims("x"), accepted):
            name = f"message {name}"
            yield self.changed(name, fine, change, self.message_claims(name), "ok")
        claims = self.message_claims("message spaced")
        yield self.case("message spaced", "ok", claims, payload=spaced(claims))
        for name in ("keys", "addr", "name"):
            yield self.case(f"message with {name}", "statement", self.message_claims(name).set(name, b'""'))

    def message_values(self):
        def with_value(claim, word, raw, expect="statement", base=None):
            name = f"message {claim} {word}"
            claims = (base or self.message_claims(name)).set(claim, raw)
            return self.case(name, expect, claims)

        for word, key in (("of the sender", self.trusted), ("of the pending one", self.pending), ("of nobody", self.stranger),
                          ("of an encryption key", self.ek)):
            yield with_value("aud", word, text(key.id))
        for word, key in (("of the listener", self.victim), ("of the pending one", self.pending), ("of nobody", self.stranger)):
            yield with_value("iss", word, text(key.id))
        for claim, right in (("aud", self.victim.id), ("iss", self.trusted.id)):
            for word in ("SHA256:" + right, right + "=", right + " ", right.lower(), right[:-1], right + "A",
                         jose.trailing_bit(right.encode()).decode()):
                yield with_value(claim, repr(word), text(word))
            yield with_value(claim, "array of two", text([right, self.stranger.id]))
        for claim, octets in (("jti", 16), ("rk", 32)):
            for length in (0, 1, octets - 1, octets + 1, 64, 4096):
                yield with_value(claim, f"of {length} octets", text(b64(os.urandom(length)).decode()))
            right = b64(bytes(range(octets))).decode()
            for word in (right + "=", right[:-1] + " ", right[:-1] + "\u00e9", "+" + right[1:], "/" + right[1:],
                         jose.trailing_bit(right.encode()).decode(), "\n" + right[1:]):
                yield with_value(claim, repr(word), text(word))
        # Any sixteen octets are an id.
        for word in ("AAAAAAAAAAAAAAAAAAAAAA", "-rfAAAAAAAAAAAAAAAAAAA", "--helpAAAAAAAAAAAAAAAA", "_____________________w"):
            yield with_value("jti", word, text(word), "ok")
        for word in ("aGVsbG8=", "aGVs bG8", "aGVsbG8\n", "aGVsbG9", "aGVsb+8", "a", "aGVsbG8.", "\u00e9", "%00"):
            yield with_value("body", repr(word), text(word))
        for word in ("x", "  x", "\t", "\n", "\u00a0", "\u3000", " " * 100 + "\0", "\u200b"):
            yield with_value("pad", repr(word), text(word))
        yield with_value("pad", "escaped space", b'"\\u0020"', "ok")
        yield with_value("pad", "long", text(" " * 100000), "ok")
        now = self.now
        for word, iat, exp, expect in (
                ("30 days", now - 60, now - 60 + 30 * DAY, "ok"), ("30 days and 1 s", now - 60, now - 59 + 30 * DAY, "statement"),
                ("none", now + 60, now + 60, "statement"), ("backwards", now + 60, now - 60, "statement"),
                ("1 s", now + 300, now + 301, "ok"), ("long ago", now - 29 * DAY, now + 3600, "ok"),
                ("too long ago", now - 31 * DAY, now + 3600, "statement"), ("from 0", 0, now + 3600, "statement"),
                ("far", 2**53 - 2, 2**53 - 1, "skew"), ("1970", 0, 1, "skew"), ("32 bits", 2**32 - 1, 2**32, "skew")):
            base = self.message_claims(f"message iat life {word}").set("exp", text(exp))
            yield with_value("iat", f"life {word}", text(iat), expect, base)

    def registration_claim_types(self):
        accepted = {"pad": self.PAD, "addr": ("empty-string",),
                    "name": ("empty-string", "word", "number-string", "space", "format", "bidi")}
        for name, fine, change in self.claim_changes(self.registration_claims("x"), accepted):
            name = f"registration {name}"
            yield self.changed(name, fine, change, self.registration_claims(name), "pending")
        claims = self.registration_claims("registration spaced")
        yield self.case("registration spaced", "pending", claims, payload=spaced(claims))
        yield self.case("registration with body", "statement", self.registration_claims("with body").set("body", b'""'),
                        sender=self.pending, typ=REGISTRATION)

    NAMES = ("-rf", "--help", "../../etc/passwd", "/dev/null", "$(touch pwned)", "`id`", "; id", "| id", "a b", "'", '"', "\\",
             "%s%n", "{}", "alice", "SHA256:", "\u202egnp.exe", "\u2066x\u2069", "\u200b", "\u200d", "\ufeff", "\u2028x", "\u2029x",
             "\u00ad", "\U000e0041", "\u0301" * 32, "\U0001f9d1\u200d\U0001f4bb", "\ufffe", "\U0010ffff", "\ud7ff",
             "n" * 64, "\u00e9" * 32, "\U0001f600" * 16, " ", "\u00a0", "]0;t", "[2J", "NULL", "' OR 1=1 --", "x, y")
    BAD_NAMES = ("\0", "\n", "a\nb", "\r", "\t", "\x1b[2J", "\x1b]0;t\x07", "\x07", "\b", "\x7f", "\u0080", "\u009b2J", "\u0085",
                 "\u009f", "n" * 65, "\u00e9" * 32 + "x", "\U0001f600" * 16 + "x", "n" * 10240, "\u202e" * 3000)

    def names(self):
        for name in self.NAMES:
            title = f"registration name {name!r}"
            yield self.registration(title, "pending", claims=self.registration_claims(title, name=name))
        for name in self.BAD_NAMES:
            title = f"registration name {name[:20]!r} ({len(name)})"
            yield self.registration(title, "statement", claims=self.registration_claims(title, name=name))

    ADDRESSES = (":1", ":65535", "host:4040", "127.0.0.1:1", "0.0.0.0:1", "255.255.255.255:1", "[::]:1", "[::1]:1",
                 "[::ffff:127.0.0.1]:1", "[2001:db8:0:0:0:0:0:1]:1", "a.b.c:1", "localhost.:1", ".:1", "a" * 253 + ":1",
                 "XN--A:1", "1:1", "1.2.3.4.5:1", "256.1.1.1:1", "a--b:1", "a-:1", "00:1")
    BAD_ADDRESSES = ("-oProxyCommand=id:1", "-oProxyCommand=id", "-:1", "-a:1", "host", "host:", "host:0", "host:00", "host:01",
                     "host:65536", "host:99999", "host:4294967297", "host:18446744073709551617", "host:-1", "host:+1",
                     "host: 1", "host:1 ", " host:1", "host:1\n", "host:1x", "host:0x1", "host:1e1", "host:\u0661", ":0", ":",
                     ":65536", "::1:1", "[::1]", "[::1]:", "[::1]:0", "[::1", "::1]:1", "[]:1", "[:::]:1", "[::1%lo]:1",
                     "[fe80::1%25eth0]:1", "[fe80::1%$(id)]:1", "[12345::]:1", "[1:2:3:4:5:6:7:8:9]:1", "[::ffff:256.1.1.1]:1",
                     "[127.0.0.1]:1", "[host]:1", "[::1]x:1", "x[::1]:1", "[[::1]]:1", "user@host:1", "user:pass@host:1",
                     "http://host:1", "host/path:1", "host:1/path", "host?x:1", "host#x:1", "host_x:1", "ho st:1", "host\t:1",
                     "host\u202e:1", "h\u00f6st:1", "host\0:1", "host;id:1", "$(id):1", "`id`:1", "host|id:1", "host'x:1",
                     'host"x:1', "host\\x:1", "host%h:1", "*:1", "host,host:1", "a" * 254 + ":1", "a" * 10240 + ":1",
                     "a:" * 5000 + "1", "\x1b[2J:1", "unix:/tmp/x:1", "../x:1")

    def addresses(self):
        for addr, expect in [*((addr, "pending") for addr in self.ADDRESSES), *((addr, "statement") for addr in self.BAD_ADDRESSES)]:
            title = f"registration addr {addr[:30]!r} ({len(addr)})"
            yield self.registration(title, expect, claims=self.registration_claims(title, addr=addr))

    # ---- key statements in a registration

    def bad_statements(self, key):
        """(name, maker of a statement) with none of which anybody can register. What a maker makes is of
        the key that it finds when it is called."""
        def made(**changes):
            return jose.statement(key, self.statement_of(key, **changes))

        def right():
            return self.statement_of(key)

        yield "empty", lambda: b""
        yield "word", lambda: b"x"
        yield "401 days", lambda: made(exp=self.now - 60 + 400 * DAY + 1)
        yield "expired", lambda: made(iat=self.now - 100, exp=self.now - 50)
        yield "exp as iat", lambda: made(exp=self.now - 60)
        yield "exp before iat", lambda: made(exp=self.now - 61)
        yield "one key for both", lambda: made(ek=key.jwk)
        yield "jwk of another", lambda: made(jwk=self.stranger.jwk if key is not self.stranger else self.pending.jwk)
        yield "iss of another", lambda: made(iss=self.trusted.id)
        other = self.trusted
        yield "of another", lambda: jose.statement(other, self.statement_of(other))
        yield "of the listener", lambda: self.statement
        yield "signed by another", lambda: jose.statement(other, right(), jose.signed_header(key, "p2pchat-keys+jwt"))
        yield "kid of another", lambda: jose.statement(key, right(), jose.signed_header(other, "p2pchat-keys+jwt"))
        yield "signed by its encryption key", lambda: jose.statement(self.other, right(), jose.signed_header(key, "p2pchat-keys+jwt"))
        yield "of a message", lambda: jose.statement(key, right(), jose.signed_header(key, MESSAGE))
        yield "unsigned", lambda: jose.statement(key, right(), jose.signed_header(key, "p2pchat-keys+jwt").set("alg", b'"none"'),
                                         lambda key, data: b"")
        yield "RS256", lambda: jose.statement(key, right(), signature=jose.pkcs1)
        yield "salt of 0", lambda: jose.statement(key, right(), signature=lambda key, data: jose.pss(key, data, 0))
        yield "HS256", lambda: jose.statement(key, right(), jose.signed_header(key, "p2pchat-keys+jwt").set("alg", b'"HS256"'), jose.hs256(key.pem))
        yield "jwk in header", lambda: jose.statement(key, right(), jose.signed_header(key, "p2pchat-keys+jwt").set("jwk", text(key.jwk)))
        yield "crit", lambda: jose.statement(key, right(), jose.signed_header(key, "p2pchat-keys+jwt").set("crit", b'["v"]'))
        def good():
            return jose.statement(key, right())

        yield "line break behind", lambda: good() + b"\n"
        yield "padded", lambda: good() + b"=="
        yield "four parts", lambda: good() + b"."
        yield "sealed", lambda: jose.seal(self.ek, good())
        yield "registration in it", lambda: made(seq=b'{"keys":"x"}')
        for extra in ("pad", "aud", "jti"):
            yield f"extra {extra}", lambda extra=extra: jose.statement(key, right().set(extra, b'""'))
        # Any integer is a seq.
        for name, fine, change in self.claim_changes(right(), {"seq": ("zero", "two")}):
            if not fine:
                yield name, lambda change=change: jose.statement(key, change(right()))
        for name, jwk in self.bad_keys(self.other):
            yield f"ek {name}", lambda jwk=jwk: made(ek=jwk)
        for name, jwk in self.bad_keys(key):
            yield f"jwk {name}", lambda jwk=jwk: made(jwk=jwk)
        for index, (name, _) in enumerate(jose.json_variants(right().written())):
            yield f"json {name}", lambda index=index: jose.statement(key, list(jose.json_variants(right().written()))[index][1])

    def bad_keys(self, key):
        n = key.n
        def with_n(number, zeros=0):
            octets = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8 or 1, "big")
            return dict(key.jwk, n=b64(octets).decode())

        for name, number in (("0", 0), ("1", 1), ("3", 3), ("512 bits", 2**511 + 1), ("1024 bits", 2**1023 + 1),
                             ("2047 bits", 2**2046 + 1), ("4097 bits", 2**4096 + 1), ("8192 bits", 2**8191 + 1),
                             ("98000 bits", 2**97999 + 1), ("1000000 bits", 2**999999 + 1), ("even", n + 1),
                             ("power of two", 2**2047)):
            yield f"n {name}", with_n(number)
        yield "n zero-led", with_n(n, 1)
        yield "n zeros", dict(key.jwk, n=b64(bytes(256)).decode())
        for name, variant in jose.base64_variants(key.jwk["n"].encode()):
            if name not in ("high-octet", "full-width"):
                yield f"n {name}", dict(key.jwk, n=variant.decode())
        for e in ("", "AA", "AQ", "Ag", "Aw", "EQ", "AQAA", "AAEAAQ", "AQAB==", "AQABAA", "AQAC", "AQAB" * 500, "aqab", "A"):
            yield f"e {e[:12]!r}", dict(key.jwk, e=e)
        for kty in ("rsa", "EC", "oct", "OKP", "", "RSA "):
            yield f"kty {kty!r}", dict(key.jwk, kty=kty)
        numbers = key.private.private_numbers()
        yield "private", dict(key.jwk, d=b64(numbers.d.to_bytes(key.size, "big")).decode())
        for extra, value in (("alg", "PS256"), ("use", "sig"), ("kid", key.id), ("x5c", "x"), ("key_ops", "verify")):
            yield f"with {extra}", dict(key.jwk, **{extra: value})
        for member in ("kty", "n", "e"):
            yield f"without {member}", {name: value for name, value in key.jwk.items() if name != member}
            for value in (None, 1, True, [key.jwk[member]], {}):
                yield f"with {text(value).decode()[:8]} for {member}", dict(key.jwk, **{member: value})
        yield "curve", {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
        yield "pem", key.pem.decode()

    def statements(self):
        """By the pending peer, whose seq is that of the time of the run."""
        for name, token in self.bad_statements(self.pending):
            title = f"statement {name}"
            yield self.registration(title, "statement", claims=self.registration_claims(title, keys=token().decode("latin-1")))
        now = self.now
        for name, changes in (("lower seq", {"seq": now - 1}), ("seq 0", {"seq": 0}), ("same seq, another ek", {"ek": self.weak_free()}),
                              ("lower seq, another ek", {"seq": now - 1, "ek": self.weak_free()})):
            title = f"statement {name}"
            keys = jose.statement(self.pending, self.statement_of(self.pending, **changes)).decode()
            yield self.registration(title, "statement", claims=self.registration_claims(title, keys=keys))
        for name, changes in (("from the future", {"iat": now + 100 * DAY, "exp": now + 200 * DAY}),
                              ("400 days", {"iat": now - 60, "exp": now - 60 + 400 * DAY}),
                              ("last second of 2^53", {"iat": 2**53 - 2, "exp": 2**53 - 1}),
                              ("from 1970 on is too long", None)):
            title = f"statement {name}"
            changes = changes or {"iat": 0}
            keys = jose.statement(self.pending, self.statement_of(self.pending, **changes)).decode()
            expect = "statement" if changes == {"iat": 0} else "pending"
            yield self.registration(title, expect, claims=self.registration_claims(title, keys=keys))
        # Of a trusted one, which is told so, and of one that is blocked, which is not.
        yield self.registration("registration of the trusted one", "trusted", self.trusted)
        yield self.registration("registration of the blocked one", "pending", self.blocked, unchanged=True)
        yield self.message("message of the pending one", "pending", self.pending)
        yield self.message("message of the blocked one", "pending", self.blocked)

    def weak_free(self):
        """An encryption key that breaks no rule and is nobody's."""
        return dict(self.other.jwk, n=b64((2**2047 + 1).to_bytes(256, "big")).decode())

    def strangers(self):
        """Who brings its own key must hold to the policy, too; nothing of it is kept."""
        for name, private in (("1024 bits", self.weak), ("2047 bits", rsa.generate_private_key(65537, 2047)),
                              ("exponent 3", rsa.generate_private_key(3, 2048))):
            key = Key(private)
            key.jwk["e"] = b64(key.e.to_bytes(4, "big").lstrip(b"\0")).decode()
            canonical = f'{{"e":"{key.jwk["e"]}","kty":"RSA","n":"{key.jwk["n"]}"}}'
            key.id = b64(hashlib.sha256(canonical.encode()).digest()).decode()
            yield self.registration(f"stranger with {name}", "statement", key)
        for name, token in itertools.islice(self.bad_statements(self.stranger), 30):
            title = f"stranger statement {name}"
            yield self.registration(title, "statement", self.stranger,
                                    claims=self.registration_claims(title, self.stranger, keys=token().decode("latin-1")))
        yield self.message("stranger message", "statement", self.stranger)
        yield self.registration("stranger signed by another", "statement", self.stranger, signer=self.trusted)
        title = "stranger with somebody's statement"
        keys = jose.statement(self.trusted, self.statement_of(self.trusted)).decode()
        yield self.registration(title, "statement", self.stranger, claims=self.registration_claims(title, self.stranger, keys=keys))
        title = "stranger as the trusted one"
        yield self.registration(title, "statement", self.stranger, claims=self.registration_claims(title, self.trusted),
                                header=jose.signed_header(self.trusted, REGISTRATION))
        yield self.registration("stranger with 4096 bits", "pending", self.large)
        title = "stranger with an encryption key of 4096 bits"
        keys = jose.statement(self.stranger, self.statement_of(self.stranger, ek=self.large.jwk)).decode()
        claims = self.registration_claims(title, self.stranger, keys=keys)
        yield self.registration(title, "pending", self.stranger, claims)
        for name in ("-rf", "\u202egnp.exe", "$(id)", '"; accept', "alice", "\u2028pending: SHA256:x"):
            title = f"stranger name {name!r}"
            yield self.registration(title, "pending", self.stranger, claims=self.registration_claims(title, self.stranger, name=name))

    # ---- right tokens in the wrong place

    def forwarded(self):
        """What was signed for others, and for the listener itself by itself."""
        for name, aud in (("another", self.other.id), ("the sender", self.trusted.id), ("the forwarder", self.pending.id)):
            title = f"forwarded message to {name}"
            yield self.case(title, "statement", self.message_claims(title).set("aud", text(aud)))
            title = f"forwarded registration to {name}"
            yield self.case(title, "statement", self.registration_claims(title, self.trusted).set("aud", text(aud)), self.trusted)
        for aud in (self.trusted.id, self.victim.id):
            title = f"reflected message to {aud[:4]}"
            claims = self.message_claims(title, self.victim).set("aud", text(aud))
            yield self.case(title, "statement", claims, self.victim)
            title = f"reflected registration to {aud[:4]}"
            claims = self.registration_claims(title, self.victim, keys=self.statement.decode()).set("aud", text(aud))
            yield self.case(title, "statement", claims, self.victim)
        yield self.sealed("reflected frame of the listener", self.own_frame)
        yield self.sealed("reflected message, sealed to the listener", jose.seal(self.ek, self.own_token))
        # An ack is none of what a listener takes, under whatever key.
        ack = Members({"v": 1, "iss": self.trusted.id, "aud": self.victim.id, "irt": "A" * 22, "rh": "A" * 43, "st": "ok",
                       "iat": self.now, "body": "", "rc": 0, "keys": "", "pad": ""})
        yield self.sealed("ack of a request never made", jose.jwe(jose.direct_header(), b"", os.urandom(32), ack.written()))
        yield self.sealed("ack sealed to the listener", jose.seal(self.ek, ack.written()))
        yield self.message("ack as a message", "statement", payload=ack.written())

    def repeated(self):
        """Replays, in the same octets and in others."""
        claims = self.message_claims("repeated")
        first = self.case("repeated first", "ok", claims)
        yield first

        def again(name, octets, **how):
            return Case(f"repeated{name}", octets, "dup", self.trusted, claims, unchanged=True, **how)

        for count in range(3):
            yield again(f" octets {count}", first.octets)
        token = jose.open_sealed(first.frame, self.ek)
        yield again(", sealed anew", jose.seal(self.ek, token) + b"\0")
        yield again(", header spaced", jose.seal(self.ek, token, spaced(jose.sealed_header(self.ek))) + b"\0")
        yield again(", to the old key", jose.seal(self.old_ek, token) + b"\0", keys=True)
        yield self.case("repeated, claims spaced", "dup", claims, payload=spaced(claims), unchanged=True)
        yield self.case("repeated, body escaped", "dup", claims.set("body", escaped(claims.get("body"))),
                        unchanged=True)
        yield self.case("repeated, pad of its own", "dup", claims.set("pad", b'""'), unchanged=True)
        yield self.case("repeated, later", "dup", claims.set("exp", text(self.now + 8 * DAY)))
        yield self.case("repeated, sooner", "dup", claims.set("exp", text(self.now + 3600)), unchanged=True)
        yield again(", sooner by the first octets", first.octets)
        yield self.case("repeated, expired", "skew", claims.set("exp", text(self.now - 1)))
        for name, body in (("empty", b""), ("longer", b"hello "), ("other", b"hallo")):
            yield self.case(f"repeated, body {name}", "conflict", claims.set("body", text(b64(body).decode())))
        yield self.case("repeated, body not canonical", "statement", claims.set("body", b'"aGVsbG9"'))
        yield self.case("repeated by the pending one", "pending", claims.set("iss", text(self.pending.id)), self.pending)
        yield self.case("repeated by the blocked one", "pending", claims.set("iss", text(self.blocked.id)), self.blocked)
        for sender, told in ((self.pending, "pending"), (self.trusted, "trusted")):
            yield from self.repeated_registration(f"repeated registration, {told}", sender, told)

    def repeated_registration(self, title, sender, told):
        """What is not newer changes nothing."""
        claims = self.registration_claims(title, sender)
        first = self.registration(f"{title}, first", told, sender, claims)
        yield first
        for count in range(2):
            yield Case(f"{title}, octets {count}", first.octets, told, sender, claims, unchanged=True)
        before = claims.set("iat", text(self.now - 9000)).set("name", b'"other"')
        yield self.registration(f"{title}, of before", told, sender, before, unchanged=True)
        same = claims.set("addr", b'"evil:1"')
        yield self.registration(f"{title}, of the same second", told, sender, same, unchanged=True)

    def clocks(self):
        now = self.now
        for name, iat, exp, expect in (("hours ahead", now + 7200, now + 9000, "skew"), ("years ahead", now + 900 * DAY, now + 901 * DAY, "skew"),
                                       ("a little ahead", now + 300, now + 9000, "ok"), ("expired", now - 60, now - 1, "skew"),
                                       ("long expired", now - 90 * DAY, now - 89 * DAY, "skew")):
            for sender in (self.trusted, self.pending, self.blocked):
                title = f"clock {name}, {sender.id[:4]}"
                told = expect if sender is self.trusted or expect == "skew" else "pending"
                claims = self.message_claims(title, sender).set("iat", text(iat)).set("exp", text(exp))
                yield self.case(title, told, claims, sender)
            if expect == "skew":
                for sender in (self.stranger, self.pending):
                    title = f"clock registration {name}, {sender.id[:4]}"
                    claims = self.registration_claims(title, sender).set("iat", text(iat)).set("exp", text(exp))
                    yield self.case(title, expect, claims, sender)

    BODIES = (b"", b"\0", b"\x1b[2J\x1b]0;title\x07", b"\x9b2J", "\u009b2J".encode(), b"\r2026-01-01T00:00:00Z bob: forged",
              b"\n2026-01-01T00:00:00Z bob: forged", b'"}\n{"peer":"bob","text":"forged"}', b"\xff\xfe", b"\xed\xa0\x80",
              "\u202e\u2066\u200b\ufeff".encode(), "\u2028\u2029\u0085".encode(), b"%s%n", b"\b" * 100, b"\n" * 100,
              b"\x1bP\x1b\\", b"\x1b[6n", b"\x0e\x0f\x05", b"-rf", b"$(touch pwned)", bytes(range(256)), b"\xf4\x90\x80\x80",
              b"\xc0\xaf", b"\xe2\x82", "\U000e0001\U000e0041".encode(), b"\x7f", b"listening on 127.0.0.1:1")

    def bodies(self):
        for body in self.BODIES:
            yield self.message(f"body {body[:12]!r}", "ok", body=body)

    def lengths(self):
        """At, and one beyond, every limit."""
        header = jose.sealed_header(self.ek)
        for length, expect in ((UNKNOWN - 1, "ok"), (UNKNOWN, "statement")):
            spaces = length * 6 // 8 - len(header.written())
            around = header.written()[:-1] + b" " * spaces + b"}"
            assert len(b64(around)) == length
            yield self.message(f"length of header {length}", expect, around=around)
        for length, expect in ((BODY, "ok"), (BODY + 1, "statement"), (1700000, "statement")):
            yield self.message(f"length of body {length}", expect, body=b"\n" + bytes(length - 1))
        for length, expect in ((FRAME, "ok"), (FRAME + 1, "none")):
            yield self.of_length(f"length of frame {length}", length, expect)
        for length in (UNKNOWN - 1, UNKNOWN, UNKNOWN + 1, 65536, 131072, FRAME - 1, FRAME):
            yield self.frame(f"letters {length}", b"A" * length + b"\0", "statement")
        yield self.frame("dots", b"." * FRAME + b"\0", "statement")
        yield self.frame(f"letters {FRAME + 1}", b"A" * (FRAME + 1) + b"\0", "none")
        known = b64(header.written()) + b"."
        for length, expect in ((FRAME, "statement"), (FRAME + 1, "none")):
            yield self.frame(f"known header and letters {length}", known + b"A" * (length - len(known)) + b"\0", expect)
        for name, inside in (("deep", b'{"v":' * 300000), ("wide", b"{" + b'"v":1,' * 300000), ("names", b"{" + b",".join(
                b'"%d":1' % number for number in range(150000)) + b"}"), ("long name", b'{"' + b"v" * 2000000 + b'":1}'),
                             ("digits", b'{"v":' + b"1" * 2000000 + b"}"), ("escapes", b'{"v":"' + b"\\u0000" * 300000 + b'"}'),
                             ("spaces", b" " * 2000000)):
            yield self.message(f"length of claims {name}", "statement", payload=inside)

    def of_length(self, name, length, expect):
        """A message whose frame has this length, by its pad and white space in its header."""
        claims = self.message_claims(name)
        around = jose.sealed_header(self.ek).written()

        def after(octets):
            return (octets * 8 + 5) // 6

        inner = len(b64(jose.signed_header(self.trusted, MESSAGE).written())) + 2 + after(self.trusted.size)
        outer = 4 + after(self.ek.size) + 16 + 22
        empty = len(claims.set("pad", b'""').written())
        estimate = (length - outer - after(len(around))) * 9 // 16 - empty - inner
        for spaces in range(8):
            for pad in range(max(estimate, 0) - 600, max(estimate, 0) + 600):
                if outer + after(len(around) + spaces) + after(inner + after(empty + pad)) == length:
                    return self.case(name, expect, claims.set("pad", text(" " * pad)), around=around[:-1] + b" " * spaces + b"}")
        raise AssertionError(name)
