// Writes the history to stdout and goes on with every message that is sent or received, by whatever
// process. It sleeps until the kernel says that the state was written to, and neither a reader that
// has stopped reading nor one that has gone holds up its end.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "node/history.h"
#include "node/home.h"

namespace p2pchat {

struct FollowOptions {
  // End after so many, and begin with those to come; nothing: begin with those that are there.
  std::optional<std::uint64_t> count;
  std::optional<std::chrono::milliseconds> time_limit;
};

struct FollowEnd {
  bool reached = false;   // the count
  int signal_number = 0;  // the signal that ended it, 0: none
};                        // neither: the time is over

// Returns at the end, having written whole messages unless nobody reads. Throws as History does,
// and Error{system} when stdout fails.
FollowEnd follow_history(const Home& home, const HistoryQuery& query, const FollowOptions& options,
                         const EntryFormatter& format);

}  // namespace p2pchat
