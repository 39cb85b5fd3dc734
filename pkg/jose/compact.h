// The compact form of a token: segments of base64url joined by dots (RFC 7515 section 7.1,
// RFC 7516 section 7.1). Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "jose/json.h"

namespace p2pchat {

// The segments of `token`, as they stand in it; empty unless there are exactly `count`.
std::vector<std::string_view> split_segments(std::string_view token, std::size_t count);

// The header in a token's first segment.
std::optional<JsonObject> read_header(std::string_view segment);

}  // namespace p2pchat
