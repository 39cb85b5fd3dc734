#include "net/dial.h"

#include <Poco/Exception.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/fault.h"
#include "base/process.h"

namespace p2pchat {

namespace {

using Poco::Net::IPAddress;
using Poco::Net::SocketAddress;
using Poco::Net::StreamSocket;

constexpr std::chrono::milliseconds kNextAttemptAfter{250};
constexpr std::string_view kInterrupted = "interrupted";

Resolved ask_resolver(const std::string& host) {
  // Not POCO's DNS, which sorts the addresses and so loses the order of RFC 6724.
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int problem = getaddrinfo(host.c_str(), nullptr, &wanted, &found);
  if (problem != 0) {
    if (problem == EAI_NONAME || problem == EAI_NODATA) {
      return {{}, DialFailure::not_resolved, "host not found"};
    }
    return {{}, DialFailure::not_resolved_now, "name resolution failed"};
  }
  Resolved resolved;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    resolved.addresses.push_back(SocketAddress(entry->ai_addr, entry->ai_addrlen).host());
  }
  freeaddrinfo(found);
  if (!resolved.addresses.empty()) return resolved;
  return {{}, DialFailure::not_resolved, "host has no address"};
}

int descriptor(const StreamSocket& socket) {
  return socket.impl()->sockfd();
}

// Attempts to several addresses, side by side.
class Race {
 public:
  explicit Race(int interrupt) : interrupt_(interrupt) {}

  // Returns the errno of an attempt that failed at once, 0 otherwise.
  int start(const SocketAddress& address) {
    if (fault("connect", ECONNREFUSED)) return errno;
    try {
      StreamSocket socket;
      socket.connectNB(address);
      running_.push_back(socket);
      return 0;
    } catch (const Poco::Exception& error) {
      return error.code() != 0 ? error.code() : EHOSTUNREACH;
    }
  }

  // Waits until an attempt ends, the time is over or our user interrupts. Sets `problem` for those
  // that failed.
  std::optional<StreamSocket> wait(std::chrono::milliseconds time, int& problem) {
    std::vector<pollfd> polled;
    for (const StreamSocket& socket : running_) polled.push_back({descriptor(socket), POLLOUT, 0});
    polled.push_back({interrupt_, POLLIN, 0});
    poll(polled.data(), polled.size(), poll_time(time));
    interrupted_ = polled.back().revents != 0;
    for (std::size_t i = running_.size(); i-- > 0;) {
      if (polled[i].revents == 0) continue;
      StreamSocket socket = running_[i];
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      const int error = socket.impl()->socketError();
      if (error == 0) return socket;
      problem = error;
    }
    return std::nullopt;
  }

  bool idle() const { return running_.empty(); }
  bool interrupted() const { return interrupted_; }

 private:
  int interrupt_;
  bool interrupted_ = false;
  std::vector<StreamSocket> running_;
};

enum class Waited { ready, late, interrupted };

Waited wait_for(int awaited, int interrupt, const Deadline& deadline) {
  std::array<pollfd, 2> polled = {pollfd{awaited, POLLIN, 0}, pollfd{interrupt, POLLIN, 0}};
  while (true) {
    const int ready = poll(polled.data(), polled.size(), poll_time(deadline.remaining()));
    if (ready > 0) return polled[0].revents != 0 ? Waited::ready : Waited::interrupted;
    if (deadline.passed()) return Waited::late;
  }
}

}  // namespace

// The system's resolver has no deadline: it runs beside us and is left behind when it is late.
Resolved resolve(const std::string& host, const Deadline& deadline, int interrupt) {
  if (IPAddress literal; IPAddress::tryParse(host, literal)) return {{literal}, {}, {}};
  struct Shared {
    std::mutex mutex;
    std::optional<Resolved> answer;
    Fd ready{eventfd(0, EFD_CLOEXEC)};
  };
  const auto shared = std::make_shared<Shared>();
  if (!shared->ready) return {{}, DialFailure::exhausted, errno_text(errno)};
  start_thread([shared, host] {
    Resolved answer = ask_resolver(host);
    const std::lock_guard lock(shared->mutex);
    shared->answer = std::move(answer);
    eventfd_write(shared->ready.get(), 1);
  }).detach();
  switch (wait_for(shared->ready.get(), interrupt, deadline)) {
    case Waited::late:
      return {{}, DialFailure::unreachable, "name resolution took too long"};
    case Waited::interrupted:
      return {{}, DialFailure::unreachable, std::string(kInterrupted)};
    case Waited::ready:
      break;
  }
  const std::lock_guard lock(shared->mutex);
  return *std::move(shared->answer);
}

Dialed dial(const std::string& host, std::uint16_t port, const Deadline& deadline, int interrupt) {
  const auto began = Deadline::Clock::now();
  const Resolved resolved = resolve(host, deadline, interrupt);
  if (resolved.failure != DialFailure::none) return {{}, resolved.failure, resolved.why, {}};
  const auto resolving =
      std::chrono::duration_cast<std::chrono::microseconds>(Deadline::Clock::now() - began);
  Race race(interrupt);
  int problem = ETIMEDOUT;
  auto next = resolved.addresses.begin();
  while (!deadline.passed() && (next != resolved.addresses.end() || !race.idle())) {
    std::chrono::milliseconds patience = deadline.remaining();
    if (next != resolved.addresses.end()) {
      const int error = race.start(SocketAddress(*next++, port));
      if (error != 0) {
        problem = error;
        continue;
      }
      if (next != resolved.addresses.end()) patience = std::min(patience, kNextAttemptAfter);
    }
    if (auto socket = race.wait(patience, problem)) {
      socket->setBlocking(false);
      socket->setNoDelay(true);
      // A descriptor that knows nothing of POCO, for those who know nothing of POCO.
      Fd own(fcntl(descriptor(*socket), F_DUPFD_CLOEXEC, 0));
      if (own) return {std::move(own), {}, {}, resolving};
      problem = errno;
    }
    if (race.interrupted()) {
      return {{}, DialFailure::unreachable, std::string(kInterrupted), resolving};
    }
  }
  const bool ours =
      problem == EMFILE || problem == ENFILE || problem == ENOBUFS || problem == ENOMEM;
  return {
      {}, ours ? DialFailure::exhausted : DialFailure::unreachable, errno_text(problem), resolving};
}

}  // namespace p2pchat
