#include "base/clock.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <limits>

namespace p2pchat {

using namespace std::chrono_literals;

TEST_CASE("clock: a moment is written as RFC 3339 in UTC") {
  const auto [seconds, text] = GENERATE(table<std::uint64_t, std::string>({
      {0, "1970-01-01T00:00:00Z"},
      {951'827'696, "2000-02-29T12:34:56Z"},
      {1'700'000'000, "2023-11-14T22:13:20Z"},
      {4'102'444'800, "2100-01-01T00:00:00Z"},
      {253'402'300'799, "9999-12-31T23:59:59Z"},
  }));
  CHECK(rfc3339(seconds) == text);
}

TEST_CASE("clock: a moment beyond the year 9999 is written as the last one of it") {
  const std::uint64_t seconds =
      GENERATE(253'402'300'800ULL, 1ULL << 53U, std::numeric_limits<std::uint64_t>::max());
  CHECK(rfc3339(seconds) == "9999-12-31T23:59:59Z");
}

TEST_CASE("clock: a moment is read as it is written, and a day is its beginning") {
  const auto [text, seconds] = GENERATE(table<std::string, std::uint64_t>({
      {"1970-01-01T00:00:00Z", 0},
      {"1970-01-01", 0},
      {"2000-02-29T12:34:56Z", 951'827'696},
      {"2000-02-29", 951'782'400},
      {"2023-11-14T22:13:20Z", 1'700'000'000},
      {"9999-12-31T23:59:59Z", 253'402'300'799},
  }));
  CHECK(parse_rfc3339(text) == seconds);
}

TEST_CASE("clock: what is no moment in UTC is not read as one") {
  const std::string text =
      GENERATE("", "2023", "2023-11", "2023-11-14T", "2023-11-14T22:13Z", "2023-11-14T22:13:20",
               "2023-11-14T22:13:20+01:00", "2023-11-14 22:13:20Z", "2023-11-14T22:13:20Zx",
               "2023-11-14T22:13:20z", "2023-11-14x", "23-11-14T22:13:20Z", "2023-13-14",
               "2023-00-14", "2023-11-00", "2023-11-31", "2023-02-29", "1900-02-29", "1969-12-31",
               "2023-11-14T24:00:00Z", "2023-11-14T23:60:00Z", "2023-11-14T23:59:60Z", "-023-11-14",
               "2023-+1-14", "2023- 1-14", "2023/11/14");
  CAPTURE(text);
  CHECK_FALSE(parse_rfc3339(text));
}

TEST_CASE("clock: the time zone of the user changes nothing") {
  setenv("TZ", "America/New_York", 1);
  tzset();
  const std::string text = rfc3339(1'700'000'000);
  unsetenv("TZ");
  tzset();
  CHECK(text == "2023-11-14T22:13:20Z");
}

TEST_CASE("clock: a frozen clock stands until it goes on") {
  freeze_unix_clock(1'700'000'000);
  const std::uint64_t frozen = unix_now();
  freeze_unix_clock(std::nullopt);
  CHECK(frozen == 1'700'000'000);
  CHECK(unix_now() > frozen);
}

TEST_CASE("clock: the wall clock counts seconds since 1970") {
  const std::uint64_t now = unix_now();
  CHECK(now > 1'700'000'000);    // milliseconds or days would be out of
  CHECK(now < 253'402'300'799);  // this range
  CHECK(unix_now() >= now);
}

TEST_CASE("clock: a deadline of no time or less has passed and leaves nothing to wait for") {
  const Deadline deadline(GENERATE(0ms, -1ms, -24h));
  CHECK(deadline.passed());
  CHECK(deadline.remaining() == 0ms);
}

TEST_CASE("clock: a deadline to come leaves at most what was given") {
  const Deadline deadline(24h);
  CHECK_FALSE(deadline.passed());
  CHECK(deadline.remaining() > 0ms);
  CHECK(deadline.remaining() <= 24h);
}

TEST_CASE("clock: a deadline is extended by exactly the time asked for") {
  Deadline deadline(-1ms);
  const auto before = deadline.at();
  deadline.extend(24h);
  CHECK(deadline.at() - before == 24h);
  CHECK_FALSE(deadline.passed());
}

TEST_CASE("clock: what remains is rounded up, so that waiting for it does not spin") {
  const Deadline deadline(24h);
  // A whole number of milliseconds that ends before the deadline would be waited for in vain.
  const auto before = Deadline::Clock::now();
  const auto remaining = deadline.remaining();
  const auto after = Deadline::Clock::now();
  CHECK(after + remaining >= deadline.at());
  CHECK(before + remaining < deadline.at() + 1ms);
}

}  // namespace p2pchat
