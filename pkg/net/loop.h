// The listener's event loop: every socket on one thread. It accepts, puts frames together, hands
// each complete one on, writes the replies that come back, and enforces limits and deadlines. It
// knows frames, not keys; whatever strangers send, it neither blocks nor throws. Without memory it
// goes on, too: that costs the connection that needed it.
#pragma once

#include <Poco/Net/PollSet.h>
#include <Poco/Net/ServerSocket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "net/connection.h"
#include "net/ledger.h"

namespace p2pchat {

// Work that has begun on a frame before it was complete: whatever its maker needs to go on. It is
// let go when the connection ends first.
using BegunWork = std::shared_ptr<void>;

// A complete frame on its way to whoever answers it.
struct Incoming {
  std::uint64_t connection = 0;  // never used twice
  std::string frame;             // empty also when it was too large to be one for us
  Source source;
  std::chrono::steady_clock::time_point deadline;  // not taken up by then: drop it
  BegunWork begun;                                 // nothing where none has
};

// Shown what has come of an unfinished frame, as long as that is no more than kSmallFrameBytes,
// after each piece until it gives something.
using FrameObserver = std::function<BegunWork(std::string_view unfinished, const Source& source)>;

struct LoopLimits {
  std::size_t connections = 16'384;
  std::size_t frame_bytes = 67'108'864;        // of all frames, arriving or being answered
  std::size_t answering = 512;                 // frames handed on and not yet answered
  std::size_t answering_bytes = 33'554'432;    // of those frames
  std::chrono::milliseconds stop_time{5'000};  // for what is in flight at the end
};

class Loop {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Loop(const LoopLimits& limits);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Binds, listens and returns where: "192.0.2.7:4040" or "[::]:4040". address: "" for all (IPv6
  // and IPv4, or IPv4 alone where the kernel has no IPv6), else an address or a name. Port 0: any
  // free one. Throws Error{system}, also when a name is not resolved before the deadline. Without
  // it run() serves descriptors and timers alone.
  std::string listen(const std::string& address, std::uint16_t port,
                     const Deadline& deadline = Deadline(std::chrono::seconds(10)));
  // On a socket that listens already. Throws Error{usage} when it is none.
  std::string listen(Fd socket);

  // All handlers are called on the loop's thread and set before run().
  void on_frame(std::function<void(Incoming)> handler) { on_frame_ = std::move(handler); }
  void on_large_frame(KeepLarge keep_large) { keep_large_ = std::move(keep_large); }
  void on_unfinished_frame(FrameObserver observer) { observer_ = std::move(observer); }
  // Once, when the end begins.
  void on_stop(std::function<void()> handler) { on_stop_ = std::move(handler); }
  // Whenever `descriptor` is readable; the handler reads it empty. It stays the caller's.
  void watch(int descriptor, std::function<void()> handler);
  // Once, after that time.
  void after(std::chrono::milliseconds time, std::function<void()> handler);
  // Again and again, with that time between.
  void every(std::chrono::milliseconds time, std::function<void()> handler);

  // Serves until stop(), then until every frame that was handed on has its reply written, but no
  // longer than the limit.
  void run();

  // What is left of the time that stop() allows, for those who end after run().
  std::chrono::milliseconds time_to_end() const;

  // From any thread. A reply of nothing closes the connection without one.
  void reply(std::uint64_t connection, std::optional<std::string> frame);
  void stop();

 private:
  struct Slot {
    Connection connection;
    int polled_mode = 0;  // 0: not in the poll set
    // As the sets and sums below know it.
    Connection::State counted = Connection::State::reading;
    std::size_t counted_bytes = 0;
    std::size_t answering_bytes = 0;  // of the frame that was handed on
    BegunWork begun = {};
    Clock::time_point counted_deadline = kNever;
  };
  struct Outgoing {
    std::uint64_t connection;
    std::optional<std::string> frame;
  };
  struct Timer {
    std::chrono::milliseconds again{0};  // 0: once
    std::function<void()> handler;
  };
  using Slots = std::map<std::uint64_t, Slot>;  // by age
  static constexpr auto kNever = Clock::time_point::max();

  void take_turn();
  std::chrono::milliseconds time_to_next_deadline() const;
  void run_timers();
  void expire_connections();
  std::string accept_on(const Poco::Net::ServerSocket& server);
  void accept_waiting();
  void add_connection(Fd descriptor, const Source& source);
  void set_accepting(bool accepting);
  void pause_accepting();
  void make_room();
  void serve(const Poco::Net::Socket& socket, int mode);
  void read_from(Slot& slot);
  void serve_watched();
  void wake();
  void take_outbox();
  void begin_stop();
  void limit_unfinished_bytes();
  void limit_answering();

  // Does what a connection needs; if that fails, closes it: nobody else is to suffer.
  template <typename Work>
  void do_or_close(Slots::iterator slot, Work work);
  // Brings poll set, deadlines and sums in line with what the connection's state is now; a finished
  // connection is gone afterwards.
  void settle(Slots::iterator slot);
  void close(Slots::iterator slot);
  void set_polled_mode(Slot& slot, int mode);
  static int wanted_mode(Connection::State state);
  std::set<std::uint64_t>& in_state(Connection::State state) {
    return by_state_[static_cast<std::size_t>(state)];
  }

  LoopLimits limits_;
  std::optional<Poco::Net::ServerSocket> server_;
  Poco::Net::PollSet polled_;
  bool accepting_ = false;
  Clock::time_point accept_again_ = kNever;

  Slots slots_;
  std::unordered_map<const void*, std::uint64_t> ids_;  // of the sockets in slots_
  std::set<std::pair<Clock::time_point, std::uint64_t>> deadlines_;
  std::uint64_t next_id_ = 1;
  std::array<std::set<std::uint64_t>, 5> by_state_;  // by age
  std::size_t answering_bytes_ = 0;                  // of frames that were handed on
  Ledger held_;                                      // by the others
  bool reading_ = true;                              // false while too many are answering
  std::vector<std::uint64_t> unread_;                // had something to read meanwhile

  std::function<void(Incoming)> on_frame_;
  KeepLarge keep_large_;
  FrameObserver observer_;
  std::function<void()> on_stop_;
  std::map<Poco::Net::Socket, std::function<void()>> watched_;
  std::multimap<Clock::time_point, Timer> timers_;

  Fd wake_;           // an eventfd: something is in the outbox, or stop was asked for
  std::mutex mutex_;  // guards the next two
  std::vector<Outgoing> outbox_;
  bool stop_requested_ = false;
  std::vector<Outgoing> replies_;  // those taken out of it

  bool stopping_ = false;
  Clock::time_point stop_by_;
};

}  // namespace p2pchat
