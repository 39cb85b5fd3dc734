#include "net/loop.h"

#include <Poco/Exception.h>
#include <Poco/Net/SocketImpl.h>
#include <Poco/Net/StreamSocketImpl.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/fault.h"
#include "net/listening_socket.h"
#include "net/source.h"

namespace p2pchat {

namespace {

using Poco::Net::PollSet;
using State = Connection::State;

constexpr int kAcceptsPerTurn = 16;
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::milliseconds kLongestWait{60'000};
constexpr std::chrono::milliseconds kMemoryPause{20};

// Lets a descriptor that is no socket into a PollSet, which asks a socket for nothing else.
class DescriptorImpl final : public Poco::Net::SocketImpl {
 public:
  explicit DescriptorImpl(int descriptor) : SocketImpl(descriptor) {}
};
class DescriptorSocket final : public Poco::Net::Socket {
 public:
  explicit DescriptorSocket(int descriptor) : Socket(new DescriptorImpl(descriptor)) {}
};

// Whether or not it is there.
void remove_from(PollSet& polled, const Poco::Net::Socket& socket) {
  try {
    polled.remove(socket);
  } catch (const Poco::Exception&) {
    return;
  }
}

}  // namespace

Loop::Loop(const LoopLimits& limits)
    : limits_(limits), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!wake_) throw Error(Status::system, "cannot make an eventfd: " + errno_text(errno));
  limits_.answering =
      std::max<std::size_t>(1, std::min(limits_.answering, limits_.connections / 2));
  // A reply needs no memory to get here: one that is lost would leave its connection open for ever.
  outbox_.reserve(limits_.answering);
  replies_.reserve(limits_.answering);
  watch(wake_.get(), [this] {
    std::uint64_t count = 0;
    while (read(wake_.get(), &count, sizeof count) > 0) {
    }
  });
}

std::string Loop::listen(const std::string& address, std::uint16_t port, const Deadline& deadline) {
  return accept_on(listen_on(address, port, deadline));
}

std::string Loop::listen(Fd socket) {
  return accept_on(take_listening(std::move(socket)));
}

std::string Loop::accept_on(const Poco::Net::ServerSocket& server) {
  server_ = server;
  server_->setBlocking(false);
  set_accepting(true);
  return where(*server_);
}

void Loop::watch(int descriptor, std::function<void()> handler) {
  const int duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) throw Error(Status::system, "cannot watch a descriptor: " + errno_text(errno));
  const DescriptorSocket socket(duplicate);  // closes it
  polled_.add(socket, PollSet::POLL_READ);
  watched_.emplace(socket, std::move(handler));
}

void Loop::after(std::chrono::milliseconds time, std::function<void()> handler) {
  timers_.emplace(Clock::now() + time, Timer{{}, std::move(handler)});
}

void Loop::every(std::chrono::milliseconds time, std::function<void()> handler) {
  timers_.emplace(Clock::now() + time, Timer{time, std::move(handler)});
}

void Loop::reply(std::uint64_t connection, std::optional<std::string> frame) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    is_first = outbox_.empty();
    outbox_.push_back({connection, std::move(frame)});
  }
  // The others are taken together with it.
  if (is_first) wake();
}

void Loop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_requested_ = true;
  }
  wake();
}

void Loop::wake() {
  const std::uint64_t one = 1;
  // A full counter fails, and then the loop is awake already.
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

void Loop::run() {
  while (!stopping_ || !(slots_.empty() || Clock::now() >= stop_by_)) {
    try {
      take_turn();
    } catch (const std::exception&) {
      // No memory. Whatever has not been done is still there in the next turn, which waits for
      // nothing: there may be replies whose word was taken already.
      std::this_thread::sleep_for(kMemoryPause);
      wake();
    }
  }
}

void Loop::take_turn() {
  try {
    const Poco::Timespan wait(
        std::chrono::duration_cast<std::chrono::microseconds>(time_to_next_deadline()).count());
    for (const auto& [socket, mode] : polled_.poll(wait)) serve(socket, mode);
  } catch (const std::exception&) {
    // No memory. What has not been done is still there in the next turn; what follows needs none,
    // and may free some.
    std::this_thread::sleep_for(kMemoryPause);
    serve_watched();
  }
  take_outbox();
  run_timers();
  expire_connections();
  limit_unfinished_bytes();
  limit_answering();
}

std::chrono::milliseconds Loop::time_to_next_deadline() const {
  Clock::time_point next = Clock::now() + kLongestWait;
  next = std::min(next, accept_again_);
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first);
  if (!timers_.empty()) next = std::min(next, timers_.begin()->first);
  if (stopping_) next = std::min(next, stop_by_);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
  return std::max(wait, std::chrono::milliseconds(0));
}

