// Sending one message: recorded before its first byte leaves, outcome after (DESIGN 7.2).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "node/config.h"
#include "node/home.h"

namespace p2pchat {

inline constexpr std::size_t kMaxLetterBytes = 1'048'576;
inline constexpr std::size_t kMaxIdNameBytes = 128;

// 22 characters: a new random id, or the one that stands for the caller's own name for the message
// (1 to kMaxIdNameBytes bytes, else Error{usage}).
std::string letter_id(const std::optional<std::string>& name);

struct Letter {
  std::string peer;     // a name
  std::string body;     // at most kMaxBodyBytes
  std::string id;       // 22 characters
  std::string id_text;  // the id as our user knows it, for messages
  // A command that sends the same again, for the hint when the outcome is unknown.
  std::string retry_command;
};

struct Delivered {
  std::string reply;  // the body of the ack
  unsigned rc = 0;    // the peer's handler's exit status, 0 without one
};

class Outbox {
 public:
  // Throws Error{config} when there is no identity.
  Outbox(const Home& home, const Config& config);

  // Throws Error{no_peer} unless every name is a trusted peer.
  void require_peers(const std::vector<std::string>& names);

  // Returns only when the peer's own key has acknowledged that the message is stored. Throws Error
  // with the status of the table otherwise.
  Delivered send(const Letter& letter, std::chrono::milliseconds time);

 private:
  const Home& home_;
  std::uint64_t log_keep_seconds_;
  Database database_;
};

// 30 s plus 1 s for each 64 KiB of body, unless a flag or the config says otherwise.
std::chrono::milliseconds send_time(const Config& config,
                                    std::optional<std::chrono::milliseconds> flag,
                                    std::size_t body_bytes);

}  // namespace p2pchat
