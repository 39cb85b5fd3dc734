// Where a connection comes from, in the two forms that the rest of the program needs.
#pragma once

#include <string>

namespace Poco::Net {
class IPAddress;
}

namespace p2pchat {

struct Source {
  std::string address;  // "192.0.2.7" or "2001:db8::7": an IPv4-mapped IPv6 address counts as IPv4
  std::string network;  // who shares a limit: the IPv4 address, or the IPv6 /64 ("2001:db8::/64")
};

Source source_of(const Poco::Net::IPAddress& address);

// Who is at the other end of a descriptor: a TCP connection's peer; otherwise no address, and all
// pipes share a limit.
Source source_of_descriptor(int descriptor);

}  // namespace p2pchat
