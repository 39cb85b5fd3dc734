#include "model.h"

#include <algorithm>

namespace p2pchat {

namespace {

constexpr unsigned kModelDepth = 4;
constexpr std::uint64_t kLargestInteger = 9'007'199'254'740'991;

// A row of table 3-7 of the Unicode standard: the octets of a well-formed sequence.
struct Utf8Row {
  unsigned char first_from, first_to, second_from, second_to;
  std::size_t length;
};
constexpr Utf8Row kUtf8Rows[] = {
    {0x00, 0x7F, 0x00, 0x00, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  std::optional<ModelObject> whole() {
    skip_space();
    auto object = read_object(1);
    skip_space();
    if (!text_.empty()) return std::nullopt;
    return object;
  }

 private:
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  void skip_space() {
    while (take(' ') || take('\t') || take('\n') || take('\r')) {
    }
  }

  std::optional<ModelObject> read_object(unsigned depth) {
    ModelObject object;
    if (depth > kModelDepth || !take('{')) return std::nullopt;
    skip_space();
    if (take('}')) return object;
    while (true) {
      auto name = read_string();
      skip_space();
      if (!name || !take(':')) return std::nullopt;
      skip_space();
      auto value = read_value(depth);
      if (!value || !object.emplace(*std::move(name), *std::move(value)).second) {
        return std::nullopt;
      }
      skip_space();
      if (take('}')) return object;
      if (!take(',')) return std::nullopt;
      skip_space();
    }
  }

  std::optional<ModelValue> read_value(unsigned depth) {
    if (text_.starts_with('"')) {
      auto text = read_string();
      return text ? std::optional(ModelValue{*std::move(text)}) : std::nullopt;
    }
    if (text_.starts_with('{')) {
      auto object = read_object(depth + 1);
      return object ? std::optional(ModelValue{*std::move(object)}) : std::nullopt;
    }
    return read_integer();
  }

  std::optional<ModelValue> read_integer() {
    const std::string_view digits =
        text_.substr(0, std::min(text_.find_first_not_of("0123456789"), text_.size()));
    constexpr std::size_t kMostDigits = 16;
    if (digits.empty() || digits.size() > kMostDigits) return std::nullopt;
    if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
    std::uint64_t value = 0;
    for (const char digit : digits) value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    text_.remove_prefix(digits.size());
    if (value > kLargestInteger) return std::nullopt;
    return ModelValue{value};
  }

  std::optional<std::string> read_string() {
    std::string text;
    if (!take('"')) return std::nullopt;
    while (!take('"')) {
      if (text_.empty() || static_cast<unsigned char>(text_[0]) < 0x20) return std::nullopt;
      if (take('\\')) {
        if (!read_escape(text)) return std::nullopt;
        continue;
      }
      text += text_[0];
      text_.remove_prefix(1);
    }
    if (!model_code_points(text)) return std::nullopt;
    return text;
  }

  bool read_escape(std::string& text) {
    if (take('u')) return read_code_unit(text);
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const std::size_t which = text_.empty() ? std::string_view::npos : kLetters.find(text_[0]);
    if (which == std::string_view::npos) return false;
    text += kMeanings[which];
    text_.remove_prefix(1);
    return true;
  }

  // After "\u"; a high surrogate needs its low one.
  bool read_code_unit(std::string& text) {
    auto unit = read_hex();
    if (!unit || (*unit >= 0xDC00 && *unit <= 0xDFFF)) return false;
    if (*unit >= 0xD800 && *unit <= 0xDBFF) {
      if (!take('\\') || !take('u')) return false;
      const auto low = read_hex();
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return false;
      unit = 0x10000 + (*unit - 0xD800) * 0x400 + (*low - 0xDC00);
    }
    append(text, *unit);
    return true;
  }

  std::optional<std::uint32_t> read_hex() {
    constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const std::size_t digit = text_.empty() ? std::string_view::npos : kDigits.find(text_[0]);
      if (digit == std::string_view::npos) return std::nullopt;
      value = value * 16 + static_cast<std::uint32_t>(digit % 16);
      text_.remove_prefix(1);
    }
    return value;
  }

  static void append(std::string& text, std::uint32_t code_point) {
    const auto low_bits = [&](unsigned shift) {
      return static_cast<char>(0x80U + (code_point >> shift) % 64);
    };
    if (code_point < 0x80) {
      text += static_cast<char>(code_point);
    } else if (code_point < 0x800) {
      text += static_cast<char>(0xC0U + code_point / 64);
      text += low_bits(0);
    } else if (code_point < 0x10000) {
      text += static_cast<char>(0xE0U + code_point / 4096);
      text += low_bits(6);
      text += low_bits(0);
    } else {
      text += static_cast<char>(0xF0U + code_point / 262144);
      text += low_bits(12);
      text += low_bits(6);
      text += low_bits(0);
    }
  }

  std::string_view text_;
};

}  // namespace

std::optional<std::vector<std::uint32_t>> model_code_points(std::string_view bytes) {
  std::vector<std::uint32_t> points;
  const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  while (!bytes.empty()) {
    const auto* row = std::find_if(std::begin(kUtf8Rows), std::end(kUtf8Rows), [&](const auto& r) {
      return octet(0) >= r.first_from && octet(0) <= r.first_to;
    });
    if (row == std::end(kUtf8Rows) || bytes.size() < row->length) return std::nullopt;
    constexpr unsigned kFirstBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    std::uint32_t point = octet(0) & kFirstBits[row->length];
    for (std::size_t i = 1; i < row->length; ++i) {
      const unsigned char from = i == 1 ? row->second_from : 0x80;
      const unsigned char to = i == 1 ? row->second_to : 0xBF;
      if (octet(i) < from || octet(i) > to) return std::nullopt;
      point = point * 64 + octet(i) % 64;
    }
    points.push_back(point);
    bytes.remove_prefix(row->length);
  }
  return points;
}

bool model_is_harmless(std::uint32_t code_point) {
  const auto in = [&](std::uint32_t first, std::uint32_t last) {
    return code_point >= first && code_point <= last;
  };
  const bool control = in(0x00, 0x1F) || in(0x7F, 0x9F);
  const bool separator = in(0x2028, 0x2029);
  const bool bidi =
      in(0x061C, 0x061C) || in(0x200E, 0x200F) || in(0x202A, 0x202E) || in(0x2066, 0x2069);
  const bool invisible = in(0x00AD, 0x00AD) || in(0x200B, 0x200B) || in(0x2060, 0x2064) ||
                         in(0xFEFF, 0xFEFF) || in(0x13430, 0x13438) || in(0x1BCA0, 0x1BCA3) ||
                         in(0x1D173, 0x1D17A) || in(0xE0001, 0xE007F);
  return !control && !separator && !bidi && !invisible;
}

std::optional<std::string> model_base64url(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string bits;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    for (std::size_t bit = 32; bit > 0; bit /= 2) bits += (value & bit) != 0 ? '1' : '0';
  }
  const std::size_t spare = bits.size() % 8;
  if (spare >= 6 || bits.find('1', bits.size() - spare) != std::string::npos) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i + 8 <= bits.size(); i += 8) {
    unsigned value = 0;
    for (std::size_t bit = 0; bit < 8; ++bit) value = value * 2 + (bits[i + bit] == '1' ? 1 : 0);
    bytes += static_cast<char>(value);
  }
  return bytes;
}

