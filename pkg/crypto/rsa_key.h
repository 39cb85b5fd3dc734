// RSA keys and the policy that decides which ones are used at all (DESIGN 4.2; the page says
// "Key policy"): at most 16 KiB of text, RSA, 2048 to 4096 bits, e = 65537, n odd, checked in this
// order and before any arithmetic with the key. Keys are shared, not copied.
#pragma once

#include <Poco/Crypto/EVPPKey.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/secret.h"

namespace p2pchat {

inline constexpr std::size_t kMaxKeyTextBytes = 16384;
inline constexpr unsigned kMinKeyBits = 2048;
inline constexpr unsigned kMaxKeyBits = 4096;
inline constexpr unsigned kDefaultKeyBits = 3072;
inline constexpr std::string_view kExponent65537("\x01\x00\x01", 3);

// How the reason begins when a key is one, but not one that the policy lets us use.
inline constexpr std::string_view kRefusedKey = "refused key: ";

class RsaPublicKey {
 public:
  // n and e big-endian, without leading zero octets.
  static Result<RsaPublicKey> from_components(std::string_view modulus, std::string_view exponent);
  // One SubjectPublicKeyInfo block, "-----BEGIN PUBLIC KEY-----", and nothing else.
  static Result<RsaPublicKey> from_pem(std::string_view pem);

  std::string pem() const;
  const std::string& modulus() const { return modulus_; }
  const std::string& exponent() const { return exponent_; }
  // Of the modulus, and so of every signature and every wrapped key.
  std::size_t bytes() const { return modulus_.size(); }
  const Poco::Crypto::EVPPKey& evp() const { return *key_; }

 private:
  friend class RsaPrivateKey;
  static Result<RsaPublicKey> from_key(const Poco::Crypto::EVPPKey& key);

  std::shared_ptr<const Poco::Crypto::EVPPKey> key_;
  std::string modulus_;
  std::string exponent_;
};

class RsaPrivateKey {
 public:
  static RsaPrivateKey generate(unsigned bits);
  // One PKCS#8 block, "-----BEGIN PRIVATE KEY-----" or "-----BEGIN ENCRYPTED PRIVATE KEY-----";
  // text may stand before it (RFC 7468 section 2). An encrypted one is refused with a reason of its
  // own when there is no passphrase or it is another; nothing ever asks for one.
  static Result<RsaPrivateKey> from_pem(std::string_view pem,
                                        const std::optional<Secret>& passphrase = std::nullopt);

  // Encrypted when there is a passphrase.
  Secret pem(const std::optional<Secret>& passphrase = std::nullopt) const;
  const RsaPublicKey& public_key() const { return public_; }
  std::size_t bytes() const { return public_.bytes(); }
  const Poco::Crypto::EVPPKey& evp() const { return *key_; }

 private:
  std::shared_ptr<const Poco::Crypto::EVPPKey> key_;
  RsaPublicKey public_;
};

}  // namespace p2pchat
