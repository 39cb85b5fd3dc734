// Test data that nobody here wrote: Wycheproof, the examples of the JOSE RFCs and of RFC 7520, and
// UTF-8 sequences, all through the functions that the program itself uses. The files are read from
// the folder that P2PCHAT_VECTORS names; without it these tests fail (scripts/test leaves them
// out).
//
// Their tokens carry other headers than the closed profile, so our parsers refuse them all. Each is
// therefore looked at twice: the parser refuses it, for its algorithm's name alone where that is
// not ours; and the primitive under the parser says of its segments what the vector says, or no
// where the algorithm is not ours.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/evp.h"
#include "crypto/rsa_key.h"
#include "crypto/secret.h"
#include "jose/base64url.h"
#include "jose/compact.h"
#include "jose/json.h"
#include "jose/jwe.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "test_der.h"

namespace p2pchat {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxFileBytes = 16'777'216;
constexpr const char* kTyp = "p2pchat+jwe";

std::string read_vectors(const std::string& name) {
  const char* folder = std::getenv("P2PCHAT_VECTORS");
  if (folder == nullptr || *folder == '\0') FAIL("P2PCHAT_VECTORS names no folder");
  std::string text = read_input_file(std::string(folder) + "/" + name, kMaxFileBytes);
  REQUIRE(text.size() <= kMaxFileBytes);
  return text;
}

json read_wycheproof(const std::string& name) {
  return json::parse(read_vectors("wycheproof/" + name + "_test.json"));
}

std::string text_of(const json& object, const char* name) {
  return object.at(name).get<std::string>();
}

std::string from_hex(std::string_view hex) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::vector<unsigned> digits;
  for (const char c : ascii_lower(hex)) {
    if (c == ' ') continue;
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) FAIL("a digit that is not hexadecimal");
    digits.push_back(static_cast<unsigned>(digit));
  }
  REQUIRE(digits.size() % 2 == 0);
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes += static_cast<char>(digits[i] * 16 + digits[i + 1]);
  }
  return bytes;
}

std::string bytes_of(const json& object, const char* name) {
  return from_hex(text_of(object, name));
}

// What became of a file's cases; each is counted once.
class Tally {
 public:
  explicit Tally(std::string name) : name_(std::move(name)) {}

  void count(bool accepted) { ++(accepted ? accepted_ : refused_); }
  void count_refused_by_policy() { ++by_policy_; }
  void count_skipped() { ++skipped_; }

  std::size_t accepted() const { return accepted_; }
  std::size_t refused() const { return refused_; }
  std::size_t skipped() const { return skipped_; }

  // `cases`: how many the file says that it holds.
  void finish(std::size_t cases) const {
    INFO(name_);
    REQUIRE(cases > 0);
    CHECK(accepted_ + refused_ + by_policy_ + skipped_ == cases);
    std::cout << "vectors: " << name_ << ": " << cases << " cases, " << accepted_ << " accepted, "
              << refused_ << " refused";
    if (by_policy_ > 0) std::cout << ", " << by_policy_ << " refused by policy";
    if (skipped_ > 0) std::cout << ", " << skipped_ << " skipped";
    std::cout << std::endl;
  }
  void finish(const json& file) const { finish(file.at("numberOfTests").get<std::size_t>()); }

 private:
  std::string name_;
  std::size_t accepted_ = 0;
  std::size_t refused_ = 0;
  std::size_t by_policy_ = 0;
  std::size_t skipped_ = 0;
};

template <typename Check>
void for_each_case(const json& file, Check check) {
  for (const json& group : file.at("testGroups")) {
    for (const json& test : group.at("tests")) {
      INFO("tcId " << test.at("tcId") << ", " << test.at("comment"));
      check(group, test);
    }
  }
}

bool is_valid(const json& test) {
  const std::string result = text_of(test, "result");
  REQUIRE((result == "valid" || result == "invalid"));
  return result == "valid";
}

// ---- keys

