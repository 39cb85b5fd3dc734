#include "net/intake.h"

namespace p2pchat {

std::chrono::milliseconds frame_time(std::size_t bytes) {
  constexpr std::chrono::milliseconds kFrameTime{10'000};
  constexpr std::size_t kBytesPerExtraSecond = 65'536;
  const std::size_t pieces = bytes / kBytesPerExtraSecond;
  return kFrameTime + std::chrono::seconds(pieces > 0 ? pieces - 1 : 0);
}

Intake::State Intake::take(std::string_view bytes, const KeepLarge& keep_large) {
  const auto frame = reader_.feed(bytes);
  if (frame == FrameReader::State::too_long || reader_.trailing()) return State::refused;
  if (!may_be_large_ && reader_.held() > kSmallFrameBytes) {
    may_be_large_ = keep_large(std::string_view(reader_.content()).substr(0, kSmallFrameBytes));
    if (!may_be_large_) reader_.discard();
  }
  return frame == FrameReader::State::complete ? State::complete : State::incomplete;
}

}  // namespace p2pchat
