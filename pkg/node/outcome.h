// What follows from a reply: the table "Replies" of p2pchat-protocol(7), second half: which exit
// status a client ends with and what becomes of a message.
#pragma once

#include <string>

#include "base/error.h"
#include "protocol/reply.h"
#include "store/messages.h"

namespace p2pchat {

struct Outcome {
  MessageState state = MessageState::unknown;
  Status status = Status::ok;
};

// For an ack of a message or a registration.
Outcome outcome_of(const Ack& ack);
// For every other row; newer_keys is not one that ends an exchange.
Outcome outcome_of(ReplyRow row);

// Who is spoken to, for the words of an error.
struct Correspondent {
  std::string name;         // ours for the peer
  std::string identity_id;  // the pinned IK, or "" when there is none yet
  std::string address;      // where it was reached
  std::string register_at;  // the same as an argument of `register`; "" when it needs none
  std::string own_id;       // our IK
};

// What became of a handler that ended with this rc, which is not 0; as the end of a sentence about
// it: "failed with status 3".
std::string handler_failure(unsigned rc);

// The error to end with after a reply that is not the wished one.
Error error_of(const Reply& reply, const Correspondent& peer);

}  // namespace p2pchat
