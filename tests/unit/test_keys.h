// Keys made once a run, since RSA generation is slow, and the tools of a hostile peer: tokens with
// any header and any payload, signed and sealed with keys that are otherwise right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/rsa_key.h"
#include "crypto/secret.h"
#include "protocol/ack.h"
#include "protocol/key_statement.h"
#include "protocol/request.h"

namespace p2pchat {

// The time at which everything in the tests happens, in seconds.
inline constexpr std::uint64_t kNow = 1'700'000'000;

// 2048 bits each. Alice sends, Bob receives.
const RsaPrivateKey& alice_identity();
const RsaPrivateKey& alice_encryption();
const RsaPrivateKey& bob_identity();
const RsaPrivateKey& bob_encryption();
const RsaPrivateKey& stranger_identity();

// Said at kNow, seq kNow, for 14 days.
const KeyStatement& alice_statement();
const KeyStatement& bob_statement();

// A JSON object whose members are raw text, so that it can be wrong in every way.
class RawObject {
 public:
  RawObject(std::initializer_list<std::pair<std::string, std::string>> members)
      : members_(members) {}

  // Replaces the member where it stands, or adds it at the end.
  RawObject& set(const std::string& name, const std::string& raw_value);
  RawObject& drop(const std::string& name);
  // Adds it whether or not it is there.
  RawObject& add(const std::string& name, const std::string& raw_value);
  // Adds the member once more with the value that it has.
  RawObject& repeat(const std::string& name);

  std::string text() const;

 private:
  std::vector<std::pair<std::string, std::string>> members_;
};

// "text" in quotes; it holds nothing that JSON would escape.
std::string json_string(std::string_view text);

RawObject signed_header(std::string_view kid, std::string_view typ);
RawObject sealed_header(std::string_view kid);
RawObject direct_header();

// A compact JWS: PS256 over whatever header and payload.
std::string sign_raw(const RsaPrivateKey& key, std::string_view header, std::string_view payload);

// A compact JWE around whatever plaintext. A content key of another length than 32 bytes is wrapped
// as it is, and its first 32 bytes (zeros where it is too short) encrypt.
std::string seal_raw(const RsaPublicKey& recipient, std::string_view header,
                     std::string_view plaintext, const std::string& content_key);
std::string seal_raw(const RsaPublicKey& recipient, std::string_view header,
                     std::string_view plaintext);
std::string seal_direct_raw(const Secret& key, std::string_view header, std::string_view plaintext);

std::string segment(std::string_view token, std::size_t index);
std::string with_segment(std::string_view token, std::size_t index, std::string_view text);
// Another character of base64url at this place. Use it away from a segment's end, whose last
// character may hold bits that must be zero.
std::string with_changed_character(std::string token, std::size_t position);

// RSASSA-PSS with SHA-256 and a salt of any length; -3 is OpenSSL's "as long as possible".
std::string sign_pss(const RsaPrivateKey& key, std::string_view message, int salt_bytes);
// d, big-endian.
std::string private_exponent(const RsaPrivateKey& key);
// RSASSA-PKCS1-v1_5 with SHA-256.
std::string sign_pkcs1(const RsaPrivateKey& key, std::string_view message);
std::string hmac_sha256(std::string_view key, std::string_view message);
// The PKCS#8 form of RFC 5958 and the older one with Proc-Type headers.
std::string encrypted_pem(const RsaPrivateKey& key, std::string passphrase);
std::string encrypted_traditional_pem(const RsaPrivateKey& key, std::string passphrase);
// The unencrypted PKCS#8 form of an encrypted one, read by OpenSSL's own loader.
std::string decrypted_pem(std::string_view pem, std::string passphrase);
// 1024 bits.
std::string weak_private_pem();
// A public key that no policy has seen.
std::string unchecked_pem(std::string_view modulus, std::string_view exponent);

// A request from Alice that Bob has opened.
struct Exchange {
  explicit Exchange(RequestType type = RequestType::message);

  AckExpectation expected() const;

  Draft draft;
  SealedRequest sealed;
  Request request;
};

Result<Request> open_as_bob(std::string_view frame, bool knows_alice = true);

}  // namespace p2pchat
