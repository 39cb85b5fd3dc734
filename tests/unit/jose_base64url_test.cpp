#include "jose/base64url.h"

#include <catch2/catch.hpp>

#include "crypto/evp.h"

namespace p2pchat {

using namespace std::string_view_literals;

TEST_CASE("base64url: bytes and text of RFC 4648, without padding") {
  const auto [bytes, text] = GENERATE(table<std::string_view, std::string_view>({
      {""sv, ""sv},
      {"f"sv, "Zg"sv},
      {"fo"sv, "Zm8"sv},
      {"foo"sv, "Zm9v"sv},
      {"foob"sv, "Zm9vYg"sv},
      {"fooba"sv, "Zm9vYmE"sv},
      {"foobar"sv, "Zm9vYmFy"sv},
      {"\0"sv, "AA"sv},
      {"\xFF\xFF\xFF"sv, "____"sv},
      {"\xFB\xEF\xBE"sv, "----"sv},
  }));
  CHECK(encode_base64url(bytes) == text);
  CHECK(decode_base64url(text) == bytes);
}

TEST_CASE("base64url: every byte string comes back, whatever its length") {
  const auto length = static_cast<std::size_t>(GENERATE(range(0, 70)));
  const std::string bytes = random_bytes(length);
  CHECK(decode_base64url(encode_base64url(bytes)) == bytes);
  CHECK(decode_base64url(encode_base64url(bytes), length) == bytes);
}

TEST_CASE("base64url: padding is refused") {
  CHECK_FALSE(
      decode_base64url(GENERATE(as<std::string>{}, "Zg==", "Zg=", "Zm8=", "Zm9v=", "=", "====")));
}

TEST_CASE("base64url: a length of 4k + 1 is refused") {
  CHECK_FALSE(decode_base64url(GENERATE(as<std::string>{}, "A", "Zm9vA", "AAAAAAAAA")));
}

TEST_CASE("base64url: trailing bits that are not zero are refused") {
  CHECK_FALSE(decode_base64url(
      GENERATE(as<std::string>{}, "Zh", "Zv", "Zm9", "Zm-", "AB", "AAB", "Zm9vYh")));
}

TEST_CASE("base64url: only one last character in sixteen, or in four, is canonical") {
  int taken_of_two = 0;
  int taken_of_three = 0;
  for (const char c : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"sv) {
    taken_of_two += decode_base64url(std::string("A") + c) ? 1 : 0;
    taken_of_three += decode_base64url(std::string("AA") + c) ? 1 : 0;
  }
  CHECK(taken_of_two == 4);
  CHECK(taken_of_three == 16);
}

TEST_CASE("base64url: any character outside the alphabet is refused, wherever it stands") {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (is_base64url_character(c)) continue;
    // With and without characters after the last whole group.
    for (const std::string_view canonical : {"AAAAAAAA"sv, "AAAAAAAAAA"sv, "AAAAAAAAAAA"sv}) {
      std::string text(canonical);
      const std::size_t place = static_cast<std::size_t>(byte) % text.size();
      text[place] = c;
      CAPTURE(byte, canonical);
      CHECK_FALSE(decode_base64url(text));
    }
  }
}

TEST_CASE("base64url: white space and the other alphabet are refused") {
  CHECK_FALSE(decode_base64url(GENERATE("Zm 9v"sv, "Zm9v\n"sv, " Zm9v"sv, "Zm9\tv"sv, "Zm9v\r\n"sv,
                                        "++++"sv, "////"sv, "Zm9v\0"sv, "Zm9v."sv)));
}

TEST_CASE("base64url: another number of bytes than expected is refused") {
  CHECK(decode_base64url("Zm9v", 3) == "foo");
  CHECK_FALSE(decode_base64url("Zm9v", 2));
  CHECK_FALSE(decode_base64url("Zm9v", 4));
  CHECK_FALSE(decode_base64url("", 1));
  CHECK(decode_base64url("", 0) == "");
}

TEST_CASE("base64url: the alphabet has 64 characters") {
  int count = 0;
  for (int byte = 0; byte < 256; ++byte) {
    count += is_base64url_character(static_cast<char>(byte)) ? 1 : 0;
  }
  CHECK(count == 64);
  CHECK(is_base64url_character('-'));
  CHECK(is_base64url_character('_'));
  CHECK_FALSE(is_base64url_character('='));
  CHECK_FALSE(is_base64url_character('.'));
}

}  // namespace p2pchat
