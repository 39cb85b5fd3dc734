// What becomes of a verified request: the one transaction of DESIGN 7.1 for a message, and pinning,
// updating or bounding of strangers for a registration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "node/handlers.h"
#include "node/home.h"
#include "protocol/ack.h"
#include "protocol/request.h"
#include "store/database.h"
#include "store/messages.h"

namespace p2pchat {

// Strangers that wait for a decision, and those that were trusted without one (DESIGN 5).
inline constexpr std::uint64_t kMaxPending = 1'000;
inline constexpr std::uint64_t kMaxNewPerSourceAndDay = 100;
inline constexpr std::uint64_t kPendingLifeDays = 30;
inline constexpr std::uint64_t kMaxFirstUse = 1'000;

// Where a request came from.
struct Origin {
  std::string address;  // what ":port" in a registration stands for; "" where there is none
  std::string network;  // who shares the limit on new strangers
};

// What our user has decided for all that comes.
struct InboxRules {
  std::string reply;       // what a new message is answered with
  bool first_use = false;  // strangers are trusted when they register
};

// A registration that nobody had seen before.
struct Newcomer {
  std::string name;  // ours, when it was trusted at first use
  // A peer of ours, under another key, that is reached at the address which the newcomer claims.
  std::string address;
  std::string claimed_name;
  std::string claimed_id;
};

struct Verdict {
  // Nothing: answered with the key statement, as if it had not verified.
  std::optional<AckStatus> status;
  std::string reply;  // for ok and dup, but for a stored one
  unsigned rc = 0;    // likewise
  std::optional<Newcomer> newcomer = {};
  // Once this is committed: the reply and rc are what the handler gives.
  std::optional<ToHandle> to_handle = {};
  // A message whose handler was interrupted, which is found out now.
  std::optional<Received> interrupted = {};
  // A registration that our user may have waited for: neither overtaken by a newer one nor of a
  // blocked peer.
  bool counts = false;
  // It stored a new message of a trusted peer, or changed the record of one: it is no burden.
  bool welcome = false;
  // The message whose stored reply it is, of up to 1 MiB: read when it is sealed, since a stranger
  // can have any number of them wait by repeating what was recorded.
  std::optional<std::int64_t> reply_of = {};
};

class Inbox {
 public:
  // places: messages go to handlers, as long as there is a place; none: they are to be printed.
  // forget_bodies: nothing is kept of a message that is done with.
  Inbox(const Home& home, InboxRules rules, Places* places = nullptr, bool forget_bodies = false);

  // Inside the caller's transaction. Throws Error{system} when the state fails.
  Verdict take(Database& database, const Request& request, const Origin& origin,
               std::uint64_t now) const;

 private:
  Verdict take_message(Database& database, const Request& request, std::uint64_t now) const;
  Verdict take_new(Messages& messages, const Request& request, std::uint64_t now) const;
  Verdict take_again(Database& database, const Request& request, const MessageRow& known) const;
  Verdict take_unhandled(Database& database, const MessageRow& known) const;
  Verdict take_registration(Database& database, const Request& request, const Origin& origin,
                            std::uint64_t now) const;

  std::string lock_file_;
  InboxRules rules_;
  Places* places_;
  bool forget_bodies_;
};

// What time takes away: expired ids and strangers, bodies older than log.keep.
void clean_up(Database& database, std::uint64_t now, std::uint64_t log_keep_seconds);

}  // namespace p2pchat
