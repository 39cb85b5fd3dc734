#include "crypto/rsa_key.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

const std::string k65537("\x01\x00\x01", 3);

// An odd number of exactly `bits` bits; nothing that the policy looks at needs real primes.
std::string modulus_of(unsigned bits) {
  std::string modulus((bits + 7) / 8, '\x5A');
  modulus.front() = static_cast<char>(1U << ((bits - 1) % 8));
  modulus.back() = '\x01';
  return modulus;
}

std::string even_modulus() {
  std::string modulus = modulus_of(2048);
  modulus.back() = '\x02';
  return modulus;
}

// P-256 and Ed25519 public keys, and one of RSASSA-PSS alone (RFC 4055), which is not "RSA".
constexpr const char* kEcKey =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6q7fuF6jB858IG4nxG9ti9EuusGX\n"
    "z2R6iZ1k1bh8KLdbeJx9Slx9AJIBCjFMXxWHrmRozNcqtwBBhKzLHkbI+Q==\n"
    "-----END PUBLIC KEY-----\n";
constexpr const char* kEd25519Key =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAb098n8jft0hlfDnJCMIQDLA0/xsFAx3spmq6uDQsz0Y=\n"
    "-----END PUBLIC KEY-----\n";
constexpr const char* kPssKey =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAKti+rYHGCbR4JQH9KNKv5Er\n"
    "fv/bOVSPdMwTCwVtdBwj1u9daftNmLMCuUSfvJ4DTwOOVp94oyu0yWoFmy2VlxqR\n"
    "N82luouwHKQZ/zuta4qzAxupGmgjgMhoADss/7GV1tcbvgnN+jJlOwEevsJ219/J\n"
    "jBsf9f5Lyu3JJONF6nIxF5cVx3h6llZlqeGXIN8eN6GRjzkycxUODbEUny4ByPyP\n"
    "NGf8RleybMHMvU64/xs0kyJamO4rBi2+j+nd+ekQGEoypRHDAKbUjKdmvHfnrkUv\n"
    "39YsdY2sYA2WcK8mV4eI7/+6k1uoFSq2J0AvlU9moasnhRFWjnSANznpYuoCAzEC\n"
    "AwEAAQ==\n"
    "-----END PUBLIC KEY-----\n";

std::string reason_for_public(const std::string& pem) {
  const Result<RsaPublicKey> key = RsaPublicKey::from_pem(pem);
  CHECK_FALSE(key);
  return key.why();
}

std::string reason_for_private(const std::string& pem) {
  const Result<RsaPrivateKey> key = RsaPrivateKey::from_pem(pem);
  CHECK_FALSE(key);
  return key.why();
}

std::string alice_private_pem() {
  return std::string(alice_identity().pem().view());
}
std::string alice_public_pem() {
  return alice_identity().public_key().pem();
}

}  // namespace

TEST_CASE("rsa_key: a public key comes back from its PEM and from its components") {
  const RsaPublicKey& key = alice_identity().public_key();
  const auto from_pem = RsaPublicKey::from_pem(key.pem());
  const auto from_components = RsaPublicKey::from_components(key.modulus(), key.exponent());
  REQUIRE(from_pem);
  REQUIRE(from_components);
  CHECK(from_pem->modulus() == key.modulus());
  CHECK(from_pem->exponent() == k65537);
  CHECK(from_components->pem() == key.pem());
  CHECK(key.bytes() == 256);
}

