// The table of messages, both directions: what makes delivery exactly once. A message id belongs to
// (direction, iss, aud) and outlives its body, its peer and its printing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"

namespace p2pchat {

enum class Direction { in, out };

enum class MessageState {
  print,        // in: acknowledged, not yet written to stdout
  printed,      // in
  exec,         // in: to be given to a handler
  handling,     // in: a handler has it, or had it when its listener died
  handled,      // in: the handler has ended
  interrupted,  // in: nobody knows how the handler ended, and it is not run again
  queued,       // out: waits in the queue, and nothing of it has left
  unknown,      // out: began to leave, no answer that says more (also while it is under way)
  acked,        // out: stored by the peer
  untaken,      // out: the peer said not now, or not you
  failed,       // out: will not be taken
};
// One word.
std::string state_text(MessageState state);
// A word that is none stands for failed.
MessageState read_state(const std::string& text);

struct MessageKey {
  Direction direction = Direction::in;
  std::string iss;
  std::string aud;
  std::string jti;
};

struct MessageRow {
  MessageKey key;
  std::string hash;        // content_hash of the request
  std::string body;        // empty also when it was deleted
  std::uint64_t time = 0;  // stored, or first tried
  std::uint64_t exp = 0;
  MessageState state = MessageState::print;
  std::string reply;
  unsigned rc = 0;
  std::uint64_t repeated = 0;  // attempts to send it that have begun after the first
  std::int64_t id = 0;         // given by the database
};

// Who the other side of a message is, in SQL: what the index messages_by_peer is over.
inline constexpr const char* kPeerColumn = "CASE direction WHEN 'in' THEN iss ELSE aud END";

class Messages {
 public:
  explicit Messages(Database& database) : database_(database) {}

  std::optional<MessageRow> find(const MessageKey& key);
  std::optional<MessageRow> get(std::int64_t id);
  // Returns the id.
  std::int64_t insert(const MessageRow& row);
  // The stored expiry becomes the larger of both.
  void extend(std::int64_t id, std::uint64_t exp);
  // One more attempt to send it begins, with that expiry: its outcome is unknown unless it was
  // acknowledged before.
  void repeat(std::int64_t id, std::uint64_t exp);
  void set_state(std::int64_t id, MessageState state);
  void set_outcome(std::int64_t id, MessageState state, const std::string& reply, unsigned rc);
  // Gives a message of ours its body again, and an expiry; whether it was delivered is what it
  // was, and is not asked where it is known.
  void queue_again(std::int64_t id, const std::string& body, std::uint64_t exp);
  // Deletes the body, and of a sent message the reply too; keeps the row.
  void forget_body(std::int64_t id);

  // The oldest received message that was not written yet.
  std::optional<MessageRow> next_to_print();
  std::uint64_t count_to_print();
  // Those in state exec or handling, oldest first.
  std::vector<std::int64_t> unhandled();

  // Deletes received and sent ids that expired before `exp_before` and whose body is gone already,
  // and remembers the largest expiry among the received ones of each 30 days: purge_mark(). Ids
  // still to be printed, handled or delivered stay, and so does the newest row, so that no later
  // one gets a number that was there before.
  void purge(std::uint64_t exp_before);
  // No message whose expiry is not above it can be told from one that was seen and purged; 0 when
  // nothing was. `largest_exp`: what a message that is taken now can have. What was purged 30 days
  // beyond that, by a clock that ran ahead, cannot come now and is left out.
  std::uint64_t purge_mark(std::uint64_t largest_exp);
  // Deletes the bodies of messages stored before; those still to be printed, handled or
  // delivered stay.
  void forget_bodies(std::uint64_t time_before);

  // The same for messages stored before that time and exchanged with that peer (IK; with anybody
  // when there is none), and for the replies to those we sent: takes the next few after that row
  // id. Returns the id to go on after, nothing at the end.
  std::optional<std::int64_t> forget_next(const std::optional<std::string>& peer,
                                          std::uint64_t time_before, std::int64_t after);

 private:
  Database& database_;
};

}  // namespace p2pchat
