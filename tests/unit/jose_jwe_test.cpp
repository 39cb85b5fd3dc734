#include "jose/jwe.h"

#include <catch2/catch.hpp>

#include "jose/base64url.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

constexpr const char* kSealed = "p2pchat+jwe";
constexpr const char* kAck = "p2pchat-ack+jwe";

const RsaPublicKey& recipient() {
  return bob_encryption().public_key();
}

std::string sealed(std::string_view plaintext = "plaintext") {
  return JweSealer(recipient(), "EK", kSealed).seal(plaintext);
}

std::optional<std::string> opened_with(const RsaPrivateKey& key, const std::string& token) {
  const auto jwe = SealedJwe::parse(token);
  return jwe ? jwe->open(*unwrap_key(key, jwe->encrypted_key())) : std::nullopt;
}
std::optional<std::string> opened(const std::string& token) {
  return opened_with(bob_encryption(), token);
}

std::optional<std::string> opened_directly(const std::string& token, const Secret& key) {
  const auto jwe = SealedJwe::parse(token);
  return jwe ? jwe->open_direct(key) : std::nullopt;
}

std::string zeros(std::size_t count) {
  return encode_base64url(std::string(count, '\0'));
}

}  // namespace

TEST_CASE("jwe: a sealed text opens with the recipient's key and no other") {
  const std::string plaintext =
      GENERATE(as<std::string>{}, std::string(), std::string("text"), std::string(3000, 'x'));
  const std::string token = sealed(plaintext);
  CHECK(opened_with(bob_encryption(), token) == plaintext);
  CHECK(opened_with(alice_encryption(), token) == std::nullopt);
  CHECK(SealedJwe::parse(token)->encrypted_key().size() == recipient().bytes());
}

TEST_CASE("jwe: the head of a token is known before its text, and is the head of each") {
  const JweSealer sealer(recipient(), "EK", kSealed);
  const std::string first = sealer.seal("first");
  const std::string second = sealer.seal("second");
  CHECK(first.starts_with(sealer.head() + "."));
  CHECK(second.starts_with(sealer.head() + "."));
  CHECK(segment(first, 2) != segment(second, 2));
  CHECK(opened(first) == "first");
  CHECK(opened(second) == "second");
}

TEST_CASE("jwe: the encrypted key is there as soon as its segment has ended") {
  const std::string token = sealed();
  const std::size_t end = token.find('.', token.find('.') + 1);
  const std::string key = SealedJwe::parse(token)->encrypted_key();
  CHECK_FALSE(SealedJwe::encrypted_key(token.substr(0, end)));
  CHECK(SealedJwe::encrypted_key(token.substr(0, end + 1)) == key);
  CHECK(SealedJwe::encrypted_key(token) == key);
  CHECK_FALSE(SealedJwe::encrypted_key(""));
  CHECK_FALSE(SealedJwe::encrypted_key("e30"));
  CHECK(SealedJwe::encrypted_key("..") == "");
  CHECK_FALSE(SealedJwe::encrypted_key(".=."));
}

TEST_CASE("jwe: the header says exactly what the protocol lists") {
  CHECK(decode_base64url(segment(sealed(), 0)) ==
        R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"EK","typ":"p2pchat+jwe","cty":"JWT"})");
  CHECK(decode_base64url(segment(seal_jwe_direct(Secret(std::string(32, 'k')), kAck, ""), 0)) ==
        R"({"alg":"dir","enc":"A256GCM","typ":"p2pchat-ack+jwe"})");
}

TEST_CASE("jwe: two tokens of one text share nothing but the header") {
  const std::string first = sealed();
  const std::string second = sealed();
  CHECK(segment(first, 0) == segment(second, 0));
  for (std::size_t i = 1; i < 5; ++i) CHECK(segment(first, i) != segment(second, i));
}

TEST_CASE("jwe: a text sealed under a shared key opens with that key and no other") {
  const Secret key(std::string(32, 'k'));
  const std::string token = seal_jwe_direct(key, kAck, "plaintext");
  CHECK(segment(token, 1).empty());
  CHECK(opened_directly(token, key) == "plaintext");
  CHECK(opened_directly(token, Secret(std::string(32, 'x'))) == std::nullopt);
  CHECK(opened_directly(token, Secret(std::string(31, 'k'))) == std::nullopt);
}

TEST_CASE("jwe: a token of one kind does not open as the other") {
  const Secret key(std::string(32, 'k'));
  CHECK_FALSE(opened(seal_jwe_direct(key, kAck, "plaintext")));
  const std::string with_key = with_segment(seal_jwe_direct(key, kAck, "plaintext"), 1, zeros(256));
  CHECK_FALSE(opened_directly(with_key, key));
}

TEST_CASE("jwe: a change in any segment keeps it shut") {
  const std::size_t index = GENERATE(as<std::size_t>{}, 0, 1, 2, 3, 4);
  const std::string token = sealed();
  REQUIRE(opened(token) == "plaintext");
  CHECK_FALSE(opened(with_segment(token, index, with_changed_character(segment(token, index), 4))));
}

