#include "net/admission.h"

#include <catch2/catch.hpp>

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

constexpr Admission::Clock::time_point kStart{1'000s};

int charge_all(Admission& admission, const std::string& network, Admission::Clock::time_point now) {
  int tokens = 0;
  while (admission.charge(network, now)) ++tokens;
  return tokens;
}

}  // namespace

TEST_CASE("admission: a network has 40 tokens, and 20 more a second") {
  Admission admission;
  CHECK(admission.has_token("192.0.2.7", kStart));
  CHECK(charge_all(admission, "192.0.2.7", kStart) == 40);
  CHECK_FALSE(admission.has_token("192.0.2.7", kStart));
  CHECK(charge_all(admission, "192.0.2.7", kStart + 49ms) == 0);
  CHECK(admission.has_token("192.0.2.7", kStart + 50ms));
  CHECK(charge_all(admission, "192.0.2.7", kStart + 50ms) == 1);
  CHECK(charge_all(admission, "192.0.2.7", kStart + 1'050ms) == 20);
}

TEST_CASE("admission: no more than 40 are saved up") {
  Admission admission;
  charge_all(admission, "192.0.2.7", kStart);
  CHECK(charge_all(admission, "192.0.2.7", kStart + 1h) == 40);
}

TEST_CASE("admission: one network takes nothing from another") {
  Admission admission;
  charge_all(admission, "192.0.2.7", kStart);
  CHECK(charge_all(admission, "192.0.2.8", kStart) == 40);
  CHECK(charge_all(admission, "2001:db8::/64", kStart) == 40);
}

TEST_CASE("admission: a token that is put back can be taken again") {
  Admission admission;
  charge_all(admission, "192.0.2.7", kStart);
  admission.refund("192.0.2.7");
  admission.refund("192.0.2.7");
  CHECK(charge_all(admission, "192.0.2.7", kStart) == 2);
}

TEST_CASE("admission: what is put back makes no bucket larger") {
  Admission admission;
  REQUIRE(admission.charge("192.0.2.7", kStart));
  for (int i = 0; i < 100; ++i) admission.refund("192.0.2.7");
  admission.refund("192.0.2.8");
  CHECK(charge_all(admission, "192.0.2.7", kStart) == 40);
  CHECK(charge_all(admission, "192.0.2.8", kStart) == 40);
}

TEST_CASE("admission: full buckets are forgotten") {
  Admission admission;
  for (int i = 0; i < 1'000; ++i) REQUIRE(admission.charge(std::to_string(i), kStart));
  CHECK(admission.remembered() == 1'000);
  REQUIRE(admission.charge("192.0.2.7", kStart + 1s));
  CHECK(admission.remembered() == 1);
}

TEST_CASE("admission: no more networks are remembered than the limit says") {
  AdmissionLimits limits;
  limits.networks = 3;
  Admission admission(limits);
  charge_all(admission, "most", kStart);
  for (int i = 0; i < 10; ++i) {
    REQUIRE(admission.charge(std::to_string(i), kStart));
    CHECK(admission.remembered() <= 3);
  }
  // Those that have most left give way.
  CHECK_FALSE(admission.has_token("most", kStart));
}

}  // namespace p2pchat
