#include "net/ledger.h"

#include <catch2/catch.hpp>

namespace p2pchat {

TEST_CASE("ledger: it knows the sum of what all hold") {
  Ledger ledger;
  CHECK(ledger.total() == 0);
  ledger.change("a", 1, 0, 100);
  ledger.change("a", 2, 0, 50);
  ledger.change("b", 3, 0, 7);
  CHECK(ledger.total() == 157);
  ledger.change("a", 1, 100, 120);
  ledger.change("a", 2, 50, 0);
  ledger.change("b", 3, 7, 7);
  CHECK(ledger.total() == 127);
  ledger.change("a", 1, 120, 0);
  ledger.change("b", 3, 7, 0);
  CHECK(ledger.total() == 0);
}

TEST_CASE("ledger: the largest is the one of the network that holds most") {
  Ledger ledger;
  ledger.change("a", 1, 0, 100);
  CHECK(ledger.largest() == 1);
  for (std::uint64_t id = 2; id < 6; ++id) ledger.change("b", id, 0, 20 + id);
  CHECK(ledger.largest() == 1);
  ledger.change("b", 6, 0, 10);
  CHECK(ledger.largest() == 5);
  ledger.change("b", 5, 25, 0);
  CHECK(ledger.largest() == 1);
  ledger.change("b", 2, 22, 90);
  CHECK(ledger.largest() == 2);
  ledger.change("a", 1, 100, 1'000);
  CHECK(ledger.largest() == 1);
}

TEST_CASE("ledger: what holds nothing is nobody's") {
  Ledger ledger;
  ledger.change("a", 1, 0, 0);
  ledger.change("b", 2, 0, 1);
  CHECK(ledger.largest() == 2);
  ledger.change("b", 2, 1, 0);
  ledger.change("c", 3, 0, 1);
  CHECK(ledger.largest() == 3);
}

}  // namespace p2pchat
