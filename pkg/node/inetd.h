// listen --inetd: one exchange on descriptors 0 and 1, whoever has put a connection there.
#pragma once

#include <functional>

#include "node/config.h"
#include "node/home.h"
#include "node/inbox.h"
#include "node/stranger.h"

namespace p2pchat {

// Messages are stored and acknowledged; a later listen writes them. Throws Error when it cannot
// begin.
void serve_inetd(const Home& home, const Config& config, const InboxRules& rules,
                 const std::function<void(const Stranger&)>& on_stranger);

}  // namespace p2pchat
