#include "store/marks.h"

#include <catch2/catch.hpp>

#include "test_home.h"

namespace p2pchat {

TEST_CASE("marks: each only grows, and is 0 before it was set") {
  const TestHome home;
  Database database = home.state();
  Marks marks(database);
  CHECK(marks.get("a") == 0);
  marks.raise("a", 7);
  marks.raise("a", 5);
  marks.raise("b", 1);
  CHECK(marks.get("a") == 7);
  marks.raise("a", 8);
  CHECK(marks.get("a") == 8);
  CHECK(marks.get("b") == 1);
}

}  // namespace p2pchat
