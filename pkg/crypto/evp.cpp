#include "crypto/evp.h"

#include <malloc.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "crypto/secret.h"

namespace p2pchat {

namespace {

using Poco::Crypto::EVPPKey;

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
template <typename T, auto kFree>
using Owned = std::unique_ptr<T, Freed<kFree>>;

using OwnedKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedKeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using OwnedDigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using OwnedCipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using OwnedNumber = Owned<BIGNUM, BN_free>;

void free_sequence(ASN1_SEQUENCE_ANY* sequence) {
  sk_ASN1_TYPE_pop_free(sequence, ASN1_TYPE_free);
}

// OpenSSL leaves parts of keys and of their texts in memory that it frees: all of that is wiped.
void free_wiped(void* memory, const char* /*file*/, int /*line*/) {
  if (memory != nullptr) OPENSSL_cleanse(memory, malloc_usable_size(memory));
  std::free(memory);
}
void* allocate(std::size_t size, const char* /*file*/, int /*line*/) {
  return std::malloc(size);
}
// Never in place: realloc() would leave a copy when it moves what grows.
void* reallocate(void* memory, std::size_t size, const char* file, int line) {
  void* moved = size == 0 ? nullptr : std::malloc(size);
  if (moved == nullptr && size != 0) return nullptr;
  if (moved != nullptr && memory != nullptr) {
    std::memcpy(moved, memory, std::min(size, malloc_usable_size(memory)));
  }
  free_wiped(memory, file, line);
  return moved;
}
// Before main(), since OpenSSL takes them only as long as it has allocated nothing.
const bool kFreesWiped = CRYPTO_set_mem_functions(allocate, reallocate, free_wiped) == 1;
// OpenSSL's configuration is not obeyed: one suite, and no other code than its own. Nor does it
// spend a command's time on what nobody asks for: the texts of its errors, the old names of its
// algorithms, and taking its tables apart at the end, which the system does by itself.
[[maybe_unused]] const bool kPlain =
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
                            OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS |
                            OPENSSL_INIT_NO_ATEXIT,
                        nullptr) == 1;

// A failure that no input explains: no memory, or a broken installation of OpenSSL.
void require(bool succeeded, const char* what) {
  if (succeeded) return;
  ERR_clear_error();
  throw Error(Status::internal, std::string("cryptography failed: ") + what);
}

const unsigned char* octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* octets(std::string& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

int int_size(std::string_view bytes) {
  require(bytes.size() <= INT_MAX, "too much data");
  return static_cast<int>(bytes.size());
}

// OpenSSL counts references in the key and takes it without const.
EVP_PKEY* native(const EVPPKey& key) {
  return const_cast<EVP_PKEY*>(static_cast<const EVP_PKEY*>(key));
}

// `context` belongs to the digest context that it was started with.
bool set_pss(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) > 0;
}

bool set_oaep(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0 &&
         EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) > 0 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) > 0;
}

std::optional<EVPPKey> adopt(OwnedKey key) {
  ERR_clear_error();
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) return std::nullopt;
  return EVPPKey(key.get());
}

struct RsaNumber {
  const char* name;  // OSSL_PKEY_PARAM_RSA_...
  OwnedNumber value;
};

OwnedKey build_rsa(std::span<const RsaNumber> numbers, int selection) {
  const Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> builder(OSSL_PARAM_BLD_new());
  require(builder != nullptr, "building a key");
  for (const RsaNumber& number : numbers) {
    require(
        number.value && OSSL_PARAM_BLD_push_BN(builder.get(), number.name, number.value.get()) == 1,
        "building a key");
  }
  const Owned<OSSL_PARAM, OSSL_PARAM_free> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const OwnedKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  require(parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1, "building a key");
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata(context.get(), &key, selection, parameters.get());
  return OwnedKey(key);
}

