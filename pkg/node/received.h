// A received message as it is handed out: written to stdout, or given to a handler.
#pragma once

#include <cstdint>
#include <string>

#include "store/messages.h"
#include "store/peers.h"

namespace p2pchat {

struct Received {
  std::string peer;         // our name for the sender; its fingerprint when it was removed since
  std::string fingerprint;  // "SHA256:..."
  std::string id;
  std::uint64_t time = 0;  // when it was stored, seconds since 1970
  std::string body;
};

Received received(Peers& peers, const MessageRow& row);

}  // namespace p2pchat
