// Numbers that only grow, each under a name: what must not be forgotten with the rows it came from.
#pragma once

#include <cstdint>
#include <string>

#include "store/database.h"

namespace p2pchat {

class Marks {
 public:
  explicit Marks(Database& database) : database_(database) {}

  // 0 when there is none.
  std::uint64_t get(const std::string& name);
  // The larger of both stays.
  void raise(const std::string& name, std::uint64_t value);

 private:
  Database& database_;
};

}  // namespace p2pchat
