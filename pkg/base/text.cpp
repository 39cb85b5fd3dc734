#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <vector>

namespace p2pchat {

namespace {

// Decodes one code point at the front of `bytes`; length 0 when it is not well formed.
struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;
};

CodePoint decode_front(std::string_view bytes) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || bytes.size() < length) return {};
  std::uint32_t value = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kSmallest[length] || value > 0x10FFFF || surrogate) return {};
  return {value, length};
}

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// Code points that move the cursor, reorder text or leave no trace on a screen. U+200C and U+200D
// stay: Persian and emoji need them.
constexpr std::array kUnprintable = {
    Range{0x00, 0x1F},       Range{0x7F, 0x9F},       Range{0xAD, 0xAD},
    Range{0x61C, 0x61C},     Range{0x180E, 0x180E},   Range{0x200B, 0x200B},
    Range{0x200E, 0x200F},   Range{0x2028, 0x202E},   Range{0x2060, 0x206F},
    Range{0xFEFF, 0xFEFF},   Range{0xFFF9, 0xFFFB},   Range{0xFFFE, 0xFFFF},
    Range{0x13430, 0x1343F}, Range{0x1BCA0, 0x1BCA3}, Range{0x1D173, 0x1D17A},
    Range{0xE0000, 0xE0FFF},
};

bool is_printable(std::uint32_t code_point) {
  return std::none_of(kUnprintable.begin(), kUnprintable.end(), [&](const Range& range) {
    return code_point >= range.first && code_point <= range.last;
  });
}

std::string formatted(const char* format, unsigned value) {
  std::array<char, 16> text{};
  const int length = std::snprintf(text.data(), text.size(), format, value);
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string escape_code_point(std::uint32_t value) {
  switch (value) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return value < 0x80 ? formatted("\\x%02x", value) : formatted("\\u{%04x}", value);
  }
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const CodePoint front = decode_front(bytes);
    if (front.length == 0) return false;
    bytes.remove_prefix(front.length);
  }
  return true;
}

std::string escape_for_terminal(std::string_view bytes, std::string_view continuation) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const CodePoint front = decode_front(bytes);
    if (front.length == 0) {
      out += formatted("\\x%02x", static_cast<unsigned char>(bytes[0]));
      bytes.remove_prefix(1);
      continue;
    }
    if (front.value == '\n' && !continuation.empty()) {
      out += '\n';
      out += continuation;
    } else if (is_printable(front.value)) {
      out += bytes.substr(0, front.length);
    } else {
      out += escape_code_point(front.value);
    }
    bytes.remove_prefix(front.length);
  }
  return out;
}

std::string escape_in_json(std::string_view json) {
  constexpr std::uint32_t kSupplementary = 0x10000;
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const CodePoint front = decode_front(json);
    const std::size_t length = std::max<std::size_t>(front.length, 1);
    if (front.length == 0 || is_printable(front.value)) {
      out += json.substr(0, length);
    } else if (front.value < kSupplementary) {
      out += formatted("\\u%04x", front.value);
    } else {  // UTF-16 surrogates: RFC 8259, section 7
      const std::uint32_t rest = front.value - kSupplementary;
      out += formatted("\\u%04x", 0xD800U + (rest >> 10U));
      out += formatted("\\u%04x", 0xDC00U + (rest & 0x3FFU));
    }
    json.remove_prefix(length);
  }
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::size_t kGroup = 3;
  std::string out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kGroup, bytes.size()))) {
    const std::size_t count = std::min(kGroup, bytes.size());
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < kGroup; ++i) {
      bits = (bits << 8U) | (i < count ? static_cast<unsigned char>(bytes[i]) : 0U);
    }
    for (std::size_t i = 0; i <= kGroup; ++i) {
      out += i <= count ? kAlphabet[(bits >> (18U - 6U * i)) & 0x3FU] : '=';
    }
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  return "'" + escape_for_terminal(text) + "'";
}

std::string in_double_quotes(std::string_view text) {
  std::string inner;
  for (const char c : text) {
    if (c == '"' || c == '\\') inner += '\\';
    inner += c;
  }
  return "\"" + escape_for_terminal(inner) + "\"";
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += R"('\'')";
    } else {
      word += c;
    }
  }
  return word + "'";
}

std::string ascii_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool equal_ignoring_ascii_case(std::string_view a, std::string_view b) {
  return ascii_lower(a) == ascii_lower(b);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> cells((a.size() + 1) * width);  // from i bytes of a to j bytes of b
  const auto cell = [&](std::size_t i, std::size_t j) -> std::size_t& {
    return cells[i * width + j];
  };
  for (std::size_t i = 0; i <= a.size(); ++i) cell(i, 0) = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cell(0, j) = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = cell(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
      cell(i, j) = std::min({cell(i - 1, j) + 1, cell(i, j - 1) + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cell(i, j) = std::min(cell(i, j), cell(i - 2, j - 2) + 1);
      }
    }
  }
  return cell(a.size(), b.size());
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text, std::uint64_t max) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end || value > max) return std::nullopt;
  return value;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view suffix;
    double milliseconds;
  };
  constexpr std::array kUnits = {Unit{"ms", 1.0},   Unit{"s", 1e3},     Unit{"m", 60e3},
                                 Unit{"h", 3600e3}, Unit{"d", 86400e3}, Unit{"", 1e3}};
  constexpr double kMaxMilliseconds = 3650 * 86400e3;
  const std::size_t digits = text.find_first_not_of("0123456789.");
  const std::string_view suffix = digits == std::string_view::npos ? "" : text.substr(digits);
  const std::string_view number = text.substr(0, text.size() - suffix.size());
  const auto* unit =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.suffix == suffix; });
  if (unit == kUnits.end() || number.empty() || number.front() == '.') return std::nullopt;
  double value = 0;
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, value, std::chars_format::fixed);
  if (error != std::errc{} || stop != end) return std::nullopt;
  value *= unit->milliseconds;
  if (value > kMaxMilliseconds) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(value));
}

std::optional<std::uint64_t> parse_size(std::string_view text, std::uint64_t max) {
  constexpr std::uint64_t kKibi = 1'024;
  std::uint64_t unit = 1;
  if (text.ends_with('K')) unit = kKibi;
  if (text.ends_with('M')) unit = kKibi * kKibi;
  if (unit > 1) text.remove_suffix(1);
  const auto count = parse_unsigned(text, max / unit);
  if (!count) return std::nullopt;
  return *count * unit;
}

}  // namespace p2pchat
