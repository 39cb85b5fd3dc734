#include "jose/jwk.h"

#include <catch2/catch.hpp>

#include "jose/base64url.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

// The key of RFC 7638 section 3.1.
constexpr const char* kRfcModulus =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
    "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
    "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
    "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

RawObject rfc_jwk() {
  return {{"kty", json_string("RSA")}, {"n", json_string(kRfcModulus)}, {"e", json_string("AQAB")}};
}

Result<RsaPublicKey> read(const RawObject& jwk) {
  auto object = JsonObject::parse(jwk.text());
  REQUIRE(object);
  return read_jwk(*std::move(object));
}

std::string changed_modulus(char first, char last) {
  std::string modulus = *decode_base64url(kRfcModulus);
  modulus.front() = first;
  modulus.back() = last;
  return json_string(encode_base64url(modulus));
}

}  // namespace

TEST_CASE("jwk: the key of RFC 7638 has the thumbprint of RFC 7638") {
  const auto key = read(rfc_jwk());
  REQUIRE(key);
  CHECK(thumbprint(*key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST_CASE("jwk: a key comes back from its JWK") {
  const RsaPublicKey& key = alice_identity().public_key();
  const JwkText text = jwk_text(key);
  auto object = JsonObject::parse(write_json(jwk_members(text)));
  REQUIRE(object);
  const auto back = read_jwk(*std::move(object));
  REQUIRE(back);
  CHECK(back->modulus() == key.modulus());
  CHECK(thumbprint(*back) == thumbprint(key));
  CHECK(text.e == "AQAB");
}

TEST_CASE("jwk: two keys have two thumbprints") {
  CHECK(thumbprint(alice_identity().public_key()) != thumbprint(alice_encryption().public_key()));
}

TEST_CASE("jwk: a member missing, changed or of another type is refused") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"kty", "\"EC\""},
      {"kty", "\"rsa\""},
      {"kty", "1"},
      {"n", "\"\""},
      {"n", "\"!!!!\""},
      {"n", "1"},
      {"n", "{}"},
      {"e", "\"\""},
      {"e", "65537"},
      {"e", "\"Aw\""},
      {"e", "\"AQ\""},
      {"e", "\"AAEAAQ\""},
      {"e", "\"AQAC\""},
      {"e", "\"AQAB=\""},
      {"e", "\"AQABAA\""},
  }));
  CAPTURE(name, value);
  CHECK_FALSE(read(rfc_jwk().set(name, value)));
  CHECK_FALSE(read(rfc_jwk().drop(name)));
}

TEST_CASE("jwk: any other member is refused, those of a private key included") {
  const std::string name =
      GENERATE(as<std::string>{}, "d", "p", "use", "alg", "kid", "key_ops", "x5c", "N");
  CAPTURE(name);
  CHECK_FALSE(read(rfc_jwk().set(name, "\"AQAB\"")));
}

TEST_CASE("jwk: a modulus with leading zero octets or in another spelling is refused") {
  const std::string modulus = *decode_base64url(kRfcModulus);
  CHECK_FALSE(read(rfc_jwk().set("n", json_string(encode_base64url('\0' + modulus)))));
  CHECK_FALSE(read(rfc_jwk().set("n", json_string(std::string(kRfcModulus) + "=="))));
  std::string other_bits = kRfcModulus;
  other_bits.back() = 'x';
  CHECK_FALSE(read(rfc_jwk().set("n", json_string(other_bits))));
}

TEST_CASE("jwk: the key policy holds") {
  CHECK(read(rfc_jwk().set("n", changed_modulus('\x80', '\x01'))));
  CHECK(read(rfc_jwk().set("n", changed_modulus('\x7F', '\x01'))).why() ==
        "refused key: fewer than 2048 bits");
  CHECK(read(rfc_jwk().set("n", changed_modulus('\x80', '\x02'))).why() ==
        "refused key: even modulus");
  CHECK(read(rfc_jwk().set("n", json_string(std::string(kMaxKeyTextBytes + 4, 'A')))).why() ==
        "refused key: more than 16 KiB of text");
  CHECK(read(rfc_jwk().set("n", json_string(std::string(684, 'B')))).why() ==
        "refused key: more than 4096 bits");
}

TEST_CASE("jwk: a thumbprint is canonical base64url of 32 bytes") {
  const std::string good = thumbprint(alice_identity().public_key());
  CHECK(good.size() == kThumbprintCharacters);
  CHECK(is_thumbprint(good));
  CHECK_FALSE(is_thumbprint(""));
  CHECK_FALSE(is_thumbprint(good + "A"));
  CHECK_FALSE(is_thumbprint(good + "="));
  CHECK_FALSE(is_thumbprint(good.substr(1)));
  CHECK_FALSE(is_thumbprint("SHA256:" + good));
  CHECK_FALSE(is_thumbprint(std::string(42, 'A') + "B"));
  CHECK_FALSE(is_thumbprint(std::string(42, 'A') + "+"));
}

}  // namespace p2pchat
