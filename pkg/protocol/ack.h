// The ack: the receiver's sealed answer to a request it could open. p2pchat-protocol(7) "Ack".
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/secret.h"
#include "protocol/request.h"

namespace p2pchat {

enum class AckStatus { ok, dup, trusted, pending, busy, skew, conflict };

struct Ack {
  AckStatus status = AckStatus::ok;
  std::uint64_t iat = 0;  // the receiver's clock
  std::string body;       // the reply, at most kMaxBodyBytes
  unsigned rc = 0;        // the handler's exit status, 0-255
  std::string keys;       // the receiver's key statement when we sealed to an older key, else ""
};

// Seals under the request's reply key.
std::string seal_ack(const Ack& ack, const Request& request);

// What the sender knows about the request that an ack must answer.
struct AckExpectation {
  RequestType type = RequestType::message;
  std::string_view receiver_id;  // iss
  std::string_view sender_id;    // aud
  std::string_view jti;          // irt
  std::string_view frame_hash;   // rh
  const Secret& reply_key;
};

// Refuses whatever is not exactly the ack of that request.
Result<Ack> open_ack(std::string_view token, const AckExpectation& expected);

// True when a token's header is that of an ack.
bool is_ack_header(std::string_view header_segment);

}  // namespace p2pchat