TEST_CASE("rsa_key: a public key's PEM has the label that the original program wrote") {
  CHECK(alice_public_pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
  CHECK(alice_public_pem().ends_with("\n-----END PUBLIC KEY-----\n"));
}

TEST_CASE("rsa_key: a private key comes back from its PEM, with text before it, too") {
  const std::string before = GENERATE(as<std::string>{}, "", "identity of alice\n\n");
  const auto key = RsaPrivateKey::from_pem(before + alice_private_pem());
  REQUIRE(key);
  CHECK(key->public_key().modulus() == alice_identity().public_key().modulus());
  CHECK(key->pem().view() == alice_private_pem());
  CHECK(verify_ps256(alice_identity().public_key().evp(), "x", sign_ps256(key->evp(), "x")));
}

TEST_CASE("rsa_key: from 2048 to 4096 bits is taken") {
  const unsigned bits = GENERATE(2048U, 2049U, 3072U, 4095U, 4096U);
  CAPTURE(bits);
  CHECK(RsaPublicKey::from_components(modulus_of(bits), k65537));
  CHECK(RsaPublicKey::from_pem(unchecked_pem(modulus_of(bits), k65537)));
}

TEST_CASE("rsa_key: the policy refuses in its order, and names the reason") {
  const auto [modulus, exponent, why] = GENERATE(table<std::string, std::string, std::string>({
      {modulus_of(512), k65537, "fewer than 2048 bits"},
      {modulus_of(1024), k65537, "fewer than 2048 bits"},
      {modulus_of(2047), k65537, "fewer than 2048 bits"},
      {modulus_of(1024), "\x03", "fewer than 2048 bits"},
      {modulus_of(4097), k65537, "more than 4096 bits"},
      {modulus_of(16384), k65537, "more than 4096 bits"},
      {modulus_of(2048), "\x01", "its exponent is not 65537"},
      {modulus_of(2048), "\x03", "its exponent is not 65537"},
      {modulus_of(2048), "\x11", "its exponent is not 65537"},
      {modulus_of(2048), std::string("\x01\x00\x00\x01", 4), "its exponent is not 65537"},
      {even_modulus(), "\x03", "its exponent is not 65537"},
      {even_modulus(), k65537, "even modulus"},
  }));
  const std::string expected = std::string(kRefusedKey) + why;
  CHECK(RsaPublicKey::from_components(modulus, exponent).why() == expected);
  CHECK(reason_for_public(unchecked_pem(modulus, exponent)) == expected);
}

TEST_CASE("rsa_key: components with leading zero octets, or none at all, are refused") {
  const std::string zero(1, '\0');
  CHECK_FALSE(RsaPublicKey::from_components(zero + modulus_of(2048), k65537));
  CHECK_FALSE(RsaPublicKey::from_components(modulus_of(2048), zero + k65537));
  CHECK_FALSE(RsaPublicKey::from_components("", k65537));
  CHECK_FALSE(RsaPublicKey::from_components(modulus_of(2048), ""));
  CHECK_FALSE(RsaPublicKey::from_components({}, {}));
}

TEST_CASE("rsa_key: a private key offered as a public one is refused") {
  CHECK(reason_for_public(alice_private_pem()) == "not a public key");
}

TEST_CASE("rsa_key: a public key offered as a private one is refused") {
  CHECK(reason_for_private(alice_public_pem()) == "not a private key in PKCS#8 form");
}

TEST_CASE("rsa_key: a certificate and the older key forms are no public key") {
  const std::string label =
      GENERATE(as<std::string>{}, "CERTIFICATE", "RSA PUBLIC KEY", "X509 CERTIFICATE");
  const std::string der = spki_der(alice_identity().evp());
  CHECK(reason_for_public(write_pem(label, der)) == "not a public key");
}

TEST_CASE("rsa_key: a key that is not RSA is refused") {
  const std::string pem = GENERATE(as<std::string>{}, kEcKey, kEd25519Key, kPssKey);
  CHECK(reason_for_public(pem) == "not an RSA key");
}

TEST_CASE("rsa_key: a private label around something else is refused") {
  const std::string pem = write_pem("PRIVATE KEY", spki_der(alice_identity().evp()));
  CHECK(reason_for_private(pem) == "not an RSA private key");
}

TEST_CASE("rsa_key: a second key in the file is refused") {
  const std::string second =
      GENERATE(as<std::string>{}, alice_public_pem(), bob_identity().public_key().pem(),
               alice_private_pem(), std::string("x"));
  CHECK_FALSE(reason_for_public(alice_public_pem() + second).empty());
  CHECK_FALSE(reason_for_private(alice_private_pem() + second).empty());
}

TEST_CASE("rsa_key: text before a public key is refused, whatever it looks like") {
  const std::string before =
      GENERATE(as<std::string>{}, "hello\n", "\n", " ", "-----BEGIN nothing\n",
               "-----BEGIN PUBLIC KEY\n", "-----BEGIN PUBLIC KEY-----x\n");
  CAPTURE(before);
  CHECK_FALSE(reason_for_public(before + alice_public_pem()).empty());
}

TEST_CASE("rsa_key: no text is no key") {
  CHECK(reason_for_public("") == "not one PEM block");
  CHECK(reason_for_private("") == "not one PEM block");
  CHECK_FALSE(RsaPublicKey::from_pem(std::string_view()));
  CHECK_FALSE(RsaPrivateKey::from_pem(std::string_view()));
}

TEST_CASE("rsa_key: more than 16 KiB of text is not even looked at") {
  const std::string pem = alice_public_pem();
  const std::string padding(kMaxKeyTextBytes - pem.size(), '\n');
  CHECK(RsaPublicKey::from_pem(pem + padding));
  CHECK(reason_for_public(pem + padding + "\n") == "a key text of more than 16 KiB");
  CHECK(reason_for_private(std::string(kMaxKeyTextBytes + 1, '\n')) ==
        "a key text of more than 16 KiB");
}

TEST_CASE("rsa_key: an encrypted private key is refused with a reason of its own") {
  CHECK(reason_for_private(encrypted_pem(alice_identity(), "correct horse")) ==
        "encrypted with a passphrase");
}

TEST_CASE("rsa_key: an encrypted key of the older form is refused without a question") {
  const std::string pem = encrypted_traditional_pem(alice_identity(), "correct horse");
  REQUIRE(pem.find("Proc-Type: 4,ENCRYPTED") != std::string::npos);
  CHECK(reason_for_private(pem) == "not one PEM block");
}

TEST_CASE("rsa_key: a weak private key is refused like a public one") {
  CHECK(reason_for_private(weak_private_pem()) == "refused key: fewer than 2048 bits");
}

TEST_CASE("rsa_key: no key is made that would be refused") {
  CHECK_THROWS_AS(RsaPrivateKey::generate(1024), Error);
}

TEST_CASE("rsa_key: a private key with a passphrase comes back with it, and with no other") {
  const std::optional<Secret> phrase(Secret("a phrase"));
  const Secret pem = alice_identity().pem(phrase);
  CHECK(pem.view().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
  const auto key = RsaPrivateKey::from_pem(pem.view(), phrase);
  REQUIRE(key);
  CHECK(key->public_key().modulus() == alice_identity().public_key().modulus());
  CHECK(RsaPrivateKey::from_pem(pem.view()).why() == "encrypted with a passphrase");
  const std::string other = GENERATE("another", "a phras", "a phrase ", "");
  CHECK(RsaPrivateKey::from_pem(pem.view(), Secret(other)).why() ==
        "encrypted with another passphrase");
}

TEST_CASE("rsa_key: openssl reads what we encrypt, and we what it encrypts") {
  const std::optional<Secret> phrase(Secret("a phrase"));
  const auto key = RsaPrivateKey::from_pem(encrypted_pem(bob_identity(), "a phrase"), phrase);
  REQUIRE(key);
  CHECK(key->public_key().modulus() == bob_identity().public_key().modulus());
  CHECK(decrypted_pem(bob_identity().pem(phrase).view(), "a phrase") ==
        bob_identity().pem().view());
}

}  // namespace p2pchat
