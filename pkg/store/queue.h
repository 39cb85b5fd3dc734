// The table of the queue: messages of ours that are delivered later. Each entry belongs to a row of
// the table of messages, which holds the text, the expiry and what is known of its delivery.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/messages.h"

namespace p2pchat {

struct QueueEntry {
  std::int64_t message = 0;    // its row
  std::string peer;            // IK of the receiver
  std::uint64_t attempts = 0;  // made by the queue
  std::uint64_t next = 0;      // not tried before, seconds since 1970
  bool failed = false;         // given up
  std::string why;             // how the last attempt ended, "" before the first
};

// An entry beside its message, without the text.
struct QueuedMessage {
  QueueEntry entry;
  std::string iss;  // IK of the identity that queued it
  std::string jti;
  std::uint64_t time = 0;  // first recorded
  std::uint64_t exp = 0;
  MessageState state = MessageState::queued;
  std::uint64_t bytes = 0;  // of text
};

class QueueTable {
 public:
  explicit QueueTable(Database& database) : database_(database) {}

  // Puts it in the place of an entry for the same message, if there is one.
  void put(const QueueEntry& entry);
  // None is fine.
  void remove(std::int64_t message);

  std::optional<QueuedMessage> find(std::int64_t message);
  // The oldest for that peer (IK) that was not given up and has not expired by then.
  std::optional<QueuedMessage> first_waiting(const std::string& peer, std::uint64_t now);
  // Those that were not given up, of one peer or of all.
  std::uint64_t count_waiting(const std::optional<std::string>& peer);
  // The receivers of those that were not given up, those of the oldest first.
  std::vector<std::string> peers_waited_for();
  // Those that were not given up and have expired by then, oldest first.
  std::vector<QueuedMessage> expired(std::uint64_t now);
  // All, oldest first.
  std::vector<QueuedMessage> all();
  // Of one id: an entry for each peer that it was meant for.
  std::vector<QueuedMessage> with_id(const std::string& jti);

 private:
  Database& database_;
};

}  // namespace p2pchat
