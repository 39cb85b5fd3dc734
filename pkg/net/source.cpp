#include "net/source.h"

#include <Poco/Net/IPAddress.h>
#include <Poco/Net/SocketAddress.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace p2pchat {

Source source_of(const Poco::Net::IPAddress& address) {
  using Poco::Net::IPAddress;
  constexpr std::size_t kIpv6Bytes = 16;
  constexpr std::size_t kIpv4Offset = 12;  // of the IPv4 address in a mapped one
  constexpr std::size_t kNetworkBytes = 8;
  if (address.family() == IPAddress::IPv4) return {address.toString(), address.toString()};
  if (address.isIPv4Mapped()) {
    const auto* bytes = static_cast<const char*>(address.addr());
    const IPAddress inner(bytes + kIpv4Offset, kIpv6Bytes - kIpv4Offset);
    return {inner.toString(), inner.toString()};
  }
  std::array<char, kIpv6Bytes> network{};
  std::memcpy(network.data(), address.addr(), kNetworkBytes);
  const IPAddress prefix(network.data(), kIpv6Bytes);
  return {address.toString(), prefix.toString() + "/64"};
}

Source source_of(const sockaddr* address, socklen_t size) {
  if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return {"", "pipe"};
  return source_of(Poco::Net::SocketAddress(address, size).host());
}

Source source_of_descriptor(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (getpeername(descriptor, raw, &size) != 0) address.ss_family = AF_UNSPEC;
  return source_of(raw, size);
}

}  // namespace p2pchat
