// What all tokens of the protocol share: version, lengths, padding, and the grammars of the claims
// that more than one token has. p2pchat-protocol(7). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jose/json.h"

namespace p2pchat {

inline constexpr std::uint64_t kProtocolVersion = 1;
inline constexpr std::size_t kMaxBodyBytes = 1'048'576;
inline constexpr std::size_t kMessageIdBytes = 16;
inline constexpr std::size_t kMessageIdCharacters = 22;
inline constexpr std::size_t kReplyKeyBytes = 32;
inline constexpr std::uint64_t kSecondsPerDay = 86'400;

// The length that claims of `length` bytes are padded to: the next power of two from 512 bytes to
// 64 KiB, above that the next multiple of an eighth of the largest power of two not above `length`.
std::size_t padded_length(std::size_t length);

// Compact JSON of the members and a last one, "pad", whose spaces bring it to padded_length().
std::string write_padded_claims(std::vector<JsonMember> members);

// The common members, each taken out of `claims`.
bool take_version(JsonObject& claims);
bool take_pad(JsonObject& claims);                         // spaces only
std::optional<std::string> take_body(JsonObject& claims);  // decoded, kMaxBodyBytes

// 22 characters of canonical base64url of 16 bytes.
bool is_message_id(std::string_view text);
// 128 random bits; never begins with '-', so that it can stand on a command line.
std::string new_message_id();
// The id that stands for a name of the caller's own: a canonical id as it is, anything else through
// SHA-256, its first 16 bytes.
std::string message_id_for(std::string_view name);

}  // namespace p2pchat
