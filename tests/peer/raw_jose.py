"""JOSE tokens byte by byte, right ones and those that no JOSE library writes. A module for the
hostile corpus (hostile_requests.py, hostile_replies.py); arithmetic by python3-cryptography.
"""

import base64
import hashlib
import hmac
import json
import os

from cryptography.hazmat.primitives import hashes, padding as blocks, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def unb64(text):
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def text(value):
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Members:
    """A JSON object as a list of pairs of raw text, so that nothing in it need be right."""

    def __init__(self, pairs):
        self.pairs = [(text(name), text(value)) for name, value in pairs.items()]

    def copy(self):
        other = Members({})
        other.pairs = list(self.pairs)
        return other

    def set(self, name, raw):
        """The value of a member, as raw text."""
        pair = (text(name), raw)
        if not any(known == pair[0] for known, _ in self.pairs):
            return self.add(pair[0], raw)
        return self.over(pair if known == pair[0] else (known, value) for known, value in self.pairs)

    def drop(self, name):
        return self.over(pair for pair in self.pairs if pair[0] != text(name))

    def add(self, raw_name, raw):
        return self.over([*self.pairs, (raw_name, raw)])

    def get(self, name):
        return next(value for known, value in self.pairs if known == text(name))

    def over(self, pairs):
        other = Members({})
        other.pairs = list(pairs)
        return other

    def written(self):
        return b"{" + b",".join(name + b":" + value for name, value in self.pairs) + b"}"


class Key:
    """An RSA key with its names."""

    def __init__(self, private):
        self.private = private
        numbers = private.public_key().public_numbers()
        self.n, self.e = numbers.n, numbers.e
        self.size = (self.n.bit_length() + 7) // 8
        self.jwk = {"kty": "RSA", "n": b64(self.n.to_bytes(self.size, "big")).decode(), "e": "AQAB"}
        canonical = f'{{"e":"{self.jwk["e"]}","kty":"RSA","n":"{self.jwk["n"]}"}}'
        self.id = b64(hashlib.sha256(canonical.encode()).digest()).decode()
        public = private.public_key()
        self.pem = public.public_bytes(serialization.Encoding.PEM,
                                       serialization.PublicFormat.SubjectPublicKeyInfo)
        self.der = public.public_bytes(serialization.Encoding.DER,
                                       serialization.PublicFormat.SubjectPublicKeyInfo)

    @staticmethod
    def load(path):
        with open(path, "rb") as file:
            return Key(serialization.load_pem_private_key(file.read(), None))

    def raw(self, number):
        """The private operation on any number below n."""
        return pow(number, self.private.private_numbers().d, self.n).to_bytes(self.size, "big")


def public_pem(n, e):
    """A PEM of any numbers at all."""
    def der(tag, content):
        length = len(content)
        octets = bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")
        return bytes([tag]) + octets + content

    def integer(number):
        return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))

    algorithm = der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    key = der(3, b"\0" + der(0x30, integer(n) + integer(e)))
    lines = base64.b64encode(der(0x30, algorithm + key))
    broken = b"\n".join(lines[at:at + 64] for at in range(0, len(lines), 64))
    return b"-----BEGIN PUBLIC KEY-----\n" + broken + b"\n-----END PUBLIC KEY-----\n"


# ---- JWS

def pss(key, data, salt=32, digest=hashes.SHA256, mgf=None):
    return key.private.sign(data, padding.PSS(padding.MGF1((mgf or digest)()), salt), digest())


def pkcs1(key, data):
    return key.private.sign(data, padding.PKCS1v15(), hashes.SHA256())


def hs256(secret):
    return lambda key, data: hmac.new(secret, data, hashlib.sha256).digest()


def jws(key, header, payload, signature=pss):
    """header: Members or octets. signature: what the key makes of header.payload."""
    signed = b64(header if isinstance(header, bytes) else header.written()) + b"." + b64(payload)
    return signed + b"." + b64(signature(key, signed))


def signed_header(key, typ):
    return Members({"alg": "PS256", "kid": key.id, "typ": typ})


