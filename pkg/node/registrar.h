// Introducing this node to another: fetch its keys, compare them with what is expected, introduce
// ourselves, pin. p2pchat-register(1).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "node/config.h"
#include "node/home.h"

namespace p2pchat {

struct Registration {
  std::string name;                      // ours for the peer
  std::optional<std::string> address;    // HOST[:PORT]; else the stored one
  std::optional<std::string> expected;   // "SHA256:..."
  bool replace = false;                  // a known name may get the expected key
  std::optional<std::string> announced;  // ":PORT", "HOST:PORT" or "none"; else from the config
  std::string name_hint;                 // what we call ourselves
};

struct Registered {
  std::string fingerprint;  // the peer's
  std::string our_fingerprint;
  bool trusted_there = false;  // else we are pending
};

// Nothing is stored unless the peer took the registration. Throws Error with the status of the
// table.
Registered register_peer(const Home& home, const Config& config, const Registration& registration,
                         std::chrono::milliseconds time);

}  // namespace p2pchat
