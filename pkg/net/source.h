// Where a connection comes from, in the two forms that the rest of the program needs.
#pragma once

#include <sys/socket.h>

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

// Of a TCP connection's peer; anything else has no address, and all pipes and Unix sockets share a
// limit.
Source source_of(const sockaddr* address, socklen_t size);
// The same for the other end of a descriptor.
Source source_of_descriptor(int descriptor);

}  // namespace p2pchat
