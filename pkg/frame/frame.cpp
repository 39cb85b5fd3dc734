#include "frame/frame.h"

namespace p2pchat {

std::string encode_frame(std::string_view content) {
  std::string bytes;
  bytes.reserve(content.size() + 1);
  bytes += content;
  bytes += '\0';
  return bytes;
}

FrameReader::State FrameReader::feed(std::string_view bytes) {
  if (state_ != State::incomplete) return state_;
  const std::size_t end = bytes.find('\0');
  const std::string_view piece = bytes.substr(0, end);
  received_ += piece.size();
  if (received_ > kMaxFrameBytes) {
    state_ = State::too_long;
    discard();
    return state_;
  }
  if (!discarding_) content_ += piece;
  if (end != std::string_view::npos) {
    trailing_ = end + 1 < bytes.size();
    state_ = State::complete;
  }
  return state_;
}

void FrameReader::discard() {
  discarding_ = true;
  content_ = std::string();  // a fresh string: clear() would keep the memory
}

}  // namespace p2pchat
