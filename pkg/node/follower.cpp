#include "node/follower.h"

#include <fcntl.h>
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
constexpr milliseconds kLastPause{2'560};
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
    // One that was closed when we were started: no write may come for a long time.
    if ((fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY) fail(EBADF);
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
        if (ended() || !write(format_(entry))) return;
        if (left_) end_.reached = --*left_ == 0;
      }
    }
  }

  // Pieces that a pipe which is ready takes at once. False when nobody reads and the end has come.
  bool write(std::string_view bytes) {
    constexpr std::size_t kPiece = 4096;  // PIPE_BUF
    std::optional<Deadline> give_up;
    while (!bytes.empty()) {
      if (ended() && !give_up) give_up = Deadline(kGrace);
      if (give_up && give_up->passed()) return false;
      if (!wait_for_reader(give_up)) continue;
      const std::string_view piece = bytes.substr(0, kPiece);
      if (const int error = write_all(STDOUT_FILENO, piece); error != 0) fail(error);
      bytes.remove_prefix(piece.size());
    }
    return true;
  }

  bool wait_for_reader(const std::optional<Deadline>& give_up) {
    std::array<pollfd, 2> polled{{{STDOUT_FILENO, POLLOUT, 0}, signal_poll()}};
    wait(polled, give_up ? give_up : end_at_);
    return polled[0].revents != 0;
  }

  // True when there may be something new, false at the end.
  bool wait_for_change() {
    while (!ended()) {
      // Whatever is written during the shortest pause is seen after it.
      const bool watching = !look_at_ || pause_ > kFirstPause;
      std::array<pollfd, 3> polled{{{STDOUT_FILENO, 0, 0},
                                    signal_poll(),
                                    {watching ? watch_->descriptor() : -1, POLLIN, 0}}};
      wait(polled, earlier(look_at_, end_at_));
      if (polled[0].revents != 0) fail(EPIPE);
      if (polled[2].revents != 0) {
        if (watch_->take()) look_after(kFirstPause);
      } else if (look_at_ && look_at_->passed()) {
        look_after(pause_ * 2);
        return true;
      }
    }
    return false;
  }

  void look_after(milliseconds pause) {
    pause_ = pause;
    look_at_ = pause <= kLastPause ? std::optional(Deadline(pause)) : std::nullopt;
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
  milliseconds pause_{0};            // that ends at look_at_
  std::optional<Deadline> look_at_;  // none: not before something is written
  FollowEnd end_;
};

}  // namespace

FollowEnd follow_history(const Home& home, const HistoryQuery& query, const FollowOptions& options,
                         const EntryFormatter& format) {
  return Follower(home, query, options, format).run();
}

}  // namespace p2pchat
