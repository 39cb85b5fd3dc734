#include "base/text.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <limits>
#include <memory>

namespace p2pchat {

namespace {

using namespace std::string_view_literals;
using namespace std::chrono_literals;

// What a POSIX shell makes of `word`.
std::string expanded_by_shell(const std::string& word) {
  const std::string command = "printf %s " + word;
  FILE* shell = popen(command.c_str(), "r");
  REQUIRE(shell != nullptr);
  std::string output;
  for (int c = fgetc(shell); c != EOF; c = fgetc(shell)) output += static_cast<char>(c);
  REQUIRE(pclose(shell) == 0);
  return output;
}

}  // namespace

TEST_CASE("text: well-formed UTF-8 is taken") {
  const std::string_view text =
      GENERATE(""sv, "plain"sv, "\0"sv, "\x7F"sv, "\xC2\x80"sv, "\xDF\xBF"sv, "\xE0\xA0\x80"sv,
               "\xED\x9F\xBF"sv, "\xEE\x80\x80"sv, "\xEF\xBF\xBF"sv, "\xF0\x90\x80\x80"sv,
               "\xF4\x8F\xBF\xBF"sv, "a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80z"sv);
  CHECK(is_utf8(text));
}

TEST_CASE("text: what RFC 3629 forbids is not UTF-8") {
  const std::string_view text = GENERATE(
      "\x80"sv, "\xBF"sv, "\xC0\x80"sv, "\xC1\xBF"sv, "\xE0\x9F\xBF"sv, "\xF0\x8F\xBF\xBF"sv,
      "\xED\xA0\x80"sv, "\xED\xBF\xBF"sv, "\xF4\x90\x80\x80"sv, "\xF5\x80\x80\x80"sv, "\xFE"sv,
      "\xFF"sv, "\xC3"sv, "\xE2\x82"sv, "\xF0\x9F\x98"sv, "\xC3("sv, "\xE2(\xA1"sv, "a\xE2\x82z"sv);
  CHECK_FALSE(is_utf8(text));
  CHECK_FALSE(is_utf8("good " + std::string(text)));
}

TEST_CASE("text: what could move a cursor or hide becomes visible") {
  const auto [raw, shown] = GENERATE(table<std::string_view, std::string_view>({
      {"\x1b[2J"sv, "\\x1b[2J"sv},
      {"a\tb\rc\nd"sv, "a\\tb\\rc\\nd"sv},
      {"\0"sv, "\\x00"sv},
      {"\a\b\x7F"sv, "\\x07\\x08\\x7f"sv},
      {"\xC2\x9B"
       "31m"sv,
       "\\u{009b}31m"sv},
      {"\xE2\x80\xAE"
       "evil"sv,
       "\\u{202e}evil"sv},
      {"\xE2\x80\xA8"sv, "\\u{2028}"sv},
      {"\xE2\x81\xA6"sv, "\\u{2066}"sv},
      {"\xE2\x80\x8B"sv, "\\u{200b}"sv},
      {"\xC2\xAD"sv, "\\u{00ad}"sv},
      {"\xEF\xBB\xBF"sv, "\\u{feff}"sv},
      {"\U0001bca0"sv, "\\u{1bca0}"sv},
      {"\U00013430"sv, "\\u{13430}"sv},
      {"\xF3\xA0\x81\x81"sv, "\\u{e0041}"sv},
      {"\xFF\xC3("sv, "\\xff\\xc3("sv},
      {"\xED\xA0\x80"sv, "\\xed\\xa0\\x80"sv},
  }));
  CHECK(escape_for_terminal(raw) == shown);
}

TEST_CASE("text: what people write is shown as it is") {
  const std::string_view text =
      GENERATE(""sv, "plain \\ 'text'"sv, "\xC3\xBC\xE2\x82\xAC\xC2\xA0"sv,
               "\xD9\x86\xD9\x85\xE2\x80\x8C"sv, "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB"sv);
  CHECK(escape_for_terminal(text) == text);
}

TEST_CASE("text: no line of a text can imitate the first line of another record") {
  CHECK(escape_for_terminal("a\nb\n\nc\n", "  ") == "a\n  b\n  \n  c\n  ");
  CHECK(escape_for_terminal("a\r\nb", "  ") == "a\\r\n  b");
  CHECK(escape_for_terminal("a\xE2\x80\xA8"
                            "b\vc",
                            "  ") == "a\\u{2028}b\\x0bc");
}

TEST_CASE("text: escaping what was escaped changes nothing, whatever the byte") {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string once = escape_for_terminal(std::string("a") + static_cast<char>(byte) + "b");
    CAPTURE(byte);
    CHECK(escape_for_terminal(once) == once);
    CHECK(is_utf8(once));
  }
}

TEST_CASE("text: a quoted text stays on one line") {
  CHECK(in_quotes("al\nice") == "'al\\nice'");
  CHECK(in_double_quotes("al\x1bice") == "\"al\\x1bice\"");
  CHECK(in_double_quotes("a\"b\\") == "\"a\\\"b\\\\\"");
}

