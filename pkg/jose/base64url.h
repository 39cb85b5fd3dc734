// Base64url without padding, RFC 4648 section 5 and RFC 7515 section 2, in its canonical form only:
// one text for each byte string. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace p2pchat {

std::string encode_base64url(std::string_view bytes);

// Nothing when there is another character, padding, white space, a length of 4k + 1 or a trailing
// bit that is not zero.
std::optional<std::string> decode_base64url(std::string_view text);

// The same, for exactly `bytes` bytes.
std::optional<std::string> decode_base64url(std::string_view text, std::size_t bytes);

bool is_base64url_character(char c);

}  // namespace p2pchat
