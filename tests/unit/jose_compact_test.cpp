#include "jose/compact.h"

#include <catch2/catch.hpp>

#include "jose/base64url.h"

namespace p2pchat {

namespace {

using namespace std::string_view_literals;
using Segments = std::vector<std::string_view>;

}  // namespace

TEST_CASE("compact: a token is split at its dots, empty segments included") {
  CHECK(split_segments("a.b.c", 3) == Segments{"a", "b", "c"});
  CHECK(split_segments("a..b.c.", 5) == Segments{"a", "", "b", "c", ""});
  CHECK(split_segments("..", 3) == Segments{"", "", ""});
  CHECK(split_segments("a", 1) == Segments{"a"});
}

TEST_CASE("compact: another number of segments is refused") {
  const auto [token, count] = GENERATE(table<std::string_view, std::size_t>({
      {"", 3},
      {"a", 3},
      {"a.b", 3},
      {"a.b.c.", 3},
      {".a.b.c", 3},
      {"a.b.c.d", 3},
      {"a.b.c", 5},
      {"a.b.c.d", 5},
      {"a.b.c.d.e.f", 5},
  }));
  CAPTURE(token);
  CHECK(split_segments(token, count).empty());
}

TEST_CASE("compact: segments are what stands between the dots, whatever it is") {
  CHECK(split_segments(" a.\n.b\0"sv, 3) == Segments{" a", "\n", "b\0"sv});
}

TEST_CASE("compact: a header is base64url of a JSON object") {
  auto header = read_header(encode_base64url(R"({"alg":"PS256"})"));
  REQUIRE(header);
  CHECK(header->take_expected("alg", "PS256"));
  CHECK(header->empty());
}

TEST_CASE("compact: anything else is no header") {
  const std::string segment = GENERATE(
      as<std::string>{}, "", "!", R"({"alg":"PS256"})", encode_base64url("[]"),
      encode_base64url("\"alg\""), encode_base64url(R"({"alg":"PS256"} x)"),
      encode_base64url(R"({"alg":"PS256","alg":"PS256"})"),
      encode_base64url(R"({"alg":"PS256"})") + "=", encode_base64url(R"({"a":"1"})") + "\n");
  CAPTURE(segment);
  CHECK_FALSE(read_header(segment));
}

}  // namespace p2pchat
