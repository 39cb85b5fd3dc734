// A request frame on its way in, under the rules that hold for every stranger: how long it may
// take, how much of it is kept, and that nothing follows it. p2pchat-protocol(7) "Transport and
// frame".
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "frame/frame.h"

namespace p2pchat {

// A frame may grow beyond this only when keep_large says so.
inline constexpr std::size_t kSmallFrameBytes = 16'384;
// How long the other side is given to close after its reply.
inline constexpr std::chrono::milliseconds kLingerTime{1'000};

// Asked once a frame has outgrown kSmallFrameBytes, with so many of its bytes, however they came.
using KeepLarge = std::function<bool(std::string_view prefix)>;

// The time that `bytes` are given: 10 s, and 1 s more for each whole 64 KiB beyond the first.
std::chrono::milliseconds frame_time(std::size_t bytes);

class Intake {
 public:
  using Clock = std::chrono::steady_clock;
  enum class State { incomplete, complete, refused };

  // The next bytes; none once the state is no longer incomplete.
  State take(std::string_view bytes, const KeepLarge& keep_large);

  // By when the frame must be complete.
  Clock::time_point deadline() const { return opened_ + frame_time(reader_.received()); }
  // Bytes in memory.
  std::size_t held() const { return reader_.held(); }
  // What has come of it and is kept.
  std::string_view unfinished() const { return reader_.content(); }
  // The complete frame; empty also when it was too large to be one for us.
  std::string take_frame() { return reader_.take(); }

 private:
  Clock::time_point opened_ = Clock::now();
  FrameReader reader_;
  bool may_be_large_ = false;
};

}  // namespace p2pchat
