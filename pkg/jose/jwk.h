// RSA public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6.3.1) with exactly the members
// kty, n and e, and their thumbprints (RFC 7638, SHA-256). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/rsa_key.h"
#include "jose/json.h"

namespace p2pchat {

// Base64url, kThumbprintCharacters of it.
std::string thumbprint(const RsaPublicKey& key);
inline constexpr std::size_t kThumbprintCharacters = 43;
bool is_thumbprint(std::string_view text);

// The members n and e, base64url.
struct JwkText {
  std::string n;
  std::string e;
};
JwkText jwk_text(const RsaPublicKey& key);

// The members of a JWK whose text lives as long as they do: kty, n, e.
std::vector<JsonMember> jwk_members(const JwkText& text);

// Applies the key policy; refuses any other member, leading zero octets in n, another e.
Result<RsaPublicKey> read_jwk(JsonObject jwk);
}  // namespace p2pchat
