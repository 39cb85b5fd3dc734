// listen, put together: the loop (net), workers that open and seal, the one writer, the printer,
// and when all of it ends. DESIGN 6; p2pchat-listen(1).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "node/config.h"
#include "node/home.h"
#include "node/inbox.h"
#include "node/printer.h"
#include "node/stranger.h"

namespace p2pchat {

struct ListenOptions {
  std::string address;  // "" for all
  std::uint16_t port = 0;
  bool forever = false;                                 // until a signal
  std::optional<std::uint64_t> count;                   // else until so many messages are written,
                                                        // else until one exchange has succeeded
  std::optional<std::chrono::milliseconds> time_limit;  // of the whole
  InboxRules rules;
  Formatter format;
};

// Called on threads of the listener.
struct ListenEvents {
  std::function<void(const std::string& address)> listening;
  std::function<void(const Stranger&)> stranger;
  // Something of ours fails and the listener goes on: at most once a minute.
  std::function<void(const Error&)> trouble;
};

struct ListenEnd {
  bool reached = false;   // what was asked for has come
  int signal_number = 0;  // what ended it, else 0
};

// Returns after an orderly end: nothing that was acknowledged is lost, and what was not written is
// left for the next listen. Throws Error when it cannot begin or stdout fails.
ListenEnd listen(const Home& home, const Config& config, const ListenOptions& options,
                 const ListenEvents& events);

}  // namespace p2pchat
