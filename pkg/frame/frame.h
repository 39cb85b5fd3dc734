// The frame of the wire protocol, p2pchat-protocol(7) "Frame": bytes without NUL, ended by one NUL.
// Knows nothing of sockets and nothing of what a frame means.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace p2pchat {

// The longest frame, without its NUL.
inline constexpr std::size_t kMaxFrameBytes = 4'194'304;

// The bytes to send for a frame. `content` holds no NUL.
std::string encode_frame(std::string_view content);

// Puts one frame together from pieces of any size.
class FrameReader {
 public:
  enum class State {
    incomplete,  // no NUL yet
    complete,    // the NUL has come
    too_long,    // kMaxFrameBytes without a NUL have come, and one more
  };

  // Takes bytes as they arrive and returns the new state. Nothing is taken once the state is no
  // longer incomplete. Bytes that follow the NUL in `bytes` set trailing().
  State feed(std::string_view bytes);

  // Forget what has come and what comes, but go on counting up to the NUL.
  void discard();

  State state() const { return state_; }
  bool discarding() const { return discarding_; }
  // True when more followed the NUL in the piece that held it.
  bool trailing() const { return trailing_; }
  // Bytes of this frame that have come so far, kept or not.
  std::size_t received() const { return received_; }
  // Bytes held in memory.
  std::size_t held() const { return content_.size(); }
  // What has come so far, without the NUL; empty when discarding.
  const std::string& content() const { return content_; }
  // Takes the content out of the reader.
  std::string take() { return std::move(content_); }

 private:
  State state_ = State::incomplete;
  std::string content_;
  std::size_t received_ = 0;
  bool discarding_ = false;
  bool trailing_ = false;
};

}  // namespace p2pchat
