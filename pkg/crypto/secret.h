// Bytes that are wiped when they go.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "crypto/evp.h"

namespace p2pchat {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string bytes) { take(bytes); }
  ~Secret() { wipe(bytes_); }
  Secret(Secret&& other) noexcept { take(other.bytes_); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) take(other.bytes_);
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string_view view() const { return bytes_; }

 private:
  // Moving a short string copies it and leaves the original's bytes where they were.
  void take(std::string& source) {
    wipe(bytes_);
    bytes_.swap(source);
    wipe_unused(source);
  }

  std::string bytes_;
};

}  // namespace p2pchat
