// The primitives of the one suite (PS256, RSA-OAEP-256, A256GCM, SHA-256), on keys that POCO holds.
// POCO 1.11 offers neither PSS nor OAEP with SHA-256 nor associated data, so evp.cpp calls
// OpenSSL's EVP interface; no other file does. Every function takes and returns raw bytes.
//
// RFC 7518 sections 3.5 (PS256), 4.3 (RSA-OAEP-256), 5.3 (A256GCM); RFC 8017.
#pragma once

#include <Poco/Crypto/EVPPKey.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace p2pchat {

inline constexpr std::size_t kDigestBytes = 32;
inline constexpr std::size_t kContentKeyBytes = 32;
inline constexpr std::size_t kIvBytes = 12;
inline constexpr std::size_t kTagBytes = 16;

class Secret;

std::string sha256(std::string_view bytes);

// From the operating system's generator, through OpenSSL's.
std::string random_bytes(std::size_t count);

// Overwrites and empties; the compiler cannot leave it out.
void wipe(std::string& bytes);
// The same, for all the memory that an emptied string still has.
void wipe_unused(std::string& bytes);
// OpenSSL wipes all that it frees. It does not when something has used it before main().
bool frees_wiped();

// In time that depends on the lengths alone.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes, in both directions.
std::string sign_ps256(const Poco::Crypto::EVPPKey& private_key, std::string_view message);
bool verify_ps256(const Poco::Crypto::EVPPKey& public_key, std::string_view message,
                  std::string_view signature);

// RSAES-OAEP with SHA-256 for the label hash and MGF1, empty label.
std::string wrap_content_key(const Poco::Crypto::EVPPKey& public_key, const Secret& content_key);
// Always returns kContentKeyBytes: random ones when the padding is wrong or the length another, so
// that a wrong key is found out by the tag alone (RFC 7516 section 11.5).
Secret unwrap_content_key(const Poco::Crypto::EVPPKey& private_key, std::string_view encrypted_key);
// What the padding held, of any length; nothing when it is wrong. For the test vectors.
std::optional<std::string> decrypt_oaep256(const Poco::Crypto::EVPPKey& private_key,
                                           std::string_view encrypted);

struct Sealed {
  std::string ciphertext;  // as long as the plaintext
  std::string tag;         // kTagBytes
};

// AES-256-GCM. `key` has kContentKeyBytes, `iv` kIvBytes.
Sealed seal_a256gcm(const Secret& key, std::string_view iv, std::string_view aad,
                    std::string_view plaintext);
// Nothing unless the tag verifies, and then all of it. Any other length of key, iv or tag: nothing.
std::optional<std::string> open_a256gcm(const Secret& key, std::string_view iv,
                                        std::string_view aad, std::string_view ciphertext,
                                        std::string_view tag);

// What RsaPublicKey and RsaPrivateKey need beyond POCO: see rsa_key.h for the rules.
struct RsaComponents {
  std::string modulus;   // n, big-endian, no leading zero octets
  std::string exponent;  // e, likewise
};

struct PemBlock {
  std::string label;  // "PUBLIC KEY"
  std::string der;    // wiped by the caller when it is secret
};

// The first block of RFC 7468 in `text`. Nothing when there is none, when it has headers of its
// own, or when more than white space follows it.
std::optional<PemBlock> read_pem(std::string_view text);
std::string write_pem(const std::string& label, std::string_view der);

// Nothing when the bytes are not the DER of an RSA key of that kind and nothing else.
std::optional<Poco::Crypto::EVPPKey> rsa_from_spki(std::string_view der);
std::optional<Poco::Crypto::EVPPKey> rsa_from_pkcs8(std::string_view der);
std::optional<Poco::Crypto::EVPPKey> rsa_from_components(const RsaComponents& components);
RsaComponents rsa_components(const Poco::Crypto::EVPPKey& key);
std::string spki_der(const Poco::Crypto::EVPPKey& key);
Secret pkcs8_der(const Poco::Crypto::EVPPKey& private_key);

// EncryptedPrivateKeyInfo of RFC 5958 around the DER of a PKCS#8 key: PBES2 with PBKDF2 and
// AES-256-CBC (RFC 8018).
std::string encrypt_pkcs8(const Poco::Crypto::EVPPKey& private_key, const Secret& passphrase);
// Nothing when it is none or the passphrase is another.
std::optional<Secret> decrypt_pkcs8(std::string_view der, const Secret& passphrase);

}  // namespace p2pchat
