#include "protocol/verification.h"

#include <catch2/catch.hpp>

namespace p2pchat {

namespace {

const std::string kOne = "RdijxtZHwW2hszvKGhttadFCC8UKDMdv9htavCO1CSY";
const std::string kOther = "LtIwsIkKlTCiNqkPfb5i50kLOb9TfKuNZfbUaUPj5CM";

}  // namespace

TEST_CASE("verification: sixty digits in twelve groups, the same on both sides") {
  const std::string digits = verification_digits(kOne, kOther);
  CHECK(digits == verification_digits(kOther, kOne));
  REQUIRE(digits.size() == 71);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    CAPTURE(i);
    const bool is_gap = i % 6 == 5;
    CHECK((is_gap ? digits[i] == ' ' : digits[i] >= '0' && digits[i] <= '9'));
  }
}

// Computed from the page with another program.
TEST_CASE("verification: the digits are those of the page") {
  CHECK(verification_digits(kOne, kOther) ==
        "23503 06366 44316 77470 65519 91898 71022 04387 44562 85766 32283 41083");
}

TEST_CASE("verification: another identity on either side changes its half alone") {
  const std::string digits = verification_digits(kOne, kOther);
  std::string third = kOne;
  third[5] = 'A';
  const std::string changed = verification_digits(third, kOther);
  // The other identity comes first in order.
  CHECK(changed.substr(0, 35) == digits.substr(0, 35));
  CHECK(changed.substr(36) != digits.substr(36));
}

}  // namespace p2pchat
