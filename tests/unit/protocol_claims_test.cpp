#include "protocol/claims.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "crypto/evp.h"
#include "jose/base64url.h"

namespace p2pchat {

namespace {

JsonObject claims_with(const std::string& name, const std::string& raw) {
  auto claims = JsonObject::parse("{\"" + name + "\":" + raw + "}");
  REQUIRE(claims);
  return *std::move(claims);
}

bool is_version(const std::string& raw, const std::string& name = "v") {
  JsonObject claims = claims_with(name, raw);
  return take_version(claims);
}

bool is_pad(const std::string& raw, const std::string& name = "pad") {
  JsonObject claims = claims_with(name, raw);
  return take_pad(claims);
}

std::optional<std::string> body_in(const std::string& raw) {
  JsonObject claims = claims_with("body", raw);
  return take_body(claims);
}

}  // namespace

TEST_CASE("claims: lengths are padded to a few sizes only") {
  const auto [length, padded] = GENERATE(table<std::size_t, std::size_t>({
      {0, 512},
      {1, 512},
      {511, 512},
      {512, 512},
      {513, 1024},
      {1023, 1024},
      {1024, 1024},
      {1025, 2048},
      {32'769, 65'536},
      {65'535, 65'536},
      {65'536, 65'536},
      {65'537, 73'728},
      {73'728, 73'728},
      {73'729, 81'920},
      {131'071, 131'072},
      {131'072, 131'072},
      {131'073, 147'456},
      {1'048'575, 1'048'576},
      {1'048'576, 1'048'576},
      {1'048'577, 1'179'648},
      {1'398'102, 1'441'792},
  }));
  CAPTURE(length);
  CHECK(padded_length(length) == padded);
}

TEST_CASE(
    "claims: padding never cuts, never costs more than an eighth above 64 KiB, and is stable") {
  const std::size_t length = GENERATE(take(50, random(1, 3'000'000)));
  CAPTURE(length);
  const std::size_t padded = padded_length(length);
  CHECK(padded >= length);
  CHECK(padded_length(padded) == padded);
  if (length > 65'536) CHECK((padded - length) * 8 < length);
}

TEST_CASE("claims: written claims are exactly as long as their bucket, and end in spaces") {
  const std::size_t body = GENERATE(as<std::size_t>{}, 0, 1, 485, 486, 487, 488, 489, 490, 491, 492,
                                    493, 994, 1100, 65'510, 65'520, 65'536, 70'000);
  CAPTURE(body);
  const std::string text(body, 'x');
  const std::string written = write_padded_claims({{"body", text}});
  CHECK(padded_length(written.size()) == written.size());
  auto claims = JsonObject::parse(written);
  REQUIRE(claims);
  CHECK(take_pad(*claims));
  CHECK(claims->take_string("body") == text);
  CHECK(claims->empty());
}

TEST_CASE("claims: claims that fill their bucket get no space") {
  const std::string frame = R"({"body":"","pad":""})";
  const std::string full(512 - frame.size(), 'x');
  CHECK(write_padded_claims({{"body", full}}) == R"({"body":")" + full + R"(","pad":""})");
  CHECK(write_padded_claims({{"body", full + "x"}}).size() == 1024);
}

TEST_CASE("claims: escapes in the claims count as they are written") {
  const std::string text(300, '\n');
  CHECK(write_padded_claims({{"body", text}}).size() == 1024);
}

TEST_CASE("claims: the version is the integer 1") {
  CHECK(is_version("1"));
  CHECK_FALSE(is_version(GENERATE(as<std::string>{}, "0", "2", "\"1\"", "{}")));
  CHECK_FALSE(is_version("1", "V"));
}

TEST_CASE("claims: a pad is spaces, as many as the sender likes") {
  CHECK(is_pad(GENERATE(as<std::string>{}, "\"\"", "\" \"", "\"     \"", "\"\\u0020\"")));
  CHECK_FALSE(is_pad(GENERATE(as<std::string>{}, "\"x\"", "\" x \"", "\"\\t\"", "\"\\n\"",
                              "\"\\u0000\"", "\"\\u00a0\"", "0", "{}")));
  CHECK_FALSE(is_pad("\"\"", "PAD"));
}

TEST_CASE("claims: a body is base64url of at most 1 MiB") {
  CHECK(body_in("\"\"") == "");
  CHECK(body_in("\"AP8\"") == std::string("\0\xFF", 2));
  const std::string largest(kMaxBodyBytes, 'x');
  CHECK(body_in("\"" + encode_base64url(largest) + "\"") == largest);
  CHECK_FALSE(body_in("\"" + encode_base64url(largest + "x") + "\""));
}

TEST_CASE("claims: a body in any other form is refused") {
  const std::string raw = GENERATE(as<std::string>{}, "\"AP8=\"", "\"AP9\"", "\"A\"", "\"AP 8\"",
                                   "\"AP8\\n\"", "\"+/+/\"", "1", "{}");
  CAPTURE(raw);
  CHECK_FALSE(body_in(raw));
}

TEST_CASE("claims: a message id is canonical base64url of 16 bytes") {
  CHECK(is_message_id("AAAAAAAAAAAAAAAAAAAAAA"));
  CHECK(is_message_id("-_-_-_-_-_-_-_-_-_-_-w"));
  CHECK_FALSE(is_message_id(GENERATE(as<std::string>{}, "", "AAAAAAAAAAAAAAAAAAAAA",
                                     "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB",
                                     "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAA==",
                                     "AAAAAAAAAAAAAAAAAAAAA ", "AAAAAAAAAAAAAAAAAAAA+A")));
}

TEST_CASE("claims: a new message id is canonical, not repeated, and no option") {
  std::string last;
  for (int i = 0; i < 500; ++i) {
    const std::string id = new_message_id();
    CAPTURE(id);
    REQUIRE(is_message_id(id));
    REQUIRE(id.size() == kMessageIdCharacters);
    REQUIRE_FALSE(id.starts_with('-'));
    REQUIRE(id != last);
    last = id;
  }
}

TEST_CASE("claims: a canonical id stands for itself, any other name for the start of its hash") {
  CHECK(message_id_for("AAAAAAAAAAAAAAAAAAAAAA") == "AAAAAAAAAAAAAAAAAAAAAA");
  const std::string name =
      GENERATE(as<std::string>{}, "order-17", "", "AAAAAAAAAAAAAAAAAAAAAB", "a\nb");
  CHECK(message_id_for(name) == encode_base64url(sha256(name).substr(0, 16)));
  CHECK(is_message_id(message_id_for(name)));
}

}  // namespace p2pchat
