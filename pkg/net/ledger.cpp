#include "net/ledger.h"

namespace p2pchat {

// Without memory nothing is changed, and what is there already can be changed without more of it.
void Ledger::change(const std::string& network, std::uint64_t connection, std::size_t before,
                    std::size_t after) {
  if (before == after) return;
  Connections added;
  if (before == 0) added.insert({before, connection});
  const auto found = find_or_add(network);
  auto& [name, known] = *found;
  auto node = (before == 0 ? added : known.connections).extract({before, connection});
  node.value().first = after;
  if (after > 0) known.connections.insert(std::move(node));
  auto rank = by_bytes_.extract({known.bytes, &name});
  known.bytes = known.bytes - before + after;
  total_ = total_ - before + after;
  if (known.connections.empty()) {
    networks_.erase(found);
  } else {
    rank.value().first = known.bytes;
    by_bytes_.insert(std::move(rank));
  }
}

Ledger::Networks::iterator Ledger::find_or_add(const std::string& network) {
  const auto [found, is_new] = networks_.try_emplace(network);
  if (!is_new) return found;
  try {
    by_bytes_.insert({0, &found->first});
  } catch (...) {
    networks_.erase(found);
    throw;
  }
  return found;
}

std::uint64_t Ledger::largest() const {
  const Network& most = networks_.find(*by_bytes_.rbegin()->second)->second;
  return most.connections.rbegin()->second;
}

}  // namespace p2pchat