Result<RsaPublicKey> read_key(const json& jwk) {
  std::optional<JsonObject> object = JsonObject::parse(jwk.dump());
  if (!object) return Refusal{"not JSON of the closed profile"};
  return read_jwk(*std::move(object));
}

json only_the_key(const json& jwk) {
  json bare;
  for (const char* name : {"kty", "n", "e"}) {
    if (jwk.contains(name)) bare[name] = jwk.at(name);
  }
  return bare;
}

RsaPublicKey public_key(const json& jwk) {
  if (jwk.size() > 3) CHECK_FALSE(read_key(jwk));  // a closed profile: no kid, use or alg
  const auto key = read_key(only_the_key(jwk));
  INFO(key.why());
  REQUIRE(key);
  return *key;
}

// The program reads private keys as PKCS#8 only (RFC 5208, RFC 8017 appendix A.1.2).
RsaPrivateKey private_key(const json& jwk) {
  std::string numbers = der_integer("");
  for (const char* name : {"n", "e", "d", "p", "q", "dp", "dq", "qi"}) {
    const auto bytes = decode_base64url(text_of(jwk, name));
    REQUIRE(bytes);
    numbers += der_integer(*bytes);
  }
  const auto key = RsaPrivateKey::from_pem(write_pem("PRIVATE KEY", der_pkcs8(numbers)));
  INFO(key.why());
  REQUIRE(key);
  CHECK(thumbprint(key->public_key()) == thumbprint(public_key(jwk)));
  return *key;
}

// ---- tokens

std::string header_of(const std::vector<JsonMember>& members) {
  return encode_base64url(write_json(members));
}

std::string_view first_segment(std::string_view token) {
  return token.substr(0, token.find('.'));
}

// A string member of a token's header, as the project's own parser reads it.
std::optional<std::string> header_member(std::string_view token, std::string_view name) {
  std::optional<JsonObject> header = read_header(first_segment(token));
  return header ? header->take_string(name) : std::nullopt;
}

std::string signed_header_with(std::string_view alg) {
  return header_of({{"alg", alg}, {"kid", "IK"}, {"typ", "p2pchat-msg+jwt"}});
}

// In a header that is ours but for the algorithm, it is the name that refuses.
void check_signature_algorithm(std::string_view alg) {
  CAPTURE(alg);
  CHECK(static_cast<bool>(UnverifiedJws::parse(signed_header_with(alg) + ".e30.AA")) ==
        (alg == "PS256"));
}

void check_encryption_algorithms(std::string_view alg, std::string_view enc) {
  CAPTURE(alg, enc);
  const std::string sealed =
      header_of({{"alg", alg}, {"enc", enc}, {"kid", "EK"}, {"typ", kTyp}, {"cty", "JWT"}});
  CHECK(SealedJwe::recipient(sealed, kTyp).has_value() ==
        (alg == "RSA-OAEP-256" && enc == "A256GCM"));
  const std::string direct = header_of({{"alg", alg}, {"enc", enc}, {"typ", kTyp}});
  CHECK(SealedJwe::is_direct(direct, kTyp) == (alg == "dir" && enc == "A256GCM"));
}

// The header as it stands is never ours; in ours, the names decide.
void check_sealed_header_is_refused(std::string_view token) {
  CHECK_FALSE(SealedJwe::recipient(first_segment(token), kTyp));
  CHECK_FALSE(SealedJwe::is_direct(first_segment(token), kTyp));
  const auto alg = header_member(token, "alg");
  const auto enc = header_member(token, "enc");
  if (alg && enc) check_encryption_algorithms(*alg, *enc);
}

bool verifies(std::string_view token, const RsaPublicKey& key) {
  const auto segments = split_segments(token, 3);
  if (segments.empty()) return false;
  const auto signature = decode_base64url(segments[2]);
  const std::size_t signed_size = segments[0].size() + 1 + segments[1].size();
  return signature && verify_ps256(key.evp(), token.substr(0, signed_size), *signature);
}

