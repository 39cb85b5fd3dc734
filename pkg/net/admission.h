// How much costly work each network may ask for: a token bucket for each of them, 20 tokens a
// second, 40 saved up. DESIGN 6. Knows no clock of its own, so that tests need not wait.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace p2pchat {

struct AdmissionLimits {
  std::chrono::milliseconds interval{50};  // a token is added
  int burst = 40;                          // tokens that a bucket holds
  std::size_t networks = 65'536;           // remembered
};

// Any thread.
class Admission {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Admission(const AdmissionLimits& limits = {}) : limits_(limits) {}

  // True when charge() would take a token.
  bool has_token(const std::string& network, Clock::time_point now = Clock::now()) const;
  // Takes a token; false when there is none.
  bool charge(const std::string& network, Clock::time_point now = Clock::now());
  // Puts back one that was taken.
  void refund(const std::string& network);

  std::size_t remembered() const;

 private:
  // When a bucket will be full again says how many tokens are missing; one that is full needs no
  // memory.
  using Networks = std::map<std::string, Clock::time_point>;

  bool has_token(Networks::const_iterator bucket, Clock::time_point now) const;
  Networks::iterator remember(const std::string& network, Clock::time_point full_at);
  void set(Networks::iterator bucket, Clock::time_point full_at);
  void forget(Networks::iterator bucket);
  void make_room(Clock::time_point now);

  AdmissionLimits limits_;
  mutable std::mutex mutex_;  // guards the next two
  Networks full_at_;
  std::set<std::pair<Clock::time_point, const std::string*>> by_time_;  // keys of the above
};

}  // namespace p2pchat
