// The claims of an ack, behind its seal: the first line says what it answers ("message", else a
// registration), then they follow as JSON.
#include "protocol/ack.h"

#include <algorithm>

#include "fuzz.h"
#include "jose/base64url.h"
#include "keys.h"
#include "model.h"
#include "protocol/claims.h"
#include "trust.h"

namespace p2pchat {

namespace {

constexpr std::string_view kId = "q1MKE-RZFJgrefm34_uplA";

// What the ack has to answer.
Request request_of(RequestType type) {
  Request request;
  request.type = type;
  request.iss = alice().statement.identity_id;
  request.aud = bob().statement.identity_id;
  request.jti = kId;
  request.reply_key = Secret(std::string(kReplyKeyBytes, 'r'));
  request.frame_hash = std::string(32, 'h');
  return request;
}

AckExpectation expectation_of(const Request& request) {
  return {request.type, request.aud,        request.iss,
          request.jti,  request.frame_hash, request.reply_key};
}

bool is_ack(const ModelObject& claims, RequestType type) {
  const std::vector<std::string_view> statuses =
      type == RequestType::message
          ? std::vector<std::string_view>{"ok", "dup", "pending", "busy", "skew", "conflict"}
          : std::vector<std::string_view>{"trusted", "pending", "busy", "skew"};
  const auto* st = member<std::string>(claims, "st");
  const auto* body = member<std::string>(claims, "body");
  const auto* rc = member<std::uint64_t>(claims, "rc");
  if (!has_exactly(claims,
                   {"v", "iss", "aud", "irt", "rh", "st", "iat", "body", "rc", "keys", "pad"}) ||
      !model_has_frills(claims) || st == nullptr || body == nullptr || rc == nullptr) {
    return false;
  }
  const auto reply = model_base64url(*body);
  const bool may_reply = *st == "ok" || *st == "dup";
  return is_text(claims, "iss", bob().statement.identity_id) &&
         is_text(claims, "aud", alice().statement.identity_id) && is_text(claims, "irt", kId) &&
         is_text(claims, "rh", encode_base64url(std::string(32, 'h'))) &&
         std::find(statuses.begin(), statuses.end(), *st) != statuses.end() &&
         member<std::uint64_t>(claims, "iat") != nullptr && reply && reply->size() <= 1'048'576 &&
         *rc <= 255 && (may_reply || (reply->empty() && *rc == 0)) &&
         member<std::string>(claims, "keys") != nullptr;
}

Result<Ack> open_claims(std::string_view claims, const Request& request) {
  const TrustEverything trust;
  const std::string header = R"({"alg":"dir","enc":"A256GCM","typ":"p2pchat-ack+jwe"})";
  return open_ack(encode_base64url(header) + ".." + encode_base64url(std::string(12, 'i')) + "." +
                      encode_base64url(claims) + "." + encode_base64url(std::string(16, 't')),
                  expectation_of(request));
}

}  // namespace

FUZZ_TARGET(ack) {
  const Request request =
      request_of(take_line(input) == "message" ? RequestType::message : RequestType::registration);
  const std::string text = fill(input, {{"$ALICE", request.iss},
                                        {"$BOB", request.aud},
                                        {"$ID", request.jti},
                                        {"$HASH", encode_base64url(request.frame_hash)},
                                        {"$KEYS", bob().statement.token}});
  const Result<Ack> ack = open_claims(text, request);
  const auto claims = model_json(text);
  HOLDS(static_cast<bool>(ack) == (claims && is_ack(*claims, request.type)));
  if (!ack) {
    HOLDS(!ack.why().empty());
    return;
  }
  const Result<Ack> again = open_ack(seal_ack(*ack, request), expectation_of(request));
  HOLDS(again && again->status == ack->status && again->iat == ack->iat &&
        again->body == ack->body && again->rc == ack->rc && again->keys == ack->keys);
}

}  // namespace p2pchat
