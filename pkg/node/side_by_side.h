// Exchanges with several peers at once, by as many threads, each with a connection of its own to
// the state.
#pragma once

#include <cstddef>
#include <functional>

#include "node/delivery.h"
#include "node/home.h"

namespace p2pchat {

inline constexpr std::size_t kMaxExchangesAtOnce = 32;

// Must not throw.
using ExchangeTask = std::function<void(std::size_t index, const Sender& sender)>;

// Runs the task for every index below `count`, in that order, at most kMaxExchangesAtOnce at once.
// `own` is what the calling thread sends with, which takes part.
void side_by_side(const Home& home, const Sender& own, std::size_t count, const ExchangeTask& task);

}  // namespace p2pchat