std::optional<std::string> opened(std::string_view token, const RsaPrivateKey& key) {
  const auto jwe = SealedJwe::parse(token);
  const auto content_key = jwe ? unwrap_key(key, jwe->encrypted_key()) : std::nullopt;
  return content_key ? jwe->open(*content_key) : std::nullopt;
}

std::optional<std::string> opened_directly(std::string_view token, const Secret& key) {
  const auto jwe = SealedJwe::parse(token);
  return jwe ? jwe->open_direct(key) : std::nullopt;
}

}  // namespace

TEST_CASE("vectors: PS256 says what Wycheproof says of every signature", "[vectors]") {
  const std::string name =
      GENERATE(as<std::string>{}, "rsa_pss_2048_sha256_mgf1_32", "rsa_pss_3072_sha256_mgf1_32");
  const json file = read_wycheproof(name);
  Tally tally(name);
  for_each_case(file, [&](const json& group, const json& test) {
    const auto key = RsaPublicKey::from_pem(text_of(group, "publicKeyPem"));
    REQUIRE(key);
    CHECK(thumbprint(*key) == thumbprint(public_key(group.at("publicKeyJwk"))));
    const bool good = verify_ps256(key->evp(), bytes_of(test, "msg"), bytes_of(test, "sig"));
    CHECK(good == is_valid(test));
    tally.count(good);
  });
  tally.finish(file);
  CHECK(tally.accepted() > 0);
  CHECK(tally.refused() > 0);
}

TEST_CASE("vectors: PS256 refuses every signature without a salt", "[vectors]") {
  const std::string name = "rsa_pss_2048_sha256_mgf1_0";
  const json file = read_wycheproof(name);
  Tally tally(name);
  std::size_t right_elsewhere = 0;
  for_each_case(file, [&](const json& group, const json& test) {
    const auto key = RsaPublicKey::from_pem(text_of(group, "publicKeyPem"));
    REQUIRE(key);
    // Wrong in that file, and right in ours: a salt of 32 bytes.
    const bool is_ours = text_of(test, "comment") == "s_len changed to 32";
    const bool good = verify_ps256(key->evp(), bytes_of(test, "msg"), bytes_of(test, "sig"));
    CHECK(good == is_ours);
    if (is_valid(test)) {
      CHECK_FALSE(good);
      ++right_elsewhere;
    }
    tally.count(good);
  });
  tally.finish(file);
  CHECK(right_elsewhere > 0);
  CHECK(tally.accepted() == 1);
}

TEST_CASE("vectors: RSA-OAEP-256 says what Wycheproof says of every wrapped text", "[vectors]") {
  const std::string name = GENERATE(as<std::string>{}, "rsa_oaep_2048_sha256_mgf1sha256",
                                    "rsa_oaep_3072_sha256_mgf1sha256");
  const json file = read_wycheproof(name);
  Tally tally(name);
  std::size_t content_keys = 0;
  std::size_t labelled = 0;
  for_each_case(file, [&](const json& group, const json& test) {
    const auto key = RsaPrivateKey::from_pem(text_of(group, "privateKeyPem"));
    REQUIRE(key);
    CHECK(thumbprint(private_key(group.at("privateKeyJwk")).public_key()) ==
          thumbprint(key->public_key()));
    const std::string encrypted = bytes_of(test, "ct");
    const std::string expected = bytes_of(test, "msg");
    // JOSE has no label (RFC 7518 section 4.3): with one, a right wrapping is a wrong one.
    const bool has_label = !text_of(test, "label").empty();
    if (is_valid(test) && has_label) ++labelled;
    const auto plain = decrypt_oaep256(key->evp(), encrypted);
    if (is_valid(test) && !has_label) {
      CHECK(plain == expected);
    } else {
      CHECK(plain == std::nullopt);
    }
    // What the program calls: 32 bytes in any case, the right ones only when there were 32.
    const Secret content_key = unwrap_content_key(key->evp(), encrypted);
    CHECK(content_key.view().size() == kContentKeyBytes);
    const bool is_content_key = plain && plain->size() == kContentKeyBytes;
    CHECK((content_key.view() == expected) == is_content_key);
    if (is_content_key) ++content_keys;
    tally.count(plain.has_value());
  });
  tally.finish(file);
  CHECK(tally.accepted() > 0);
  CHECK(tally.refused() > 0);
  CHECK(content_keys > 0);
  CHECK(labelled > 0);
}