TEST_CASE("text: a shell word expands to exactly its text") {
  const std::string text =
      GENERATE(as<std::string>{}, "plain", "", " ", "it's", "'", "''", "$HOME", "`id`", "$(id)",
               "a;b", "a\nb", "*", "~", "-n\\", "\"", "a b", "!x", "#x", "\xC3\xBC");
  CHECK(expanded_by_shell(shell_word(text)) == text);
}

TEST_CASE("text: a shell word that needs no quotes has none") {
  CHECK(shell_word("/home/a-b/x_1.pem") == "/home/a-b/x_1.pem");
  CHECK(shell_word("a b") == "'a b'");
}

TEST_CASE("text: only ASCII letters change their case") {
  CHECK(ascii_lower("AZaz09@[`{\xC3\x84") == "azaz09@[`{\xC3\x84");
  CHECK(equal_ignoring_ascii_case("Alice", "aLICE"));
  CHECK_FALSE(equal_ignoring_ascii_case("alice", "alic"));
  CHECK_FALSE(equal_ignoring_ascii_case("[", "{"));
}

TEST_CASE("text: the distance of two words is the number of slips between them") {
  const auto [a, b, distance] = GENERATE(table<std::string, std::string, std::size_t>({
      {"", "", 0},
      {"send", "send", 0},
      {"", "send", 4},
      {"sen", "send", 1},
      {"sennd", "send", 1},
      {"sent", "send", 1},
      {"sned", "send", 1},
      {"esdn", "send", 2},
      {"ca", "abc", 3},
      {"regsiter", "register", 1},
      {"kitten", "sitting", 3},
  }));
  CHECK(edit_distance(a, b) == distance);
  CHECK(edit_distance(b, a) == distance);
}

TEST_CASE("text: a number is digits, up to its limit") {
  CHECK(parse_unsigned("0", 0) == 0U);
  CHECK(parse_unsigned("007", 9) == 7U);
  CHECK(parse_unsigned("65535", 65535) == 65535U);
  CHECK(parse_unsigned("18446744073709551615", std::numeric_limits<std::uint64_t>::max()) ==
        std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("text: anything else is no number") {
  const std::string_view text =
      GENERATE(""sv, "+1"sv, "-1"sv, "-0"sv, " 1"sv, "1 "sv, "0x1"sv, "1e3"sv, "1.0"sv, "a"sv,
               "1\0"sv, "65536"sv, "18446744073709551616"sv);
  CAPTURE(text);
  CHECK(parse_unsigned(text, 65535) == std::nullopt);
}

TEST_CASE("text: a duration has seconds or a unit") {
  const auto [text, duration] = GENERATE(table<std::string, std::chrono::milliseconds>({
      {"0", 0ms},
      {"2", 2s},
      {"0.5", 500ms},
      {"250ms", 250ms},
      {"1.5s", 1500ms},
      {"2m", 2min},
      {"36h", 36h},
      {"7d", 168h},
      {"3650d", 87600h},
  }));
  CAPTURE(text);
  CHECK(parse_duration(text) == duration);
}

TEST_CASE("text: anything else is no duration") {
  const std::string_view text =
      GENERATE(""sv, "s"sv, "-1"sv, "+1"sv, " 1"sv, "1 s"sv, "1S"sv, "1w"sv, "1sec"sv, ".5"sv,
               "1e3"sv, "1.2.3"sv, "inf"sv, "nan"sv, "0x10"sv, "1,5"sv, "3651d"sv, "1s\0"sv,
               "99999999999999999999999999999999999999"sv);
  CAPTURE(text);
  CHECK(parse_duration(text) == std::nullopt);
}

TEST_CASE("text: base64 as RFC 4648 section 10 has it") {
  const auto [bytes, text] = GENERATE(table<std::string, std::string>({{"", ""},
                                                                       {"f", "Zg=="},
                                                                       {"fo", "Zm8="},
                                                                       {"foo", "Zm9v"},
                                                                       {"foob", "Zm9vYg=="},
                                                                       {"fooba", "Zm9vYmE="},
                                                                       {"foobar", "Zm9vYmFy"}}));
  CHECK(base64(bytes) == text);
  CHECK(base64("\xfb\xff\xfe") == "+//+");
}

TEST_CASE("text: JSON is fit for a terminal and means the same") {
  CHECK(escape_in_json("{\"a\":\"caf\u00e9 \u202e\u007f\u009b\"}") ==
        "{\"a\":\"caf\u00e9 \\u202e\\u007f\\u009b\"}");
  CHECK(escape_in_json("\"\U000e0001\"") == "\"\\udb40\\udc01\"");
}

TEST_CASE("text: sizes") {
  CHECK(parse_size("0", 10) == 0);
  CHECK(parse_size("10", 10) == 10);
  CHECK(parse_size("64K", 1'048'576) == 65'536);
  CHECK(parse_size("1M", 1'048'576) == 1'048'576);
  for (const char* text : {"", "11", "K", "1k", "1 K", "-1", "1KK", "2M", "18446744073709551616"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text, std::string(text) == "11" ? 10 : 1'048'576));
  }
}

}  // namespace p2pchat