std::chrono::milliseconds Loop::time_to_end() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(stop_by_ - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

void Loop::run_timers() {
  while (!timers_.empty() && timers_.begin()->first <= Clock::now()) {
    auto timer = timers_.extract(timers_.begin());
    const Timer& due = timer.mapped();
    if (due.again.count() == 0) {
      due.handler();
      continue;
    }
    timer.key() = Clock::now() + due.again;
    timers_.insert(std::move(timer))->second.handler();
  }
  if (accept_again_ <= Clock::now()) {
    accept_again_ = kNever;
    set_accepting(!stopping_);
  }
}

void Loop::serve_watched() {
  for (const auto& [socket, handler] : watched_) {
    pollfd polled{socket.impl()->sockfd(), POLLIN, 0};
    if (poll(&polled, 1, 0) > 0) handler();
  }
}

void Loop::expire_connections() {
  const Clock::time_point now = Clock::now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    close(slots_.find(deadlines_.begin()->second));
  }
}

void Loop::serve(const Poco::Net::Socket& socket, int mode) {
  if (server_ && socket == *server_) return accept_waiting();
  if (const auto watched = watched_.find(socket); watched != watched_.end()) {
    return watched->second();
  }
  // Something served before it in this turn may have closed it.
  const auto id = ids_.find(socket.impl());
  if (id == ids_.end()) return;
  const auto slot = slots_.find(id->second);
  if ((mode & PollSet::POLL_ERROR) != 0) return close(slot);
  do_or_close(slot, [&] {
    Connection& connection = slot->second.connection;
    if (connection.state() == State::writing) {
      connection.writable();
    } else if (connection.state() == State::reading && !reading_) {
      unread_.push_back(slot->first);
      return set_polled_mode(slot->second, 0);
    } else {
      read_from(slot->second);
    }
    settle(slot);
  });
  limit_unfinished_bytes();
  limit_answering();
}

void Loop::read_from(Slot& slot) {
  Connection& connection = slot.connection;
  connection.readable(keep_large_);
  if (!observer_ || slot.begun || connection.state() != State::reading) return;
  const std::string_view unfinished = connection.unfinished();
  if (unfinished.size() <= kSmallFrameBytes) {
    slot.begun = observer_(unfinished, connection.source());
  }
}

template <typename Work>
void Loop::do_or_close(Slots::iterator slot, Work work) {
  try {
    work();
  } catch (const std::exception&) {
    close(slot);
  }
}

void Loop::accept_waiting() {
  for (int i = 0; i < kAcceptsPerTurn && accepting_; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    Fd descriptor(fault("accept", EMFILE) ? -1
                                          : accept4(server_->impl()->sockfd(), raw, &size,
                                                    SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!descriptor) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      // No descriptor or no memory: the backlog keeps the newcomers until there is.
      return pause_accepting();
    }
    make_room();
    add_connection(std::move(descriptor), source_of(raw, size));
  }
}

