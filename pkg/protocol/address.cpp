#include "protocol/address.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"

namespace p2pchat {

namespace {

constexpr std::size_t kMaxNameCharacters = 253;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_ipv4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    const std::size_t dot = text.find('.');
    const std::string_view number = text.substr(0, dot);
    const bool leading_zero = number.size() > 1 && number.front() == '0';
    if (leading_zero || number.size() > 3 || !parse_unsigned(number, 255)) return false;
    if (part == 3) return dot == std::string_view::npos;
    if (dot == std::string_view::npos) return false;
    text.remove_prefix(dot + 1);
  }
  return false;
}

// Counts the 16-bit groups of `text` ("" has none), an IPv4 address at the end as two; -1 when it
// is not a list of groups.
int count_groups(std::string_view text, bool may_end_in_ipv4) {
  int groups = 0;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    const bool last = colon == std::string_view::npos;
    if (last && may_end_in_ipv4 && is_ipv4(group)) return groups + 2;
    if (group.empty() || group.size() > 4 ||
        !std::all_of(group.begin(), group.end(), is_hex_digit)) {
      return -1;
    }
    ++groups;
    if (last) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return -1;
  }
  return groups;
}

// RFC 4291 section 2.2; no zone.
bool is_ipv6(std::string_view text) {
  constexpr int kGroups = 8;
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) return count_groups(text, true) == kGroups;
  const int before = count_groups(text.substr(0, gap), false);
  const int after = count_groups(text.substr(gap + 2), true);
  return before >= 0 && after >= 0 && before + after < kGroups;
}

// Letters, digits, hyphens and dots; not beginning with a hyphen, so that no program takes it for
// an option.
bool is_dns_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameCharacters && text.front() != '-' &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; });
}

struct HostAndRest {
  std::string host;
  std::string_view rest;  // what follows the host
};

std::optional<HostAndRest> split_host(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || !is_ipv6(text.substr(1, end - 1))) return std::nullopt;
    return HostAndRest{std::string(text.substr(1, end - 1)), text.substr(end + 1)};
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  // An IPv4 address is written like a name.
  if (!is_dns_name(text.substr(0, colon))) return std::nullopt;
  return HostAndRest{std::string(text.substr(0, colon)), text.substr(colon)};
}

}  // namespace

std::string Address::text() const {
  const bool needs_brackets = host.find(':') != std::string::npos;
  return (needs_brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<std::uint16_t> read_port(std::string_view text) {
  if (text.starts_with('0')) return std::nullopt;
  const auto port = parse_unsigned(text, 65535);
  if (!port) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

std::optional<std::string> read_host(std::string_view text) {
  if (is_ipv6(text)) return std::string(text);
  auto split = split_host(text);
  if (!split || !split->rest.empty()) return std::nullopt;
  return std::move(split->host);
}

std::optional<Address> read_address_claim(std::string_view text) {
  HostAndRest split{{}, text};
  if (!text.starts_with(':')) {
    auto host = split_host(text);
    if (!host) return std::nullopt;
    split = *std::move(host);
  }
  if (!split.rest.starts_with(':')) return std::nullopt;
  const auto port = read_port(split.rest.substr(1));
  if (!port) return std::nullopt;
  return Address{std::move(split.host), *port};
}

bool is_address_claim(std::string_view text) {
  return text.empty() || read_address_claim(text).has_value();
}

std::optional<Address> read_address_argument(std::string_view text) {
  if (is_ipv6(text)) return Address{std::string(text), kDefaultPort};
  auto split = split_host(text);
  if (!split) return std::nullopt;
  if (split->rest.empty()) return Address{std::move(split->host), kDefaultPort};
  if (!split->rest.starts_with(':')) return std::nullopt;
  const auto port = read_port(split->rest.substr(1));
  if (!port) return std::nullopt;
  return Address{std::move(split->host), *port};
}

}  // namespace p2pchat
