// listen --inetd: one exchange on descriptors 0 and 1, whoever has put a connection there.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "node/config.h"
#include "node/handler.h"
#include "node/home.h"
#include "node/inbox.h"
#include "node/stranger.h"

namespace p2pchat {

struct InetdEvents {
  std::function<void(const Stranger&)> stranger;
  std::function<void(const std::string& id, std::string_view line)> handler_line;
  std::function<void(const Received&)> interrupted;
};

// Messages are stored and acknowledged; a later listen writes them, or the handler has them.
// Throws Error when it cannot begin, and when a signal has ended the handler.
void serve_inetd(const Home& home, const Config& config, const InboxRules& rules,
                 const std::optional<HandlerCommand>& handler, const InetdEvents& events);

}  // namespace p2pchat
