#include "jose/jws.h"

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "jose/compact.h"
#include "jose/json.h"

namespace p2pchat {

std::string sign_jws(const RsaPrivateKey& key, std::string_view kid, std::string_view typ,
                     std::string_view payload) {
  std::string token = encode_base64url(write_json({{"alg", "PS256"}, {"kid", kid}, {"typ", typ}}));
  token += '.';
  token += encode_base64url(payload);
  const std::string signature = sign_ps256(key.evp(), token);
  token += '.';
  token += encode_base64url(signature);
  return token;
}

Result<UnverifiedJws> UnverifiedJws::parse(std::string_view token) {
  const auto segments = split_segments(token, 3);
  if (segments.empty()) return Refusal{"not three segments"};
  std::optional<JsonObject> header = read_header(segments[0]);
  if (!header) return Refusal{"its header is not a JSON object of the closed profile"};
  const bool is_ps256 = header->take_expected("alg", "PS256");
  auto kid = header->take_string("kid");
  auto typ = header->take_string("typ");
  if (!is_ps256 || !kid || !typ || !header->empty()) {
    return Refusal{"its header is not exactly alg PS256, kid and typ"};
  }
  auto payload = decode_base64url(segments[1]);
  auto signature = decode_base64url(segments[2]);
  if (!payload || !signature || signature->empty()) {
    return Refusal{"a segment that is not base64url"};
  }
  UnverifiedJws jws;
  jws.kid_ = *std::move(kid);
  jws.typ_ = *std::move(typ);
  jws.payload_ = *std::move(payload);
  jws.signature_ = *std::move(signature);
  jws.signing_input_ = token.substr(0, segments[0].size() + 1 + segments[1].size());
  return jws;
}

bool UnverifiedJws::may_be_of(const RsaPublicKey& key) const {
  return signature_.size() == key.bytes() && signature_ < key.modulus();
}

bool UnverifiedJws::verify(const RsaPublicKey& key) const {
  return may_be_of(key) && verify_ps256(key.evp(), signing_input_, signature_);
}

}  // namespace p2pchat
