#include "net/loop.h"

#include <Poco/Exception.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/SocketImpl.h>
#include <Poco/Net/StreamSocketImpl.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/fault.h"
#include "base/text.h"
#include "net/dial.h"

namespace p2pchat {

namespace {

using Poco::Net::PollSet;
using Poco::Net::ServerSocket;
using Poco::Net::SocketAddress;
using State = Connection::State;

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::milliseconds kLongestWait{60'000};

// Lets a descriptor that is no socket into a PollSet, which asks a socket for nothing else.
class DescriptorImpl final : public Poco::Net::SocketImpl {
 public:
  explicit DescriptorImpl(int descriptor) : SocketImpl(descriptor) {}
};
class DescriptorSocket final : public Poco::Net::Socket {
 public:
  explicit DescriptorSocket(int descriptor) : Socket(new DescriptorImpl(descriptor)) {}
};

std::string why_not(const Poco::Exception& error) {
  return error.code() != 0 ? errno_text(error.code()) : error.message();
}

ServerSocket bound_to_all(std::uint16_t port) {
  ServerSocket server;
  try {
    server.bind6(port, true, false, false);
    return server;
  } catch (const Poco::Exception& error) {
    if (error.code() == EADDRINUSE || error.code() == EACCES) throw;
  }
  // No IPv6 here.
  ServerSocket ipv4;
  ipv4.bind(port, true, false);
  return ipv4;
}

ServerSocket bound_to(const SocketAddress& address) {
  ServerSocket server;
  if (address.family() == SocketAddress::IPv6) {
    server.bind6(address, true, false, true);
  } else {
    server.bind(address, true, false);
  }
  return server;
}

// "192.0.2.7:4040", "[::1]:4040" or "*:4040".
std::string place(const std::string& address, std::uint16_t port) {
  const bool is_ipv6 = address.find(':') != std::string::npos;
  const std::string host = address.empty() ? "*" : is_ipv6 ? "[" + address + "]" : address;
  return in_quotes(host + ":" + std::to_string(port));
}

ServerSocket listening(const std::string& address, std::uint16_t port, const Deadline& deadline) {
  const std::string failed = "cannot listen on " + place(address, port) + ": ";
  try {
    if (address.empty()) {
      ServerSocket server = bound_to_all(port);
      server.listen(kBacklog);
      return server;
    }
    const Resolved resolved = resolve(address, deadline);
    if (resolved.failure != DialFailure::none) throw Error(Status::system, failed + resolved.why);
    ServerSocket server = bound_to(SocketAddress(resolved.addresses.front(), port));
    server.listen(kBacklog);
    return server;
  } catch (const Poco::Exception& error) {
    throw Error(Status::system, failed + why_not(error),
                error.code() == EADDRINUSE
                    ? "another program has this port: choose one with -p; if it is another listen, "
                      "p2pchat log --follow shows what it receives"
                    : "");
  }
}

}  // namespace

Loop::Loop(const LoopLimits& limits)
    : limits_(limits), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!wake_) throw Error(Status::system, "cannot make an eventfd: " + errno_text(errno));
  limits_.answering =
      std::max<std::size_t>(1, std::min(limits_.answering, limits_.connections / 2));
  watch(wake_.get(), [this] {
    std::uint64_t count = 0;
    while (read(wake_.get(), &count, sizeof count) > 0) {
    }
  });
}

std::string Loop::listen(const std::string& address, std::uint16_t port, const Deadline& deadline) {
  server_ = listening(address, port, deadline);
  server_->setBlocking(false);
  set_accepting(true);
  return server_->address().toString();
}

void Loop::watch(int descriptor, std::function<void()> handler) {
  const int duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) throw Error(Status::system, "cannot watch a descriptor: " + errno_text(errno));
  const DescriptorSocket socket(duplicate);  // closes it
  polled_.add(socket, PollSet::POLL_READ);
  watched_.emplace(socket, std::move(handler));
}

void Loop::after(std::chrono::milliseconds time, std::function<void()> handler) {
  timers_.emplace(Clock::now() + time, std::move(handler));
}

void Loop::reply(std::uint64_t connection, std::optional<std::string> frame) {
  {
    const std::lock_guard lock(mutex_);
    outbox_.push_back({connection, std::move(frame)});
  }
  wake();
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
    const Poco::Timespan wait(
        std::chrono::duration_cast<std::chrono::microseconds>(time_to_next_deadline()).count());
    for (const auto& [socket, mode] : polled_.poll(wait)) serve(socket, mode);
    take_outbox();
    run_timers();
    expire_connections();
    limit_unfinished_bytes();
    limit_answering();
  }
}

std::chrono::milliseconds Loop::time_to_next_deadline() const {
  Clock::time_point next = Clock::now() + kLongestWait;
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
    const auto handler = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    handler();
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
  Connection& connection = slot->second.connection;
  if (connection.state() == State::writing) {
    connection.writable();
  } else {
    connection.readable(keep_large_);
  }
  settle(slot);
}

