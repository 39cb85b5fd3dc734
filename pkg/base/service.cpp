#include "base/service.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"

namespace p2pchat {

namespace {

constexpr int kFirstHanded = 3;

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

std::vector<Fd> handed_sockets(const std::string& text) {
  const auto count = parse_unsigned(text, INT_MAX - kFirstHanded);
  if (!count) throw Error(Status::usage, "not a number in LISTEN_FDS: " + in_quotes(text));
  std::vector<Fd> sockets;
  for (int fd = kFirstHanded; sockets.size() < *count; ++fd) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      throw Error(Status::usage, "descriptor " + std::to_string(fd) +
                                     " is handed over (LISTEN_FDS), but not open");
    }
    sockets.emplace_back(fd);
  }
  return sockets;
}

}  // namespace

ServiceEnvironment take_service_environment() {
  ServiceEnvironment environment;
  environment.notify_address = take_variable("NOTIFY_SOCKET");
  const std::string count = take_variable("LISTEN_FDS");
  const std::string owner = take_variable("LISTEN_PID");
  for (const char* other : {"LISTEN_FDNAMES", "LISTEN_PIDFDID"}) unsetenv(other);
  // Another process, which may have started us, has got what was meant for it.
  if (count.empty() || owner != std::to_string(getpid())) return environment;
  environment.sockets = handed_sockets(count);
  return environment;
}

void notify_manager(std::string_view address, std::string_view state) {
  constexpr timeval kPatience{1, 0};
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  const bool known = address.starts_with('/') || address.starts_with('@');
  if (!known || address.size() >= sizeof target.sun_path) return;
  std::copy(address.begin(), address.end(), std::begin(target.sun_path));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  if (address.front() == '@') target.sun_path[0] = '\0';  // an abstract name
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&target), size);
}

}  // namespace p2pchat
