// The rules of p2pchat-protocol(7) for text, base64url and JSON once more, written apart from the
// program: what the fuzz targets hold it against. Slow and simple.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "jose/json.h"

namespace p2pchat {

// The code points of well-formed UTF-8; nothing when it is not.
std::optional<std::vector<std::uint32_t>> model_code_points(std::string_view bytes);
// Nothing that moves a cursor, reorders text or begins a line.
bool model_is_harmless(std::uint32_t code_point);

// What canonical base64url stands for.
std::optional<std::string> model_base64url(std::string_view text);
// True when the text stands for that many bytes.
bool model_is_base64url(std::string_view text, std::size_t bytes);

struct ModelValue;
using ModelObject = std::map<std::string, ModelValue>;
struct ModelValue {
  std::variant<std::uint64_t, std::string, ModelObject> value;
  bool operator==(const ModelValue&) const = default;
};

// A JSON object of the closed profile.
std::optional<ModelObject> model_json(std::string_view text);

// The member, when there is one of that type.
template <typename T>
const T* member(const ModelObject& object, const std::string& name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : std::get_if<T>(&found->second.value);
}
bool is_text(const ModelObject& object, const std::string& name, std::string_view expected);
// True when these are the names of all members.
bool has_exactly(const ModelObject& object, const std::vector<std::string>& names);

// As members to write; refers to the object.
std::vector<JsonMember> members_of(const ModelObject& object);

// A public key {kty,n,e} of the key policy.
bool model_is_jwk(const ModelObject& jwk);
// iat < exp <= iat + days
bool model_is_lifetime(const ModelObject& claims, std::uint64_t days);
// v is 1, and pad holds spaces alone.
bool model_has_frills(const ModelObject& claims);

}  // namespace p2pchat
