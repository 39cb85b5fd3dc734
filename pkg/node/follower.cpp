#include "node/follower.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "base/clock.h"
#include "base/error.h"
#include "base/folder_watch.h"
#include "base/process.h"

namespace p2pchat {

namespace {

using std::chrono::milliseconds;

// A commit can be read only some time after the write that we are woken by, and on a slow disk that
// time is long: we look again after pauses, each twice as long as the last.
constexpr milliseconds kFirstPause{10};
constexpr milliseconds kLastPause{5'120};
// For what is left of a message when the end has come.
constexpr milliseconds kGrace{1'000};

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

class Follower {
 public:
  Follower(const Home& home, const HistoryQuery& query, const FollowOptions& options,
           const EntryFormatter& format)
      : signals_({SIGINT, SIGTERM, SIGHUP}),
        history_(home, query),
        left_(options.count),
        format_(format) {
    if (options.time_limit) end_at_ = Deadline(*options.time_limit);
    if (left_) history_.skip_to_newest(0);
    // Watched from before the first look.
    watch_.emplace(home.folder(), std::vector{file_name(home.state_file()),
                                              file_name(home.state_file()) + "-wal"});
  }

  FollowEnd run() {
    do {
      write_news();
    } while (!ended() && wait_for_change());
    return end_;
  }

 private:
  bool ended() const { return end_.reached || end_.signal_number != 0 || time_is_over(); }
  bool time_is_over() const { return end_at_ && end_at_->passed(); }

  void write_news() {
    for (auto entries = history_.next(); !entries.empty(); entries = history_.next()) {
      for (const HistoryEntry& entry : entries) {
        if (ended()) return;
        write(format_(entry));
        if (left_) end_.reached = --*left_ == 0;
      }
    }
  }

  // Pieces that a pipe which is ready takes at once.
  void write(std::string_view bytes) {
    constexpr std::size_t kPiece = 4096;  // PIPE_BUF
    std::optional<Deadline> give_up;
    while (!bytes.empty()) {
      if (ended() && !give_up) give_up = Deadline(kGrace);
      if (give_up && give_up->passed()) return;
      if (!wait_for_reader(give_up)) continue;
      const std::string_view piece = bytes.substr(0, kPiece);
      if (const int error = write_all(STDOUT_FILENO, piece); error != 0) fail(error);
      bytes.remove_prefix(piece.size());
    }
  }

  bool wait_for_reader(const std::optional<Deadline>& give_up) {
    std::array<pollfd, 2> polled{{{STDOUT_FILENO, POLLOUT, 0}, signal_poll()}};
    wait(polled, give_up ? give_up : end_at_);
    return polled[0].revents != 0;
  }

  // True when there may be something new, false at the end.
  bool wait_for_change() {
    while (!ended()) {
      const std::optional<Deadline> pause = pause_ ? std::optional(Deadline(*pause_)) : std::nullopt;
      // In the shortest pause nobody cares how many writes there are.
      const bool watching = pause_ != kFirstPause;
      std::array<pollfd, 3> polled{{{STDOUT_FILENO, 0, 0},
                                    signal_poll(),
                                    {watching ? watch_->descriptor() : -1, POLLIN, 0}}};
      wait(polled, earlier(pause, end_at_));
      if (polled[0].revents != 0) fail(EPIPE);
      if (polled[2].revents != 0) {
        if (watch_->take()) pause_ = kFirstPause;
      } else if (pause && pause->passed()) {
        pause_ = *pause_ < kLastPause ? std::optional(*pause_ * 2) : std::nullopt;
        return true;
      }
    }
    return false;
  }

  // A second signal changes nothing.
  pollfd signal_poll() const {
    return {end_.signal_number == 0 ? signals_.descriptor() : -1, POLLIN, 0};
  }

  template <std::size_t size>
  void wait(std::array<pollfd, size>& polled, const std::optional<Deadline>& until) {
    constexpr int kForEver = -1;
    poll(polled.data(), size, until ? poll_time(until->remaining()) : kForEver);
    if (polled[1].revents != 0) end_.signal_number = signals_.take();
  }

  static std::optional<Deadline> earlier(const std::optional<Deadline>& a,
                                         const std::optional<Deadline>& b) {
    if (!a || !b) return a ? a : b;
    return a->at() < b->at() ? a : b;
  }

  [[noreturn]] static void fail(int error) {
    throw Error(Status::system, "cannot write to standard output: " + errno_text(error));
  }

  SignalFd signals_;
  History history_;
  std::optional<std::uint64_t> left_;
  const EntryFormatter& format_;
  std::optional<Deadline> end_at_;
  std::optional<FolderWatch> watch_;
  std::optional<milliseconds> pause_;  // none: nothing was written since long
  FollowEnd end_;
};

}  // namespace

FollowEnd follow_history(const Home& home, const HistoryQuery& query, const FollowOptions& options,
                         const EntryFormatter& format) {
  return Follower(home, query, options, format).run();
}

}  // namespace p2pchat
