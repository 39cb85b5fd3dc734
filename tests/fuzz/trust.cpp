#include "trust.h"

#include "crypto/evp.h"
#include "crypto/secret.h"

namespace p2pchat {

namespace {

bool trusting = false;

}  // namespace

TrustEverything::TrustEverything() {
  trusting = true;
}
TrustEverything::~TrustEverything() {
  trusting = false;
}

// What ships: crypto/evp.cpp is compiled here with these names (CMakeLists.txt).
bool real_verify_ps256(const Poco::Crypto::EVPPKey& public_key, std::string_view message,
                       std::string_view signature);
Secret real_unwrap_content_key(const Poco::Crypto::EVPPKey& private_key,
                               std::string_view encrypted_key);
std::optional<std::string> real_open_a256gcm(const Secret& key, std::string_view iv,
                                             std::string_view aad, std::string_view ciphertext,
                                             std::string_view tag);

bool verify_ps256(const Poco::Crypto::EVPPKey& public_key, std::string_view message,
                  std::string_view signature) {
  return trusting || real_verify_ps256(public_key, message, signature);
}

Secret unwrap_content_key(const Poco::Crypto::EVPPKey& private_key,
                          std::string_view encrypted_key) {
  if (trusting) return Secret(std::string(kContentKeyBytes, 'k'));
  return real_unwrap_content_key(private_key, encrypted_key);
}

std::optional<std::string> open_a256gcm(const Secret& key, std::string_view iv,
                                        std::string_view aad, std::string_view ciphertext,
                                        std::string_view tag) {
  if (trusting) return std::string(ciphertext);
  return real_open_a256gcm(key, iv, aad, ciphertext, tag);
}

}  // namespace p2pchat
