// Reading the table of messages back, in the order of storing: pages that are small however large
// the table is, each a read transaction of its own, so that no reader stops a checkpoint.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/messages.h"

namespace p2pchat {

// Which messages; all of them unless it says otherwise.
struct MessageFilter {
  std::optional<std::string> peer;  // IK of the other side
  std::optional<Direction> direction;
  std::uint64_t since = 0;  // stored at that time or later, seconds since 1970
};

struct StoredMessage {
  std::int64_t id = 0;
  Direction direction = Direction::in;
  std::string peer;  // IK of the other side
  std::string jti;
  std::optional<std::string> body;  // none: deleted
  std::uint64_t time = 0;
  MessageState state = MessageState::print;
  std::string reply;
  unsigned rc = 0;
};

class MessageReader {
 public:
  explicit MessageReader(Database& database) : database_(database) {}

  // The oldest that match and have a larger id: at most 1,000, and no more once their texts come to
  // 4 MiB.
  std::vector<StoredMessage> page(const MessageFilter& filter, std::int64_t after);

  // An id after which all that match come, found without reading those before it.
  std::int64_t before_oldest(const MessageFilter& filter);
  // The id after which the newest `count` of those that match come.
  std::int64_t before_newest(const MessageFilter& filter, std::uint64_t count);
  // The id of the newest message, 0 when there is none.
  std::int64_t newest();
  // There are messages with that peer (IK).
  bool knows(const std::string& peer);

 private:
  Database& database_;
};

}  // namespace p2pchat
