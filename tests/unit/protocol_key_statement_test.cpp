#include "protocol/key_statement.h"

#include <catch2/catch.hpp>

#include "jose/base64url.h"
#include "jose/jwk.h"
#include "protocol/claims.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

constexpr std::uint64_t kLongestLife = kMaxStatementDays * kSecondsPerDay;

std::string raw_jwk(const std::string& modulus, const std::string& exponent) {
  return RawObject{{"kty", json_string("RSA")},
                   {"n", json_string(encode_base64url(modulus))},
                   {"e", json_string(encode_base64url(exponent))}}
      .text();
}

std::string raw_jwk(const RsaPublicKey& key) {
  return raw_jwk(key.modulus(), key.exponent());
}

const std::string& bob_id() {
  return bob_statement().identity_id;
}

RawObject bob_claims() {
  return {{"v", "1"},
          {"iss", json_string(bob_id())},
          {"jwk", raw_jwk(bob_identity().public_key())},
          {"ek", raw_jwk(bob_encryption().public_key())},
          {"seq", "7"},
          {"iat", std::to_string(kNow)},
          {"exp", std::to_string(kNow + kSecondsPerDay)}};
}

std::string signed_by_bob(const std::string& payload) {
  return sign_raw(bob_identity(), signed_header(bob_id(), kKeyStatementType).text(), payload);
}

bool taken(const RawObject& claims) {
  return static_cast<bool>(read_key_statement(signed_by_bob(claims.text())));
}

std::string with_ek(const std::string& modulus, const std::string& exponent) {
  return read_key_statement(
             signed_by_bob(bob_claims().set("ek", raw_jwk(modulus, exponent)).text()))
      .why();
}

}  // namespace

TEST_CASE("key statement: what is said is what is read") {
  const KeyStatement said = make_key_statement(bob_identity(), bob_encryption().public_key(), 7,
                                               kNow, kNow + kSecondsPerDay);
  const auto read = read_key_statement(said.token);
  REQUIRE(read);
  CHECK(read->token == said.token);
  CHECK(read->identity_id == thumbprint(bob_identity().public_key()));
  CHECK(read->identity.modulus() == bob_identity().public_key().modulus());
  CHECK(read->encryption_id == thumbprint(bob_encryption().public_key()));
  CHECK(read->encryption.modulus() == bob_encryption().public_key().modulus());
  CHECK(read->seq == 7);
  CHECK(read->iat == kNow);
  CHECK(read->exp == kNow + kSecondsPerDay);
  CHECK(said.identity_id == read->identity_id);
  CHECK(said.encryption_id == read->encryption_id);
}

TEST_CASE("key statement: a statement written by hand, in any order and spacing, is taken") {
  CHECK(taken(bob_claims()));
  const std::string spaced = "{ \"exp\":1700086400 , \"iat\":1700000000,\n\"seq\":0,\"\\u0065k\":" +
                             raw_jwk(bob_encryption().public_key()) +
                             ",\"jwk\":" + raw_jwk(bob_identity().public_key()) +
                             ",\"v\":1,\"iss\":" + json_string(bob_id()) + "}";
  CHECK(read_key_statement(signed_by_bob(spaced)));
}

TEST_CASE("key statement: a claim that is missing or there twice is refused") {
  const std::string name =
      GENERATE(as<std::string>{}, "v", "iss", "jwk", "ek", "seq", "iat", "exp");
  CAPTURE(name);
  CHECK_FALSE(taken(bob_claims().drop(name)));
  CHECK_FALSE(taken(bob_claims().repeat(name)));
}

TEST_CASE("key statement: a claim of another type or value is refused") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"v", "2"},
      {"v", "\"1\""},
      {"v", "1.0"},
      {"iss", "\"\""},
      {"iss", "{}"},
      {"jwk", "\"x\""},
      {"jwk", "{}"},
      {"ek", "\"\""},
      {"ek", "[]"},
      {"ek", "null"},
      {"seq", "-1"},
      {"seq", "-0"},
      {"seq", "1e3"},
      {"seq", "\"7\""},
      {"seq", "9007199254740992"},
      {"iat", "\"1700000000\""},
      {"exp", "true"},
      {"exp", "1700086400.5"},
      {"extra", "1"},
      {"pad", "\"\""},
      {"nbf", "1700000000"},
  }));
  CAPTURE(name, value);
  CHECK_FALSE(taken(bob_claims().set(name, value)));
}

TEST_CASE("key statement: it names the key that it holds, in iss and in kid") {
  const std::string& other = alice_statement().identity_id;
  CHECK_FALSE(taken(bob_claims().set("iss", json_string(other))));
  CHECK_FALSE(read_key_statement(sign_raw(
      bob_identity(), signed_header(other, kKeyStatementType).text(), bob_claims().text())));
  // Alice cannot speak for Bob, whichever of the two she names.
  CHECK_FALSE(read_key_statement(sign_raw(
      alice_identity(), signed_header(bob_id(), kKeyStatementType).text(), bob_claims().text())));
  CHECK_FALSE(taken(bob_claims().set("jwk", raw_jwk(alice_identity().public_key()))));
}

