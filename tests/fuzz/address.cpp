// Addresses: what is accepted is the same when written and read again, and IPv6 is what the system
// takes for it.
#include "protocol/address.h"

#include <arpa/inet.h>

#include "fuzz.h"

namespace p2pchat {

namespace {

bool is_ipv6_of_system(const std::string& text) {
  in6_addr address{};
  return text.find('\0') == std::string::npos && inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

// Nothing in it means anything to a shell, and no program takes it for an option.
void check_host(const std::string& host) {
  HOLDS(host.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                               "0123456789-.:") == std::string::npos);
  HOLDS(!host.starts_with('-') && host.size() <= 253);
  HOLDS(is_ipv6_of_system(host) == (host.find(':') != std::string::npos));
}

void check_same(const std::optional<Address>& again, const Address& address) {
  HOLDS(again && again->host == address.host && again->port == address.port);
}

}  // namespace

FUZZ_TARGET(address) {
  const std::string text(input);
  const auto claim = read_address_claim(input);
  HOLDS(is_address_claim(input) == (claim || input.empty()));
  if (claim) {
    check_host(claim->host);
    HOLDS(claim->port > 0);
    HOLDS(claim->text() == input);
    check_same(read_address_claim(claim->text()), *claim);
  }
  const auto argument = read_address_argument(input);
  if (argument) {
    check_host(argument->host);
    HOLDS(!argument->host.empty() && argument->port > 0);
    check_same(read_address_argument(argument->text()), *argument);
    check_same(read_address_claim(argument->text()), *argument);
  }
  if (claim && !claim->host.empty()) check_same(argument, *claim);

  const auto host = read_host(input);
  if (host) {
    check_host(*host);
    HOLDS(!host->empty() && read_host(*host) == host);
    check_same(argument, {*host, kDefaultPort});
  }
  if (is_ipv6_of_system(text)) HOLDS(host == text);

  const auto port = read_port(input);
  if (port) HOLDS(std::to_string(*port) == input && *port > 0);
  HOLDS(port.has_value() == read_address_claim(":" + text).has_value());
}

}  // namespace p2pchat
