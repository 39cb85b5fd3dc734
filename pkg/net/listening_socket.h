// The socket that a listener accepts on: bound by us, or handed over by who has started us.
#pragma once

#include <Poco/Net/ServerSocket.h>

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/file.h"

namespace p2pchat {

// address: "" for all (IPv6 and IPv4, or IPv4 alone where the kernel has no IPv6), else an address
// or a name. Port 0: any free one. Throws Error{system}, also when a name is not resolved in time.
Poco::Net::ServerSocket listen_on(const std::string& address, std::uint16_t port,
                                  const Deadline& deadline);

// Listens already, on TCP or at a path. Throws Error{usage} when it is anything else.
Poco::Net::ServerSocket take_listening(Fd socket);

// "192.0.2.7:4040", "[::]:4040", "/run/p2pchat.socket", or "@name" for one in no folder.
std::string where(const Poco::Net::ServerSocket& socket);

}  // namespace p2pchat