TEST_CASE("key statement: a changed statement does not verify") {
  const std::string& token = bob_statement().token;
  const std::string claims = bob_claims().set("seq", "8").text();
  CHECK_FALSE(read_key_statement(with_segment(token, 1, encode_base64url(claims))));
  CHECK_FALSE(
      read_key_statement(with_segment(token, 2, with_changed_character(segment(token, 2), 3))));
  CHECK(read_key_statement(with_segment(token, 1, encode_base64url(claims))).why() ==
        "its signature does not verify");
}

TEST_CASE("key statement: a token of another type is none") {
  const std::string typ =
      GENERATE(as<std::string>{}, "p2pchat-msg+jwt", "p2pchat-reg+jwt", "JWT", "");
  CHECK_FALSE(read_key_statement(
      sign_raw(bob_identity(), signed_header(bob_id(), typ).text(), bob_claims().text())));
}

TEST_CASE("key statement: a text that is no token, or holds no claims, is none") {
  CHECK_FALSE(
      read_key_statement(GENERATE(as<std::string>{}, "", "..", "hello", "a.b.c", "a.b.c.d.e")));
  CHECK_FALSE(
      read_key_statement(signed_by_bob(GENERATE(as<std::string>{}, "", "x", "[]", "{}", "null"))));
  CHECK_FALSE(read_key_statement(bob_statement().token + "\n"));
  CHECK_FALSE(read_key_statement(signed_by_bob("\xEF\xBB\xBF" + bob_claims().text())));
  CHECK_FALSE(read_key_statement(signed_by_bob(bob_claims().text() + '\0')));
}

TEST_CASE("key statement: an encryption key is never the identity key") {
  CHECK_FALSE(taken(bob_claims().set("ek", raw_jwk(bob_identity().public_key()))));
}

TEST_CASE("key statement: the key policy holds for both keys") {
  const std::string e("\x01\x00\x01", 3);
  std::string modulus = bob_encryption().public_key().modulus();
  CHECK(with_ek(modulus, e).empty());
  CHECK(with_ek('\0' + modulus, e) == "encryption key: refused key: leading zeros in its modulus");
  CHECK(with_ek(modulus, "\x03") == "encryption key: refused key: its exponent is not 65537");
  CHECK(with_ek(modulus, "\x01") == "encryption key: refused key: its exponent is not 65537");
  CHECK(with_ek(std::string(128, '\x81'), e) ==
        "encryption key: refused key: fewer than 2048 bits");
  modulus.back() = '\x02';
  CHECK(with_ek(modulus, e) == "encryption key: refused key: even modulus");
  const std::string weak = raw_jwk(std::string(128, '\x81'), e);
  CHECK(read_key_statement(signed_by_bob(bob_claims().set("jwk", weak).text())).why() ==
        "identity key: refused key: fewer than 2048 bits");
}

TEST_CASE("key statement: a key holds exactly kty, n and e") {
  const RsaPublicKey& key = bob_encryption().public_key();
  const std::string extra = raw_jwk(key).insert(1, "\"use\":\"enc\",");
  CHECK_FALSE(taken(bob_claims().set("ek", extra)));
  const std::string twice = raw_jwk(key).insert(1, "\"e\":\"AQAB\",");
  CHECK_FALSE(taken(bob_claims().set("ek", twice)));
}

TEST_CASE("key statement: its life ends after it begins and within 400 days") {
  const auto [life, holds] = GENERATE(table<std::uint64_t, bool>({
      {0, false},
      {1, true},
      {kLongestLife, true},
      {kLongestLife + 1, false},
  }));
  CAPTURE(life);
  CHECK(taken(bob_claims().set("exp", std::to_string(kNow + life))) == holds);
}

TEST_CASE("key statement: one that ends before it begins is refused") {
  CHECK_FALSE(taken(bob_claims().set("exp", std::to_string(kNow - 1))));
  CHECK_FALSE(taken(bob_claims().set("exp", "0")));
  CHECK(taken(bob_claims().set("iat", "0").set("exp", "1")));
}

TEST_CASE("key statement: it has expired from its exp on") {
  KeyStatement statement = bob_statement();
  statement.exp = kNow;
  CHECK_FALSE(statement.expired(kNow - 1));
  CHECK(statement.expired(kNow));
  CHECK(statement.expired(kNow + 1));
}

TEST_CASE("key statement: seq tells newer, older, the same and a fork apart") {
  KeyStatement received = bob_statement();
  const KeyStatement& stored = bob_statement();
  CHECK(compare_seq(received, stored) == SeqOrder::same);
  received.seq = stored.seq + 1;
  CHECK(compare_seq(received, stored) == SeqOrder::newer);
  received.seq = stored.seq - 1;
  CHECK(compare_seq(received, stored) == SeqOrder::older);
  received.encryption_id = alice_statement().encryption_id;
  CHECK(compare_seq(received, stored) == SeqOrder::older);
  received.seq = stored.seq;
  CHECK(compare_seq(received, stored) == SeqOrder::forked);
}

}  // namespace p2pchat
