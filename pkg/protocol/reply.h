// What a client makes of the bytes that came back: the table "Replies" of p2pchat-protocol(7), row
// by row. Pure; what follows from a row (exit status, message state) is in node/outcome.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/ack.h"
#include "protocol/key_statement.h"

namespace p2pchat {

enum class ReplyRow {
  ack,         // the ack of this request: its status says the rest
  newer_keys,  // statement of the pinned key with a newer seq, the first time: seal again, once
  not_known,   // statement of the pinned key that is not newer, or a second one
  other_key,   // statement or PEM of another key
  weak_key,    // PEM or statement with a key that the policy refuses
  does_not_verify,  // a shape of this protocol that does not verify
  not_protocol,     // anything else
};

struct Reply {
  ReplyRow row = ReplyRow::not_protocol;
  std::optional<Ack> ack;                 // row ack
  std::optional<KeyStatement> statement;  // rows newer_keys, not_known, other_key (if one came)
  std::string identity_id;                // row other_key: whose key it is
  std::string why;                        // rows does_not_verify and weak_key: for the message
};

// The answer to a sealed request. `stored`: the statement it was sealed with. `second`: it was
// already sealed again once.
Reply read_reply(std::string_view frame, const AckExpectation& expected, const KeyStatement& stored,
                 bool second, std::uint64_t now);

// What is stored of an identity, by its IK, if anything.
using StatementLookup = std::function<std::optional<KeyStatement>(const std::string& identity_id)>;

// The answer to `keys`: row newer_keys for every usable statement. `pin`: the IK it must have, if
// there is one.
Reply read_keys_reply(std::string_view frame, const std::optional<std::string>& pin,
                      const StatementLookup& stored, std::uint64_t now);

// Watches an answer arrive: tells as soon as nothing that may follow can make one of this protocol
// out of it.
class ReplyPrefix {
 public:
  // The next bytes, without the NUL. False from the first impossible one on.
  bool feed(std::string_view piece);

 private:
  bool is_plausible(std::string_view piece);

  bool refused_ = false;
  std::string start_;
  std::size_t dots_ = 0;
};

}  // namespace p2pchat
