// What was sent and received, read back: the messages with one peer or with all, in the order in
// which they were stored. Reading takes no lock; the text of messages is deleted here, too.
// p2pchat-log(1).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/home.h"
#include "store/message_reader.h"
#include "store/peers.h"

namespace p2pchat {

struct HistoryEntry {
  std::string peer;         // our name for the other side; its fingerprint when it has none now
  std::string fingerprint;  // "SHA256:..."
  std::string id;
  std::uint64_t time = 0;  // stored, or first sent, seconds since 1970
  Direction direction = Direction::in;
  MessageState state = MessageState::print;
  unsigned exit = 0;                // of the handler that got it, there or here
  std::optional<std::string> body;  // none: deleted
  std::string reply;
};

// The bytes to write for a message.
using EntryFormatter = std::function<std::string(const HistoryEntry&)>;

struct HistoryQuery {
  // A name, SHA256: and at least 8 characters of a peer, or the whole fingerprint of one that was
  // removed while its messages are still here; nothing: everybody.
  std::optional<std::string> peer;
  std::optional<Direction> direction;
  std::uint64_t since = 0;  // stored at that time or later
};

class History {
 public:
  // Throws Error{config} when there is no identity, Error{no_peer} for an unknown peer, Error{data}
  // for a bad or ambiguous fingerprint.
  History(const Home& home, const HistoryQuery& query);

  // Passes over all but the newest `count` of those that match.
  void skip_to_newest(std::uint64_t count);

  // The next few, oldest first, that may be there only since the last call; empty: no more yet. No
  // more are in memory at a time than 1,000, or about 4 MiB of text.
  std::vector<HistoryEntry> next();

 private:
  HistoryEntry entry_of(StoredMessage&& message);
  const std::string& name_of(const std::string& peer);

  Database database_;
  MessageReader messages_;
  Peers peers_;
  MessageFilter filter_;
  std::int64_t after_ = 0;
  std::map<std::string, std::string> names_;  // of the peers in a page, by IK
};

// Calls `write` with some entries at a time, as `format` has them; the newest `count` alone if that
// is given.
void write_history(const Home& home, const HistoryQuery& query, std::optional<std::uint64_t> count,
                   const EntryFormatter& format,
                   const std::function<void(std::string_view)>& write);

// Deletes the text of the messages with that peer (as in HistoryQuery; nothing: with everybody)
// that were stored before that time, and the replies to those we sent. Messages still to be written
// or handled keep theirs. Throws as History does, and Error{system} when the text may still be in
// the log of the database, which somebody else reads.
void forget_history(const Home& home, const std::optional<std::string>& peer,
                    std::uint64_t time_before);

}  // namespace p2pchat
