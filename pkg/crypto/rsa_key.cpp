#include "crypto/rsa_key.h"

#include <Poco/Crypto/RSAKey.h>
#include <Poco/Exception.h>

#include <bit>

#include "base/error.h"

namespace p2pchat {

namespace {

// The policy, on the numbers alone. Empty when the key may be used.
std::string_view objection(std::string_view modulus, std::string_view exponent) {
  if (modulus.empty() || modulus.front() == '\0') return "leading zeros in its modulus";
  const auto top = static_cast<unsigned char>(modulus.front());
  const std::size_t bits = (modulus.size() - 1) * 8 + static_cast<std::size_t>(std::bit_width(top));
  if (bits < kMinKeyBits) return "fewer than 2048 bits";
  if (bits > kMaxKeyBits) return "more than 4096 bits";
  if (exponent != kExponent65537) return "its exponent is not 65537";
  if ((static_cast<unsigned char>(modulus.back()) & 1U) == 0) return "even modulus";
  return {};
}

}  // namespace

Result<RsaPublicKey> RsaPublicKey::from_components(std::string_view modulus,
                                                   std::string_view exponent) {
  if (const std::string_view why = objection(modulus, exponent); !why.empty()) {
    return Refusal{std::string(kRefusedKey) + std::string(why)};
  }
  RsaPublicKey key;
  key.modulus_ = modulus;
  key.exponent_ = exponent;
  auto evp = rsa_from_components({key.modulus_, key.exponent_});
  if (!evp) return Refusal{"not an RSA key"};
  key.key_ = std::make_shared<const Poco::Crypto::EVPPKey>(*std::move(evp));
  return key;
}

Result<RsaPublicKey> RsaPublicKey::from_key(const Poco::Crypto::EVPPKey& key) {
  const RsaComponents components = rsa_components(key);
  return from_components(components.modulus, components.exponent);
}

Result<RsaPublicKey> RsaPublicKey::from_pem(std::string_view pem) {
  if (pem.size() > kMaxKeyTextBytes) return Refusal{"a key text of more than 16 KiB"};
  const std::optional<PemBlock> block = read_pem(pem);
  if (!block) return Refusal{"not one PEM block"};
  if (block->label != "PUBLIC KEY") return Refusal{"not a public key"};
  const bool first = pem.starts_with("-----BEGIN PUBLIC KEY-----\n") ||
                     pem.starts_with("-----BEGIN PUBLIC KEY-----\r\n");
  if (!first) return Refusal{"text before the key"};
  const auto key = rsa_from_spki(block->der);
  if (!key) return Refusal{"not an RSA key"};
  return from_key(*key);
}

std::string RsaPublicKey::pem() const {
  return write_pem("PUBLIC KEY", spki_der(*key_));
}

RsaPrivateKey RsaPrivateKey::generate(unsigned bits) {
  try {
    const Poco::Crypto::RSAKey generated(static_cast<Poco::Crypto::RSAKey::KeyLength>(bits),
                                         Poco::Crypto::RSAKey::EXP_LARGE);
    RsaPrivateKey key;
    key.key_ = std::make_shared<const Poco::Crypto::EVPPKey>(generated.impl()->getRSA());
    Result<RsaPublicKey> half = RsaPublicKey::from_key(*key.key_);
    if (!half) throw Error(Status::internal, "made a key that is refused: " + half.why());
    key.public_ = *std::move(half);
    return key;
  } catch (const Poco::Exception& error) {
    throw Error(Status::internal, "cannot make a key: " + error.displayText());
  }
}

Result<RsaPrivateKey> RsaPrivateKey::from_pem(std::string_view pem,
                                              const std::optional<Secret>& passphrase) {
  if (pem.size() > kMaxKeyTextBytes) return Refusal{"a key text of more than 16 KiB"};
  std::optional<PemBlock> block = read_pem(pem);
  if (!block) return Refusal{"not one PEM block"};
  Secret der(std::move(block->der));
  if (block->label == "ENCRYPTED PRIVATE KEY") {
    if (!passphrase) return Refusal{"encrypted with a passphrase"};
    auto decrypted = decrypt_pkcs8(der.view(), *passphrase);
    if (!decrypted) return Refusal{"encrypted with another passphrase"};
    der = *std::move(decrypted);
  } else if (block->label != "PRIVATE KEY") {
    return Refusal{"not a private key in PKCS#8 form"};
  }
  auto evp = rsa_from_pkcs8(der.view());
  if (!evp) return Refusal{"not an RSA private key"};
  RsaPrivateKey key;
  key.key_ = std::make_shared<const Poco::Crypto::EVPPKey>(*std::move(evp));
  Result<RsaPublicKey> half = RsaPublicKey::from_key(*key.key_);
  if (!half) return half.refusal();
  key.public_ = *std::move(half);
  return key;
}

Secret RsaPrivateKey::pem(const std::optional<Secret>& passphrase) const {
  if (passphrase) {
    return Secret(write_pem("ENCRYPTED PRIVATE KEY", encrypt_pkcs8(*key_, *passphrase)));
  }
  return Secret(write_pem("PRIVATE KEY", pkcs8_der(*key_).view()));
}

}  // namespace p2pchat