void Loop::add_connection(Fd descriptor, const Source& source) {
  const int on = 1;
  setsockopt(descriptor.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const Poco::Net::StreamSocket socket(new Poco::Net::StreamSocketImpl(descriptor.get()));
  descriptor.release();  // the socket closes it
  const std::uint64_t id = next_id_++;
  const auto slot = slots_.try_emplace(id, Slot{Connection(id, socket, source)}).first;
  do_or_close(slot, [&] {
    ids_.emplace(socket.impl(), id);
    in_state(State::reading).insert(id);
    deadlines_.insert({kNever, id});
    settle(slot);
  });
}

void Loop::set_accepting(bool accepting) {
  if (accepting == accepting_) return;
  if (!accepting) {
    polled_.remove(*server_);
  } else {
    try {
      polled_.add(*server_, PollSet::POLL_READ);
    } catch (const std::exception&) {
      // A PollSet that fails to add a socket may be woken by it all the same.
      remove_from(polled_, *server_);
      accept_again_ = Clock::now() + kAcceptPause;
      return;
    }
  }
  accepting_ = accepting;
}

void Loop::pause_accepting() {
  set_accepting(false);
  accept_again_ = Clock::now() + kAcceptPause;
}

// At the connection limit the oldest without a complete frame gives way; a client that only lingers
// has its reply and gives way before all others.
void Loop::make_room() {
  if (slots_.size() < limits_.connections) return;
  for (const State state : {State::lingering, State::reading, State::writing}) {
    const auto& candidates = in_state(state);
    if (!candidates.empty()) return close(slots_.find(*candidates.begin()));
  }
}

// Leaves the outbox empty, whatever happens: who finds it filled wakes nobody.
void Loop::take_outbox() {
  bool stop = false;
  {
    const std::lock_guard lock(mutex_);
    replies_.swap(outbox_);
    stop = stop_requested_;
  }
  for (const Outgoing& reply : replies_) {
    const auto slot = slots_.find(reply.connection);
    if (slot == slots_.end()) continue;
    if (!reply.frame) {
      close(slot);
      continue;
    }
    do_or_close(slot, [&] {
      slot->second.connection.answer(*reply.frame);
      settle(slot);
    });
  }
  replies_.clear();
  if (stop && !stopping_) begin_stop();
}

void Loop::begin_stop() {
  stopping_ = true;
  if (on_stop_) on_stop_();
  stop_by_ = Clock::now() + limits_.stop_time;
  set_accepting(false);
  server_.reset();
  for (auto slot = slots_.begin(); slot != slots_.end();) settle(slot++);
}

void Loop::limit_unfinished_bytes() {
  while (held_.total() > 0 && held_.total() + answering_bytes_ > limits_.frame_bytes) {
    close(slots_.find(held_.largest()));
  }
}

// What cannot be taken up stays in the sockets. Those that have something to read leave the poll
// set one by one, as it reports them, and come back together.
void Loop::limit_answering() {
  const std::size_t answering = in_state(State::answering).size();
  if (reading_) {
    reading_ = answering < limits_.answering && answering_bytes_ < limits_.answering_bytes;
    return;
  }
  if (answering > limits_.answering / 2 || answering_bytes_ > limits_.answering_bytes / 2) return;
  reading_ = true;
  for (const std::uint64_t id : std::exchange(unread_, {})) {
    const auto slot = slots_.find(id);
    if (slot != slots_.end()) do_or_close(slot, [&] { settle(slot); });
  }
}

int Loop::wanted_mode(State state) {
  switch (state) {
    case State::writing:
      return PollSet::POLL_WRITE;
    case State::reading:
    case State::lingering:
      return PollSet::POLL_READ;
    case State::answering:  // a PollSet reports a hung-up socket for ever: it waits outside
    case State::finished:
      break;
  }
  return 0;
}

void Loop::set_polled_mode(Slot& slot, int mode) {
  if (mode == slot.polled_mode) return;
  const Poco::Net::StreamSocket& socket = slot.connection.socket();
  if (mode == 0) {
    remove_from(polled_, socket);
  } else if (slot.polled_mode == 0) {
    polled_.add(socket, mode);
  } else {
    polled_.update(socket, mode);
  }
  slot.polled_mode = mode;
}

void Loop::settle(Slots::iterator slot) {
  Connection& connection = slot->second.connection;
  const State state = connection.state();
  // When the listener ends, only those who wait for a reply are still served.
  const bool unwanted = stopping_ && (state == State::reading || state == State::lingering);
  if (state == State::finished || unwanted) return close(slot);

  Slot& known = slot->second;
  const bool completed = state == State::answering && known.counted != State::answering;
  if (state != known.counted) {
    in_state(state).insert(in_state(known.counted).extract(slot->first));
    known.counted = state;
  }
  auto deadline = deadlines_.extract({known.counted_deadline, slot->first});
  known.counted_deadline = state == State::answering ? kNever : connection.deadline();
  deadline.value().first = known.counted_deadline;
  deadlines_.insert(std::move(deadline));
  held_.change(connection.source().network, slot->first, known.counted_bytes, connection.held());
  known.counted_bytes = connection.held();
  set_polled_mode(known, wanted_mode(state));

  if (state != State::answering) {
    answering_bytes_ -= std::exchange(known.answering_bytes, 0);
  } else if (completed) {
    std::string frame = connection.take_frame();
    known.answering_bytes = frame.size();
    answering_bytes_ += frame.size();
    on_frame_({connection.id(), std::move(frame), connection.source(), connection.deadline(),
               std::move(known.begun)});
  }
}

void Loop::close(Slots::iterator slot) {
  Slot& known = slot->second;
  set_polled_mode(known, 0);
  in_state(known.counted).erase(slot->first);
  deadlines_.erase({known.counted_deadline, slot->first});
  held_.change(known.connection.source().network, slot->first, known.counted_bytes, 0);
  answering_bytes_ -= known.answering_bytes;
  ids_.erase(known.connection.socket().impl());
  slots_.erase(slot);
}

}  // namespace p2pchat
