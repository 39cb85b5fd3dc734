#include "jose/jwe.h"

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "jose/compact.h"
#include "jose/json.h"

namespace p2pchat {

namespace {

constexpr std::size_t kSegments = 5;

std::string assemble(const std::string& header, std::string_view encrypted_key,
                     const Secret& content_key, std::string_view plaintext) {
  const std::string iv = random_bytes(kIvBytes);
  const Sealed sealed = seal_a256gcm(content_key, iv, header, plaintext);
  std::string token = header;
  for (const std::string_view part :
       {encrypted_key, std::string_view(iv), std::string_view(sealed.ciphertext),
        std::string_view(sealed.tag)}) {
    token += '.';
    token += encode_base64url(part);
  }
  return token;
}

}  // namespace

std::string seal_jwe(const RsaPublicKey& recipient, std::string_view kid, std::string_view typ,
                     std::string_view plaintext) {
  const std::string header = encode_base64url(write_json(
      {{"alg", "RSA-OAEP-256"}, {"enc", "A256GCM"}, {"kid", kid}, {"typ", typ}, {"cty", "JWT"}}));
  const Secret content_key(random_bytes(kContentKeyBytes));
  return assemble(header, wrap_content_key(recipient.evp(), content_key), content_key, plaintext);
}

std::string seal_jwe_direct(const Secret& key, std::string_view typ, std::string_view plaintext) {
  const std::string header =
      encode_base64url(write_json({{"alg", "dir"}, {"enc", "A256GCM"}, {"typ", typ}}));
  return assemble(header, {}, key, plaintext);
}

std::optional<std::string> SealedJwe::recipient(std::string_view header_segment,
                                                std::string_view typ) {
  std::optional<JsonObject> header = read_header(header_segment);
  if (!header) return std::nullopt;
  const bool is_ours = header->take_expected("alg", "RSA-OAEP-256") &&
                       header->take_expected("enc", "A256GCM") &&
                       header->take_expected("typ", typ) && header->take_expected("cty", "JWT");
  auto kid = header->take_string("kid");
  if (!is_ours || !header->empty()) return std::nullopt;
  return kid;
}

bool SealedJwe::is_direct(std::string_view header_segment, std::string_view typ) {
  std::optional<JsonObject> header = read_header(header_segment);
  return header && header->take_expected("alg", "dir") && header->take_expected("enc", "A256GCM") &&
         header->take_expected("typ", typ) && header->empty();
}

Result<SealedJwe> SealedJwe::parse(std::string_view token) {
  const auto segments = split_segments(token, kSegments);
  if (segments.empty()) return Refusal{"not five segments"};
  auto encrypted_key = decode_base64url(segments[1]);
  auto iv = decode_base64url(segments[2], kIvBytes);
  auto ciphertext = decode_base64url(segments[3]);
  auto tag = decode_base64url(segments[4], kTagBytes);
  if (!encrypted_key || !iv || !ciphertext || !tag) {
    return Refusal{"a segment that is not base64url or of another size"};
  }
  SealedJwe jwe;
  jwe.aad_ = segments[0];
  jwe.encrypted_key_ = *std::move(encrypted_key);
  jwe.iv_ = *std::move(iv);
  jwe.ciphertext_ = *std::move(ciphertext);
  jwe.tag_ = *std::move(tag);
  return jwe;
}

std::optional<std::string> SealedJwe::open(const RsaPrivateKey& key) const {
  if (encrypted_key_.size() != key.bytes()) return std::nullopt;
  const Secret content_key = unwrap_content_key(key.evp(), encrypted_key_);
  return open_a256gcm(content_key, iv_, aad_, ciphertext_, tag_);
}

std::optional<std::string> SealedJwe::open_direct(const Secret& key) const {
  if (!encrypted_key_.empty()) return std::nullopt;
  return open_a256gcm(key, iv_, aad_, ciphertext_, tag_);
}

}  // namespace p2pchat
