// The claims of sealed requests, behind seal and signature: targets message and registration take
// them as JSON. What is accepted is exactly what the rules say, and the same when written again.
#include "protocol/request.h"

#include "fuzz.h"
#include "jose/base64url.h"
#include "keys.h"
#include "model.h"
#include "protocol/address.h"
#include "protocol/claims.h"
#include "trust.h"

namespace p2pchat {

namespace {

Result<Request> open_claims(std::string_view typ, std::string_view claims) {
  const std::string& kid = alice().statement.identity_id;
  const std::string header = write_json({{"alg", "PS256"}, {"kid", kid}, {"typ", typ}});
  const std::string jws = encode_base64url(header) + "." + encode_base64url(claims) + "." +
                          encode_base64url(std::string(alice().identity.bytes(), 's'));
  const std::string frame = "e30." + encode_base64url(std::string(bob().encryption.bytes(), 'k')) +
                            "." + encode_base64url(std::string(12, 'i')) + "." +
                            encode_base64url(jws) + "." + encode_base64url(std::string(16, 't'));
  const Receiver receiver{bob().statement.identity_id, bob().identity.public_key(), kFuzzNow};
  return open_request(frame, bob().encryption, receiver, [&](const std::string& id) {
    return id == kid ? std::optional(alice().identity.public_key()) : std::nullopt;
  });
}

bool has_common(const ModelObject& claims) {
  const auto* jti = member<std::string>(claims, "jti");
  const auto* rk = member<std::string>(claims, "rk");
  return model_has_frills(claims) && model_is_lifetime(claims, 30) &&
         is_text(claims, "iss", alice().statement.identity_id) &&
         is_text(claims, "aud", bob().statement.identity_id) && jti != nullptr &&
         model_is_base64url(*jti, 16) && rk != nullptr && model_is_base64url(*rk, 32);
}

bool is_message(const ModelObject& claims) {
  const auto* body = member<std::string>(claims, "body");
  const auto bytes = body != nullptr ? model_base64url(*body) : std::nullopt;
  return has_exactly(claims, {"v", "iss", "aud", "iat", "exp", "jti", "rk", "pad", "body"}) &&
         has_common(claims) && bytes && bytes->size() <= 1'048'576;
}

bool is_hint(const std::string& name) {
  const auto points = model_code_points(name);
  if (!points || name.size() > 64) return false;
  for (const std::uint32_t point : *points) {
    if (point < 0x20 || (point >= 0x7F && point <= 0x9F)) return false;
  }
  return true;
}

bool is_registration(const ModelObject& claims) {
  const auto* keys = member<std::string>(claims, "keys");
  const auto* addr = member<std::string>(claims, "addr");
  const auto* name = member<std::string>(claims, "name");
  if (keys == nullptr || addr == nullptr || name == nullptr || !has_common(claims) ||
      !has_exactly(claims,
                   {"v", "iss", "aud", "iat", "exp", "jti", "rk", "pad", "keys", "addr", "name"})) {
    return false;
  }
  // These two have targets of their own.
  const Result<KeyStatement> statement = read_key_statement(*keys);
  return statement && statement->identity_id == alice().statement.identity_id &&
         !statement->expired(kFuzzNow) && is_address_claim(*addr) && is_hint(*name);
}

void check_same(const Request& one, const Request& other) {
  HOLDS(one.type == other.type && one.iss == other.iss && one.aud == other.aud);
  HOLDS(one.iat == other.iat && one.exp == other.exp && one.jti == other.jti);
  HOLDS(one.reply_key.view() == other.reply_key.view() && one.body == other.body);
  HOLDS(one.content_hash == other.content_hash && one.frame_hash.size() == 32);
  HOLDS(one.introduction.has_value() == other.introduction.has_value());
  if (!one.introduction) return;
  HOLDS(one.introduction->addr == other.introduction->addr);
  HOLDS(one.introduction->name == other.introduction->name);
  HOLDS(one.introduction->keys.token == other.introduction->keys.token);
}

// The claims that stand for this request.
std::string written(const Request& request) {
  const std::string rk = encode_base64url(request.reply_key.view());
  const std::string body = encode_base64url(request.body);
  std::vector<JsonMember> members = {{"v", kProtocolVersion},
                                     {"iss", request.iss},
                                     {"aud", request.aud},
                                     {"iat", request.iat},
                                     {"exp", request.exp},
                                     {"jti", request.jti},
                                     {"rk", rk}};
  if (request.introduction) {
    members.emplace_back("keys", request.introduction->keys.token);
    members.emplace_back("addr", request.introduction->addr);
    members.emplace_back("name", request.introduction->name);
  } else {
    members.emplace_back("body", body);
  }
  std::string claims = write_padded_claims(std::move(members));
  HOLDS(claims.size() >= 512 && padded_length(claims.size()) == claims.size());
  return claims;
}

void check_claims(std::string_view typ, std::string_view input,
                  bool (*is_good)(const ModelObject&)) {
  const std::string text = fill(input, {{"$ALICE", alice().statement.identity_id},
                                        {"$BOB", bob().statement.identity_id},
                                        {"$CAROL", carol().statement.identity_id},
                                        {"$KEYS", alice().statement.token},
                                        {"$FOREIGN", carol().statement.token}});
  const TrustEverything trust;
  const Result<Request> request = open_claims(typ, text);
  const auto claims = model_json(text);
  HOLDS(static_cast<bool>(request) == (claims && is_good(*claims)));
  if (!request) {
    HOLDS(!request.why().empty());
    return;
  }
  HOLDS(is_name_hint(request->introduction ? request->introduction->name : ""));
  HOLDS(clocks_agree(*request, kFuzzNow) ==
        (request->iat <= kFuzzNow + 600 && request->exp > kFuzzNow));
  const Result<Request> again = open_claims(typ, written(*request));
  HOLDS(again);
  check_same(*request, *again);
}

}  // namespace

FUZZ_TARGET(message) {
  check_claims("p2pchat-msg+jwt", input, is_message);
}

FUZZ_TARGET(registration) {
  check_claims("p2pchat-reg+jwt", input, is_registration);
}

}  // namespace p2pchat
