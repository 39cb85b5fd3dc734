#include "protocol/verification.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "crypto/evp.h"

namespace p2pchat {

namespace {

constexpr std::size_t kGroups = 6;  // of one identity
constexpr std::size_t kOctetsAGroup = 5;
constexpr std::size_t kDigitsAGroup = 5;
constexpr std::uint64_t kGroupValues = 100'000;

// 30 digits, nearly a hundred bits of the digest.
std::string digits_of(std::string_view identity) {
  const std::string digest = sha256("p2pchat-verify " + std::string(identity));
  std::string digits;
  for (std::size_t group = 0; group < kGroups; ++group) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < kOctetsAGroup; ++i) {
      value = (value << 8U) | static_cast<unsigned char>(digest[group * kOctetsAGroup + i]);
    }
    const std::string text = std::to_string(value % kGroupValues);
    if (group > 0) digits += ' ';
    digits += std::string(kDigitsAGroup - text.size(), '0') + text;
  }
  return digits;
}

}  // namespace

std::string verification_digits(std::string_view one, std::string_view other) {
  const auto [first, second] = std::minmax(one, other);
  return digits_of(first) + " " + digits_of(second);
}

}  // namespace p2pchat
