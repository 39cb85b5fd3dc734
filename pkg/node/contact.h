// Reaching a peer: its addresses in the order of trust, one connection, one exchange.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "net/dial.h"
#include "net/exchange.h"
#include "store/peers.h"

namespace p2pchat {

struct Contact {
  std::string name;                    // as our user calls the peer
  std::vector<std::string> addresses;  // "host:port", tried in this order

  // The typed address first, then the one the peer announced.
  static Contact of(const PeerRow& row);
};

// A connection to one of the contact's addresses.
struct Line {
  Fd socket;
  std::string address;  // the one that answered
};

// Throws Error{no_host} or Error{unavailable}, with the address and the reason.
Line connect(const Contact& contact, const Deadline& deadline);

// Sends the frame and waits for the reply's; the caller judges how it ended.
Exchanged ask(const Line& line, std::string_view frame, const Deadline& deadline);

// Connects, asks `keys` and returns the reply's frame. Throws also for an exchange without one;
// `lost` is the status for an answer that did not come.
std::string ask_keys(const Line& line, const std::string& name, const Deadline& deadline,
                     Status lost);

// The text for an exchange that ended without an answer.
std::string no_answer(const std::string& name, const std::string& address, const Exchanged& end);

}  // namespace p2pchat
