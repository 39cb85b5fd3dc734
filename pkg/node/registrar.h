// Getting to know another node: fetch its keys, compare them with what is expected, introduce
// ourselves, pin; or pin from a card, without a network. p2pchat-register(1).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

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
  std::optional<std::string> via;        // a command to reach it through; "" for none any more
  std::optional<std::string> card_file;  // where the card comes from, for messages
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

// Pins the key in a card: the peer's key statement, with white space around it. An expired card
// pins as well. `registration` has no announced address and no name hint. Returns the fingerprint.
// Throws Error{data} when it does not hold, Error{trust} for a weak key or another than the pinned
// or expected one.
std::string register_card(const Home& home, const Registration& registration,
                          std::string_view card);

}  // namespace p2pchat