void Loop::accept_waiting() {
  for (int i = 0; i < kAcceptsPerTurn && accepting_; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int descriptor = fault("accept", EMFILE) ? -1
                                                   : accept4(server_->impl()->sockfd(),
                                                             reinterpret_cast<sockaddr*>(&address),
                                                             &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      // No descriptor or no memory: the backlog keeps the newcomers until there is.
      set_accepting(false);
      after(kAcceptPause, [this] { set_accepting(!stopping_); });
      return;
    }
    make_room();
    const Poco::Net::StreamSocket socket(new Poco::Net::StreamSocketImpl(descriptor));
    const SocketAddress peer(reinterpret_cast<sockaddr*>(&address), size);
    const int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::uint64_t id = next_id_++;
    ids_.emplace(socket.impl(), id);
    settle(
        slots_
            .emplace(
                id,
                Slot{Connection(id, socket, source_of(peer.host())), 0, State::finished, 0, 0, {}})
            .first);
  }
}

void Loop::set_accepting(bool accepting) {
  if (accepting == accepting_) return;
  if (accepting) {
    polled_.add(*server_, PollSet::POLL_READ);
  } else {
    polled_.remove(*server_);
  }
  accepting_ = accepting;
}

// At the connection limit the oldest without a complete frame gives way; a client that only lingers
// has its reply and gives way before all others.
void Loop::make_room() {
  if (slots_.size() < limits_.connections) return;
  for (const State state : {State::lingering, State::reading, State::writing}) {
    const auto oldest = std::find_if(slots_.begin(), slots_.end(), [&](const auto& slot) {
      return slot.second.connection.state() == state;
    });
    if (oldest != slots_.end()) return close(oldest);
  }
}

void Loop::take_outbox() {
  std::vector<Outgoing> outgoing;
  bool stop = false;
  {
    const std::lock_guard lock(mutex_);
    outgoing.swap(outbox_);
    stop = stop_requested_;
  }
  for (const Outgoing& reply : outgoing) {
    const auto slot = slots_.find(reply.connection);
    if (slot == slots_.end()) continue;
    if (!reply.frame) {
      close(slot);
      continue;
    }
    slot->second.connection.answer(*reply.frame);
    settle(slot);
  }
  if (stop && !stopping_) begin_stop();
}

void Loop::begin_stop() {
  stopping_ = true;
  stop_by_ = Clock::now() + limits_.stop_time;
  set_accepting(false);
  server_.reset();
  for (auto slot = slots_.begin(); slot != slots_.end();) settle(slot++);
}

void Loop::limit_unfinished_bytes() {
  while (unfinished_bytes_ > 0 && unfinished_bytes_ + answering_bytes_ > limits_.frame_bytes) {
    close(std::max_element(slots_.begin(), slots_.end(), [](const auto& a, const auto& b) {
      return a.second.counted_bytes < b.second.counted_bytes;
    }));
  }
}

// Hysteresis, because turning reading off or on visits every connection.
void Loop::limit_answering() {
  const bool resume = !reading_ && answering_ <= limits_.answering / 2 &&
                      answering_bytes_ <= limits_.answering_bytes / 2;
  const bool pause =
      reading_ && (answering_ >= limits_.answering || answering_bytes_ >= limits_.answering_bytes);
  if (!resume && !pause) return;
  reading_ = resume;
  for (auto& [id, slot] : slots_) {
    if (slot.counted == State::reading) set_polled_mode(slot, wanted_mode(State::reading));
  }
}

int Loop::wanted_mode(State state) const {
  switch (state) {
    case State::reading:
      return reading_ ? PollSet::POLL_READ : 0;
    case State::writing:
      return PollSet::POLL_WRITE;
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
    polled_.remove(socket);
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
  if (known.counted_deadline != Clock::time_point()) {
    deadlines_.erase({known.counted_deadline, connection.id()});
  }
  known.counted_deadline = state == State::answering ? Clock::time_point() : connection.deadline();
  if (known.counted_deadline != Clock::time_point()) {
    deadlines_.insert({known.counted_deadline, connection.id()});
  }
  if (known.counted == State::answering) --answering_;
  if (state == State::answering) ++answering_;
  known.counted = state;
  unfinished_bytes_ = unfinished_bytes_ - known.counted_bytes + connection.held();
  known.counted_bytes = connection.held();
  set_polled_mode(known, wanted_mode(state));

  if (state != State::answering) {
    answering_bytes_ -= std::exchange(known.answering_bytes, 0);
  } else if (completed) {
    std::string frame = connection.take_frame();
    known.answering_bytes = frame.size();
    answering_bytes_ += frame.size();
    on_frame_({connection.id(), std::move(frame), connection.source(), connection.deadline()});
  }
}

void Loop::close(Slots::iterator slot) {
  Slot& known = slot->second;
  set_polled_mode(known, 0);
  if (known.counted == State::answering) --answering_;
  answering_bytes_ -= known.answering_bytes;
  unfinished_bytes_ -= known.counted_bytes;
  deadlines_.erase({known.counted_deadline, slot->first});
  ids_.erase(known.connection.socket().impl());
  slots_.erase(slot);
}

}  // namespace p2pchat
