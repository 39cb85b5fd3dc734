// One letter on its way to one peer: recorded before its first byte leaves, outcome after
// (DESIGN 7.2).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "node/contact.h"
#include "node/identity.h"
#include "store/peers.h"

namespace p2pchat {

inline constexpr std::size_t kMaxLetterBytes = 1'048'576;

struct Letter {
  std::string body;     // at most kMaxLetterBytes
  std::string id;       // 22 characters
  std::string id_text;  // the id as our user knows it, for messages
};

// How a peer is reached: promises what connect() of node/contact.h does.
using Connector =
    std::function<Line(const Contact& contact, const Deadline& deadline, int interrupt)>;

// With what it is sent.
struct Sender {
  const Identity& identity;
  Database& database;
  std::uint64_t log_keep_seconds = 0;
  int interrupt = -1;  // ends it when it becomes readable; nothing is read from it
  Connector connector = connect;
};

struct Delivered {
  std::string reply;  // the body of the ack
  unsigned rc = 0;    // the peer's handler's exit status, 0 without one
};

// What became of it.
struct Sent {
  std::string peer;                    // its name
  std::string state;                   // of the message: acked, unknown, untaken or failed
  std::optional<Delivered> delivered;  // when the peer's own key has acknowledged it
  std::optional<Error> error;          // with the status of the table
};

// The peer with that name. Throws Error{no_peer} when there is none, Error{trust} when it is
// blocked.
PeerRow trusted_peer(Peers& peers, const std::string& name);

// Never throws.
Sent deliver(const Letter& letter, const std::string& peer, const Sender& sender,
             const Deadline& deadline);

}  // namespace p2pchat