def statement_claims(identity, ek, seq, iat, exp):
    """The claims of a key statement; ek: a Key or a JWK."""
    return Members({"v": 1, "iss": identity.id, "jwk": identity.jwk, "ek": ek.jwk if isinstance(ek, Key) else ek,
                    "seq": seq, "iat": iat, "exp": exp})


def statement(identity, claims, header=None, signature=pss):
    payload = claims if isinstance(claims, bytes) else claims.written()
    return jws(identity, header or signed_header(identity, "p2pchat-keys+jwt"), payload, signature)


# ---- JWE

def oaep(digest=hashes.SHA256, mgf=None, label=None):
    return padding.OAEP(padding.MGF1((mgf or digest)()), digest(), label)


def wrap(key, content_key, how=None):
    return key.private.public_key().encrypt(content_key, how or oaep())


def sealed_header(key):
    return Members({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": key.id, "typ": "p2pchat+jwe", "cty": "JWT"})


def jwe(header, wrapped, content_key, plaintext, iv=None):
    """AES-GCM under the content key, of any length that it knows."""
    iv = os.urandom(12) if iv is None else iv
    aad = b64(header if isinstance(header, bytes) else header.written())
    sealed = AESGCM(content_key).encrypt(iv, plaintext, aad)
    return b".".join([aad, b64(wrapped), b64(iv), b64(sealed[:-16]), b64(sealed[-16:])])


def seal(key, plaintext, header=None):
    content_key = os.urandom(32)
    return jwe(sealed_header(key) if header is None else header, wrap(key, content_key), content_key, plaintext)


def jwe_cbc(header, wrapped, content_key, plaintext):
    """A256CBC-HS512, with a content key of 64 octets."""
    iv, aad = os.urandom(16), b64(header.written())
    padder = blocks.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(content_key[32:]), modes.CBC(iv)).encryptor()
    sealed = cipher.update(padder.update(plaintext) + padder.finalize()) + cipher.finalize()
    length = (len(aad) * 8).to_bytes(8, "big")
    tag = hmac.new(content_key[:32], aad + iv + sealed + length, hashlib.sha512).digest()[:32]
    return b".".join([aad, b64(wrapped), b64(iv), b64(sealed), b64(tag)])


def direct_header():
    return Members({"alg": "dir", "enc": "A256GCM", "typ": "p2pchat-ack+jwe"})


def open_direct(token, key):
    """The plaintext of a JWE that was sealed with `dir`."""
    header, _, iv, sealed, tag = token.split(b".")
    return AESGCM(key).decrypt(unb64(iv), unb64(sealed) + unb64(tag), header)


def open_sealed(token, key):
    header, wrapped, iv, sealed, tag = token.split(b".")
    content_key = key.private.decrypt(unb64(wrapped), oaep())
    return AESGCM(content_key).decrypt(unb64(iv), unb64(sealed) + unb64(tag), header)


# ---- what is done to any token

def segment(token, number):
    return token.split(b".")[number]


def with_segment(token, number, value):
    parts = token.split(b".")
    parts[number] = value
    return b".".join(parts)


def trailing_bit(part):
    """The segment with a bit set in its last character that encodes nothing, if there is one."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + bytes([alphabet[alphabet.index(part[-1]) | 1]]) if len(part) % 4 in (2, 3) else None


def base64_variants(part):
    """(name, other writing) of a segment, none of which is base64url of this profile."""
    data = unb64(part)
    yield "padded", part + b"=" * (-len(part) % 4 or 4)
    yield "one-equals", part + b"="
    yield "standard-alphabet", base64.b64encode(b"\xff\xef" + data).rstrip(b"=")
    yield "percent", part + b"%3D"
    yield "wrapped", part[:8] + b"\r\n" + part[8:]
    yield "line-break-behind", part + b"\n"
    yield "space-before", b" " + part
    yield "space-inside", part[:4] + b" " + part[4:]
    yield "tab-inside", part[:4] + b"\t" + part[4:]
    yield "tilde", part[:-1] + b"~"
    yield "high-octet", part[:4] + b"\xc3\xa9" + part[4:]
    yield "full-width", part[:4] + "Ａ".encode() + part[4:]
    # One character more than a multiple of four encodes nothing.
    yield "dangling", part + b"A" * ((1 - len(part)) % 4 or 4)
    if trailing_bit(part):
        yield "trailing-bits", trailing_bit(part)


# ---- JSON

WRONG_TYPES = {
    "null": b"null", "true": b"true", "false": b"false", "zero": b"0", "two": b"2", "minus": b"-1",
    "minus-zero": b"-0", "fraction": b"1.0", "exponent": b"1e0", "exponent-capital": b"1E+0", "huge": b"9" * 400,
    "digits-10k": b"1" * 10000, "2-to-53": b"9007199254740992", "2-to-63": b"9223372036854775808",
    "2-to-64": b"18446744073709551616", "2-to-64-and-1": b"18446744073709551617",
    "empty-string": b'""', "word": b'"x"', "number-string": b'"1"', "space": b'" "', "array": b"[]", "array-of-one": None,
    "array-of-null": b"[null]", "object": b"{}", "object-of-one": b'{"v":1}', "nul-escape": b'"\\u0000"',
    "lone-surrogate": b'"\\ud800"', "low-surrogate": b'"\\udc00"', "latin-1": b'"\xe9"', "overlong": b'"\xc0\x80"',
    "encoded-surrogate": b'"\xed\xa0\x80"', "beyond-unicode": b'"\xf4\x90\x80\x80"', "cut-utf-8": b'"\xe2\x82"',
    "raw-control": b'"\x01"', "raw-line-break": b'"\n"', "raw-nul": b'"\0"', "bad-escape": b'"\\x41"',
    "format": b'"%s%n%s%n"', "control": b'"\\u001b[2J"', "bidi": '"\u202e"'.encode(),
    "10k": b'"' + b"A" * 10240 + b'"', "octal": b"01", "hexadecimal": b"0x1", "plus": b"+1", "nan": b"NaN",
    "infinity": b"Infinity", "nothing": b"", "bare": b"x", "single-quotes": b"'x'", "deep": b"[" * 2000 + b"]" * 2000,
    "deep-objects": b'{"a":' * 2000 + b"1" + b"}" * 2000, "five-deep": b'{"a":{"b":{"c":{"d":{}}}}}',
}


def wrong_types(right):
    """(name, raw text) of everything that is not this value."""
    for name, raw in WRONG_TYPES.items():
        raw = b"[" + right + b"]" if raw is None else raw
        if raw != right:
            yield name, raw


def json_variants(whole):
    """(name, other text) of an object that is not exactly one JSON object by RFC 8259."""
    yield "empty", b""
    yield "byte-order-mark", b"\xef\xbb\xbf" + whole
    yield "utf-16", b"\xff\xfe" + whole.decode().encode("utf-16-le")
    yield "array", b"[" + whole + b"]"
    yield "twice", whole + whole
    yield "null-text", b"null"
    yield "string", text(whole.decode())
    yield "number", b"1"
    yield "trailing-comma", whole[:-1] + b",}"
    yield "leading-comma", b"{," + whole[1:]
    yield "comment", b"/**/" + whole
    yield "line-comment", whole + b"//x"
    yield "behind", whole + b"x"
    yield "nul-behind", whole + b"\0"
    yield "vertical-tab", b"\v" + whole
    yield "no-break-space", whole + "\u00a0".encode()
    yield "not-closed", whole[:-1]
    yield "single-quotes", whole.replace(b'"', b"'")
    yield "bare-names", whole.replace(b'"v"', b"v").replace(b'"alg"', b"alg")
    yield "invalid-utf-8", whole[:-1] + b',"\xff":1}'
    yield "deep-extra", whole[:-1] + b',"x":' + b"[" * 1500 + b"]" * 1500 + b"}"
    yield "not-closed-deep", whole[:-1] + b',"x":' + b'{"x":' * 1500
    yield "many-members", whole[:-1] + b"".join(b',"%d":0' % number for number in range(1500)) + b"}"
    yield "empty-name", whole[:-1] + b',"":0}'
