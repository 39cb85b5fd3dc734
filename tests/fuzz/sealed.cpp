// A whole request and its ack, with real keys. A line each: "message" or "registration"; how much
// later than iat it expires; jti; address; name; what is changed on the way (two bytes of a place,
// one of what to change there); then the body.
#include <algorithm>

#include "base/text.h"
#include "fuzz.h"
#include "keys.h"
#include "model.h"
#include "protocol/ack.h"
#include "protocol/address.h"
#include "protocol/claims.h"
#include "protocol/request.h"

namespace p2pchat {

namespace {

std::optional<RsaPublicKey> known(const std::string& id) {
  if (id != alice().statement.identity_id) return std::nullopt;
  return alice().identity.public_key();
}

Result<Request> open_as_bob(std::string_view frame) {
  const Receiver receiver{bob().statement.identity_id, bob().identity.public_key(), kFuzzNow};
  Result<Request> request = open_request(frame, bob().encryption, receiver, known);
  // The same when its key was unwrapped before the rest had come.
  const auto early = unwrap_early(frame, bob().encryption, [] { return true; });
  const UnwrappedKey* key = early ? &*early : nullptr;
  const Result<Request> in_parts = open_request(frame, bob().encryption, receiver, known, {}, key);
  HOLDS(static_cast<bool>(request) == static_cast<bool>(in_parts));
  HOLDS(!request || request->body == in_parts->body);
  return request;
}

// Empty when nothing is changed.
std::string damaged(const std::string& frame, std::string_view change) {
  if (change.size() < 3) return {};
  const std::size_t place = static_cast<unsigned char>(change[0]) * std::size_t{256} +
                            static_cast<unsigned char>(change[1]);
  std::string copy = frame;
  char& c = copy[place % copy.size()];
  c = change[2];
  return copy == frame ? std::string() : copy;
}

void check_ack(const SealedRequest& sealed, const Request& request, std::string_view change) {
  Ack ack;
  ack.status = request.type == RequestType::message ? AckStatus::ok : AckStatus::pending;
  ack.iat = request.iat;
  if (request.type == RequestType::message) ack.body = request.body;
  const std::string frame = seal_ack(ack, request);
  const AckExpectation expected{
      request.type, bob().statement.identity_id, alice().statement.identity_id,
      request.jti,  sealed.frame_hash,           sealed.reply_key};
  const Result<Ack> opened = open_ack(frame, expected);
  HOLDS(opened && opened->body == ack.body && opened->status == ack.status);
  const std::string bad = damaged(frame, change);
  HOLDS(bad.empty() || !open_ack(bad, expected));
}

}  // namespace

FUZZ_TARGET(sealed) {
  Draft draft;
  draft.type = take_line(input) == "message" ? RequestType::message : RequestType::registration;
  const std::uint64_t life = parse_unsigned(take_line(input), kMaxJsonInteger / 2).value_or(86'400);
  draft.iat = kFuzzNow;
  draft.exp = kFuzzNow + life;
  draft.jti = message_id_for(take_line(input));
  const std::string_view addr = take_line(input);
  const std::string_view name = take_line(input);
  const std::string_view change = take_line(input);
  // Only what is UTF-8 can be written as JSON.
  if (!model_code_points(addr) || !model_code_points(name)) return;
  const bool message = draft.type == RequestType::message;
  if (message) {
    draft.body = input;
  } else {
    draft.statement_token = alice().statement.token;
    draft.addr = addr;
    draft.name = name;
  }
  const SealedRequest sealed =
      seal_request(draft, alice().identity, alice().statement.identity_id, bob().statement);
  HOLDS(sealed.frame.size() <= 4'194'304);
  HOLDS(recipient_key_id(sealed.frame) == bob().statement.encryption_id);

  const Result<Request> request = open_as_bob(sealed.frame);
  const bool good = life > 0 && life <= kMaxRequestDays * kSecondsPerDay &&
                    (message || (is_address_claim(draft.addr) && is_name_hint(draft.name)));
  HOLDS(static_cast<bool>(request) == good);
  const std::string bad = damaged(sealed.frame, change);
  HOLDS(bad.empty() || !open_as_bob(bad));
  if (!request) return;
  HOLDS(request->type == draft.type && request->iss == alice().statement.identity_id);
  HOLDS(request->jti == draft.jti && request->iat == draft.iat && request->exp == draft.exp);
  HOLDS(request->body == draft.body && request->frame_hash == sealed.frame_hash);
  HOLDS(request->reply_key.view() == sealed.reply_key.view());
  if (!message) HOLDS(request->introduction->addr == addr && request->introduction->name == name);
  check_ack(sealed, *request, change);
}

}  // namespace p2pchat
