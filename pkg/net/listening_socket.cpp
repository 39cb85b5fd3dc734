#include "net/listening_socket.h"

#include <Poco/Exception.h>
#include <Poco/Net/ServerSocketImpl.h>
#include <Poco/Net/SocketAddress.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>

#include "base/error.h"
#include "base/text.h"
#include "net/dial.h"

namespace p2pchat {

namespace {

using Poco::Net::ServerSocket;
using Poco::Net::SocketAddress;

constexpr int kBacklog = 4096;

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

// POCO makes the descriptors of its server sockets itself, unless it is told in this way.
class TakenImpl final : public Poco::Net::ServerSocketImpl {
 public:
  explicit TakenImpl(int descriptor) { reset(descriptor); }
};
class TakenSocket final : public ServerSocket {
 public:
  explicit TakenSocket(int descriptor) : ServerSocket(new TakenImpl(descriptor), true) {}
};

// -1 when it has none.
int socket_option(const Fd& socket, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(socket.get(), SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

// Why no connection can be accepted on it; "" when one can.
std::string why_unfit(const Fd& socket) {
  const int type = socket_option(socket, SO_TYPE);
  const int domain = socket_option(socket, SO_DOMAIN);
  if (type < 0) return "it is no socket";
  if (type != SOCK_STREAM) return "it is no stream socket";
  if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX) {
    return "it is neither of TCP nor a Unix socket";
  }
  return socket_option(socket, SO_ACCEPTCONN) == 1 ? "" : "it does not listen";
}

}  // namespace

ServerSocket listen_on(const std::string& address, std::uint16_t port, const Deadline& deadline) {
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
    throw Error(
        Status::system, failed + why_not(error),
        error.code() == EADDRINUSE
            ? "another program has this port: choose one with -p; if it is another listen, " +
                  own_command("log --follow shows what it receives")
            : "");
  }
}

ServerSocket take_listening(Fd socket) {
  if (const std::string why = why_unfit(socket); !why.empty()) {
    throw Error(Status::usage,
                "cannot listen on descriptor " + std::to_string(socket.get()) + ": " + why,
                "a socket unit needs ListenStream= and Accept=no; with Accept=yes and "
                "StandardInput=socket: p2pchat listen --inetd");
  }
  return TakenSocket(socket.release());
}

std::string where(const ServerSocket& socket) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  const int descriptor = socket.impl()->sockfd();
  const bool is_unix = getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
                       address.sun_family == AF_UNIX;
  if (!is_unix) return socket.address().toString();
  std::string path(address.sun_path, size - offsetof(sockaddr_un, sun_path));
  if (path.starts_with('\0')) {
    path[0] = '@';
  } else {
    path = path.substr(0, path.find('\0'));
  }
  return escape_for_terminal(path);
}

}  // namespace p2pchat
