#include "net/exchange.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <thread>

#include "base/file.h"
#include "frame/frame.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

// Enough to send a request in, on a machine that is busy.
constexpr std::chrono::milliseconds kShortTime{500};
const ReplyWatcher kAnything = [](std::string_view) { return true; };

// A client's end, which does not block, and the peer's, which does.
struct Wire {
  Wire() {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    client = Fd(ends[0]);
    peer = Fd(ends[1]);
    REQUIRE(fcntl(client.get(), F_SETFL, O_NONBLOCK) == 0);
  }

  Exchanged ask(std::string_view request, const ReplyWatcher& plausible = kAnything,
                std::chrono::milliseconds time = kPatience) const {
    return exchange(client.get(), client.get(), request, Deadline(time), plausible);
  }

  void say(std::string_view bytes) const { REQUIRE(write_all(peer.get(), bytes) == 0); }
  void half_close() const { shutdown(peer.get(), SHUT_WR); }

  // What has come from the client so far.
  std::string heard() const {
    std::string bytes(65'536, '\0');
    const ssize_t count = recv(peer.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
  }

  // Leaves no room for what the client would write.
  void fill() const {
    const std::string bytes(65'536, 'x');
    while (write(client.get(), bytes.data(), bytes.size()) > 0) {
    }
    while (write(client.get(), bytes.data(), 1) > 0) {
    }
  }

  Fd client;
  Fd peer;
};

}  // namespace

TEST_CASE("exchange: the request goes out with its NUL and the reply comes back without") {
  const Wire wire;
  wire.say("a reply\0"s);
  const Exchanged end = wire.ask("a request");
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(end.reply == "a reply");
  CHECK(wire.heard() == "a request\0"s);
}

TEST_CASE("exchange: the head goes out before the rest is made") {
  const Wire wire;
  std::string heard;
  const auto rest = [&] {
    heard = wire.heard();
    wire.say("a reply\0"s);
    return " and its rest"s;
  };
  const Exchanged end = exchange(wire.client.get(), wire.client.get(), {"a head", rest},
                                 Deadline(kPatience), kAnything);
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(heard == "a head");
  CHECK(wire.heard() == " and its rest\0"s);
}

TEST_CASE("exchange: a peer that goes before the rest has a part of the request") {
  Wire wire;
  const auto rest = [&] {
    wire.peer.reset();
    return " and its rest"s;
  };
  const Exchanged end = exchange(wire.client.get(), wire.client.get(), {"a head", rest},
                                 Deadline(kPatience), kAnything);
  CHECK(end.end == ExchangeEnd::lost);
}

TEST_CASE("exchange: without a byte of the head nobody has the request") {
  Wire wire;
  wire.fill();
  wire.peer.reset();
  bool made = false;
  const auto rest = [&] {
    made = true;
    return ""s;
  };
  const Exchanged end = exchange(wire.client.get(), wire.client.get(), {"a head", rest},
                                 Deadline(kPatience), kAnything);
  CHECK(end.end == ExchangeEnd::not_begun);
  CHECK_FALSE(made);
}

TEST_CASE("exchange: it works over two pipes") {
  std::array<int, 2> to_peer{};
  std::array<int, 2> to_client{};
  REQUIRE(pipe2(to_peer.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  REQUIRE(pipe2(to_client.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  const Fd peer_in(to_peer[0]);
  const Fd client_out(to_peer[1]);
  const Fd client_in(to_client[0]);
  const Fd peer_out(to_client[1]);
  REQUIRE(write_all(peer_out.get(), "a reply\0"s) == 0);
  const Exchanged end =
      exchange(client_in.get(), client_out.get(), "a request", Deadline(kPatience), kAnything);
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(end.reply == "a reply");
  std::string heard(100, '\0');
  heard.resize(static_cast<std::size_t>(read(peer_in.get(), heard.data(), heard.size())));
  CHECK(heard == "a request\0"s);
}

TEST_CASE("exchange: a reply in pieces comes back whole") {
  const Wire wire;
  std::thread peer([&] {
    for (const char c : "a reply\0"s) wire.say({&c, 1});
  });
  const Exchanged end = wire.ask("a request");
  peer.join();
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(end.reply == "a reply");
}

TEST_CASE("exchange: an empty frame is an answer") {
  const Wire wire;
  wire.say("\0"s);
  const Exchanged end = wire.ask("a request");
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(end.reply.empty());
}

TEST_CASE("exchange: bytes after the reply's NUL are ignored and not judged") {
  const Wire wire;
  wire.say("a reply\0garbage"s);
  std::string watched;
  const Exchanged end = wire.ask("a request", [&](std::string_view piece) {
    watched += piece;
    return true;
  });
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(end.reply == "a reply");
  CHECK(watched == "a reply");
}

TEST_CASE("exchange: a reply of the largest size is taken, a longer one is implausible") {
  const bool too_long = GENERATE(false, true);
  const Wire wire;
  std::thread peer([&] {
    // The client may be gone before all of it is written.
    write_all(wire.peer.get(), std::string(kMaxFrameBytes, 'r'));
    write_all(wire.peer.get(), too_long ? "r" : "\0"s);
  });
  const Exchanged end = wire.ask("a request");
  peer.join();
  CHECK(end.end == (too_long ? ExchangeEnd::implausible : ExchangeEnd::answered));
  CHECK(end.reply.size() == (too_long ? 0 : kMaxFrameBytes));
}

TEST_CASE("exchange: what cannot become an answer ends it at once, without a NUL and a close") {
  const Wire wire;
  wire.say("HTTP/1.1 400 Bad Request\r\n");
  std::string watched;
  const Exchanged end = wire.ask("a request", [&](std::string_view piece) {
    watched += piece;
    return false;
  });
  CHECK(end.end == ExchangeEnd::implausible);
  CHECK(watched == "HTTP/1.1 400 Bad Request\r\n");
}

TEST_CASE("exchange: a whole frame that is implausible is no answer") {
  const Wire wire;
  wire.say("HTTP\0"s);
  CHECK(wire.ask("a request", [](std::string_view) { return false; }).end ==
        ExchangeEnd::implausible);
}

TEST_CASE("exchange: a close instead of the reply, or in the middle of it, is a loss") {
  const Wire wire;
  wire.say(GENERATE("", "half a rep"));
  wire.half_close();
  const Exchanged end = wire.ask("a request");
  CHECK(end.end == ExchangeEnd::lost);
  CHECK_FALSE(end.why.empty());
}

TEST_CASE("exchange: silence after the request is late") {
  const Wire wire;
  wire.say(GENERATE("", "half a rep"));
  const Exchanged end = wire.ask("a request", kAnything, kShortTime);
  CHECK(end.end == ExchangeEnd::late);
  CHECK(wire.heard() == "a request\0"s);
  CHECK_FALSE(end.why.empty());
}

TEST_CASE("exchange: one whose other end was closed before it has not begun") {
  Wire wire;
  wire.peer.reset();
  const Exchanged end = wire.ask("a request");
  CHECK(end.end == ExchangeEnd::not_begun);
  CHECK_FALSE(end.why.empty());
}

TEST_CASE("exchange: one that could not send a byte in time has not begun") {
  const Wire wire;
  wire.fill();
  CHECK(wire.ask("a request", kAnything, 20ms).end == ExchangeEnd::not_begun);
}

TEST_CASE("exchange: a part of the request that went out has begun") {
  const Wire wire;
  CHECK(wire.ask(std::string(kMaxFrameBytes, 'q'), kAnything, kShortTime).end == ExchangeEnd::late);
}

TEST_CASE("exchange: a reply counts while the request is still on its way") {
  const Wire wire;
  wire.say("too much\0"s);
  const Exchanged end = wire.ask(std::string(kMaxFrameBytes, 'q'));
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(end.reply == "too much");
}

TEST_CASE("exchange: a reply counts when the peer stopped reading and closed after it") {
  Wire wire;
  std::thread peer([&] {
    char byte = 0;
    REQUIRE(read(wire.peer.get(), &byte, 1) == 1);
    wire.say("too much\0"s);
    wire.peer.reset();
  });
  const Exchanged end = wire.ask(std::string(kMaxFrameBytes, 'q'));
  peer.join();
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(end.reply == "too much");
}

TEST_CASE("exchange: a reply to a request that was never read is still an answer") {
  const Wire wire;
  wire.fill();
  wire.say("go away\0"s);
  const Exchanged end = wire.ask("a request");
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(end.reply == "go away");
}

TEST_CASE("exchange: a large request is sent whole to a slow reader") {
  const Wire wire;
  const std::string request(3'000'000, 'q');
  std::string heard;
  std::thread peer([&] {
    std::array<char, 10'000> piece{};
    while (heard.empty() || heard.back() != '\0') {
      const ssize_t count = read(wire.peer.get(), piece.data(), piece.size());
      if (count <= 0) return;
      heard.append(piece.data(), static_cast<std::size_t>(count));
    }
    wire.say("a reply\0"s);
  });
  const Exchanged end = wire.ask(request);
  peer.join();
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(heard == request + '\0');
}

}  // namespace p2pchat
