// Sending one letter to one or several peers, each of which gets an exchange of its own.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "node/config.h"
#include "node/delivery.h"
#include "node/home.h"
#include "node/peer_queue.h"

namespace p2pchat {

inline constexpr std::size_t kMaxIdNameBytes = 128;

// 22 characters: a new random id, or the one that stands for the caller's own name for the message
// (1 to kMaxIdNameBytes bytes, else Error{usage}).
std::string letter_id(const std::optional<std::string>& name);

// 30 s plus 1 s for each 64 KiB of body, unless a flag or the config says otherwise.
std::chrono::milliseconds send_time(const Config& config,
                                    std::optional<std::chrono::milliseconds> flag,
                                    std::size_t body_bytes);

struct SendTime {
  std::chrono::milliseconds time{};
  bool for_each = false;  // each exchange has it for itself; else all of them together
};

enum class IfNotTaken {
  fail,
  queue,  // kept for later, unless it would not be taken then either
};

struct Outcomes {
  std::vector<Sent> sent;           // in the order of the names
  std::vector<QueueEvent> earlier;  // messages that waited, and do not any more
  int signal_number = 0;            // by which our user has ended it, 0 for none
};

class Outbox {
 public:
  // Throws Error{config} when there is no identity.
  Outbox(const Home& home, const Config& config);

  // Throws Error{no_peer} unless every name is a trusted peer.
  void require_peers(const std::vector<std::string>& names);

  // At most kMaxExchangesAtOnce at once. A peer that is named twice has one exchange and two
  // outcomes. SIGINT, SIGTERM and SIGHUP end all of them at once. Throws Error when none can begin.
  // What is queued has the state queued and an Error{try_later}; it is delivered after all that
  // waits for the same peer.
  Outcomes send(const Letter& letter, const std::vector<std::string>& names, const SendTime& time,
                IfNotTaken otherwise = IfNotTaken::fail);

 private:
  const Home& home_;
  std::uint64_t log_keep_seconds_;
  Database database_;
};

}  // namespace p2pchat