// RSAPrivateKey of RFC 8017, A.1.2, with two primes. OpenSSL's decoder would load all that it could
// decode, which costs a third of a signature.
std::optional<EVPPKey> rsa_from_pkcs1(const unsigned char* der, int size) {
  constexpr std::array kNames = {OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
                                 OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
                                 OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
                                 OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
  const unsigned char* cursor = der;
  const Owned<ASN1_SEQUENCE_ANY, free_sequence> sequence(
      d2i_ASN1_SEQUENCE_ANY(nullptr, &cursor, size));
  if (!sequence || cursor != der + size || sk_ASN1_TYPE_num(sequence.get()) != kNames.size() + 1) {
    return adopt(nullptr);
  }
  std::vector<RsaNumber> numbers;
  for (int i = 0; i < sk_ASN1_TYPE_num(sequence.get()); ++i) {
    const ASN1_TYPE* part = sk_ASN1_TYPE_value(sequence.get(), i);
    if (part->type != V_ASN1_INTEGER) return adopt(nullptr);
    OwnedNumber value(ASN1_INTEGER_to_BN(part->value.integer, nullptr));
    require(value != nullptr, "reading a key");
    const bool is_version = i == 0;
    if (BN_is_negative(value.get()) == 1 || BN_is_zero(value.get()) != (is_version ? 1 : 0)) {
      return adopt(nullptr);
    }
    if (!is_version) numbers.push_back({kNames[static_cast<std::size_t>(i) - 1], std::move(value)});
  }
  return adopt(build_rsa(numbers, EVP_PKEY_KEYPAIR));
}

std::string number(const EVPPKey& key, const char* name) {
  BIGNUM* raw = nullptr;
  require(EVP_PKEY_get_bn_param(native(key), name, &raw) == 1, "reading a key");
  const OwnedNumber value(raw);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(value.get())), '\0');
  BN_bn2bin(value.get(), octets(bytes));
  return bytes;
}

}  // namespace

std::string sha256(std::string_view bytes) {
  std::string digest(kDigestBytes, '\0');
  require(
      EVP_Digest(bytes.data(), bytes.size(), octets(digest), nullptr, EVP_sha256(), nullptr) == 1,
      "SHA-256");
  return digest;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  require(RAND_bytes(octets(bytes), int_size(bytes)) == 1, "random bytes");
  return bytes;
}

bool frees_wiped() {
  return kFreesWiped;
}

void wipe(std::string& bytes) {
  OPENSSL_cleanse(bytes.data(), bytes.size());
  bytes.clear();
}

void wipe_unused(std::string& bytes) {
  bytes.resize(bytes.capacity());
  wipe(bytes);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string sign_ps256(const EVPPKey& private_key, std::string_view message) {
  const OwnedDigestContext digest(EVP_MD_CTX_new());
  EVP_PKEY_CTX* context = nullptr;
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(native(private_key)));
  std::string signature(size, '\0');
  const bool signed_now =
      digest &&
      EVP_DigestSignInit(digest.get(), &context, EVP_sha256(), nullptr, native(private_key)) == 1 &&
      set_pss(context) &&
      EVP_DigestSign(digest.get(), octets(signature), &size, octets(message), message.size()) == 1;
  require(signed_now, "signing");
  signature.resize(size);
  return signature;
}

bool verify_ps256(const EVPPKey& public_key, std::string_view message, std::string_view signature) {
  const OwnedDigestContext digest(EVP_MD_CTX_new());
  EVP_PKEY_CTX* context = nullptr;
  const bool started = digest &&
                       EVP_DigestVerifyInit(digest.get(), &context, EVP_sha256(), nullptr,
                                            native(public_key)) == 1 &&
                       set_pss(context);
  require(started, "verifying");
  const int verdict = EVP_DigestVerify(digest.get(), octets(signature), signature.size(),
                                       octets(message), message.size());
  ERR_clear_error();
  return verdict == 1;
}

std::string wrap_content_key(const EVPPKey& public_key, const Secret& content_key) {
  const OwnedKeyContext context(EVP_PKEY_CTX_new(native(public_key), nullptr));
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(native(public_key)));
  std::string encrypted(size, '\0');
  const std::string_view key = content_key.view();
  const bool wrapped =
      context && EVP_PKEY_encrypt_init(context.get()) == 1 && set_oaep(context.get()) &&
      EVP_PKEY_encrypt(context.get(), octets(encrypted), &size, octets(key), key.size()) == 1;
  require(wrapped, "wrapping a key");
  encrypted.resize(size);
  return encrypted;
}