TEST_CASE("vectors: RSA-OAEP-256 refuses every text wrapped with another MGF hash", "[vectors]") {
  const std::string name = "rsa_oaep_2048_sha256_mgf1sha1";
  const json file = read_wycheproof(name);
  Tally tally(name);
  std::size_t right_elsewhere = 0;
  for_each_case(file, [&](const json& group, const json& test) {
    const auto key = RsaPrivateKey::from_pem(text_of(group, "privateKeyPem"));
    REQUIRE(key);
    const auto plain = decrypt_oaep256(key->evp(), bytes_of(test, "ct"));
    CHECK(plain == std::nullopt);
    const Secret content_key = unwrap_content_key(key->evp(), bytes_of(test, "ct"));
    CHECK(content_key.view() != bytes_of(test, "msg"));
    if (is_valid(test)) ++right_elsewhere;
    tally.count(plain.has_value());
  });
  tally.finish(file);
  CHECK(right_elsewhere > 0);
}

TEST_CASE("vectors: A256GCM says what Wycheproof says, and takes no other size", "[vectors]") {
  const json file = read_wycheproof("aes_gcm");
  Tally tally("aes_gcm");
  std::size_t other_sizes = 0;
  for_each_case(file, [&](const json& group, const json& test) {
    const Secret key(bytes_of(test, "key"));
    const std::string iv = bytes_of(test, "iv");
    const std::string aad = bytes_of(test, "aad");
    const std::string plaintext = bytes_of(test, "msg");
    const std::string ciphertext = bytes_of(test, "ct");
    const std::string tag = bytes_of(test, "tag");
    const bool is_ours =
        group.at("keySize") == 256 && group.at("ivSize") == 96 && group.at("tagSize") == 128;
    const auto found = open_a256gcm(key, iv, aad, ciphertext, tag);
    if (!is_ours) {
      ++other_sizes;
      CHECK(found == std::nullopt);
      CHECK_THROWS_AS(seal_a256gcm(key, iv, aad, plaintext), Error);
    } else {
      const Sealed sealed = seal_a256gcm(key, iv, aad, plaintext);
      CHECK((sealed.ciphertext == ciphertext && sealed.tag == tag) == is_valid(test));
      CHECK(found.has_value() == is_valid(test));
      if (found) CHECK(*found == plaintext);
    }
    tally.count(found.has_value());
  });
  tally.finish(file);
  CHECK(tally.accepted() > 0);
  CHECK(other_sizes > 0);
  CHECK(tally.refused() > other_sizes);
}

