// What a client makes of an answer, whole and piece by piece. The first line says how it is cut
// (see cut()).
#include "protocol/reply.h"

#include "base/text.h"
#include "fuzz.h"
#include "keys.h"
#include "model.h"

namespace p2pchat {

namespace {

const Request& sent() {
  static const Request request = [] {
    Request made;
    made.iss = alice().statement.identity_id;
    made.aud = bob().statement.identity_id;
    made.jti = "q1MKE-RZFJgrefm34_uplA";
    made.reply_key = Secret(std::string(32, 'r'));
    made.frame_hash = std::string(32, 'h');
    return made;
  }();
  return request;
}

const std::string& good_ack() {
  static const std::string token = seal_ack({AckStatus::ok, kFuzzNow, "reply", 0, ""}, sent());
  return token;
}

bool is_plausible(const std::vector<std::string_view>& pieces) {
  ReplyPrefix prefix;
  bool plausible = true;
  for (const std::string_view piece : pieces) {
    const bool still = prefix.feed(piece);
    HOLDS(plausible || !still);
    plausible = still;
  }
  return plausible;
}

void check(const Reply& reply, bool plausible) {
  const auto pinned = bob().statement.identity_id;
  const bool names_a_key = reply.row == ReplyRow::newer_keys || reply.row == ReplyRow::not_known ||
                           reply.row == ReplyRow::other_key;
  HOLDS(reply.ack.has_value() == (reply.row == ReplyRow::ack));
  if (reply.statement) HOLDS(names_a_key && reply.statement->identity_id == reply.identity_id);
  if (reply.row == ReplyRow::newer_keys) HOLDS(reply.statement.has_value());
  if (reply.row == ReplyRow::not_known) HOLDS(reply.statement.has_value());
  if (names_a_key) HOLDS((reply.identity_id != pinned) == (reply.row == ReplyRow::other_key));
  // The reasons are shown as they are.
  HOLDS(escape_for_terminal(reply.why) == reply.why);
  if (reply.row == ReplyRow::weak_key || reply.row == ReplyRow::does_not_verify) {
    HOLDS(!reply.why.empty());
  }
  // Nothing that means something is given up while it comes.
  if (names_a_key || reply.row == ReplyRow::ack) HOLDS(plausible);
}

}  // namespace

FUZZ_TARGET(reply) {
  const std::string_view lengths = take_line(input);
  const std::string frame = fill(input, {{"$PEM", bob().pem},
                                         {"$FOREIGNPEM", carol().pem},
                                         {"$ACK", good_ack()},
                                         {"$BOB", bob().statement.token},
                                         {"$OLD", old_statement_of_bob().token},
                                         {"$CAROL", carol().statement.token}});
  if (frame.find('\0') != std::string::npos) return;  // a frame holds none
  const bool plausible = is_plausible(cut(frame, lengths));
  HOLDS(plausible == is_plausible({frame}));

  const Request& request = sent();
  const AckExpectation expected{request.type, request.aud,        request.iss,
                                request.jti,  request.frame_hash, request.reply_key};
  const KeyStatement& stored = bob().statement;
  check(read_reply(frame, expected, old_statement_of_bob(), false, kFuzzNow), plausible);
  const Reply reply = read_reply(frame, expected, stored, true, kFuzzNow);
  check(reply, plausible);
  HOLDS(reply.row != ReplyRow::newer_keys);
  HOLDS((reply.row == ReplyRow::ack) == (frame == good_ack()));

  const Reply keys = read_keys_reply(
      frame, stored.identity_id,
      [&](const std::string& id) {
        return id == stored.identity_id ? std::optional(stored) : std::nullopt;
      },
      kFuzzNow);
  check(keys, plausible);
  HOLDS(keys.row != ReplyRow::ack);
  HOLDS((keys.row == ReplyRow::newer_keys) == (frame == stored.token));
}

}  // namespace p2pchat