std::optional<std::string> decrypt_oaep256(const EVPPKey& private_key, std::string_view encrypted) {
  const OwnedKeyContext context(EVP_PKEY_CTX_new(native(private_key), nullptr));
  require(context && EVP_PKEY_decrypt_init(context.get()) == 1 && set_oaep(context.get()),
          "unwrapping a key");
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(native(private_key)));
  std::string plain(size, '\0');
  const int verdict =
      EVP_PKEY_decrypt(context.get(), octets(plain), &size, octets(encrypted), encrypted.size());
  ERR_clear_error();
  if (verdict != 1) return std::nullopt;
  OPENSSL_cleanse(plain.data() + size, plain.size() - size);
  plain.resize(size);
  return plain;
}

Secret unwrap_content_key(const EVPPKey& private_key, std::string_view encrypted_key) {
  Secret fallback(random_bytes(kContentKeyBytes));
  std::optional<std::string> key = decrypt_oaep256(private_key, encrypted_key);
  if (key && key->size() == kContentKeyBytes) return Secret(*std::move(key));
  return fallback;
}

Sealed seal_a256gcm(const Secret& key, std::string_view iv, std::string_view aad,
                    std::string_view plaintext) {
  const OwnedCipherContext context(EVP_CIPHER_CTX_new());
  Sealed sealed{std::string(plaintext.size(), '\0'), std::string(kTagBytes, '\0')};
  std::string rest(kTagBytes, '\0');
  int size = 0;
  const bool done =
      key.view().size() == kContentKeyBytes && iv.size() == kIvBytes && context &&
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, octets(key.view()),
                         octets(iv)) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &size, octets(aad), int_size(aad)) == 1 &&
      EVP_EncryptUpdate(context.get(), octets(sealed.ciphertext), &size, octets(plaintext),
                        int_size(plaintext)) == 1 &&
      EVP_EncryptFinal_ex(context.get(), octets(rest), &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagBytes),
                          sealed.tag.data()) == 1;
  require(done, "sealing");
  return sealed;
}

std::optional<std::string> open_a256gcm(const Secret& key, std::string_view iv,
                                        std::string_view aad, std::string_view ciphertext,
                                        std::string_view tag) {
  if (key.view().size() != kContentKeyBytes || iv.size() != kIvBytes || tag.size() != kTagBytes) {
    return std::nullopt;
  }
  const OwnedCipherContext context(EVP_CIPHER_CTX_new());
  std::string plaintext(ciphertext.size(), '\0');
  std::string rest(kTagBytes, '\0');
  std::string expected_tag(tag);
  int size = 0;
  const bool started =
      context &&
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, octets(key.view()),
                         octets(iv)) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &size, octets(aad), int_size(aad)) == 1 &&
      EVP_DecryptUpdate(context.get(), octets(plaintext), &size, octets(ciphertext),
                        int_size(ciphertext)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagBytes),
                          expected_tag.data()) == 1;
  require(started, "opening");
  const bool authentic = EVP_DecryptFinal_ex(context.get(), octets(rest), &size) == 1;
  ERR_clear_error();
  if (!authentic) {
    wipe(plaintext);
    return std::nullopt;
  }
  return plaintext;
}

std::optional<PemBlock> read_pem(std::string_view text) {
  if (text.empty()) return std::nullopt;  // OpenSSL has no source of nothing
  const Owned<BIO, BIO_free_all> source(BIO_new_mem_buf(text.data(), int_size(text)));
  require(source != nullptr, "reading a key");
  char* raw_label = nullptr;
  char* raw_header = nullptr;
  unsigned char* raw_der = nullptr;
  long size = 0;
  const int found = PEM_read_bio(source.get(), &raw_label, &raw_header, &raw_der, &size);
  ERR_clear_error();
  if (found != 1) return std::nullopt;
  PemBlock block{raw_label,
                 std::string(reinterpret_cast<char*>(raw_der), static_cast<std::size_t>(size))};
  const bool has_header = *raw_header != '\0';
  OPENSSL_free(raw_label);
  OPENSSL_free(raw_header);
  OPENSSL_clear_free(raw_der, static_cast<std::size_t>(size));
  char* rest = nullptr;
  const auto rest_size = static_cast<std::size_t>(BIO_get_mem_data(source.get(), &rest));
  const bool more =
      std::string_view(rest, rest_size).find_first_not_of(" \t\r\n") != std::string_view::npos;
  if (!has_header && !more) return block;
  wipe(block.der);
  return std::nullopt;
}

std::string write_pem(const std::string& label, std::string_view der) {
  const Owned<BIO, BIO_free_all> sink(BIO_new(BIO_s_secmem()));
  require(sink && PEM_write_bio(sink.get(), label.c_str(), "", octets(der),
                                static_cast<long>(der.size())) > 0,
          "encoding a key");
  char* text = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(sink.get(), &text));
  return {text, size};
}

