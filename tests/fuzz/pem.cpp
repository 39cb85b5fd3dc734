// Keys as PEM. Whatever is accepted keeps to the key policy and is the same when written and read
// again. Target pem takes the text, der what is in its block.
#include "crypto/evp.h"
#include "crypto/rsa_key.h"
#include "fuzz.h"
#include "keys.h"

namespace p2pchat {

namespace {

void check_policy(const RsaPublicKey& key) {
  const std::string& n = key.modulus();
  HOLDS(n.size() >= 256 && n.size() <= 512);
  HOLDS(static_cast<unsigned char>(n.front()) >= (n.size() == 256 ? 0x80 : 0x01));
  HOLDS(static_cast<unsigned char>(n.back()) % 2 == 1);
  HOLDS(key.exponent() == std::string("\x01\x00\x01", 3));
}

void check_public(std::string_view pem) {
  const Result<RsaPublicKey> key = RsaPublicKey::from_pem(pem);
  if (!key) {
    HOLDS(!key.why().empty());
    return;
  }
  HOLDS(pem.size() <= kMaxKeyTextBytes);
  check_policy(*key);
  const Result<RsaPublicKey> again = RsaPublicKey::from_pem(key->pem());
  HOLDS(again && again->modulus() == key->modulus() && again->pem() == key->pem());
  HOLDS(!RsaPrivateKey::from_pem(pem));
}

void check_private(std::string_view pem) {
  const Result<RsaPrivateKey> key = RsaPrivateKey::from_pem(pem);
  if (!key) {
    HOLDS(!key.why().empty());
    return;
  }
  HOLDS(pem.size() <= kMaxKeyTextBytes);
  check_policy(key->public_key());
  const Result<RsaPrivateKey> again = RsaPrivateKey::from_pem(key->pem().view());
  HOLDS(again && again->public_key().modulus() == key->public_key().modulus());
  HOLDS(again->pem().view() == key->pem().view());
  HOLDS(!RsaPublicKey::from_pem(pem));
}

}  // namespace

FUZZ_TARGET(pem) {
  const std::string text =
      fill(input, {{"$PUBLIC", bob().pem}, {"$PRIVATE", bob().identity.pem().view()}});
  check_public(text);
  check_private(text);
}

FUZZ_TARGET(der) {
  if (input.empty()) return;  // OpenSSL writes no block without content
  check_public(write_pem("PUBLIC KEY", input));
  check_private(write_pem("PRIVATE KEY", input));
}

}  // namespace p2pchat
