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

// Three octets are four characters. At the end there may be fewer: one or two octets are one
// character more than they are, with nothing but zeros after what stands for them.

std::string encode_base64url(std::string_view bytes) {
  std::string text((bytes.size() * 4 + 2) / 3, '\0');
  char* out = text.data();
  std::uint32_t group = 0;
  const auto add = [&](char octet) { group = (group << 8U) | static_cast<unsigned char>(octet); };
  const auto put = [&] {
    *out++ = kAlphabet[(group >> 18U) & 0x3FU];
    group <<= 6U;
  };
  for (; bytes.size() >= 3; bytes.remove_prefix(3)) {
    for (std::size_t i = 0; i < 3; ++i) add(bytes[i]);
    for (int i = 0; i < 4; ++i) put();
  }
  if (bytes.empty()) return text;
  for (std::size_t i = 0; i < 3; ++i) add(i < bytes.size() ? bytes[i] : '\0');
  while (out < text.data() + text.size()) put();
  return text;
}

std::optional<std::string> decode_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes(text.size() / 4 * 3 + text.size() % 4 * 3 / 4, '\0');
  char* out = bytes.data();
  std::uint32_t group = 0;
  std::uint32_t all = 0;
  const auto add = [&](char character) {
    const std::uint32_t value = kValues[static_cast<unsigned char>(character)];
    all |= value;
    group = (group << 6U) | value;
  };
  const auto put = [&] {
    *out++ = static_cast<char>((group >> 16U) & 0xFFU);
    group <<= 8U;
  };
  for (; text.size() >= 4; text.remove_prefix(4)) {
    for (std::size_t i = 0; i < 4; ++i) add(text[i]);
    for (int i = 0; i < 3; ++i) put();
  }
  if (!text.empty()) {
    for (std::size_t i = 0; i < 4; ++i) add(i < text.size() ? text[i] : 'A');
    while (out < bytes.data() + bytes.size()) put();
    if ((group & 0xFFFFFFU) != 0) return std::nullopt;
  }
  if (all > kLargestValue) return std::nullopt;
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
