#include "node/early_key.h"

#include <utility>

namespace p2pchat {

std::function<void()> EarlyKey::run(const Unwrap& unwrap) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::waiting) return nullptr;
    state_ = State::running;
  }
  try {
    key_ = unwrap();
  } catch (...) {  // it is tried again with the complete frame
  }
  const std::lock_guard lock(mutex_);
  state_ = State::done;
  return std::exchange(next_, nullptr);
}

bool EarlyKey::complete(std::function<void()> next) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::running) {
    state_ = State::done;
    return false;
  }
  next_ = std::move(next);
  return true;
}

}  // namespace p2pchat
