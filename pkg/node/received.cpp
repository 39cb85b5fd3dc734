#include "node/received.h"

#include "node/identity.h"

namespace p2pchat {

Received received(Peers& peers, const MessageRow& row) {
  const auto peer = peers.by_identity(row.key.iss);
  const std::string sender = fingerprint(row.key.iss);
  const bool named = peer && !peer->name.empty();
  return {named ? peer->name : sender, sender, row.key.jti, row.time, row.body};
}

}  // namespace p2pchat
