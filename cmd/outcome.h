// How the outcome of a letter is shown: the same for send and queue.
#pragma once

#include <string>

#include "node/delivery.h"
#include "node/peer_queue.h"
#include "output.h"

namespace p2pchat {

// The exit status that tells it. propagate: of a handler that failed with 1 to 63, its own.
int status_of(const Sent& sent, bool propagate);

// What --json prints of it.
Record record_of(const Sent& sent, const std::string& id, int status);

// The error that tells of a peer's handler which has failed.
Error handler_error(const Sent& sent);

// The same error with a hint about a peer that was not reached, unless it has one.
Error with_way_out(const Error& error, const std::string& peer);

// The text of an error about it, which says for which peer.
std::string naming_peer(const Sent& sent, const std::string& text);

// The error that tells of a message from the queue which has one or whose handler has failed: says
// which message, and for which peer.
Error queue_error(const QueueEvent& event);

}  // namespace p2pchat
