#include "net/connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace p2pchat {

namespace {

constexpr std::chrono::milliseconds kFrameTime{10'000};
constexpr std::chrono::milliseconds kLingerTime{1'000};
constexpr std::size_t kBytesPerExtraSecond = 65'536;

// The time that `bytes` are given: 1 s more for each whole 64 KiB beyond the first.
std::chrono::milliseconds time_for(std::size_t bytes) {
  const std::size_t pieces = bytes / kBytesPerExtraSecond;
  return kFrameTime + std::chrono::seconds(pieces > 0 ? pieces - 1 : 0);
}

}  // namespace

Connection::Connection(std::uint64_t id, const Poco::Net::StreamSocket& socket, Source source)
    : id_(id),
      socket_(socket),
      source_(std::move(source)),
      opened_(Clock::now()),
      deadline_(opened_ + kFrameTime) {}

void Connection::enter(State state, std::chrono::milliseconds time) {
  state_ = state;
  deadline_ = Clock::now() + time;
}

void Connection::readable(const KeepLarge& keep_large) {
  std::array<char, 65536> piece{};
  const ssize_t count = recv(descriptor(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    state_ = State::finished;
  } else if (state_ == State::reading) {
    take({piece.data(), static_cast<std::size_t>(count)}, keep_large);
  }
}

void Connection::take(std::string_view bytes, const KeepLarge& keep_large) {
  const auto frame = reader_.feed(bytes);
  if (frame == FrameReader::State::too_long || reader_.trailing()) {
    state_ = State::finished;
    return;
  }
  if (!may_be_large_ && reader_.held() > kSmallFrameBytes) {
    may_be_large_ = keep_large(reader_.content());
    if (!may_be_large_) reader_.discard();
  }
  deadline_ = opened_ + time_for(reader_.received());
  if (frame == FrameReader::State::complete) state_ = State::answering;
}

void Connection::answer(std::string_view reply) {
  output_ = encode_frame(reply);
  enter(State::writing, time_for(output_.size()));
  writable();
}

void Connection::writable() {
  const ssize_t count = send(descriptor(), output_.data() + written_, output_.size() - written_,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count < 0) {
    if (errno != EAGAIN && errno != EINTR) state_ = State::finished;
    return;
  }
  written_ += static_cast<std::size_t>(count);
  if (written_ < output_.size()) return;
  output_ = std::string();
  enter(State::lingering, kLingerTime);
}

}  // namespace p2pchat
