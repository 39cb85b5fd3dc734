// JSON objects (RFC 8259) in the closed profile of the protocol: what is not expected is refused.
// Members are strings, integers from 0 to 2^53 - 1 and objects of these; a repeated name, another
// type, a number with sign, fraction or exponent, a byte order mark, a lone surrogate or more than
// kMaxJsonDepth levels refuse the whole text. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace p2pchat {

inline constexpr std::uint64_t kMaxJsonInteger = (1ULL << 53U) - 1;
inline constexpr unsigned kMaxJsonDepth = 4;

class JsonObject;
using JsonValue = std::variant<std::uint64_t, std::string, std::unique_ptr<JsonObject>>;

// The members of one object, taken out one by one: what is left, or was asked for in vain, tells
// that the object was not exactly the expected one.
class JsonObject {
 public:
  static std::optional<JsonObject> parse(std::string_view text);

  // Each takes the member out; nothing when it is missing or of another type.
  std::optional<std::uint64_t> take_integer(std::string_view name);
  std::optional<std::string> take_string(std::string_view name);
  std::optional<JsonObject> take_object(std::string_view name);
  // Takes the member out; true when it is the string `expected`.
  bool take_expected(std::string_view name, std::string_view expected);

  // True when every member has been taken.
  bool empty() const { return members_.empty(); }

  // False when the name is already there.
  bool add(std::string name, JsonValue value);

 private:
  template <typename T>
  std::optional<T> take(std::string_view name);

  std::map<std::string, JsonValue, std::less<>> members_;
};

// A member to write. Text is referred to, not copied.
struct JsonMember {
  JsonMember(std::string_view member_name, std::uint64_t integer)
      : name(member_name), value(integer) {}
  JsonMember(std::string_view member_name, std::string_view text)
      : name(member_name), value(text) {}
  JsonMember(std::string_view member_name, std::vector<JsonMember> object)
      : name(member_name), value(std::move(object)) {}

  std::string_view name;
  std::variant<std::uint64_t, std::string_view, std::vector<JsonMember>> value;
};

// Compact JSON of the members in the order given. Strings are valid UTF-8.
std::string write_json(const std::vector<JsonMember>& members);

}  // namespace p2pchat
