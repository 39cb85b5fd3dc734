#include "node/handler.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"

namespace p2pchat {

namespace {

// Between SIGTERM and SIGKILL.
constexpr std::chrono::milliseconds kGraceOnStop{5'000};
constexpr std::chrono::milliseconds kGraceWhenLate{1'000};
constexpr std::size_t kLongestLine = 4'096;

Launch launch_for(const HandlerCommand& command, const Received& message) {
  Launch launch;
  launch.argv = command.argv;
  launch.set = {{"P2PCHAT_MSG_PEER", message.peer},
                {"P2PCHAT_MSG_FINGERPRINT", message.fingerprint},
                {"P2PCHAT_MSG_ID", message.id},
                {"P2PCHAT_MSG_TIME", rfc3339(message.time)}};
  launch.unset = {"P2PCHAT_PASSPHRASE_FILE"};
  launch.own_group = true;
  launch.reads_errors = true;
  return launch;
}

class Run {
 public:
  Run(const HandlerCommand& command, const Received& message, int stop,
      const ErrorLine& on_error_line)
      : process_(launch_for(command, message)),
        deadline_(command.time_limit),
        output_limit_(command.output_limit),
        unwritten_(message.body),
        stop_(stop),
        on_error_line_(on_error_line) {}

  Handled finish() {
    while (!wait_for_something()) {
    }
    // What it has left behind in its group may hold the pipes for ever: only what is in them
    // counts.
    const int status = process_.end();
    read_output();
    read_errors();
    if (!line_.empty()) on_error_line_(line_);
    if (too_much_) return {{}, kTooMuchOutput};
    if (late_) return {{}, kTooLate};
    return {std::move(reply_), static_cast<unsigned>(status)};
  }

 private:
  // True once the process has ended or is to be ended.
  bool wait_for_something() {
    std::array<pollfd, 5> polled{{{process_.end_descriptor(), POLLIN, 0},
                                  {process_.output(), POLLIN, 0},
                                  {process_.errors(), POLLIN, 0},
                                  {process_.input(), POLLOUT, 0},
                                  {stopping_ ? -1 : stop_, POLLIN, 0}}};
    const int ready = poll(polled.data(), polled.size(), poll_time(deadline_.remaining()));
    if (ready < 0) return false;
    if (polled[1].revents != 0) read_output();
    if (polled[2].revents != 0) read_errors();
    if (polled[3].revents != 0) write_input();
    if (polled[4].revents != 0) begin_to_stop();
    if (polled[0].revents != 0 || too_much_) return true;
    return deadline_.passed() && !give_last_chance();
  }

  void write_input() {
    const ssize_t count = write(process_.input(), unwritten_.data(), unwritten_.size());
    if (count > 0) unwritten_.remove_prefix(static_cast<std::size_t>(count));
    // A handler need not read what it is given.
    const bool gone = count < 0 && errno != EAGAIN && errno != EINTR;
    if (unwritten_.empty() || gone) process_.close_input();
  }

  void read_output() {
    const bool more = read_all(process_.output(), [this](std::string_view piece) {
      too_much_ = too_much_ || piece.size() > output_limit_ - reply_.size();
      if (!too_much_) reply_ += piece;
      return !too_much_;
    });
    if (!more) process_.close_output();
  }

  void read_errors() {
    const bool more = read_all(process_.errors(), [this](std::string_view piece) {
      for (const char c : piece) {
        if (c == '\n' || line_.size() == kLongestLine) {
          on_error_line_(line_);
          line_.clear();
        }
        if (c != '\n') line_ += c;
      }
      return true;
    });
    if (!more) process_.close_errors();
  }

  // What is there now, but no more than one turn's worth. False at its end.
  template <typename Take>
  static bool read_all(int descriptor, const Take& take) {
    constexpr int kMostPieces = 64;
    std::array<char, 16'384> piece{};
    for (int i = 0; i < kMostPieces; ++i) {
      const ssize_t count = read(descriptor, piece.data(), piece.size());
      if (count < 0) return errno == EAGAIN || errno == EINTR;
      if (count == 0) return false;
      if (!take(std::string_view(piece.data(), static_cast<std::size_t>(count)))) return true;
    }
    return true;
  }

  void begin_to_stop() {
    stopping_ = true;
    process_.signal(SIGTERM);
    deadline_ = Deadline(std::min(deadline_.remaining(), kGraceOnStop));
  }

  // At the time limit. False when that was the last one.
  bool give_last_chance() {
    if (stopping_ || late_) return false;
    late_ = true;
    process_.signal(SIGTERM);
    deadline_ = Deadline(kGraceWhenLate);
    return true;
  }

  Process process_;
  Deadline deadline_;
  std::size_t output_limit_;
  std::string_view unwritten_;
  int stop_;
  const ErrorLine& on_error_line_;
  std::string reply_;
  std::string line_;
  bool too_much_ = false;
  bool late_ = false;
  bool stopping_ = false;
};

}  // namespace

Handled run_handler(const HandlerCommand& command, const Received& message, int stop,
                    const ErrorLine& on_error_line) {
  try {
    return Run(command, message, stop, on_error_line).finish();
  } catch (const Error& error) {
    on_error_line(error.what());
    return {{}, kNotRun};
  }
}

}  // namespace p2pchat
