#include "node/outcome.h"

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/text.h"
#include "node/address_book.h"
#include "node/identity.h"

namespace p2pchat {

namespace {

struct AckOutcome {
  AckStatus status;
  Outcome outcome;
};
constexpr std::array kAckOutcomes = {
    AckOutcome{AckStatus::ok, {MessageState::acked, Status::ok}},
    AckOutcome{AckStatus::dup, {MessageState::acked, Status::ok}},
    AckOutcome{AckStatus::trusted, {MessageState::acked, Status::ok}},
    AckOutcome{AckStatus::busy, {MessageState::untaken, Status::try_later}},
    AckOutcome{AckStatus::skew, {MessageState::untaken, Status::try_later}},
    AckOutcome{AckStatus::pending, {MessageState::untaken, Status::trust}},
    AckOutcome{AckStatus::conflict, {MessageState::failed, Status::data}},
};

struct RowOutcome {
  ReplyRow row;
  Outcome outcome;
};
constexpr std::array kRowOutcomes = {
    RowOutcome{ReplyRow::not_known, {MessageState::unknown, Status::trust}},
    RowOutcome{ReplyRow::other_key, {MessageState::unknown, Status::trust}},
    RowOutcome{ReplyRow::weak_key, {MessageState::unknown, Status::trust}},
    RowOutcome{ReplyRow::does_not_verify, {MessageState::unknown, Status::data}},
    RowOutcome{ReplyRow::not_protocol, {MessageState::unknown, Status::protocol}},
};

// "5 s ahead of ours"
std::string clock_difference(std::uint64_t theirs) {
  const std::uint64_t ours = unix_now();
  const std::uint64_t seconds = theirs > ours ? theirs - ours : ours - theirs;
  return std::to_string(seconds) + " s " + (theirs > ours ? "ahead of" : "behind") + " ours";
}

Error error_of_ack(const Ack& ack, const Correspondent& correspondent) {
  const Status status = outcome_of(ack).status;
  const std::string peer = in_quotes(correspondent.name);
  switch (ack.status) {
    case AckStatus::busy:
      return {status, peer + " cannot take it now", "try again later"};
    case AckStatus::skew:
      return {status,
              peer + " did not take it: by its clock, which is " + clock_difference(ack.iat) +
                  ", it is from the future or has expired",
              "date -u tells both clocks; the wrong one has to be set"};
    case AckStatus::pending:
      return {
          status, "not accepted by " + peer + " yet",
          "the owner of " + peer + " types: p2pchat " + accept_command(correspondent.own_id, {})};
    case AckStatus::conflict:
      return {status, "this id has carried another message to " + peer,
              "to send this one as well, use another id"};
    default:
      return {Status::internal, "an ack that is no error"};
  }
}

}  // namespace

Outcome outcome_of(const Ack& ack) {
  const Outcome outcome =
      std::find_if(kAckOutcomes.begin(), kAckOutcomes.end(), [&](const AckOutcome& row) {
        return row.status == ack.status;
      })->outcome;
  if (outcome.status == Status::ok && ack.rc != 0) return {outcome.state, Status::handler};
  return outcome;
}

Outcome outcome_of(ReplyRow row) {
  const auto* found = std::find_if(kRowOutcomes.begin(), kRowOutcomes.end(),
                                   [&](const RowOutcome& r) { return r.row == row; });
  return found == kRowOutcomes.end() ? Outcome{MessageState::unknown, Status::internal}
                                     : found->outcome;
}

// What a p2pchat listener reports, after the conventions of the shell and of timeout(1).
std::string handler_failure(unsigned rc) {
  constexpr unsigned kSignalBase = 128;
  constexpr unsigned kLargestSignal = 64;
  switch (rc) {
    case 124:
      return "ran out of time";
    case 125:
      return "wrote too much";
    case 127:
      return "could not be run";
    case 255:
      return "was interrupted";
    default:
      break;
  }
  if (rc > kSignalBase && rc <= kSignalBase + kLargestSignal) {
    return "was ended by signal " + std::to_string(rc - kSignalBase);
  }
  return "failed with status " + std::to_string(rc);
}

Error error_of(const Reply& reply, const Correspondent& peer) {
  const std::string name = in_quotes(peer.name);
  if (reply.row == ReplyRow::ack) return error_of_ack(*reply.ack, peer);
  const Status status = outcome_of(reply.row).status;
  switch (reply.row) {
    case ReplyRow::not_known:
      return {status, name + " does not know this node or could not open the message",
              own_command("register ") + peer.name};
    case ReplyRow::other_key:
      return {
          status,
          "the key of " + name + " has changed: pinned " + fingerprint(peer.identity_id) +
              ", offered " + fingerprint(reply.identity_id),
          "if that is right: " + replace_command(peer.name, peer.register_at, reply.identity_id)};
    case ReplyRow::weak_key:
      return {status, name + " offers a key that cannot be trusted: " + reply.why};
    case ReplyRow::does_not_verify:
      return {status, "the answer of " + name + " does not verify: " + reply.why};
    default:
      return {status,
              "what answers for " + name + " (" + peer.address + ") does not speak this protocol"};
  }
}

}  // namespace p2pchat