TEST_CASE("jwe: five segments and no other number") {
  const std::string token = sealed();
  CHECK_FALSE(SealedJwe::parse(""));
  CHECK_FALSE(SealedJwe::parse("...."));
  CHECK_FALSE(SealedJwe::parse(token + "."));
  CHECK_FALSE(SealedJwe::parse("." + token));
  CHECK_FALSE(SealedJwe::parse(token.substr(0, token.rfind('.'))));
}

TEST_CASE("jwe: an IV is 12 bytes and a tag 16") {
  const auto [index, bytes] = GENERATE(table<std::size_t, std::size_t>(
      {{2, 0}, {2, 11}, {2, 13}, {2, 16}, {4, 0}, {4, 12}, {4, 15}, {4, 17}}));
  CAPTURE(index, bytes);
  CHECK_FALSE(SealedJwe::parse(with_segment(sealed(), index, zeros(bytes))));
}

TEST_CASE("jwe: an encrypted key is as long as the modulus") {
  const std::size_t bytes = GENERATE(as<std::size_t>{}, 0, 1, 255, 257, 512);
  CHECK_FALSE(unwrap_key(bob_encryption(), std::string(bytes, '\0')));
}

TEST_CASE("jwe: an encrypted key with a zero octet before it is refused") {
  const std::string token = sealed();
  const std::string longer = std::string(1, '\0') + *decode_base64url(segment(token, 1));
  CHECK_FALSE(opened(with_segment(token, 1, encode_base64url(longer))));
}

TEST_CASE("jwe: every segment is canonical base64url") {
  const std::size_t index = GENERATE(as<std::size_t>{}, 1, 2, 3, 4);
  const std::string wrong = GENERATE(as<std::string>{}, "=", "\n", " ", "+", "/");
  const std::string token = sealed();
  CAPTURE(index, wrong);
  CHECK_FALSE(SealedJwe::parse(with_segment(token, index, segment(token, index) + wrong)));
}

TEST_CASE("jwe: a content key of another length opens nothing") {
  const auto [length, opens] = GENERATE(
      table<std::size_t, bool>({{32, true}, {16, false}, {24, false}, {31, false}, {33, false}}));
  CAPTURE(length);
  const std::string token =
      seal_raw(recipient(), sealed_header("EK").text(), "plaintext", std::string(length, 'k'));
  CHECK(opened(token).has_value() == opens);
}

TEST_CASE("jwe: the recipient is read from the header of a sealed request") {
  CHECK(SealedJwe::recipient(segment(sealed(), 0), kSealed) == "EK");
  const std::string spaced =
      R"( { "cty" : "JWT", "typ":"p2pchat\u002Bjwe", "kid":"EK", "enc":"A256GCM",
            "alg":"RSA-OAEP-256" } )";
  CHECK(SealedJwe::recipient(encode_base64url(spaced), kSealed) == "EK");
}

TEST_CASE("jwe: a header with one member changed names no recipient") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"alg", "\"RSA-OAEP\""},
      {"alg", "\"RSA1_5\""},
      {"alg", "\"dir\""},
      {"alg", "1"},
      {"enc", "\"A128GCM\""},
      {"enc", "\"a256gcm\""},
      {"kid", "1"},
      {"kid", "{}"},
      {"typ", "\"p2pchat-ack+jwe\""},
      {"typ", "\"P2PCHAT+JWE\""},
      {"cty", "\"jwt\""},
      {"zip", "\"DEF\""},
      {"crit", "[\"exp\"]"},
      {"jku", "\"http://x\""},
      {"x5c", "\"x\""},
      {"b64", "false"},
      {"epk", "{}"},
      {"extra", "\"\""},
  }));
  CAPTURE(name, value);
  const std::string header = sealed_header("EK").set(name, value).text();
  CHECK_FALSE(SealedJwe::recipient(encode_base64url(header), kSealed));
}

TEST_CASE("jwe: a header with a member missing or twice names no recipient") {
  const std::string name = GENERATE(as<std::string>{}, "alg", "enc", "kid", "typ", "cty");
  CAPTURE(name);
  CHECK_FALSE(
      SealedJwe::recipient(encode_base64url(sealed_header("EK").drop(name).text()), kSealed));
  CHECK_FALSE(
      SealedJwe::recipient(encode_base64url(sealed_header("EK").repeat(name).text()), kSealed));
}

TEST_CASE("jwe: the header of an ack is exactly alg, enc and typ") {
  const auto is_ack = [](RawObject header) {
    return SealedJwe::is_direct(encode_base64url(header.text()), kAck);
  };
  CHECK(is_ack(direct_header()));
  CHECK_FALSE(is_ack(direct_header().set("alg", "\"A256KW\"")));
  CHECK_FALSE(is_ack(direct_header().set("enc", "\"A128GCM\"")));
  CHECK_FALSE(is_ack(direct_header().set("typ", "\"p2pchat+jwe\"")));
  CHECK_FALSE(is_ack(direct_header().set("kid", "\"x\"")));
  CHECK_FALSE(is_ack(direct_header().set("zip", "\"DEF\"")));
  CHECK_FALSE(is_ack(direct_header().drop("alg")));
  CHECK_FALSE(is_ack(direct_header().repeat("enc")));
}

}  // namespace p2pchat
