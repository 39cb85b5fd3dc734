// What becomes of a verified request: the one transaction of DESIGN 7.1 for a message, and pinning,
// updating or bounding of strangers for a registration. Runs inside the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "protocol/ack.h"
#include "protocol/request.h"
#include "store/database.h"

namespace p2pchat {

// Strangers that wait for a decision (DESIGN 5).
inline constexpr std::uint64_t kMaxPending = 1'000;
inline constexpr std::uint64_t kMaxPendingPerSourceAndDay = 100;
inline constexpr std::uint64_t kPendingLifeDays = 30;

// Where a request came from.
struct Origin {
  std::string address;  // what ":port" in a registration stands for
  std::string network;  // who shares the limit on new strangers
};

struct Verdict {
  // Nothing: answered with the key statement, as if it had not verified.
  std::optional<AckStatus> status;
  std::string reply;          // for ok and dup
  unsigned rc = 0;            // likewise
  bool new_stranger = false;  // a registration that nobody had seen before
};

// reply: what a new message is answered with. Throws Error{system} when the state fails.
Verdict take_request(Database& database, const Request& request, const Origin& origin,
                     const std::string& reply, std::uint64_t now);

// What time takes away: expired ids and strangers, bodies older than log.keep.
void clean_up(Database& database, std::uint64_t now, std::uint64_t log_keep_seconds);

}  // namespace p2pchat
