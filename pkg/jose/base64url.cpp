#include "jose/base64url.h"

#include <array>
#include <cstdint>

namespace p2pchat {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kLargestValue = 0x3F;
constexpr std::uint8_t kForeign = 0xFF;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kForeign);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr std::array<std::uint8_t, 256> kValues = make_values();

}  // namespace

std::string encode_base64url(std::string_view bytes) {
  std::string text((bytes.size() * 4 + 2) / 3, '\0');
  char* out = text.data();
  // Three octets are four characters, and one or two at the end are one more than they are.
  const auto put = [&](std::string_view octets) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < octets.size(); ++i) {
      group |= std::uint32_t{static_cast<unsigned char>(octets[i])} << (16 - 8 * i);
    }
    for (std::size_t i = 0; i <= octets.size(); ++i) {
      *out++ = kAlphabet[(group >> (18 - 6 * i)) & 0x3FU];
    }
  };
  for (; bytes.size() >= 3; bytes.remove_prefix(3)) put({bytes.data(), 3});
  if (!bytes.empty()) put(bytes);
  return text;
}

std::optional<std::string> decode_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes(text.size() / 4 * 3 + text.size() % 4 * 3 / 4, '\0');
  char* out = bytes.data();
  std::uint32_t all = 0;
  // Returns what of the last character stands for no octet.
  const auto put = [&](std::string_view characters) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < characters.size(); ++i) {
      const std::uint32_t value = kValues[static_cast<unsigned char>(characters[i])];
      all |= value;
      group |= value << (18 - 6 * i);
    }
    for (std::size_t i = 0; i + 1 < characters.size(); ++i) {
      *out++ = static_cast<char>((group >> (16 - 8 * i)) & 0xFFU);
    }
    return group & (0xFFFFFFU >> (8 * (characters.size() - 1)));
  };
  for (; text.size() >= 4; text.remove_prefix(4)) put({text.data(), 4});
  const bool is_canonical = text.empty() || put(text) == 0;
  if (all > kLargestValue || !is_canonical) return std::nullopt;
  return bytes;
}

std::optional<std::string> decode_base64url(std::string_view text, std::size_t bytes) {
  std::optional<std::string> decoded = decode_base64url(text);
  if (decoded && decoded->size() != bytes) return std::nullopt;
  return decoded;
}

bool is_base64url_character(char c) {
  return kValues[static_cast<unsigned char>(c)] != kForeign;
}

}  // namespace p2pchat