std::optional<EVPPKey> rsa_from_spki(std::string_view der) {
  const unsigned char* cursor = octets(der);
  OwnedKey key(d2i_PUBKEY(nullptr, &cursor, static_cast<long>(der.size())));
  if (key && cursor != octets(der) + der.size()) key.reset();
  return adopt(std::move(key));
}

std::optional<EVPPKey> rsa_from_pkcs8(std::string_view der) {
  const unsigned char* cursor = octets(der);
  const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &cursor, static_cast<long>(der.size())));
  const ASN1_OBJECT* algorithm = nullptr;
  const unsigned char* numbers = nullptr;
  int size = 0;
  const bool is_rsa = info && cursor == octets(der) + der.size() &&
                      PKCS8_pkey_get0(&algorithm, &numbers, &size, nullptr, info.get()) == 1 &&
                      OBJ_obj2nid(algorithm) == NID_rsaEncryption;
  return is_rsa ? rsa_from_pkcs1(numbers, size) : adopt(nullptr);
}

std::optional<EVPPKey> rsa_from_components(const RsaComponents& components) {
  const auto from_bytes = [](std::string_view bytes) {
    return OwnedNumber(BN_bin2bn(octets(bytes), int_size(bytes), nullptr));
  };
  const std::array numbers = {RsaNumber{OSSL_PKEY_PARAM_RSA_N, from_bytes(components.modulus)},
                              RsaNumber{OSSL_PKEY_PARAM_RSA_E, from_bytes(components.exponent)}};
  return adopt(build_rsa(numbers, EVP_PKEY_PUBLIC_KEY));
}

RsaComponents rsa_components(const EVPPKey& key) {
  return {number(key, OSSL_PKEY_PARAM_RSA_N), number(key, OSSL_PKEY_PARAM_RSA_E)};
}

std::string spki_der(const EVPPKey& key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(native(key), &der);
  require(size > 0, "encoding a key");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

Secret pkcs8_der(const EVPPKey& private_key) {
  const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
      EVP_PKEY2PKCS8(native(private_key)));
  unsigned char* der = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der) : 0;
  require(size > 0, "encoding a key");
  Secret bytes(std::string(reinterpret_cast<char*>(der), static_cast<std::size_t>(size)));
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return bytes;
}

std::string encrypt_pkcs8(const EVPPKey& private_key, const Secret& passphrase) {
  // Every command that needs the key pays for it; a passphrase in a file is no word to be guessed.
  constexpr int kIterations = 100'000;
  constexpr int kSaltBytes = 16;
  const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
      EVP_PKEY2PKCS8(native(private_key)));
  const std::string_view phrase = passphrase.view();
  std::string salt = random_bytes(kSaltBytes);
  X509_ALGOR* pbe = PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), kIterations, octets(salt), kSaltBytes,
                                      nullptr, NID_hmacWithSHA256);
  // It owns the algorithm from here on.
  const Owned<X509_SIG, X509_SIG_free> sealed(
      info && pbe != nullptr ? PKCS8_set0_pbe(phrase.data(), int_size(phrase), info.get(), pbe)
                             : nullptr);
  unsigned char* der = nullptr;
  const int size = sealed ? i2d_X509_SIG(sealed.get(), &der) : 0;
  require(size > 0, "encrypting a key");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

std::optional<Secret> decrypt_pkcs8(std::string_view der, const Secret& passphrase) {
  const unsigned char* cursor = octets(der);
  const Owned<X509_SIG, X509_SIG_free> sealed(
      d2i_X509_SIG(nullptr, &cursor, static_cast<long>(der.size())));
  const std::string_view phrase = passphrase.view();
  const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
      sealed && cursor == octets(der) + der.size()
          ? PKCS8_decrypt(sealed.get(), phrase.data(), int_size(phrase))
          : nullptr);
  unsigned char* plain = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &plain) : 0;
  ERR_clear_error();
  if (size <= 0) return std::nullopt;
  Secret bytes(std::string(reinterpret_cast<char*>(plain), static_cast<std::size_t>(size)));
  OPENSSL_clear_free(plain, static_cast<std::size_t>(size));
  return bytes;
}

}  // namespace p2pchat
