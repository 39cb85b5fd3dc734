// One letter on its way to one peer: recorded before its first byte leaves, outcome after
// (DESIGN 7.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "node/identity.h"
#include "protocol/claims.h"
#include "store/peers.h"

namespace p2pchat {

inline constexpr std::size_t kMaxLetterBytes = 1'048'576;
inline constexpr std::uint64_t kLetterLifeSeconds = 7 * kSecondsPerDay;
inline constexpr std::uint64_t kMostLifeSeconds = 30 * kSecondsPerDay;

struct Letter {
  std::string body;     // at most kMaxLetterBytes
  std::string id;       // 22 characters
  std::string id_text;  // the id as our user knows it, for messages
  // Until then it may be delivered, seconds since 1970; 0: for kLetterLifeSeconds from each
  // attempt.
  std::uint64_t exp = 0;
};

// With what it is sent.
struct Sender {
  const Identity& identity;
  Database& database;
  std::uint64_t log_keep_seconds = 0;
  int interrupt = -1;  // ends it when it becomes readable; nothing is read from it
};

struct Delivered {
  std::string reply;  // the body of the ack
  unsigned rc = 0;    // the peer's handler's exit status, 0 without one
};

// Our user has ended it.
bool is_interrupted(const Sender& sender);

// What became of it.
struct Sent {
  std::string peer;                    // its name
  std::string state;                   // of the message: acked, unknown, queued, untaken or failed
  std::optional<Delivered> delivered;  // when the peer's own key has acknowledged it
  std::optional<Error> error;          // with the status of the table
  bool later = false;                  // beside an error: the same may be delivered another time
};

// Why an id cannot be used again: it has carried another text to that peer, or it has expired while
// nobody knows whether the peer has the message.
Error carried_another(const Letter& letter, const std::string& peer);
Error expired_unknown(const Letter& letter, const std::string& peer);

// The peer with that name. Throws Error{no_peer} when there is none, Error{trust} when it is
// blocked.
PeerRow trusted_peer(Peers& peers, const std::string& name);

// Never throws.
Sent deliver(const Letter& letter, const std::string& peer, const Sender& sender,
             const Deadline& deadline);

}  // namespace p2pchat
