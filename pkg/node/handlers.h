// Messages that are given to a handler, each at most once, also across a crash: committed as
// `exec`, marked `handling` before the handler starts and `handled` with its reply after (DESIGN
// 7.3). Whoever has a message's lock has the message; the lock dies with its process.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "node/handler.h"
#include "node/home.h"
#include "store/messages.h"

namespace p2pchat {

// How many messages may be with handlers at once, and how many altogether.
class Places {
 public:
  Places(std::uint64_t at_once, std::optional<std::uint64_t> altogether)
      : at_once_(at_once), altogether_(altogether) {}

  // Free again at its end; counted among all if it was used.
  class Place {
   public:
    explicit Place(Places& places) : places_(&places) {}
    ~Place();
    Place(Place&& other) noexcept
        : places_(std::exchange(other.places_, nullptr)), used_(other.used_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(places_, other.places_);
      std::swap(used_, other.used_);
      return *this;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    void use() { used_ = true; }

   private:
    Places* places_;
    bool used_ = false;
  };

  // Nothing when there is none.
  std::optional<Place> take();
  // For what is left over from before, which waits its turn: only the number altogether counts.
  std::optional<Place> take_in_queue();
  bool all_used() const;

 private:
  std::optional<Place> take(bool waits);

  const std::uint64_t at_once_;
  const std::optional<std::uint64_t> altogether_;
  mutable std::mutex mutex_;  // guards the next two
  std::uint64_t taken_ = 0;
  std::uint64_t used_ = 0;
};

// A message that its holder gives to a handler, and nobody else.
struct ToHandle {
  std::int64_t row = 0;
  FileLock lock;
  Places::Place place;
};

// The lock on a message that is to be handled. Not held() when somebody has it.
FileLock message_lock(const std::string& lock_file, std::int64_t row);

// Notes that nobody knows how the handler ended: it is not run again (kInterrupted).
void interrupt(Messages& messages, std::int64_t row, bool forget_body);

class Handlers {
 public:
  struct Events {
    // On the thread of the handler: a line of its standard error.
    std::function<void(const std::string& id, std::string_view line)> line;
    // A message whose handler was interrupted when an earlier listener died.
    std::function<void(const Received& message)> interrupted;
  };

  // jobs: handlers side by side; limit: messages altogether. forget_bodies: delete each body once
  // it is handled.
  Handlers(const Home& home, HandlerCommand command, std::uint64_t jobs,
           std::optional<std::uint64_t> limit, bool forget_bodies, Events events);

  Places& places() { return places_; }

  // What an earlier process has left: what was not begun is returned, oldest first, as far as the
  // limit goes; what was begun is interrupted. Throws Error{system}.
  std::vector<ToHandle> leftovers();

  // Runs the handler, on the calling thread, and keeps what came of it. Nothing when the start
  // could not be recorded: then the message has not been given to it. Throws Error{system} when the
  // end could not be recorded. `stop`: readable when the handler shall end; -1 for the common one.
  std::optional<Handled> handle(ToHandle to_handle, int stop = -1);

  // Any thread: handlers get SIGTERM and 5 s, and what has not begun is left for the next listener.
  void stop();

 private:
  std::optional<Received> begin(std::int64_t row);
  void record(std::int64_t row, const Handled& handled);
  template <typename Work>
  auto persistently(const Work& work, bool for_ever);

  std::string lock_file_;
  HandlerCommand command_;
  bool forget_bodies_;
  Events events_;
  Places places_;
  Fd stop_;  // an eventfd, readable once stop() was called
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  // guards the next three
  Database database_;
  Messages messages_;
  Peers peers_;
};

}  // namespace p2pchat
