// listen, put together: the loop (net), workers that open and seal, the one writer, the printer,
// and when all of it ends. DESIGN 6; p2pchat-listen(1).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "node/config.h"
#include "node/handler.h"
#include "node/home.h"
#include "node/inbox.h"
#include "node/printer.h"
#include "node/stranger.h"

namespace p2pchat {

struct ListenOptions {
  std::string address;  // "" for all
  std::uint16_t port = 0;
  bool forever = false;                                 // until a signal
  std::optional<std::uint64_t> count;                   // else until so many messages are written
                                                        // or handled, else until one exchange has
                                                        // succeeded
  std::optional<std::chrono::milliseconds> time_limit;  // of the whole
  InboxRules rules;
  Formatter format;
  // Instead of writing messages: a program that answers each, so many of them side by side.
  std::optional<HandlerCommand> handler;
  unsigned jobs = 1;
};

// Called on threads of the listener.
struct ListenEvents {
  std::function<void(const std::string& address)> listening;
  std::function<void(const Stranger&)> stranger;
  // What a handler says on its standard error.
  std::function<void(const std::string& id, std::string_view line)> handler_line;
  // The handler of a message was running when an earlier listener died.
  std::function<void(const Received&)> interrupted;
  // Something of ours fails and the listener goes on: at most once a minute.
  std::function<void(const Error&)> trouble;
  // It begins to end.
  std::function<void()> ending = {};
};

struct ListenEnd {
  bool reached = false;   // what was asked for has come
  int signal_number = 0;  // what ended it, else 0
};

// Returns after an orderly end: nothing that was acknowledged is lost, and what was not written is
// left for the next listen. Throws Error when it cannot begin or stdout fails.
// socket: one that listens already, in place of the address and port of the options.
ListenEnd listen(const Home& home, const Config& config, const ListenOptions& options,
                 const ListenEvents& events, Fd socket = {});

}  // namespace p2pchat
