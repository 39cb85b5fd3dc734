#include "crypto/evp.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "crypto/secret.h"
#include "test_der.h"
#include "test_keys.h"

namespace p2pchat {

using namespace std::literals;

namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// Test case 16 of the GCM specification (McGrew and Viega).
struct GcmVector {
  Secret key{from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")};
  std::string iv = from_hex("cafebabefacedbaddecaf888");
  std::string aad = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  std::string plaintext = from_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449"
      "a6b525b16aedf5aa0de657ba637b39");
  std::string ciphertext = from_hex(
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056"
      "828838c5f61e6393ba7a0abcc9f662");
  std::string tag = from_hex("76fc6ece0f4e1768cddf8853bb2d551b");
};

std::string flipped(std::string bytes, std::size_t position) {
  bytes.at(position) = static_cast<char>(bytes.at(position) ^ 1);
  return bytes;
}

}  // namespace

TEST_CASE("evp: what OpenSSL frees is wiped") {
  CHECK(frees_wiped());
}

TEST_CASE("evp: SHA-256 gives the digests of FIPS 180") {
  CHECK(sha256("") == from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  CHECK(sha256("abc") ==
        from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

TEST_CASE("evp: random bytes are as many as asked for and never the same") {
  CHECK(random_bytes(0).empty());
  CHECK(random_bytes(32).size() == 32);
  CHECK(random_bytes(32) != random_bytes(32));
}

TEST_CASE("evp: equal bytes are equal, and nothing else") {
  CHECK(equal_in_constant_time("", ""));
  CHECK(equal_in_constant_time(std::string("a\0b", 3), std::string("a\0b", 3)));
  CHECK_FALSE(equal_in_constant_time(std::string("a\0b", 3), std::string("a\0c", 3)));
  CHECK_FALSE(equal_in_constant_time("abc", "ab"));
}

TEST_CASE("evp: a signature is as long as the key and verifies its message alone") {
  const RsaPublicKey& key = alice_identity().public_key();
  const std::string signature = sign_ps256(alice_identity().evp(), "message");
  CHECK(signature.size() == key.bytes());
  CHECK(verify_ps256(key.evp(), "message", signature));
  CHECK_FALSE(verify_ps256(key.evp(), "messagf", signature));
  CHECK_FALSE(verify_ps256(key.evp(), "", signature));
  CHECK_FALSE(verify_ps256(bob_identity().public_key().evp(), "message", signature));
}

TEST_CASE("evp: a changed, cut or lengthened signature does not verify") {
  const RsaPublicKey& key = alice_identity().public_key();
  const std::string signature = sign_ps256(alice_identity().evp(), "message");
  CHECK_FALSE(verify_ps256(key.evp(), "message", flipped(signature, 0)));
  CHECK_FALSE(verify_ps256(key.evp(), "message", flipped(signature, signature.size() - 1)));
  CHECK_FALSE(verify_ps256(key.evp(), "message", signature.substr(1)));
  CHECK_FALSE(verify_ps256(key.evp(), "message", std::string(1, '\0') + signature));
  CHECK_FALSE(verify_ps256(key.evp(), "message", ""));
  CHECK_FALSE(verify_ps256(key.evp(), "message", std::string(key.bytes(), '\xFF')));
}

TEST_CASE("evp: a salt of 32 bytes verifies and no other") {
  const auto [salt_bytes, verifies] = GENERATE(table<int, bool>(
      {{32, true}, {0, false}, {20, false}, {31, false}, {33, false}, {64, false}, {-3, false}}));
  CAPTURE(salt_bytes);
  const std::string signature = sign_pss(alice_identity(), "message", salt_bytes);
  CHECK(verify_ps256(alice_identity().public_key().evp(), "message", signature) == verifies);
}

TEST_CASE("evp: a wrapped content key is as long as the modulus and comes back") {
  const std::string content_key = random_bytes(kContentKeyBytes);
  const std::string wrapped =
      wrap_content_key(bob_encryption().public_key().evp(), Secret(content_key));
  CHECK(wrapped.size() == bob_encryption().bytes());
  CHECK(unwrap_content_key(bob_encryption().evp(), wrapped).view() == content_key);
  CHECK(decrypt_oaep256(bob_encryption().evp(), wrapped) == content_key);
}

TEST_CASE("evp: a wrapped key that does not open gives another random key each time") {
  const std::string content_key = random_bytes(kContentKeyBytes);
  const std::string wrapped =
      wrap_content_key(bob_encryption().public_key().evp(), Secret(content_key));
  const std::string bad =
      GENERATE_COPY(as<std::string>{}, flipped(wrapped, 20), wrapped.substr(1), std::string(),
                    std::string(wrapped.size(), '\xFF'), std::string(wrapped.size(), '\0'));
  const Secret first = unwrap_content_key(bob_encryption().evp(), bad);
  const Secret second = unwrap_content_key(bob_encryption().evp(), bad);
  CHECK(first.view().size() == kContentKeyBytes);
  CHECK(first.view() != content_key);
  CHECK(first.view() != second.view());
  CHECK(decrypt_oaep256(bob_encryption().evp(), bad) == std::nullopt);
}

TEST_CASE("evp: a wrapped key of another length is not used") {
  const std::size_t length = GENERATE(as<std::size_t>{}, 1, 16, 31, 33, 64);
  const std::string content_key = random_bytes(length);
  const std::string wrapped =
      wrap_content_key(bob_encryption().public_key().evp(), Secret(content_key));
  const Secret unwrapped = unwrap_content_key(bob_encryption().evp(), wrapped);
  CHECK(unwrapped.view().size() == kContentKeyBytes);
  CHECK_FALSE(unwrapped.view().starts_with(std::string_view(content_key).substr(0, 32)));
  CHECK(decrypt_oaep256(bob_encryption().evp(), wrapped) == content_key);
}

TEST_CASE("evp: A256GCM seals and opens the published vector") {
  const GcmVector vector;
  const Sealed sealed = seal_a256gcm(vector.key, vector.iv, vector.aad, vector.plaintext);
  CHECK(sealed.ciphertext == vector.ciphertext);
  CHECK(sealed.tag == vector.tag);
  CHECK(open_a256gcm(vector.key, vector.iv, vector.aad, vector.ciphertext, vector.tag) ==
        vector.plaintext);
}

TEST_CASE("evp: A256GCM seals nothing, too") {
  const GcmVector vector;
  const Sealed sealed = seal_a256gcm(vector.key, vector.iv, "", "");
  CHECK(sealed.ciphertext.empty());
  CHECK(open_a256gcm(vector.key, vector.iv, "", "", sealed.tag) == "");
  CHECK(open_a256gcm(vector.key, vector.iv, "x", "", sealed.tag) == std::nullopt);
}

TEST_CASE("evp: nothing is opened when anything was changed") {
  const GcmVector v;
  const Secret other_key(flipped(std::string(v.key.view()), 31));
  CHECK_FALSE(open_a256gcm(other_key, v.iv, v.aad, v.ciphertext, v.tag));
  CHECK_FALSE(open_a256gcm(v.key, flipped(v.iv, 11), v.aad, v.ciphertext, v.tag));
  CHECK_FALSE(open_a256gcm(v.key, v.iv, flipped(v.aad, 0), v.ciphertext, v.tag));
  CHECK_FALSE(open_a256gcm(v.key, v.iv, "", v.ciphertext, v.tag));
  CHECK_FALSE(open_a256gcm(v.key, v.iv, v.aad, flipped(v.ciphertext, 59), v.tag));
  CHECK_FALSE(open_a256gcm(v.key, v.iv, v.aad, v.ciphertext.substr(0, 59), v.tag));
  CHECK_FALSE(open_a256gcm(v.key, v.iv, v.aad, v.ciphertext, flipped(v.tag, 15)));
}

TEST_CASE("evp: a key, IV or tag of another length opens nothing and does not throw") {
  const GcmVector v;
  const std::size_t length = GENERATE(as<std::size_t>{}, 0, 1, 11, 13, 15, 17, 24, 31, 33);
  CAPTURE(length);
  const Secret key(std::string(v.key.view()).substr(0, length) +
                   std::string(length > 32 ? 1 : 0, 'x'));
  std::string iv = v.iv;
  std::string tag = v.tag;
  iv.resize(length);
  tag.resize(length);
  CHECK_FALSE(open_a256gcm(key, v.iv, v.aad, v.ciphertext, v.tag));
  CHECK_FALSE(open_a256gcm(v.key, iv, v.aad, v.ciphertext, v.tag));
  CHECK_FALSE(open_a256gcm(v.key, v.iv, v.aad, v.ciphertext, tag));
}

TEST_CASE("evp: a short tag that is right as far as it goes opens nothing") {
  const GcmVector v;
  CHECK_FALSE(open_a256gcm(v.key, v.iv, v.aad, v.ciphertext, v.tag.substr(0, 12)));
}

TEST_CASE("evp: sealing with a key or IV of another length is our own failure") {
  const GcmVector v;
  CHECK_THROWS_AS(seal_a256gcm(Secret("short"), v.iv, "", "x"), Error);
  CHECK_THROWS_AS(seal_a256gcm(v.key, "short", "", "x"), Error);
}

TEST_CASE("evp: a PEM block is read back as it was written") {
  const auto block = read_pem(write_pem("PUBLIC KEY", "any bytes"));
  REQUIRE(block);
  CHECK(block->label == "PUBLIC KEY");
  CHECK(block->der == "any bytes");
}

TEST_CASE("evp: no PEM block, one with headers or one with a sequel is nothing") {
  const std::string pem = write_pem("X", "any bytes");
  CHECK(read_pem(pem + " \r\n\t"));
  const std::string text =
      GENERATE_COPY(as<std::string>{}, std::string(), std::string("hello"), pem + pem, pem + "x",
                    pem.substr(0, pem.size() / 2),
                    std::string("-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\n") + pem.substr(18),
                    std::string("-----BEGIN X-----\n!!!!\n-----END X-----\n"),
                    std::string("-----BEGIN X-----\nAAAA\n-----END Y-----\n"));
  CAPTURE(text);
  CHECK_FALSE(read_pem(text));
}

TEST_CASE("evp: DER of the right kind is taken, and nothing after it") {
  const std::string spki = spki_der(alice_identity().evp());
  const Secret pkcs8 = pkcs8_der(alice_identity().evp());
  const std::string secret(pkcs8.view());
  CHECK(rsa_from_spki(spki));
  CHECK(rsa_from_pkcs8(secret));
  CHECK_FALSE(rsa_from_spki(spki + '\0'));
  CHECK_FALSE(rsa_from_pkcs8(secret + '\0'));
  CHECK_FALSE(rsa_from_spki(spki.substr(0, spki.size() - 1)));
  CHECK_FALSE(rsa_from_spki(secret));
  CHECK_FALSE(rsa_from_pkcs8(spki));
  CHECK_FALSE(rsa_from_spki(""));
  CHECK_FALSE(rsa_from_pkcs8(""));
}

TEST_CASE("evp: a private key is PKCS#8 around an RSA key with two primes, and nothing like it") {
  const Secret pkcs8 = pkcs8_der(alice_identity().evp());
  const std::string good(pkcs8.view());
  // The version, then n, e, d, p, q, dP, dQ, qInv.
  std::vector<std::string> elements;
  std::string_view rest = good;
  for (rest.remove_prefix(good.find("\x02\x01\0\x02\x82"s)); !rest.empty();) {
    const auto first = static_cast<unsigned char>(rest[1]);
    std::size_t size = first < 0x80 ? first : 0;
    for (unsigned i = 0; first > 0x80 && i < first - 0x80U; ++i) {
      size = size * 256 + static_cast<unsigned char>(rest[2 + i]);
    }
    size += 2 + (first > 0x80 ? first - 0x80U : 0);
    elements.emplace_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  REQUIRE(elements.size() == 9);
  const auto with = [&](std::size_t place, std::string_view element) {
    std::string all;
    for (std::size_t i = 0; i < elements.size(); ++i) all += i == place ? element : elements[i];
    return all;
  };
  const std::string all = with(elements.size(), "");
  REQUIRE(der_pkcs8(all) == good);
  const auto key = rsa_from_pkcs8(good);
  REQUIRE(key);
  CHECK(pkcs8_der(*key).view() == good);

  // RSASSA-PSS instead of rsaEncryption.
  std::string other = good;
  const std::string algorithm = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
  other[other.find(algorithm) + algorithm.size() - 1] = '\x0a';
  CHECK_FALSE(rsa_from_pkcs8(other));

  CHECK_FALSE(rsa_from_pkcs8(der_pkcs8(all, "\0"s)));
  CHECK_FALSE(rsa_from_pkcs8(der_pkcs8(with(8, ""))));
  CHECK_FALSE(rsa_from_pkcs8(der_pkcs8(all + der_integer("\x01"))));
  CHECK_FALSE(rsa_from_pkcs8(der_pkcs8("")));
  const std::string negative = "\x02\x01\x80";
  for (const std::string& version : {der_integer("\x01"), der_integer("\x02"), negative}) {
    CHECK_FALSE(rsa_from_pkcs8(der_pkcs8(with(0, version))));
  }
  for (std::size_t i = 0; i < elements.size(); ++i) {
    CAPTURE(i);
    CHECK_FALSE(rsa_from_pkcs8(der_pkcs8(with(i, negative))));
    if (i > 0) CHECK_FALSE(rsa_from_pkcs8(der_pkcs8(with(i, der_integer("")))));
    std::string octets = elements[i];
    octets[0] = '\x04';
    CHECK_FALSE(rsa_from_pkcs8(der_pkcs8(with(i, octets))));
  }
}

TEST_CASE("evp: a key built from its components is the same key") {
  const RsaComponents components = rsa_components(alice_identity().evp());
  const auto key = rsa_from_components(components);
  REQUIRE(key);
  CHECK(verify_ps256(*key, "message", sign_ps256(alice_identity().evp(), "message")));
  CHECK(components.exponent == std::string("\x01\x00\x01", 3));
}

}  // namespace p2pchat
