#include "protocol/ack.h"

#include <algorithm>
#include <array>

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "jose/json.h"
#include "jose/jwe.h"
#include "protocol/claims.h"

namespace p2pchat {

namespace {

constexpr std::string_view kAckType = "p2pchat-ack+jwe";
constexpr unsigned kMaxReturnCode = 255;

struct StatusName {
  AckStatus status;
  std::string_view name;
  bool for_message;
  bool for_registration;
};

constexpr std::array kStatusNames = {
    StatusName{AckStatus::ok, "ok", true, false},
    StatusName{AckStatus::dup, "dup", true, false},
    StatusName{AckStatus::trusted, "trusted", false, true},
    StatusName{AckStatus::pending, "pending", true, true},
    StatusName{AckStatus::busy, "busy", true, true},
    StatusName{AckStatus::skew, "skew", true, true},
    StatusName{AckStatus::conflict, "conflict", true, false},
};

std::string_view name_of(AckStatus status) {
  const auto* row = std::find_if(kStatusNames.begin(), kStatusNames.end(),
                                 [&](const StatusName& r) { return r.status == status; });
  return row->name;
}

std::optional<AckStatus> read_status(std::string_view name, RequestType type) {
  for (const StatusName& row : kStatusNames) {
    const bool fits = type == RequestType::message ? row.for_message : row.for_registration;
    if (row.name == name && fits) return row.status;
  }
  return std::nullopt;
}

bool carries_reply(AckStatus status) {
  return status == AckStatus::ok || status == AckStatus::dup;
}

}  // namespace

std::string seal_ack(const Ack& ack, const Request& request) {
  const std::string rh = encode_base64url(request.frame_hash);
  const std::string body = encode_base64url(ack.body);
  return seal_jwe_direct(request.reply_key, kAckType,
                         write_padded_claims({{"v", kProtocolVersion},
                                              {"iss", request.aud},
                                              {"aud", request.iss},
                                              {"irt", request.jti},
                                              {"rh", rh},
                                              {"st", name_of(ack.status)},
                                              {"iat", ack.iat},
                                              {"body", body},
                                              {"rc", std::uint64_t{ack.rc}},
                                              {"keys", ack.keys}}));
}

bool is_ack_header(std::string_view header_segment) {
  return SealedJwe::is_direct(header_segment, kAckType);
}

Result<Ack> open_ack(std::string_view token, const AckExpectation& expected) {
  const Result<SealedJwe> jwe = SealedJwe::parse(token);
  if (!jwe) return jwe.refusal();
  if (!is_ack_header(token.substr(0, token.find('.')))) return Refusal{"not the header of an ack"};
  const auto text = jwe->open_direct(expected.reply_key);
  if (!text) return Refusal{"it does not open under the reply key"};
  std::optional<JsonObject> claims = JsonObject::parse(*text);
  if (!claims) return Refusal{"its claims are not a JSON object of the closed profile"};

  const bool is_answer = take_version(*claims) &&
                         claims->take_expected("iss", expected.receiver_id) &&
                         claims->take_expected("aud", expected.sender_id) &&
                         claims->take_expected("irt", expected.jti) &&
                         claims->take_expected("rh", encode_base64url(expected.frame_hash));
  if (!is_answer) return Refusal{"it answers another request"};
  const auto st = claims->take_string("st");
  const auto iat = claims->take_integer("iat");
  auto body = take_body(*claims);
  const auto rc = claims->take_integer("rc");
  auto keys = claims->take_string("keys");
  if (!st || !iat || !body || !rc || *rc > kMaxReturnCode || !keys || !take_pad(*claims) ||
      !claims->empty()) {
    return Refusal{"its claims are not exactly those of an ack"};
  }
  const auto status = read_status(*st, expected.type);
  if (!status) return Refusal{"its status is not one for this request"};
  if (!carries_reply(*status) && (!body->empty() || *rc != 0)) {
    return Refusal{"a reply beside a status that has none"};
  }
  return Ack{*status, *iat, *std::move(body), static_cast<unsigned>(*rc), *std::move(keys)};
}

}  // namespace p2pchat
