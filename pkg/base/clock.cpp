#include "base/clock.h"

#include <algorithm>
#include <array>
#include <atomic>
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

int poll_time(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds kLongest{60'000};
  return static_cast<int>(std::min(time, kLongest).count());
}

std::chrono::milliseconds Deadline::remaining() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

}  // namespace p2pchat
