#include "net/dial.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <vector>

#include "base/file.h"
#include "protocol/address.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

Dialed dialed(const std::string& host, std::uint16_t port) {
  return dial(host, port, Deadline(kPatience));
}

std::uint16_t port_of(const std::string& address) {
  return read_address_argument(address)->port;
}

Fd connecting(const sockaddr_in& address) {
  Fd made(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return made;
}

// A port that answers nobody: its queue is full, and the kernel drops whoever knocks.
class DeafPort {
 public:
  DeafPort() {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    REQUIRE(bind(server_.get(), reinterpret_cast<sockaddr*>(&address_), size) == 0);
    REQUIRE(listen(server_.get(), 0) == 0);
    REQUIRE(getsockname(server_.get(), reinterpret_cast<sockaddr*>(&address_), &size) == 0);
    for (int i = 0; i < 4; ++i) waiting_.push_back(connecting(address_));
  }
  std::uint16_t port() const { return ntohs(address_.sin_port); }

 private:
  Fd server_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address_{};
  std::vector<Fd> waiting_;
};

ScriptedPeer::Script echo() {
  return [](const Incoming& request) { return request.frame; };
}

}  // namespace

TEST_CASE("dial: an IPv4 address is connected to, without blocking and without delay") {
  const ScriptedPeer peer(echo());
  const Dialed line = dialed("127.0.0.1", port_of(peer.address()));
  REQUIRE(line.socket);
  CHECK(line.failure == DialFailure::none);
  const int descriptor = line.socket.get();
  CHECK((fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  REQUIRE(getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0);
  CHECK(no_delay != 0);
  sockaddr_in connected{};
  size = sizeof connected;
  CHECK(getpeername(descriptor, reinterpret_cast<sockaddr*>(&connected), &size) == 0);
  CHECK(ntohs(connected.sin_port) == port_of(peer.address()));
}

TEST_CASE("dial: an IPv6 address is connected to") {
  Loop loop(LoopLimits{});
  std::string address;
  try {
    address = loop.listen("::1", 0);
  } catch (const Error&) {
    WARN("no IPv6 on this machine");
    return;
  }
  CHECK(dialed("::1", port_of(address)).socket);
}

TEST_CASE("dial: a name whose first address refuses is reached at the next") {
  const ScriptedPeer peer(echo());  // on 127.0.0.1 alone
  CHECK(dialed("localhost", port_of(peer.address())).socket);
}

TEST_CASE("dial: a closed port is said to refuse") {
  const Dialed line = dialed("127.0.0.1", port_of(closed_address()));
  CHECK_FALSE(line.socket);
  CHECK(line.failure == DialFailure::unreachable);
  CHECK(line.why == "connection refused");
}

TEST_CASE("dial: a name that does not exist is not resolved") {
  const Dialed line = dialed("nosuch.invalid", 4040);
  CHECK_FALSE(line.socket);
  // Without a network the resolver cannot even say so.
  CHECK((line.failure == DialFailure::not_resolved ||
         line.failure == DialFailure::not_resolved_now));
  CHECK_FALSE(line.why.empty());
}

TEST_CASE("dial: who does not answer is given up at the deadline and not before") {
  const DeafPort deaf;
  const auto start = Deadline::Clock::now();
  const Dialed line = dial("127.0.0.1", deaf.port(), Deadline(100ms));
  const auto taken = Deadline::Clock::now() - start;
  CHECK_FALSE(line.socket);
  CHECK(line.failure == DialFailure::unreachable);
  CHECK(line.why == "connection timed out");
  CHECK(taken >= 100ms);
  CHECK(taken < kPatience);
}

TEST_CASE("dial: a deadline that has passed connects to nobody") {
  const ScriptedPeer peer(echo());
  const Dialed line = dial("127.0.0.1", port_of(peer.address()), Deadline(0ms));
  CHECK_FALSE(line.socket);
  CHECK(line.failure == DialFailure::unreachable);
}

TEST_CASE("dial: resolving a name ends at the deadline too") {
  const Dialed line = dial("localhost", 4040, Deadline(0ms));
  CHECK_FALSE(line.socket);
  CHECK(line.failure == DialFailure::unreachable);
}

TEST_CASE("dial: our user may interrupt it") {
  const DeafPort deaf;
  const Fd interrupt(eventfd(1, EFD_CLOEXEC));
  const Dialed line = dial("127.0.0.1", deaf.port(), Deadline(kPatience), interrupt.get());
  CHECK_FALSE(line.socket);
  CHECK(line.failure == DialFailure::unreachable);
  CHECK(line.why == "interrupted");
}

}  // namespace p2pchat
