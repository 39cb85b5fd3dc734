// Encrypted tokens: JWE compact serialization (RFC 7516) with A256GCM content encryption (RFC 7518
// section 5.3) and a content key that is either wrapped with RSA-OAEP-256 (section 4.3) or shared
// ("dir", section 4.5). The header is exactly the one named at each function. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/rsa_key.h"
#include "crypto/secret.h"

namespace p2pchat {

// Header {"alg":"RSA-OAEP-256","enc":"A256GCM","kid":kid,"typ":typ,"cty":"JWT"}.
std::string seal_jwe(const RsaPublicKey& recipient, std::string_view kid, std::string_view typ,
                     std::string_view plaintext);

// Header {"alg":"dir","enc":"A256GCM","typ":typ}, empty encrypted key segment.
std::string seal_jwe_direct(const Secret& key, std::string_view typ, std::string_view plaintext);

// A token that has been taken apart and not opened.
class SealedJwe {
 public:
  // kid of a header of the first kind in `segment`, a token's first one; nothing when the header is
  // another. Cheap: called before anything else is looked at.
  static std::optional<std::string> recipient(std::string_view header_segment,
                                              std::string_view typ);

  // Structure and sizes: five segments of base64url, IV of 12 bytes, tag of 16. The header is not
  // looked at: recipient() or is_direct() has said what it is.
  static Result<SealedJwe> parse(std::string_view token);

  // True when the header is exactly that of seal_jwe_direct().
  static bool is_direct(std::string_view header_segment, std::string_view typ);

  const std::string& encrypted_key() const { return encrypted_key_; }

  // Nothing unless the tag verifies. The encrypted key has as many bytes as the key.
  std::optional<std::string> open(const RsaPrivateKey& key) const;
  // Nothing unless the encrypted key is empty and the tag verifies.
  std::optional<std::string> open_direct(const Secret& key) const;

 private:
  std::string aad_;
  std::string encrypted_key_;
  std::string iv_;
  std::string ciphertext_;
  std::string tag_;
};

}  // namespace p2pchat
