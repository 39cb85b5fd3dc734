// The two clocks: wall time for what goes on the wire and on disk, a steady one for waiting.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace p2pchat {

// Seconds since 1970-01-01T00:00:00Z, never negative.
std::uint64_t unix_now();

// For tests: unix_now() stays at that time, or goes on again.
void freeze_unix_clock(std::optional<std::uint64_t> at);

// RFC 3339, UTC, whole seconds: "2026-11-23T02:22:49Z".
std::string rfc3339(std::uint64_t unix_seconds);
// The same backwards, and "2026-11-23" for the beginning of that day; nothing for any other text
// and for times before 1970.
std::optional<std::uint64_t> parse_rfc3339(std::string_view text);

// For poll(2): at most a minute at a time, so that no number of milliseconds is too large for it.
int poll_time(std::chrono::milliseconds time);

// A point on the steady clock by which something must be done.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Deadline(std::chrono::milliseconds from_now) : at_(Clock::now() + from_now) {}

  Clock::time_point at() const { return at_; }
  bool passed() const { return Clock::now() >= at_; }
  // Never negative; rounded up, so that waiting for it does not spin.
  std::chrono::milliseconds remaining() const;
  void extend(std::chrono::milliseconds by) { at_ += by; }

 private:
  Clock::time_point at_;
};

}  // namespace p2pchat
