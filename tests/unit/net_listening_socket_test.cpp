#include "net/listening_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>

#include "base/error.h"
#include "test_home.h"

namespace p2pchat {

namespace {

Fd bound_unix(const std::string& name, int type = SOCK_STREAM) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), std::begin(address.sun_path));
  Fd made(socket(AF_UNIX, type, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  REQUIRE(bind(made.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  return made;
}

Fd listening(Fd made) {
  REQUIRE(::listen(made.get(), 1) == 0);
  return made;
}

}  // namespace

TEST_CASE("listening socket: one that is handed over is where its maker has put it") {
  Fd ipv4 = listening(Fd(socket(AF_INET, SOCK_STREAM, 0)));
  CHECK_THAT(where(take_listening(std::move(ipv4))), Catch::StartsWith("0.0.0.0:"));
  Fd ipv6 = listening(Fd(socket(AF_INET6, SOCK_STREAM, 0)));
  CHECK_THAT(where(take_listening(std::move(ipv6))), Catch::StartsWith("[::]:"));
}

TEST_CASE("listening socket: a Unix socket is called by its name, fit for a terminal") {
  const TestHome home;
  const std::string folder = home.home().folder();
  CHECK(where(take_listening(listening(bound_unix(folder + "/s")))) == folder + "/s");
  CHECK(where(take_listening(listening(bound_unix(folder + "/\x1b")))) == folder + "/\\x1b");
  const std::string name = "p2pchat-unit-" + std::to_string(getpid());
  CHECK(where(take_listening(listening(bound_unix('\0' + name)))) == "@" + name);
}

TEST_CASE("listening socket: it belongs to whoever has taken it") {
  Fd made = listening(Fd(socket(AF_INET, SOCK_STREAM, 0)));
  const int descriptor = made.get();
  {
    const Poco::Net::ServerSocket taken = take_listening(std::move(made));
    CHECK(fcntl(descriptor, F_GETFD) != -1);
  }
  CHECK(fcntl(descriptor, F_GETFD) == -1);
}

TEST_CASE("listening socket: what cannot accept a connection is an error of usage") {
  const auto refusal = [](Fd socket) {
    const Error error = error_from([&] { take_listening(std::move(socket)); });
    CHECK(error.status() == Status::usage);
    CHECK_THAT(error.hint(), Catch::Contains("Accept=no"));
    return std::string(error.what());
  };
  const TestHome home;
  CHECK_THAT(refusal(Fd(open("/dev/null", O_RDWR))), Catch::EndsWith("it is no socket"));
  CHECK_THAT(refusal(Fd(socket(AF_INET, SOCK_DGRAM, 0))), Catch::EndsWith("no stream socket"));
  CHECK_THAT(refusal(Fd(socket(AF_INET, SOCK_STREAM, 0))), Catch::EndsWith("it does not listen"));
  CHECK_THAT(refusal(listening(bound_unix(home.home().folder() + "/p", SOCK_SEQPACKET))),
             Catch::EndsWith("no stream socket"));
}

TEST_CASE("listening socket: one of ours says where it is") {
  CHECK_THAT(where(listen_on("127.0.0.1", 0, Deadline(kPatience))),
             Catch::StartsWith("127.0.0.1:"));
}

}  // namespace p2pchat
