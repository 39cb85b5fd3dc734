// Connecting to a peer: name resolution and TCP, all addresses of a host, within a deadline.
#pragma once

#include <Poco/Net/IPAddress.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"

namespace p2pchat {

enum class DialFailure {
  none,
  not_resolved,
  not_resolved_now,  // the resolver itself has failed
  unreachable,
  exhausted,  // this machine has no descriptor or no memory left
};

struct Dialed {
  Fd socket;  // connected, non-blocking, TCP_NODELAY
  DialFailure failure = DialFailure::none;
  std::string why;                        // "connection refused"
  std::chrono::microseconds resolving{};  // how long the name took
};

struct Resolved {
  std::vector<Poco::Net::IPAddress> addresses;  // in the resolver's order; empty only on failure
  DialFailure failure = DialFailure::none;
  std::string why;
};

// Never waits beyond the deadline, whatever the resolver does. `interrupt`, if there is one, ends
// it when it becomes readable; nothing is read from it.
Resolved resolve(const std::string& host, const Deadline& deadline, int interrupt = -1);

// host: IPv4 address, IPv6 address without brackets, or a name. Addresses are tried in the
// resolver's order, a new one each 250 ms or as soon as the last has failed (RFC 8305); the first
// that answers is taken. Never waits beyond the deadline, whatever the resolver does. `interrupt`:
// as above.
Dialed dial(const std::string& host, std::uint16_t port, const Deadline& deadline,
            int interrupt = -1);

}  // namespace p2pchat
