// Where a peer listens, in the two forms that exist: the `addr` claim of a registration and
// HOST[:PORT] on a command line. p2pchat-protocol(7) "Registration". Pure: nothing is resolved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace p2pchat {

inline constexpr std::uint16_t kDefaultPort = 4040;

struct Address {
  std::string
      host;  // IPv4 address, IPv6 address without brackets, DNS name; empty: where it is seen
  std::uint16_t port = kDefaultPort;

  // "host:port", with brackets around an IPv6 address.
  std::string text() const;
};

// The claim: "host:port" or ":port", port without leading zeros. "" is no address: nothing.
std::optional<Address> read_address_claim(std::string_view text);
// True also for "".
bool is_address_claim(std::string_view text);

// HOST, HOST:PORT, [IPv6], [IPv6]:PORT, or a bare IPv6 address; host grammar as in the claim.
std::optional<Address> read_address_argument(std::string_view text);

// HOST alone: an IPv4 address, an IPv6 address with or without brackets, or a DNS name. Returned
// without brackets.
std::optional<std::string> read_host(std::string_view text);

// 1-65535, no sign, no leading zeros.
std::optional<std::uint16_t> read_port(std::string_view text);

}  // namespace p2pchat