TEST_CASE("vectors: of Wycheproof's JWS, PS256 alone verifies", "[vectors]") {
  // PS384 tokens under a key that is labelled PS256.
  static const std::set<int> kMislabelled{346, 350};
  // Right but for the length of the salt.
  static const std::set<int> kWrongSalt{281, 282, 283, 284, 285, 286};
  // A payload or a signature that is not canonical base64url; 373 is right for lenient readers.
  static const std::set<int> kNotBase64url{360, 361, 362, 363, 364, 368, 369, 371, 373, 374, 375};

  const json file = read_wycheproof("json_web_signature");
  Tally tally("json_web_signature");
  std::size_t wrong_salts = 0;
  std::size_t refused_by_name = 0;
  for_each_case(file, [&](const json& group, const json& test) {
    const int id = test.at("tcId").get<int>();
    const std::string token = text_of(test, "jws");
    const json& jwk = group.at(group.contains("public") ? "public" : "private");
    const auto alg = header_member(token, "alg");

    // No token there names a typ.
    CHECK_FALSE(UnverifiedJws::parse(token));
    if (kMislabelled.count(id) > 0) {
      CHECK(alg == "PS384");
      CHECK(jwk.at("alg") == "PS256");
      tally.count_skipped();
      return;
    }

    // With our header before them, the other segments stand as they are or fall by themselves.
    std::string with_our_header = signed_header_with("PS256");
    with_our_header += std::string_view(token).substr(first_segment(token).size());
    const bool has_structure = std::count(token.begin(), token.end(), '.') == 2 &&
                               token.back() != '.' && kNotBase64url.count(id) == 0;
    CHECK(static_cast<bool>(UnverifiedJws::parse(with_our_header)) == has_structure);

    if (alg) check_signature_algorithm(*alg);
    if (alg && *alg != "PS256" && is_valid(test)) ++refused_by_name;

    const bool is_ours = alg == "PS256" && jwk.value("alg", "") == "PS256";
    bool accepted = false;
    if (jwk.at("kty") == "RSA") {
      const RsaPublicKey key = public_key(jwk);
      const bool good = verifies(token, key);
      // Right PS256 signatures, under a header (337) or a key (338) that says PS512: the header's
      // name refuses the one; keys with an alg, or any label, are refused (see public_key()).
      const bool is_right_elsewhere = text_of(test, "comment") == "UsingPS256";
      CHECK(good == ((is_ours && is_valid(test)) || is_right_elsewhere));
      accepted = good && is_ours;
    } else {
      CHECK_FALSE(read_key(only_the_key(jwk)));
    }
    if (kWrongSalt.count(id) > 0) {
      CHECK(is_ours);
      CHECK_FALSE(accepted);
      ++wrong_salts;
    }
    tally.count(accepted);
  });
  tally.finish(file);
  CHECK(tally.accepted() > 0);
  CHECK(tally.skipped() == kMislabelled.size());
  CHECK(wrong_salts == kWrongSalt.size());
  CHECK(refused_by_name > 0);
}

TEST_CASE("vectors: of Wycheproof's JWE, RSA-OAEP-256 with A256GCM alone opens", "[vectors]") {
  const json file = read_wycheproof("json_web_encryption");
  Tally tally("json_web_encryption");
  std::size_t refused_by_name = 0;
  std::size_t compressed = 0;
  for_each_case(file, [&](const json& group, const json& test) {
    const std::string token = text_of(test, "jwe");
    const json& jwk = group.at("private");
    check_sealed_header_is_refused(token);
    const bool is_ours =
        header_member(token, "alg") == "RSA-OAEP-256" && header_member(token, "enc") == "A256GCM";
    if (is_valid(test) && !is_ours) {
      CHECK(header_member(token, "alg"));
      ++refused_by_name;
    }
    if (header_member(token, "zip")) ++compressed;

    std::optional<std::string> plaintext;
    if (jwk.at("kty") == "RSA") {
      plaintext = opened(token, private_key(jwk));
    } else if (jwk.at("kty") == "oct") {
      auto key = decode_base64url(text_of(jwk, "k"));
      REQUIRE(key);
      plaintext = opened_directly(token, Secret(*std::move(key)));
    } else {
      CHECK_FALSE(read_key(only_the_key(jwk)));
    }
    if (is_ours && is_valid(test)) {
      CHECK(plaintext == bytes_of(test, "pt"));
    } else {
      CHECK(plaintext == std::nullopt);
    }
    tally.count(plaintext.has_value());
  });
  tally.finish(file);
  CHECK(tally.accepted() > 0);
  CHECK(refused_by_name > 0);
  CHECK(compressed > 0);
}

