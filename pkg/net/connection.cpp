#include "net/connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/fault.h"

namespace p2pchat {

Connection::Connection(std::uint64_t id, const Poco::Net::StreamSocket& socket, Source source)
    : id_(id), socket_(socket), source_(std::move(source)), deadline_(intake_.deadline()) {}

void Connection::enter(State state, std::chrono::milliseconds time) {
  state_ = state;
  deadline_ = Clock::now() + time;
}

void Connection::readable(const KeepLarge& keep_large) {
  std::array<char, 65536> piece{};
  const ssize_t count =
      fault("recv", ECONNRESET) ? -1 : recv(descriptor(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    state_ = State::finished;
  } else if (state_ == State::reading) {
    const auto frame = intake_.take({piece.data(), static_cast<std::size_t>(count)}, keep_large);
    deadline_ = intake_.deadline();
    if (frame == Intake::State::refused) state_ = State::finished;
    if (frame == Intake::State::complete) state_ = State::answering;
  }
}

void Connection::answer(std::string_view reply) {
  output_ = encode_frame(reply);
  enter(State::writing, frame_time(output_.size()));
  writable();
}

void Connection::writable() {
  const ssize_t count = fault("send", ECONNRESET)
                            ? -1
                            : send(descriptor(), output_.data() + written_,
                                   output_.size() - written_, MSG_DONTWAIT | MSG_NOSIGNAL);
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