bool model_is_base64url(std::string_view text, std::size_t bytes) {
  const auto decoded = model_base64url(text);
  return decoded && decoded->size() == bytes;
}

std::optional<ModelObject> model_json(std::string_view text) {
  return JsonReader(text).whole();
}

bool is_text(const ModelObject& object, const std::string& name, std::string_view expected) {
  const auto* text = member<std::string>(object, name);
  return text != nullptr && *text == expected;
}

bool has_exactly(const ModelObject& object, const std::vector<std::string>& names) {
  return object.size() == names.size() &&
         std::all_of(names.begin(), names.end(),
                     [&](const std::string& name) { return object.contains(name); });
}

std::vector<JsonMember> members_of(const ModelObject& object) {
  std::vector<JsonMember> members;
  for (const auto& [name, value] : object) {
    if (const auto* integer = std::get_if<std::uint64_t>(&value.value)) {
      members.emplace_back(name, *integer);
    } else if (const auto* text = std::get_if<std::string>(&value.value)) {
      members.emplace_back(name, std::string_view(*text));
    } else {
      members.emplace_back(name, members_of(std::get<ModelObject>(value.value)));
    }
  }
  return members;
}

bool model_is_jwk(const ModelObject& jwk) {
  const auto* n = member<std::string>(jwk, "n");
  if (!has_exactly(jwk, {"kty", "n", "e"}) || !is_text(jwk, "kty", "RSA") ||
      !is_text(jwk, "e", "AQAB") || n == nullptr) {
    return false;
  }
  const auto modulus = model_base64url(*n);
  if (!modulus || modulus->empty()) return false;
  const auto top = static_cast<unsigned char>(modulus->front());
  const auto bottom = static_cast<unsigned char>(modulus->back());
  const bool size = (modulus->size() == 256 && top >= 0x80) ||
                    (modulus->size() > 256 && modulus->size() <= 512 && top > 0);
  return size && bottom % 2 == 1;
}

bool model_is_lifetime(const ModelObject& claims, std::uint64_t days) {
  const auto* iat = member<std::uint64_t>(claims, "iat");
  const auto* exp = member<std::uint64_t>(claims, "exp");
  return iat != nullptr && exp != nullptr && *exp > *iat && *exp <= *iat + days * 24 * 60 * 60;
}

bool model_has_frills(const ModelObject& claims) {
  const auto* v = member<std::uint64_t>(claims, "v");
  const auto* pad = member<std::string>(claims, "pad");
  return v != nullptr && *v == 1 && pad != nullptr &&
         std::all_of(pad->begin(), pad->end(), [](char c) { return c == ' '; });
}

}  // namespace p2pchat