TEST_CASE("vectors: of Wycheproof's keys, the policy takes RSA keys of its kind", "[vectors]") {
  // What the policy says of a group's key; all others are not RSA keys, or are right ones. The
  // policy does not look for weak generators: the modulus of jws_rsa_roca_key (CVE-2017-15361)
  // passes it, and only that token's RS256 is refused.
  static const std::map<std::string, std::string> kRefusals{
      {"keysize_too_small", "fewer than 2048 bits"}, {"exponentOne", "its exponent is not 65537"}};

  const json file = read_wycheproof("json_web_key");
  Tally tally("json_web_key");
  std::size_t usable_keys = 0;
  std::set<std::string> refused_keys;
  for_each_case(file, [&](const json& group, const json& test) {
    const std::string token = text_of(test, "jws");
    const auto alg = header_member(token, "alg");
    CHECK_FALSE(UnverifiedJws::parse(token));
    REQUIRE(alg);
    CHECK(*alg != "PS256");
    check_signature_algorithm(*alg);

    const json& given = group.at(group.contains("public") ? "public" : "private");
    const json keys = given.contains("keys") ? given.at("keys") : json::array({given});
    REQUIRE_FALSE(keys.empty());
    bool by_policy = false;
    for (const json& jwk : keys) {
      CHECK_FALSE(read_key(jwk));
      const auto key = read_key(only_the_key(jwk));
      const auto refusal = kRefusals.find(text_of(group, "comment"));
      if (refusal != kRefusals.end()) {
        CHECK_FALSE(key);
        CHECK(key.why() == std::string(kRefusedKey) + refusal->second);
        refused_keys.insert(refusal->first);
        by_policy = true;
      } else if (jwk.at("kty") == "RSA" && jwk.contains("n")) {
        REQUIRE(key);
        CHECK_FALSE(verifies(token, *key));
        ++usable_keys;
      } else {
        CHECK_FALSE(key);
      }
    }
    if (by_policy) {
      tally.count_refused_by_policy();
    } else {
      tally.count(false);
    }
  });
  tally.finish(file);
  CHECK(usable_keys > 0);
  CHECK(refused_keys.size() == kRefusals.size());
}

TEST_CASE("vectors: the examples of RFC 7515, 7516 and 7519 are refused, 7638 is met",
          "[vectors]") {
  const json examples = json::parse(read_vectors("rfc/rfc_jose_examples.json"));
  Tally tally("rfc_jose_examples");
  std::size_t thumbprints = 0;
  std::size_t signatures = 0;
  std::size_t pkcs1_encryptions = 0;
  for (const json& example : examples) {
    INFO(example.at("name"));
    const RsaPublicKey key = public_key(example.at("key"));
    if (example.contains("thumbprint_sha256")) {
      const std::string expected = text_of(example, "thumbprint_sha256");
      CHECK(is_thumbprint(expected));
      CHECK(thumbprint(key) == expected);
      CHECK(encode_base64url(sha256(text_of(example, "canonical"))) == expected);
      ++thumbprints;
      tally.count(thumbprint(key) == expected);
      continue;
    }

    const std::string token = text_of(example, "compact");
    bool accepted = false;
    if (example.contains("payload")) {
      CHECK(header_member(token, "alg") == text_of(example, "alg"));
      CHECK_FALSE(UnverifiedJws::parse(token));
      CHECK(decode_base64url(split_segments(token, 3).at(1)) == text_of(example, "payload"));
      check_signature_algorithm(text_of(example, "alg"));
      accepted = verifies(token, key);
      ++signatures;
    } else {
      // Two of them are JSON serializations, which have no header in front.
      std::string alg;
      if (token.starts_with("{")) {
        const json serialized = json::parse(token);
        alg = text_of(serialized.at("recipients").at(0).at("header"), "alg");
        CHECK_FALSE(SealedJwe::parse(token));
        check_encryption_algorithms(alg, "A256GCM");
      } else {
        alg = text_of(example, "alg");
        CHECK(header_member(token, "alg") == alg);
        CHECK(header_member(token, "enc") == text_of(example, "enc"));
      }
      check_sealed_header_is_refused(token);
      accepted = opened(token, private_key(example.at("key"))).has_value();
      if (alg == "RSA1_5") ++pkcs1_encryptions;
    }
    CHECK_FALSE(accepted);
    tally.count(accepted);
  }
  tally.finish(examples.size());
  CHECK(thumbprints == 1);
  CHECK(signatures == 1);
  CHECK(pkcs1_encryptions == 4);
}

