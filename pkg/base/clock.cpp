#include "base/clock.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <ctime>

namespace p2pchat {

namespace {

constexpr std::uint64_t kRunning = 0;  // a frozen clock never shows 1970
std::atomic<std::uint64_t> frozen_at = kRunning;

}  // namespace

std::uint64_t unix_now() {
  if (const std::uint64_t at = frozen_at; at != kRunning) return at;
  const std::time_t now = std::time(nullptr);
  return now < 0 ? 0 : static_cast<std::uint64_t>(now);
}

void freeze_unix_clock(std::optional<std::uint64_t> at) {
  frozen_at = at.value_or(kRunning);
}

std::string rfc3339(std::uint64_t unix_seconds) {
  // Years beyond 9999 have no RFC 3339 form: the largest one stands for them.
  constexpr std::uint64_t kLastSecondOf9999 = 253402300799;
  const auto seconds = static_cast<std::time_t>(std::min(unix_seconds, kLastSecondOf9999));
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text.data(), length};
}

std::optional<std::uint64_t> parse_rfc3339(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  constexpr std::size_t kDay = 10;
  if (text.size() != kForm.size() && text.size() != kDay) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !is_digit : text[i] != kForm[i]) return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t length) {
    unsigned value = 0;
    if (at < text.size()) std::from_chars(text.data() + at, text.data() + at + length, value);
    return value;
  };
  const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(number(0, 4))),
                                        std::chrono::month(number(5, 2)),
                                        std::chrono::day(number(8, 2)));
  const unsigned hour = number(11, 2);
  const unsigned minute = number(14, 2);
  const unsigned second = number(17, 2);
  if (!day.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const auto moment = std::chrono::sys_days(day) + std::chrono::hours(hour) +
                      std::chrono::minutes(minute) + std::chrono::seconds(second);
  const auto seconds = moment.time_since_epoch().count();
  return seconds < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(seconds));
}

int poll_time(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds kLongest{60'000};
  return static_cast<int>(std::min(time, kLongest).count());
}

std::chrono::milliseconds Deadline::remaining() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

}  // namespace p2pchat
