#include "protocol/claims.h"

#include <bit>

#include "crypto/evp.h"
#include "jose/base64url.h"

namespace p2pchat {

std::size_t padded_length(std::size_t length) {
  constexpr std::size_t kSmallest = 512;
  constexpr std::size_t kLargestPower = 65'536;
  if (length <= kSmallest) return kSmallest;
  if (length <= kLargestPower) return std::bit_ceil(length);
  std::size_t power = kLargestPower;
  while (power <= length / 2) power *= 2;
  const std::size_t step = power / 8;
  return (length + step - 1) / step * step;
}

std::string write_padded_claims(std::vector<JsonMember> members) {
  members.emplace_back("pad", std::string_view());
  std::string text = write_json(members);
  constexpr std::size_t kClosing = 2;  // the pad's quote and the object's brace
  text.insert(text.size() - kClosing, padded_length(text.size()) - text.size(), ' ');
  return text;
}

bool take_version(JsonObject& claims) {
  return claims.take_integer("v") == kProtocolVersion;
}

bool take_pad(JsonObject& claims) {
  const auto pad = claims.take_string("pad");
  return pad && pad->find_first_not_of(' ') == std::string::npos;
}

std::optional<std::string> take_body(JsonObject& claims) {
  const auto text = claims.take_string("body");
  if (!text) return std::nullopt;
  auto body = decode_base64url(*text);
  if (body && body->size() > kMaxBodyBytes) return std::nullopt;
  return body;
}

bool is_message_id(std::string_view text) {
  return decode_base64url(text, kMessageIdBytes).has_value();
}

std::string new_message_id() {
  std::string id;
  do {
    id = encode_base64url(random_bytes(kMessageIdBytes));
  } while (id.front() == '-');
  return id;
}

std::string message_id_for(std::string_view name) {
  if (is_message_id(name)) return std::string(name);
  return encode_base64url(sha256(name).substr(0, kMessageIdBytes));
}

}  // namespace p2pchat