TEST_CASE("vectors: the PS384 example of RFC 7520 is refused by name", "[vectors]") {
  const json example = json::parse(read_vectors("cookbook/4_2.rsa-pss_signature.json"));
  const std::string token = text_of(example.at("output"), "compact");
  REQUIRE(header_member(token, "alg") == "PS384");
  CHECK(decode_base64url(split_segments(token, 3).at(1)) ==
        text_of(example.at("input"), "payload"));
  check_signature_algorithm("PS384");
  const bool accepted =
      UnverifiedJws::parse(token) || verifies(token, public_key(example.at("input").at("key")));
  CHECK_FALSE(accepted);
  Tally tally("4_2.rsa-pss_signature");
  tally.count(accepted);
  tally.finish(1);
}

TEST_CASE("vectors: the encryption examples of RFC 7520 are refused by name", "[vectors]") {
  const std::string name =
      GENERATE(as<std::string>{}, "5_2.key_encryption_using_rsa-oaep_with_aes-gcm",
               "5_6.direct_encryption_using_aes-gcm", "5_9.compressed_content");
  const json example = json::parse(read_vectors("cookbook/" + name + ".json"));
  const std::string token = text_of(example.at("output"), "compact");
  const json& input = example.at("input");
  REQUIRE(header_member(token, "alg") == text_of(input, "alg"));
  REQUIRE(header_member(token, "enc") == text_of(input, "enc"));
  CHECK(header_member(token, "zip").has_value() == input.contains("zip"));
  REQUIRE(SealedJwe::parse(token));
  check_sealed_header_is_refused(token);

  std::optional<std::string> plaintext;
  const json& jwk = input.at("key");
  if (jwk.at("kty") == "RSA") {
    plaintext = opened(token, private_key(jwk));
  } else {
    auto key = decode_base64url(text_of(jwk, "k"));
    REQUIRE(key);
    plaintext = opened_directly(token, Secret(*std::move(key)));
  }
  CHECK(plaintext == std::nullopt);
  Tally tally(name);
  tally.count(plaintext.has_value());
  tally.finish(1);
}

TEST_CASE("vectors: the zip of RFC 7520 is refused in a header that is ours but for it",
          "[vectors]") {
  const json example = json::parse(read_vectors("cookbook/5_9.compressed_content.json"));
  const std::string zip = text_of(example.at("encrypting_content").at("protected"), "zip");
  std::vector<JsonMember> sealed{
      {"alg", "RSA-OAEP-256"}, {"enc", "A256GCM"}, {"kid", "EK"}, {"typ", kTyp}, {"cty", "JWT"}};
  std::vector<JsonMember> direct{{"alg", "dir"}, {"enc", "A256GCM"}, {"typ", kTyp}};
  CHECK(SealedJwe::recipient(header_of(sealed), kTyp));
  CHECK(SealedJwe::is_direct(header_of(direct), kTyp));
  sealed.emplace_back("zip", std::string_view(zip));
  direct.emplace_back("zip", std::string_view(zip));
  CHECK_FALSE(SealedJwe::recipient(header_of(sealed), kTyp));
  CHECK_FALSE(SealedJwe::is_direct(header_of(direct), kTyp));
}

