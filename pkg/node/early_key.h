// A frame's content key that is unwrapped while the rest of the frame is still coming: who does it,
// and who goes on when it is there. Nobody waits for anybody: a worker that waited would do nothing
// for others.
#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "protocol/request.h"

namespace p2pchat {

class EarlyKey {
 public:
  // Nothing: not to be had early.
  using Unwrap = std::function<std::optional<UnwrappedKey>()>;

  // The early work, by any thread; none once the frame was complete before it began. Returns what
  // is to be done then: `next` of complete(), or nothing.
  std::function<void()> run(const Unwrap& unwrap);

  // The frame is complete. True when the early work is under way: then run() returns `next`, which
  // is to go on with the frame. False: go on now, with key().
  bool complete(std::function<void()> next);

  // Once complete() is false, or what it was given is called. Whoever has it has been admitted.
  const UnwrappedKey* key() const { return key_ ? &*key_ : nullptr; }

 private:
  enum class State { waiting, running, done };

  std::mutex mutex_;  // guards the next two; key_ is written while running and read when done
  State state_ = State::waiting;
  std::function<void()> next_;
  std::optional<UnwrappedKey> key_;
};

}  // namespace p2pchat
