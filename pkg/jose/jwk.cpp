#include "jose/jwk.h"

#include "crypto/evp.h"
#include "jose/base64url.h"

namespace p2pchat {

std::string thumbprint(const RsaPublicKey& key) {
  // RFC 7638 section 3: the required members alone, in lexicographic order.
  const JwkText text = jwk_text(key);
  return encode_base64url(sha256(write_json({{"e", text.e}, {"kty", "RSA"}, {"n", text.n}})));
}

bool is_thumbprint(std::string_view text) {
  return decode_base64url(text, kDigestBytes).has_value();
}

JwkText jwk_text(const RsaPublicKey& key) {
  return {encode_base64url(key.modulus()), encode_base64url(key.exponent())};
}

std::vector<JsonMember> jwk_members(const JwkText& text) {
  return {{"kty", "RSA"}, {"n", text.n}, {"e", text.e}};
}

Result<RsaPublicKey> read_jwk(JsonObject jwk) {
  const bool is_rsa = jwk.take_expected("kty", "RSA");
  const auto n = jwk.take_string("n");
  const auto e = jwk.take_string("e");
  if (!is_rsa || !n || !e || !jwk.empty()) return Refusal{"not a JWK with exactly kty, n and e"};
  if (n->size() > kMaxKeyTextBytes || e->size() > kMaxKeyTextBytes) {
    return Refusal{std::string(kRefusedKey) + "more than 16 KiB of text"};
  }
  const auto modulus = decode_base64url(*n);
  const auto exponent = decode_base64url(*e);
  if (!modulus || !exponent) return Refusal{"a key member that is not base64url"};
  return RsaPublicKey::from_components(*modulus, *exponent);
}

}  // namespace p2pchat