TEST_CASE("vectors: of RFC 7520's nested token, PS256 verifies and the rest is refused",
          "[vectors]") {
  const std::string name = "6.nesting_signatures_and_encryption";
  const json example = json::parse(read_vectors("cookbook/" + name + ".json"));
  Tally tally(name);

  // The header lacks a kid, so the parser refuses what the primitive takes.
  const json& sign = example.at("sign");
  const std::string inner = text_of(sign.at("output"), "compact");
  REQUIRE(header_member(inner, "alg") == "PS256");
  CHECK_FALSE(UnverifiedJws::parse(inner));
  const RsaPublicKey signer = public_key(sign.at("input").at("key"));
  CHECK(decode_base64url(split_segments(inner, 3).at(1)) == text_of(sign.at("input"), "payload"));
  const bool verified = verifies(inner, signer);
  CHECK(verified);
  tally.count(verified);

  const json& encrypt = example.at("encrypt");
  const std::string outer = text_of(encrypt.at("output"), "compact");
  REQUIRE(header_member(outer, "alg") == "RSA-OAEP");
  REQUIRE(header_member(outer, "enc") == "A128GCM");
  CHECK(text_of(encrypt.at("input"), "plaintext") == inner);
  check_sealed_header_is_refused(outer);
  const auto plaintext = opened(outer, private_key(encrypt.at("input").at("key")));
  CHECK(plaintext == std::nullopt);
  tally.count(plaintext.has_value());
  tally.finish(2);
}

namespace {

struct Sequence {
  std::string number;
  bool valid = false;
  std::string bytes;

  bool operator==(const Sequence&) const = default;
};

// Lines "number:kind:bytes[:...]", the bytes in hexadecimal where the kind says so.
std::vector<Sequence> read_sequences(const std::string& name) {
  const std::string text = read_vectors("utf8/" + name);
  std::vector<Sequence> sequences;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line.front() == '#') continue;
    INFO(name << ": " << escape_for_terminal(line));
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    REQUIRE(first != std::string::npos);
    REQUIRE(second != std::string::npos);
    std::string kind = line.substr(first + 1, second - first - 1);
    kind.erase(0, kind.find_first_not_of(' '));
    const bool is_hex = kind.ends_with(" hex");
    const bool valid = kind == "valid" || kind == "valid hex";
    REQUIRE((valid || kind == "invalid" || kind == "invalid hex"));
    const std::string rest = line.substr(second + 1);
    sequences.push_back(
        {line.substr(0, first), valid, is_hex ? from_hex(rest.substr(0, rest.find(':'))) : rest});
  }
  return sequences;
}

// A JSON string of the bytes as they are; what JSON cannot hold unescaped is escaped.
std::string json_text(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "{\"a\":\"";
  for (const char c : bytes) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || c == '"' || c == '\\') {
      text += "\\u00";
      text += kDigits[octet >> 4U];
      text += kDigits[octet & 0x0FU];
    } else {
      text += c;
    }
  }
  return text + "\"}";
}

}  // namespace

TEST_CASE("vectors: text and JSON take exactly the well-formed UTF-8", "[vectors]") {
  const std::string name =
      GENERATE(as<std::string>{}, "flenniken-utf8tests.txt", "flenniken-utf8tests.bin");
  const std::vector<Sequence> sequences = read_sequences(name);
  Tally tally(name);
  for (const Sequence& sequence : sequences) {
    INFO(sequence.number);
    const bool accepted = is_utf8(sequence.bytes);
    CHECK(accepted == sequence.valid);
    auto object = JsonObject::parse(json_text(sequence.bytes));
    CHECK(object.has_value() == sequence.valid);
    if (object) {
      CHECK(object->take_string("a") == sequence.bytes);
      auto written = JsonObject::parse(write_json({{"a", std::string_view(sequence.bytes)}}));
      REQUIRE(written);
      CHECK(written->take_string("a") == sequence.bytes);
    }
    tally.count(accepted);
  }
  tally.finish(sequences.size());
  CHECK(tally.accepted() >= 76);
  CHECK(tally.refused() >= 140);
  CHECK(sequences == read_sequences("flenniken-utf8tests.bin"));
}

}  // namespace p2pchat
