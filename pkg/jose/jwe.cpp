#include "jose/jwe.h"

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "jose/compact.h"
#include "jose/json.h"

namespace p2pchat {

namespace {

constexpr std::size_t kSegments = 5;

// head: header and encrypted key.
std::string assemble(std::string head, std::string_view header, const Secret& content_key,
                     std::string_view plaintext) {
  const std::string iv = random_bytes(kIvBytes);
  const Sealed sealed = seal_a256gcm(content_key, iv, header, plaintext);
  for (const std::string_view part :
       {std::string_view(iv), std::string_view(sealed.ciphertext), std::string_view(sealed.tag)}) {
    head += '.';
    head += encode_base64url(part);
  }
  return head;
}

}  // namespace

JweSealer::JweSealer(const RsaPublicKey& recipient, std::string_view kid, std::string_view typ)
    : content_key_(random_bytes(kContentKeyBytes)),
      header_(encode_base64url(write_json({{"alg", "RSA-OAEP-256"},
                                           {"enc", "A256GCM"},
                                           {"kid", kid},
                                           {"typ", typ},
                                           {"cty", "JWT"}}))),
      head_(header_ + "." + encode_base64url(wrap_content_key(recipient.evp(), content_key_))) {}

std::string JweSealer::seal(std::string_view plaintext) const {
  return assemble(head_, header_, content_key_, plaintext);
}

std::string seal_jwe_direct(const Secret& key, std::string_view typ, std::string_view plaintext) {
  const std::string header =
      encode_base64url(write_json({{"alg", "dir"}, {"enc", "A256GCM"}, {"typ", typ}}));
  return assemble(header + ".", header, key, plaintext);
}

std::optional<Secret> unwrap_key(const RsaPrivateKey& key, std::string_view encrypted_key) {
  if (encrypted_key.size() != key.bytes()) return std::nullopt;
  return unwrap_content_key(key.evp(), encrypted_key);
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

std::optional<std::string> SealedJwe::encrypted_key(std::string_view token_prefix) {
  const std::size_t begin = token_prefix.find('.') + 1;
  if (begin == 0) return std::nullopt;
  const std::size_t end = token_prefix.find('.', begin);
  if (end == std::string_view::npos) return std::nullopt;
  return decode_base64url(token_prefix.substr(begin, end - begin));
}

std::optional<std::string> SealedJwe::open(const Secret& content_key) const {
  return open_a256gcm(content_key, iv_, aad_, ciphertext_, tag_);
}

std::optional<std::string> SealedJwe::open_direct(const Secret& key) const {
  if (!encrypted_key_.empty()) return std::nullopt;
  return open_a256gcm(key, iv_, aad_, ciphertext_, tag_);
}

}  // namespace p2pchat
