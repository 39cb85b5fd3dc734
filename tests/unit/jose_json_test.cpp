#include "jose/json.h"

#include <catch2/catch.hpp>

namespace p2pchat {

namespace {

using namespace std::string_view_literals;

std::optional<std::uint64_t> integer_of(const std::string& raw) {
  auto object = JsonObject::parse("{\"a\":" + raw + "}");
  return object ? object->take_integer("a") : std::nullopt;
}

std::optional<std::string> string_of(const std::string& raw) {
  auto object = JsonObject::parse("{\"a\":" + raw + "}");
  return object ? object->take_string("a") : std::nullopt;
}

std::string nested(unsigned levels) {
  std::string text;
  for (unsigned i = 0; i < levels; ++i) text += "{\"a\":";
  text += "1";
  return text + std::string(levels, '}');
}

}  // namespace

TEST_CASE("json: members are taken out by name and type, in any order") {
  auto object = JsonObject::parse(R"({"s":"text","i":7,"o":{"x":1}})");
  REQUIRE(object);
  CHECK(object->take_integer("i") == 7U);
  CHECK(object->take_string("s") == "text");
  auto inner = object->take_object("o");
  REQUIRE(inner);
  CHECK(inner->take_integer("x") == 1U);
  CHECK(inner->empty());
  CHECK(object->empty());
}

TEST_CASE("json: what has not been taken is left over") {
  auto object = JsonObject::parse(R"({"a":1,"extra":2})");
  REQUIRE(object);
  CHECK(object->take_integer("a") == 1U);
  CHECK_FALSE(object->empty());
}

TEST_CASE("json: a member is taken once, and a missing one not at all") {
  auto object = JsonObject::parse(R"({"a":1})");
  REQUIRE(object);
  CHECK_FALSE(object->take_integer("A"));
  CHECK(object->take_integer("a"));
  CHECK_FALSE(object->take_integer("a"));
}

TEST_CASE("json: a member of another type is not what was asked for") {
  const std::string raw = GENERATE(as<std::string>{}, "1", "\"1\"", "{}");
  const auto parse = [&] { return JsonObject::parse("{\"a\":" + raw + "}"); };
  REQUIRE(parse());
  CHECK(parse()->take_integer("a").has_value() == (raw == "1"));
  CHECK(parse()->take_string("a").has_value() == (raw == "\"1\""));
  CHECK(parse()->take_object("a").has_value() == (raw == "{}"));
}

TEST_CASE("json: an expected string is exactly that string") {
  auto object = JsonObject::parse(R"({"a":"PS256","b":"ps256","c":1})");
  REQUIRE(object);
  CHECK(object->take_expected("a", "PS256"));
  CHECK_FALSE(object->take_expected("b", "PS256"));
  CHECK_FALSE(object->take_expected("c", "1"));
  CHECK_FALSE(object->take_expected("d", ""));
}

TEST_CASE("json: white space and escapes are as JSON allows") {
  auto object = JsonObject::parse(" \t\r\n{ \"\\u0061\" : \"\\u0041\\n\\/\" , \"b\":2 } \n");
  REQUIRE(object);
  CHECK(object->take_string("a") == "A\n/");
  CHECK(object->take_integer("b") == 2U);
  CHECK(string_of(R"("\ud83d\ude00")") == "\xF0\x9F\x98\x80");
  CHECK(string_of(R"("a\u0000b")") == std::string("a\0b", 3));
}

TEST_CASE("json: an integer is 0 to 2^53 - 1") {
  CHECK(integer_of("0") == 0U);
  CHECK(integer_of("1700000000") == 1'700'000'000U);
  CHECK(integer_of("9007199254740991") == kMaxJsonInteger);
}

TEST_CASE("json: any other number is refused") {
  const std::string raw =
      GENERATE(as<std::string>{}, "-0", "-1", "1.0", "0.5", "1e3", "1E3", "1e0", "0e0",
               "9007199254740992", "18446744073709551615", "18446744073709551616", "1e400", "01",
               "+1", "0x1", ".5", "1.", "NaN", "Infinity");
  CAPTURE(raw);
  CHECK_FALSE(JsonObject::parse("{\"a\":" + raw + "}"));
}

TEST_CASE("json: null, booleans and arrays are refused wherever they stand") {
  const std::string raw = GENERATE(as<std::string>{}, "null", "true", "false", "[]", "[1]",
                                   "{\"b\":[]}", "{\"b\":null}");
  CAPTURE(raw);
  CHECK_FALSE(JsonObject::parse("{\"a\":" + raw + "}"));
}

TEST_CASE("json: a repeated name is refused, compared after unescaping, at every depth") {
  const std::string text =
      GENERATE(as<std::string>{}, R"({"a":1,"a":1})", R"({"a":1,"a":2})", R"({"a":1,"\u0061":1})",
               R"({"a":1,"b":2,"a":"x"})", R"({"o":{"a":1,"a":1}})", R"({"":1,"":1})",
               R"({"o":{},"o":{}})", R"({"/":1,"\/":1})");
  CAPTURE(text);
  CHECK_FALSE(JsonObject::parse(text));
}

TEST_CASE("json: names that differ in case or depth are different") {
  CHECK(JsonObject::parse(R"({"a":{"a":{"a":1}},"A":1})"));
}

TEST_CASE("json: four levels are taken and five refused") {
  CHECK(JsonObject::parse(nested(kMaxJsonDepth)));
  CHECK_FALSE(JsonObject::parse(nested(kMaxJsonDepth + 1)));
  CHECK_FALSE(JsonObject::parse(nested(100'000)));
  CHECK_FALSE(JsonObject::parse(std::string(100'000, '{')));
  CHECK_FALSE(JsonObject::parse("{\"a\":" + std::string(100'000, '[')));
}

TEST_CASE("json: a text that is no object is refused") {
  const std::string_view text =
      GENERATE(""sv, " "sv, "1"sv, "\"a\""sv, "null"sv, "[]"sv, "[{}]"sv, "{"sv, "}"sv, "{}{}"sv,
               "{} x"sv, "{},"sv, "{a:1}"sv, "{'a':1}"sv, "{\"a\":1,}"sv, "{,}"sv, "{\"a\"}"sv,
               "{\"a\":}"sv, "{\"a\" 1}"sv, "{\"a\":1 \"b\":2}"sv, "{1:1}"sv);
  CAPTURE(text);
  CHECK_FALSE(JsonObject::parse(text));
}

TEST_CASE("json: an empty object is an object") {
  const auto object = JsonObject::parse("{}");
  REQUIRE(object);
  CHECK(object->empty());
}

TEST_CASE("json: a byte order mark is refused") {
  CHECK_FALSE(JsonObject::parse("\xEF\xBB\xBF{}"));
  CHECK_FALSE(JsonObject::parse(" \xEF\xBB\xBF{}"));
  CHECK_FALSE(JsonObject::parse("{}\xEF\xBB\xBF"));
  CHECK_FALSE(JsonObject::parse("\xFF\xFE{\0}\0"sv));
}

TEST_CASE("json: a NUL is refused before, in and after the object") {
  CHECK_FALSE(JsonObject::parse(
      GENERATE("\0{}"sv, "{}\0"sv, "{}\0{}"sv, "{\0}"sv, "{\"a\":\"\0\"}"sv, "{\"a\":1\0}"sv)));
}

TEST_CASE("json: comments are refused") {
  CHECK_FALSE(
      JsonObject::parse(GENERATE(as<std::string>{}, "/**/{}", "{}//", "{\"a\":1/**/}", "{}#")));
}

TEST_CASE("json: a lone surrogate, a bad escape or a raw control is refused") {
  const std::string raw =
      GENERATE(as<std::string>{}, R"("\ud800")", R"("\udc00")", R"("\ude00\ud83d")", R"("\ud83dx")",
               R"("\ud83d\u0041")", R"("\ud83d\ud83d")", R"("\x41")", R"("\u00")", R"("\u00g0")",
               R"("\")", "\"\n\"", "\"\t\"", "\"\x1F\"");
  CAPTURE(raw);
  CHECK_FALSE(JsonObject::parse("{\"a\":" + raw + "}"));
  CHECK_FALSE(JsonObject::parse("{" + raw + ":1}"));
}

TEST_CASE("json: a string that is not UTF-8 is refused") {
  const std::string bytes =
      GENERATE(as<std::string>{}, "\xFF", "\xC0\x80", "\xED\xA0\x80", "\xC3", "\xF4\x90\x80\x80");
  CHECK_FALSE(JsonObject::parse("{\"a\":\"" + bytes + "\"}"));
  CHECK_FALSE(JsonObject::parse("{\"" + bytes + "\":1}"));
}

TEST_CASE("json: every cut of an object is refused") {
  const std::string text = R"({"s":"a\u00e9","i":12,"o":{"x":1}})";
  REQUIRE(JsonObject::parse(text));
  for (std::size_t length = 0; length < text.size(); ++length) {
    CAPTURE(length);
    CHECK_FALSE(JsonObject::parse(std::string_view(text).substr(0, length)));
  }
}

TEST_CASE("json: members are written compactly and in their order") {
  CHECK(write_json({{"z", "text"}, {"a", std::uint64_t{7}}, {"o", {{"y", "1"}, {"b", ""}}}}) ==
        R"({"z":"text","a":7,"o":{"y":"1","b":""}})");
  CHECK(write_json({{"max", kMaxJsonInteger}}) == R"({"max":9007199254740991})");
  CHECK(write_json({}) == "{}");
}

TEST_CASE("json: whatever is written is read back") {
  const std::string_view text = GENERATE(as<std::string>{}, "\"quoted\" \\ / \b\f\n\r\t"sv,
                                         "a\0b\x1F\x7F"sv, "\xC3\xBC\xF0\x9F\x98\x80"sv);
  auto object = JsonObject::parse(write_json({{"a", text}}));
  REQUIRE(object);
  CHECK(object->take_string("a") == text);
}

TEST_CASE("json: a name is added once") {
  JsonObject object;
  CHECK(object.add("a", std::uint64_t{1}));
  CHECK_FALSE(object.add("a", std::uint64_t{2}));
  CHECK(object.take_integer("a") == 1U);
}

}  // namespace p2pchat
