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

// Header {"alg":"RSA-OAEP-256","enc":"A256GCM","kid":kid,"typ":typ,"cty":"JWT"}. In two steps: what
// costs the recipient most can be on its way before there is a plaintext.
class JweSealer {
 public:
  JweSealer(const RsaPublicKey& recipient, std::string_view kid, std::string_view typ);

  // Header and encrypted key, as the token begins.
  const std::string& head() const { return head_; }
  // The whole token.
  std::string seal(std::string_view plaintext) const;

 private:
  Secret content_key_;
  std::string header_;
  std::string head_;
};

// Header {"alg":"dir","enc":"A256GCM","typ":typ}, empty encrypted key segment.
std::string seal_jwe_direct(const Secret& key, std::string_view typ, std::string_view plaintext);

// The content key, wrapped with RSA-OAEP-256: a random one when it does not unwrap; nothing unless
// the encrypted key has as many bytes as the key.
std::optional<Secret> unwrap_key(const RsaPrivateKey& key, std::string_view encrypted_key);

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

  // The encrypted key of a token of which so much has come; nothing until its segment has ended.
  static std::optional<std::string> encrypted_key(std::string_view token_prefix);

  // Nothing unless the tag verifies.
  std::optional<std::string> open(const Secret& content_key) const;
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
