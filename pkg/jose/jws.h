// Signed tokens: JWS compact serialization (RFC 7515) with PS256 (RFC 7518 section 3.5) and a
// header of exactly alg, kid and typ. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/rsa_key.h"

namespace p2pchat {

// kid: the thumbprint of `key`. payload: raw bytes, compact JSON here.
std::string sign_jws(const RsaPrivateKey& key, std::string_view kid, std::string_view typ,
                     std::string_view payload);

// A token whose structure has been checked and whose signature has not: nothing in it may be
// believed before verify() has said yes.
class UnverifiedJws {
 public:
  // Refuses another segment count, anything that is not base64url, another header, an empty
  // signature. `token` is copied where needed.
  static Result<UnverifiedJws> parse(std::string_view token);

  const std::string& kid() const { return kid_; }
  const std::string& typ() const { return typ_; }
  const std::string& payload() const { return payload_; }

  bool verify(const RsaPublicKey& key) const;
  // As long as the modulus and below it: without that, verify() has nothing to compute.
  bool may_be_of(const RsaPublicKey& key) const;
  std::size_t signature_bytes() const { return signature_.size(); }

 private:
  std::string kid_;
  std::string typ_;
  std::string payload_;
  std::string signing_input_;
  std::string signature_;
};

}  // namespace p2pchat
