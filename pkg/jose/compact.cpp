#include "jose/compact.h"

#include <algorithm>

#include "jose/base64url.h"

namespace p2pchat {

std::vector<std::string_view> split_segments(std::string_view token, std::size_t count) {
  const auto dots = static_cast<std::size_t>(std::count(token.begin(), token.end(), '.'));
  if (dots + 1 != count) return {};
  std::vector<std::string_view> segments;
  while (segments.size() + 1 < count) {
    const std::size_t dot = token.find('.');
    segments.push_back(token.substr(0, dot));
    token.remove_prefix(dot + 1);
  }
  segments.push_back(token);
  return segments;
}

std::optional<JsonObject> read_header(std::string_view segment) {
  const auto text = decode_base64url(segment);
  if (!text) return std::nullopt;
  return JsonObject::parse(*text);
}

}  // namespace p2pchat
