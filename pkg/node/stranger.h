// A newcomer as our user is told of it: who it is, and what to type.
#pragma once

#include <string>

#include "node/inbox.h"
#include "protocol/request.h"

namespace p2pchat {

// A registration that nobody had seen before.
struct Stranger {
  std::string fingerprint;
  std::string hint;            // what it calls itself: untrusted text
  std::string accept_command;  // what our user types to trust it
  std::string name;            // ours, when it was trusted at first use; else ""
  // A peer of ours under another key at the address that it claims, if there is one, and what our
  // user types if that key has changed.
  std::string claimed_name;
  std::string claimed_fingerprint;
  std::string claimed_address;
  std::string replace_command;
};

Stranger stranger_of(const Request& registration, const Newcomer& newcomer);

}  // namespace p2pchat
