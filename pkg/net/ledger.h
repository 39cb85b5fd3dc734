// Which connection holds how many bytes of memory, by network, for the one question that is asked
// when all together hold too many: whose are to go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace p2pchat {

class Ledger {
 public:
  // The connection, of that network, held `before` bytes, as this was last told, and holds `after`.
  void change(const std::string& network, std::uint64_t connection, std::size_t before,
              std::size_t after);

  // Bytes of all.
  std::size_t total() const { return total_; }
  // The connection with most bytes of the network with most. There must be one that holds some.
  std::uint64_t largest() const;

 private:
  using Connections = std::set<std::pair<std::size_t, std::uint64_t>>;  // bytes, connection
  struct Network {
    std::size_t bytes = 0;
    Connections connections;
  };
  using Networks = std::map<std::string, Network>;

  Networks::iterator find_or_add(const std::string& network);

  std::size_t total_ = 0;
  Networks networks_;                                              // those that hold some
  std::set<std::pair<std::size_t, const std::string*>> by_bytes_;  // bytes, keys of the above
};

}  // namespace p2pchat
