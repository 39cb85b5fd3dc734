#include "jose/jws.h"

#include <catch2/catch.hpp>

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

std::string signed_token() {
  return sign_jws(alice_identity(), "IK", "test+jwt", R"({"v":1})");
}

bool verifies(const std::string& token) {
  const auto jws = UnverifiedJws::parse(token);
  return jws && jws->verify(alice_identity().public_key());
}

bool parses_with(const RawObject& header) {
  return static_cast<bool>(UnverifiedJws::parse(sign_raw(alice_identity(), header.text(), "x")));
}

}  // namespace

TEST_CASE("jws: a signed payload comes back under the key that signed it and no other") {
  const auto jws = UnverifiedJws::parse(signed_token());
  REQUIRE(jws);
  CHECK(jws->kid() == "IK");
  CHECK(jws->typ() == "test+jwt");
  CHECK(jws->payload() == R"({"v":1})");
  CHECK(jws->verify(alice_identity().public_key()));
  CHECK_FALSE(jws->verify(bob_identity().public_key()));
}

TEST_CASE("jws: the header says exactly alg, kid and typ") {
  CHECK(decode_base64url(segment(signed_token(), 0)) ==
        R"({"alg":"PS256","kid":"IK","typ":"test+jwt"})");
}

TEST_CASE("jws: payloads are bytes, none included") {
  const std::string payload =
      GENERATE(as<std::string>{}, std::string(), std::string("\0\xFF\n", 3));
  const auto jws = UnverifiedJws::parse(sign_jws(alice_identity(), "IK", "t", payload));
  REQUIRE(jws);
  CHECK(jws->payload() == payload);
  CHECK(jws->verify(alice_identity().public_key()));
}

TEST_CASE("jws: the signature covers the header and the payload as they stand") {
  const std::string token = signed_token();
  REQUIRE(verifies(token));
  const std::string other_header =
      encode_base64url(R"({"alg":"PS256","kid":"IK","typ":"test2jwt"})");
  CHECK_FALSE(verifies(with_segment(token, 0, other_header)));
  CHECK_FALSE(verifies(with_segment(token, 1, encode_base64url(R"({"v":2})"))));
  CHECK_FALSE(verifies(with_segment(token, 1, "")));
  CHECK_FALSE(verifies(with_segment(token, 2, with_changed_character(segment(token, 2), 9))));
  // The same header in another spelling is another signing input.
  const std::string spaced = encode_base64url(R"({"alg":"PS256", "kid":"IK","typ":"test+jwt"})");
  REQUIRE(UnverifiedJws::parse(with_segment(token, 0, spaced)));
  CHECK_FALSE(verifies(with_segment(token, 0, spaced)));
}

TEST_CASE("jws: another PSS salt length does not verify") {
  const int salt_bytes = GENERATE(0, 20, 33, -3);
  const std::string token = signed_token();
  const std::string input = token.substr(0, token.rfind('.'));
  CHECK(verifies(with_segment(token, 2, encode_base64url(sign_pss(alice_identity(), input, 32)))));
  const std::string salted = encode_base64url(sign_pss(alice_identity(), input, salt_bytes));
  CHECK_FALSE(verifies(with_segment(token, 2, salted)));
}

TEST_CASE("jws: a signature of another size does not verify") {
  const std::string signature = *decode_base64url(segment(signed_token(), 2));
  const std::string wrong =
      GENERATE_COPY(as<std::string>{}, signature.substr(1), signature.substr(0, 255),
                    signature + '\0', std::string(1, '\0') + signature, std::string("x"));
  CHECK_FALSE(verifies(with_segment(signed_token(), 2, encode_base64url(wrong))));
}

TEST_CASE("jws: three segments and no other number") {
  const std::string token = signed_token();
  CHECK_FALSE(UnverifiedJws::parse(""));
  CHECK_FALSE(UnverifiedJws::parse(".."));
  CHECK_FALSE(UnverifiedJws::parse(token + "."));
  CHECK_FALSE(UnverifiedJws::parse("." + token));
  CHECK_FALSE(UnverifiedJws::parse(token.substr(0, token.rfind('.'))));
}

TEST_CASE("jws: an unsigned token is refused") {
  CHECK_FALSE(UnverifiedJws::parse(with_segment(signed_token(), 2, "")));
  const std::string none = encode_base64url(R"({"alg":"none","kid":"IK","typ":"test+jwt"})");
  CHECK_FALSE(UnverifiedJws::parse(with_segment(signed_token(), 0, none)));
}

TEST_CASE("jws: every segment is canonical base64url") {
  const std::size_t index = GENERATE(as<std::size_t>{}, 0, 1, 2);
  const std::string wrong = GENERATE(as<std::string>{}, "=", "\n", " ", "+", "/");
  const std::string token = signed_token();
  CAPTURE(index, wrong);
  CHECK_FALSE(UnverifiedJws::parse(with_segment(token, index, segment(token, index) + wrong)));
}

TEST_CASE("jws: a header with one member changed is refused") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"alg", "\"RS256\""},
      {"alg", "\"PS384\""},
      {"alg", "\"HS256\""},
      {"alg", "\"ps256\""},
      {"alg", "\"none\""},
      {"alg", "1"},
      {"kid", "1"},
      {"kid", "null"},
      {"typ", "{}"},
      {"crit", "[]"},
      {"crit", "\"exp\""},
      {"b64", "false"},
      {"zip", "\"DEF\""},
      {"jku", "\"http\""},
      {"jwk", "{}"},
      {"x5c", "\"x\""},
      {"cty", "\"JWT\""},
      {"Alg", "\"PS256\""},
  }));
  CAPTURE(name, value);
  CHECK(parses_with(signed_header("IK", "t")));
  CHECK_FALSE(parses_with(signed_header("IK", "t").set(name, value)));
}

TEST_CASE("jws: a header with a member missing or twice is refused") {
  const std::string name = GENERATE(as<std::string>{}, "alg", "kid", "typ");
  CAPTURE(name);
  CHECK_FALSE(parses_with(signed_header("IK", "t").drop(name)));
  CHECK_FALSE(parses_with(signed_header("IK", "t").repeat(name)));
}

TEST_CASE("jws: a signature may be of a key when it is as long as the modulus and below it") {
  const RsaPublicKey key = alice_identity().public_key();
  const auto may_be = [&](const std::string& signature) {
    const auto jws =
        UnverifiedJws::parse(with_segment(signed_token(), 2, encode_base64url(signature)));
    REQUIRE(jws);
    CHECK(jws->signature_bytes() == signature.size());
    return jws->may_be_of(key);
  };
  CHECK(may_be(std::string(key.bytes(), '\0')));
  CHECK_FALSE(may_be(key.modulus()));
  CHECK_FALSE(may_be(std::string(key.bytes(), '\xFF')));
  CHECK_FALSE(may_be(std::string(key.bytes() - 1, '\0')));
  CHECK_FALSE(may_be(std::string(key.bytes() + 1, '\0')));
}

}  // namespace p2pchat
