#include "node/early_key.h"

#include <catch2/catch.hpp>
#include <stdexcept>

namespace p2pchat {

namespace {

std::optional<UnwrappedKey> some_key() {
  return UnwrappedKey{"wrapped", Secret(std::string(32, 'k'))};
}

}  // namespace

TEST_CASE("early key: what is unwrapped before the frame is complete is there then") {
  EarlyKey early;
  CHECK_FALSE(early.run(some_key));
  CHECK_FALSE(early.complete([] {}));
  REQUIRE(early.key() != nullptr);
  CHECK(early.key()->wrapped == "wrapped");
}

TEST_CASE("early key: a frame that is complete before the work began goes on without it") {
  EarlyKey early;
  CHECK_FALSE(early.complete([] {}));
  int unwrapped = 0;
  CHECK_FALSE(early.run([&] {
    ++unwrapped;
    return some_key();
  }));
  CHECK(unwrapped == 0);
  CHECK(early.key() == nullptr);
}

TEST_CASE("early key: a frame that is complete while the work is under way goes on after it") {
  EarlyKey early;
  int went_on = 0;
  const auto next = early.run([&] {
    CHECK(early.complete([&] { ++went_on; }));
    return some_key();
  });
  REQUIRE(next);
  CHECK(went_on == 0);
  CHECK(early.key() != nullptr);
  next();
  CHECK(went_on == 1);
}

TEST_CASE("early key: without a key the frame goes on all the same") {
  const bool fails = GENERATE(false, true);
  EarlyKey early;
  const auto next = early.run([&]() -> std::optional<UnwrappedKey> {
    CHECK(early.complete([] {}));
    if (fails) throw std::runtime_error("no memory");
    return std::nullopt;
  });
  CHECK(next);
  CHECK(early.key() == nullptr);
}

}  // namespace p2pchat
