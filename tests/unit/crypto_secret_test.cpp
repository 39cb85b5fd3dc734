#include "crypto/secret.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <new>

namespace p2pchat {

namespace {

// Short enough to stand inside the string object, where it can be looked for afterwards.
constexpr std::string_view kShort = "hunter2 hunter";

template <typename T>
bool bytes_hold(const T& object, std::string_view text) {
  std::array<char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), static_cast<const void*>(&object), sizeof(T));
  return std::search(bytes.begin(), bytes.end(), text.begin(), text.end()) != bytes.end();
}

}  // namespace

TEST_CASE("secret: a secret shows the bytes it was given") {
  const Secret secret(std::string("\0key", 4));
  CHECK(secret.view() == std::string_view("\0key", 4));
  CHECK(Secret().view().empty());
}

TEST_CASE("secret: a moved secret is in one place only") {
  const std::string bytes(32, 'k');
  Secret first(bytes);
  const Secret second(std::move(first));
  CHECK(second.view() == bytes);
  CHECK(first.view().empty());  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("secret: an assigned secret is the new one") {
  Secret secret(std::string(32, 'a'));
  secret = Secret(std::string(32, 'b'));
  CHECK(secret.view() == std::string(32, 'b'));
}

TEST_CASE("secret: wiped bytes are gone") {
  std::string bytes(kShort);
  REQUIRE(bytes_hold(bytes, kShort.substr(1)));
  wipe(bytes);
  CHECK(bytes.empty());
  CHECK_FALSE(bytes_hold(bytes, kShort.substr(1)));
}

// A short string is copied when it is moved, and its source keeps the bytes.
TEST_CASE("secret: a moved secret leaves no bytes behind, short ones included") {
  Secret first{std::string(kShort)};
  const Secret second(std::move(first));
  REQUIRE(second.view() == kShort);
  CHECK_FALSE(bytes_hold(first, kShort.substr(1)));  // NOLINT(bugprone-use-after-move)
}

}  // namespace p2pchat
