#include "base/service.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdlib>

#include "base/error.h"
#include "test_home.h"

namespace p2pchat {

namespace {

// In a child, since environment and descriptors are those of the whole process.
template <typename Action>
bool holds_in_child(const Action& action) {
  const pid_t child = fork();
  if (child == 0) _exit(action() ? 0 : 1);
  REQUIRE(child > 0);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void set_variables(const std::string& count, pid_t owner) {
  setenv("LISTEN_FDS", count.c_str(), 1);
  setenv("LISTEN_PID", std::to_string(owner).c_str(), 1);
  setenv("LISTEN_FDNAMES", "port:other", 1);
  setenv("LISTEN_PIDFDID", "7", 1);
  setenv("NOTIFY_SOCKET", "@where", 1);
}

bool variables_are_gone() {
  constexpr std::array names = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID",
                                "NOTIFY_SOCKET"};
  return std::none_of(names.begin(), names.end(),
                      [](const char* name) { return std::getenv(name) != nullptr; });
}

// What a manager that listens at this address has heard.
std::string heard_at(const std::string& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::copy(address.begin(), address.end(), std::begin(name.sun_path));
  if (address.front() == '@') name.sun_path[0] = '\0';
  const Fd manager(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  REQUIRE(bind(manager.get(), reinterpret_cast<const sockaddr*>(&name), size) == 0);
  notify_manager(address, "READY=1");
  std::array<char, 64> text{};
  const ssize_t count = recv(manager.get(), text.data(), text.size(), 0);
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

}  // namespace

TEST_CASE("service: what is handed to this process is taken, and leaves the environment") {
  CHECK(holds_in_child([] {
    for (const int fd : {3, 4}) dup2(STDERR_FILENO, fd);
    set_variables("2", getpid());
    const ServiceEnvironment taken = take_service_environment();
    return taken.sockets.size() == 2 && taken.sockets[0].get() == 3 &&
           taken.sockets[1].get() == 4 && fcntl(3, F_GETFD) == FD_CLOEXEC &&
           fcntl(4, F_GETFD) == FD_CLOEXEC && taken.notify_address == "@where" &&
           variables_are_gone();
  }));
}

TEST_CASE("service: what is handed to another process is not taken") {
  CHECK(holds_in_child([] {
    dup2(STDERR_FILENO, 3);
    set_variables("1", getppid());
    return take_service_environment().sockets.empty() && fcntl(3, F_GETFD) == 0 &&
           variables_are_gone();
  }));
}

TEST_CASE("service: without anything handed over there is nothing") {
  CHECK(holds_in_child([] {
    set_variables("0", getpid());
    if (!take_service_environment().sockets.empty()) return false;
    const ServiceEnvironment none = take_service_environment();
    return none.sockets.empty() && none.notify_address.empty();
  }));
}

TEST_CASE("service: descriptors that are promised and not there are an error of usage") {
  const std::string count = GENERATE("2", "-1", "x", "1 ", "2147483647", "99999999999999999999");
  CHECK(holds_in_child([&] {
    dup2(STDERR_FILENO, 3);
    close(4);
    set_variables(count, getpid());
    try {
      take_service_environment();
    } catch (const Error& error) {
      return error.status() == Status::usage && variables_are_gone();
    }
    return false;
  }));
}

TEST_CASE("service: a state reaches a path and an abstract name") {
  const TestHome home;
  CHECK(heard_at(home.home().folder() + "/notify") == "READY=1");
  CHECK(heard_at("@p2pchat-unit-" + std::to_string(getpid())) == "READY=1");
}

}  // namespace p2pchat
