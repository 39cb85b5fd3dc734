#include "net/exchange.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "frame/frame.h"

namespace p2pchat {

namespace {

class Client {
 public:
  Client(int in, int out, std::string_view request, const ReplyWatcher& plausible)
      : in_(in), out_(out), request_(encode_frame(request)), plausible_(plausible) {}

  Exchanged run(const Deadline& deadline) {
    while (!end_) {
      if (!wait(deadline)) {
        finish(ExchangeEnd::late, "no answer in time");
        break;
      }
    }
    // The reply may have been refused before our first byte was out: nobody has our request then.
    if (sent_ == 0 && *end_ != ExchangeEnd::answered && *end_ != ExchangeEnd::implausible) {
      end_ = ExchangeEnd::not_begun;
    }
    return {*end_, reader_.take(), why_};
  }

 private:
  // Waits for one of the descriptors and serves it. False when the time is over.
  bool wait(const Deadline& deadline) {
    const bool sending = sent_ < request_.size() && !cannot_send_;
    std::array<pollfd, 2> polled = {pollfd{in_, POLLIN, 0},
                                    pollfd{sending ? out_ : -1, POLLOUT, 0}};
    const int ready = poll(polled.data(), polled.size(), poll_time(deadline.remaining()));
    if (ready < 0 && errno != EINTR) finish(ExchangeEnd::lost, errno_text(errno));
    if (ready == 0 && deadline.passed()) return false;
    if (ready <= 0) return true;
    if (polled[1].revents != 0) send_some();
    if (polled[0].revents != 0) receive_some();
    return true;
  }

  void send_some() {
    const ssize_t count = write(out_, request_.data() + sent_, request_.size() - sent_);
    if (count >= 0) {
      sent_ += static_cast<std::size_t>(count);
    } else if (errno != EAGAIN && errno != EINTR) {
      // The other side may have answered before it stopped reading: read on.
      cannot_send_ = true;
      why_ = errno_text(errno);
    }
  }

  void receive_some() {
    std::array<char, 65536> piece{};
    const ssize_t count = read(in_, piece.data(), piece.size());
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
  std::string request_;
  const ReplyWatcher& plausible_;
  std::size_t sent_ = 0;
  bool cannot_send_ = false;
  FrameReader reader_;
  std::optional<ExchangeEnd> end_;
  std::string why_;
};

}  // namespace

Exchanged exchange(int in, int out, std::string_view request, const Deadline& deadline,
                   const ReplyWatcher& plausible) {
  return Client(in, out, request, plausible).run(deadline);
}

}  // namespace p2pchat
