#include "test_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "protocol/claims.h"

namespace p2pchat {

namespace {

constexpr unsigned kTestKeyBits = 2048;

// A tool that does not work must not look like a refusal.
void require(bool succeeded, const char* what) {
  if (!succeeded) throw std::logic_error(std::string("test keys: ") + what);
}

KeyStatement statement_of(const RsaPrivateKey& identity, const RsaPrivateKey& encryption) {
  return make_key_statement(identity, encryption.public_key(), kNow, kNow,
                            kNow + 14 * kSecondsPerDay);
}

EVP_PKEY* native(const RsaPrivateKey& key) {
  return const_cast<EVP_PKEY*>(static_cast<const EVP_PKEY*>(key.evp()));
}

std::string take_text(BIO* sink) {
  char* text = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(sink, &text));
  std::string copy(text, size);
  BIO_free(sink);
  return copy;
}

std::string assemble(std::string_view header, std::string_view encrypted_key, const Secret& key,
                     std::string_view plaintext) {
  const std::string aad = encode_base64url(header);
  const std::string iv = random_bytes(kIvBytes);
  const Sealed sealed = seal_a256gcm(key, iv, aad, plaintext);
  return aad + "." + encode_base64url(encrypted_key) + "." + encode_base64url(iv) + "." +
         encode_base64url(sealed.ciphertext) + "." + encode_base64url(sealed.tag);
}

Draft draft_of(RequestType type) {
  Draft draft;
  draft.type = type;
  draft.iat = kNow;
  draft.exp = kNow + kSecondsPerDay;
  draft.jti = new_message_id();
  if (type == RequestType::message) {
    draft.body = "hello";
  } else {
    draft.statement_token = alice_statement().token;
    draft.addr = "alice.example:4040";
    draft.name = "alice";
  }
  return draft;
}

Request opened(std::string_view frame) {
  Result<Request> request = open_as_bob(frame);
  require(static_cast<bool>(request), "a request that does not open");
  return *std::move(request);
}

}  // namespace

const RsaPrivateKey& alice_identity() {
  static const RsaPrivateKey key = RsaPrivateKey::generate(kTestKeyBits);
  return key;
}

const RsaPrivateKey& alice_encryption() {
  static const RsaPrivateKey key = RsaPrivateKey::generate(kTestKeyBits);
  return key;
}

const RsaPrivateKey& bob_identity() {
  static const RsaPrivateKey key = RsaPrivateKey::generate(kTestKeyBits);
  return key;
}

const RsaPrivateKey& bob_encryption() {
  static const RsaPrivateKey key = RsaPrivateKey::generate(kTestKeyBits);
  return key;
}

const RsaPrivateKey& stranger_identity() {
  static const RsaPrivateKey key = RsaPrivateKey::generate(kTestKeyBits);
  return key;
}

const KeyStatement& alice_statement() {
  static const KeyStatement statement = statement_of(alice_identity(), alice_encryption());
  return statement;
}

const KeyStatement& bob_statement() {
  static const KeyStatement statement = statement_of(bob_identity(), bob_encryption());
  return statement;
}

RawObject& RawObject::set(const std::string& name, const std::string& raw_value) {
  for (auto& member : members_) {
    if (member.first == name) {
      member.second = raw_value;
      return *this;
    }
  }
  return add(name, raw_value);
}

RawObject& RawObject::drop(const std::string& name) {
  const auto dropped = std::erase_if(members_, [&](const auto& m) { return m.first == name; });
  require(dropped > 0, "no member to drop");
  return *this;
}

RawObject& RawObject::add(const std::string& name, const std::string& raw_value) {
  members_.emplace_back(name, raw_value);
  return *this;
}

RawObject& RawObject::repeat(const std::string& name) {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const auto& m) { return m.first == name; });
  require(found != members_.end(), "no member to repeat");
  return add(name, std::string(found->second));
}

std::string RawObject::text() const {
  std::string text = "{";
  for (const auto& [name, value] : members_) {
    if (text.size() > 1) text += ',';
    text += json_string(name) + ":" + value;
  }
  return text + "}";
}

std::string json_string(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

RawObject signed_header(std::string_view kid, std::string_view typ) {
  return {{"alg", json_string("PS256")}, {"kid", json_string(kid)}, {"typ", json_string(typ)}};
}

RawObject sealed_header(std::string_view kid) {
  return {{"alg", json_string("RSA-OAEP-256")},
          {"enc", json_string("A256GCM")},
          {"kid", json_string(kid)},
          {"typ", json_string("p2pchat+jwe")},
          {"cty", json_string("JWT")}};
}

RawObject direct_header() {
  return {{"alg", json_string("dir")},
          {"enc", json_string("A256GCM")},
          {"typ", json_string("p2pchat-ack+jwe")}};
}

std::string sign_raw(const RsaPrivateKey& key, std::string_view header, std::string_view payload) {
  const std::string input = encode_base64url(header) + "." + encode_base64url(payload);
  return input + "." + encode_base64url(sign_ps256(key.evp(), input));
}

std::string seal_raw(const RsaPublicKey& recipient, std::string_view header,
                     std::string_view plaintext, const std::string& content_key) {
  std::string used = content_key;
  used.resize(kContentKeyBytes, '\0');
  return assemble(header, wrap_content_key(recipient.evp(), Secret(content_key)),
                  Secret(std::move(used)), plaintext);
}

std::string seal_raw(const RsaPublicKey& recipient, std::string_view header,
                     std::string_view plaintext) {
  return seal_raw(recipient, header, plaintext, random_bytes(kContentKeyBytes));
}

std::string seal_direct_raw(const Secret& key, std::string_view header,
                            std::string_view plaintext) {
  return assemble(header, {}, key, plaintext);
}

std::string segment(std::string_view token, std::size_t index) {
  for (; index > 0; --index) {
    require(token.find('.') != std::string_view::npos, "no such segment");
    token.remove_prefix(token.find('.') + 1);
  }
  return std::string(token.substr(0, token.find('.')));
}

std::string with_segment(std::string_view token, std::size_t index, std::string_view text) {
  std::string out;
  const auto count = static_cast<std::size_t>(std::count(token.begin(), token.end(), '.')) + 1;
  require(index < count, "no such segment");
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += '.';
    out += i == index ? std::string(text) : segment(token, i);
  }
  return out;
}

