// peers ping: how far a peer can be reached, layer by layer, without telling it anything new.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "node/config.h"
#include "node/home.h"

namespace p2pchat {

// In the order in which they are tried: each needs those before it.
enum class Layer { resolve, connect, protocol, key, trust };
std::string layer_name(Layer layer);

struct Ping {
  std::string address;  // the one that answered, or the first to be tried
  // With the time each took, where that is known.
  std::vector<std::pair<Layer, std::optional<std::chrono::microseconds>>> passed;
  // Where it ended, if it did, and why.
  std::optional<Layer> failed;
  std::optional<Error> error;
  // Their clock minus ours, once they have told it.
  std::optional<std::int64_t> clock_ahead_seconds;
};

// Asks for the peer's keys, then whether it knows and trusts us: with a message that expired long
// ago, which nobody stores, and with our registration as it is known there. Throws Error only for
// what lies on our side.
Ping ping_peer(const Home& home, const Config& config, const std::string& name,
               std::chrono::milliseconds time);

}  // namespace p2pchat
