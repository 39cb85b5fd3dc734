#include "net/exchange.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "frame/frame.h"

namespace p2pchat {

namespace {

class Client {
 public:
  Client(int in, int out, const RequestParts& request, const ReplyWatcher& plausible, int interrupt)
      : in_(in),
        out_(out),
        interrupt_(interrupt),
        output_(request.rest ? std::string(request.head) : encode_frame(request.head)),
        rest_(request.rest),
        plausible_(plausible) {}

  Exchanged run(const Deadline& deadline) {
    while (!end_) {
      if (!wait(deadline)) {
        finish(ExchangeEnd::late, "no answer in time");
        break;
      }
    }
    // The reply may have been refused before our first byte was out: nobody has our request then.
    if (!begun_ && *end_ != ExchangeEnd::answered && *end_ != ExchangeEnd::implausible) {
      end_ = ExchangeEnd::not_begun;
    }
    return {*end_, reader_.take(), why_};
  }

 private:
  // Waits for one of the descriptors and serves it. False when the time is over.
  bool wait(const Deadline& deadline) {
    if (rest_ && sent_ == output_.size()) {
      output_ = encode_frame(std::exchange(rest_, nullptr)());
      sent_ = 0;
    }
    const bool sending = sent_ < output_.size() && !cannot_send_;
    std::array<pollfd, 3> polled = {pollfd{in_, POLLIN, 0}, pollfd{sending ? out_ : -1, POLLOUT, 0},
                                    pollfd{interrupt_, POLLIN, 0}};
    const int ready = poll(polled.data(), polled.size(), poll_time(deadline.remaining()));
    if (ready < 0 && errno != EINTR) finish(ExchangeEnd::lost, errno_text(errno));
    if (deadline.passed()) return false;
    if (ready <= 0) return true;
    if (polled[2].revents != 0) {
      finish(ExchangeEnd::interrupted, "interrupted");
      return true;
    }
    if (polled[1].revents != 0) send_some();
    if (polled[0].revents != 0) receive_some();
    return true;
  }

  void send_some() {
    const ssize_t count = fault("send", ECONNRESET)
                              ? -1
                              : write(out_, output_.data() + sent_, output_.size() - sent_);
    if (count >= 0) {
      sent_ += static_cast<std::size_t>(count);
      begun_ = begun_ || count > 0;
    } else if (errno != EAGAIN && errno != EINTR) {
      // The other side may have answered before it stopped reading: read on.
      cannot_send_ = true;
      why_ = errno_text(errno);
    }
  }

  void receive_some() {
    std::array<char, 65536> piece{};
    const ssize_t count = fault("recv", ECONNRESET) ? -1 : read(in_, piece.data(), piece.size());
    if (count < 0) {
      if (errno != EAGAIN && errno != EINTR) finish(ExchangeEnd::lost, errno_text(errno));
      return;
    }
    if (count == 0) {
      finish(ExchangeEnd::lost, "connection closed without an answer");
      return;
    }
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(count));
    const auto state = reader_.feed(bytes);
    if (!plausible_(bytes.substr(0, bytes.find('\0')))) {
      finish(ExchangeEnd::implausible, "");
    } else if (state == FrameReader::State::too_long) {
      finish(ExchangeEnd::implausible, "");
    } else if (state == FrameReader::State::complete) {
      finish(ExchangeEnd::answered, "");
    }
  }

  void finish(ExchangeEnd end, std::string why) {
    end_ = end;
    if (why_.empty()) why_ = std::move(why);
  }

  int in_;
  int out_;
  int interrupt_;
  std::string output_;
  std::size_t sent_ = 0;  // of output_
  bool begun_ = false;
  std::function<std::string()> rest_;
  const ReplyWatcher& plausible_;
  bool cannot_send_ = false;
  FrameReader reader_;
  std::optional<ExchangeEnd> end_;
  std::string why_;
};

}  // namespace

Exchanged exchange(int in, int out, const RequestParts& request, const Deadline& deadline,
                   const ReplyWatcher& plausible, int interrupt) {
  return Client(in, out, request, plausible, interrupt).run(deadline);
}

namespace {

// True when the descriptor is ready for `events` before the time.
bool wait_for(int descriptor, short events, Intake::Clock::time_point by) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(by - Intake::Clock::now());
    if (left.count() <= 0) return false;
    pollfd polled{descriptor, events, 0};
    if (poll(&polled, 1, poll_time(left)) > 0) return true;
  }
}

// Some bytes; nothing when the time is over, the end has come or the connection is broken.
std::optional<std::string> read_some(int in, Intake::Clock::time_point by) {
  std::string piece(65536, '\0');
  while (wait_for(in, POLLIN, by)) {
    const ssize_t count = fault("recv", ECONNRESET) ? -1 : read(in, piece.data(), piece.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return std::nullopt;
    piece.resize(static_cast<std::size_t>(count));
    return piece;
  }
  return std::nullopt;
}

bool write_frame(int out, std::string_view reply) {
  constexpr std::size_t kPiece = 4096;  // what a pipe that is ready takes without blocking
  const std::string frame = encode_frame(reply);
  const auto by = Intake::Clock::now() + frame_time(frame.size());
  std::size_t written = 0;
  while (written < frame.size()) {
    if (!wait_for(out, POLLOUT, by)) return false;
    const char* next = frame.data() + written;
    const std::size_t left = frame.size() - written;
    ssize_t count =
        fault("send", ECONNRESET) ? -1 : send(out, next, left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == ENOTSOCK) count = write(out, next, std::min(left, kPiece));
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (count > 0) written += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

bool serve(int in, int out, const KeepLarge& keep_large, const Answer& answer) {
  Intake intake;
  auto state = Intake::State::incomplete;
  while (state == Intake::State::incomplete) {
    const auto piece = read_some(in, intake.deadline());
    if (!piece) return false;
    state = intake.take(*piece, keep_large);
  }
  if (state == Intake::State::refused) return false;
  const std::optional<std::string> reply = answer(intake.take_frame());
  if (!reply || !write_frame(out, *reply)) return false;
  const auto close_by = Intake::Clock::now() + kLingerTime;
  while (read_some(in, close_by)) {
  }
  return true;
}

}  // namespace p2pchat