std::string with_changed_character(std::string token, std::size_t position) {
  require(position < token.size() && token[position] != '.', "no character to change");
  token[position] = token[position] == 'A' ? 'B' : 'A';
  return token;
}

namespace {

std::string signature(const RsaPrivateKey& key, std::string_view message,
                      const std::function<bool(EVP_PKEY_CTX*)>& set) {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  EVP_PKEY_CTX* context = nullptr;
  std::size_t size = key.bytes();
  std::string signature(size, '\0');
  const bool done =
      EVP_DigestSignInit(digest, &context, EVP_sha256(), nullptr, native(key)) == 1 &&
      set(context) &&
      EVP_DigestSign(digest, reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  EVP_MD_CTX_free(digest);
  require(done, "signing");
  return signature;
}

}  // namespace

std::string sign_pss(const RsaPrivateKey& key, std::string_view message, int salt_bytes) {
  return signature(key, message, [&](EVP_PKEY_CTX* context) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt_bytes) > 0;
  });
}

std::string private_exponent(const RsaPrivateKey& key) {
  BIGNUM* d = nullptr;
  require(EVP_PKEY_get_bn_param(native(key), "d", &d) == 1, "reading a key");
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(d)), '\0');
  BN_bn2bin(d, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_clear_free(d);
  return bytes;
}

std::string sign_pkcs1(const RsaPrivateKey& key, std::string_view message) {
  return signature(key, message, [](EVP_PKEY_CTX* context) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
  });
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
  std::string tag(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(message.data()), message.size(),
               reinterpret_cast<unsigned char*>(tag.data()), &size) != nullptr,
          "an HMAC");
  tag.resize(size);
  return tag;
}

std::string encrypted_pem(const RsaPrivateKey& key, std::string passphrase) {
  BIO* sink = BIO_new(BIO_s_mem());
  require(PEM_write_bio_PKCS8PrivateKey(sink, native(key), EVP_aes_256_cbc(), passphrase.data(),
                                        static_cast<int>(passphrase.size()), nullptr, nullptr) == 1,
          "encrypting a key");
  return take_text(sink);
}

std::string encrypted_traditional_pem(const RsaPrivateKey& key, std::string passphrase) {
  BIO* sink = BIO_new(BIO_s_mem());
  require(PEM_write_bio_PrivateKey_traditional(sink, native(key), EVP_aes_256_cbc(),
                                               reinterpret_cast<unsigned char*>(passphrase.data()),
                                               static_cast<int>(passphrase.size()), nullptr,
                                               nullptr) == 1,
          "encrypting a key");
  return take_text(sink);
}

std::string decrypted_pem(std::string_view pem, std::string passphrase) {
  BIO* source = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(source, nullptr, nullptr, passphrase.data());
  BIO_free(source);
  require(key != nullptr, "decrypting a key");
  BIO* sink = BIO_new(BIO_s_mem());
  require(PEM_write_bio_PKCS8PrivateKey(sink, key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "writing a key");
  EVP_PKEY_free(key);
  return take_text(sink);
}

std::string weak_private_pem() {
  EVP_PKEY* key = EVP_RSA_gen(1024);
  BIO* sink = BIO_new(BIO_s_mem());
  require(key != nullptr &&
              PEM_write_bio_PKCS8PrivateKey(sink, key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "making a weak key");
  EVP_PKEY_free(key);
  return take_text(sink);
}

std::string unchecked_pem(std::string_view modulus, std::string_view exponent) {
  const auto key = rsa_from_components({std::string(modulus), std::string(exponent)});
  require(key.has_value(), "building a key");
  return write_pem("PUBLIC KEY", spki_der(*key));
}

Exchange::Exchange(RequestType type)
    : draft(draft_of(type)),
      sealed(seal_request(draft, alice_identity(), alice_statement().identity_id, bob_statement())),
      request(opened(sealed.frame)) {}

AckExpectation Exchange::expected() const {
  return {draft.type, bob_statement().identity_id, alice_statement().identity_id,
          draft.jti,  sealed.frame_hash,           sealed.reply_key};
}

Result<Request> open_as_bob(std::string_view frame, bool knows_alice) {
  const Receiver bob{bob_statement().identity_id, bob_identity().public_key(), kNow};
  const IdentityLookup lookup = [&](const std::string& id) -> std::optional<RsaPublicKey> {
    if (!knows_alice || id != alice_statement().identity_id) return std::nullopt;
    return alice_identity().public_key();
  };
  return open_request(frame, bob_encryption(), bob, lookup);
}

}  // namespace p2pchat
