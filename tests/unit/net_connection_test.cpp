#include "net/connection.h"

#include <Poco/Net/StreamSocketImpl.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

#include "base/file.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using State = Connection::State;

// A connection and the client at its other end.
class Wire {
 public:
  Wire() : Wire(made_pair()) {}

  Connection connection;
  Fd client;
  std::string asked_about;  // what keep_large was shown
  int times_asked = 0;
  bool large_is_for_us = false;  // what it says

  void send(std::string_view bytes) { REQUIRE(write_all(client.get(), bytes) == 0); }
  void half_close() { shutdown(client.get(), SHUT_WR); }

  // Lets the connection read once.
  State read() {
    connection.readable([this](std::string_view prefix) {
      ++times_asked;
      asked_about = prefix;
      return large_is_for_us;
    });
    return connection.state();
  }

  // Sends in pieces that a socket takes at once, each read before the next.
  State stream(std::string_view bytes) {
    constexpr std::size_t kPiece = 32'768;
    while (!bytes.empty() && connection.state() == State::reading) {
      send(bytes.substr(0, kPiece));
      bytes.remove_prefix(std::min(kPiece, bytes.size()));
      read();
    }
    return connection.state();
  }

  // What has come back so far.
  std::string received() {
    std::string all;
    std::array<char, 65536> piece{};
    ssize_t count = 0;
    while ((count = recv(client.get(), piece.data(), piece.size(), MSG_DONTWAIT)) > 0) {
      all.append(piece.data(), static_cast<std::size_t>(count));
    }
    return all;
  }

 private:
  static std::array<int, 2> made_pair() {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return ends;
  }

  explicit Wire(const std::array<int, 2>& ends)
      : connection(7, Poco::Net::StreamSocket(new Poco::Net::StreamSocketImpl(ends[0])),
                   {"192.0.2.7", "192.0.2.0/24"}),
        client(ends[1]) {}
};

}  // namespace

TEST_CASE("connection: a new one reads, holds nothing and knows where it comes from") {
  const Wire wire;
  CHECK(wire.connection.id() == 7);
  CHECK(wire.connection.source().address == "192.0.2.7");
  CHECK(wire.connection.state() == State::reading);
  CHECK(wire.connection.held() == 0);
}

TEST_CASE("connection: with nothing to read nothing changes") {
  Wire wire;
  const auto deadline = wire.connection.deadline();
  CHECK(wire.read() == State::reading);
  CHECK(wire.connection.deadline() == deadline);
}

TEST_CASE("connection: a frame split at any byte comes out whole") {
  const std::string bytes = "a request\0"s;
  for (std::size_t split = 1; split < bytes.size(); ++split) {
    Wire wire;
    wire.send(bytes.substr(0, split));
    CHECK(wire.read() == State::reading);
    CHECK(wire.connection.held() == split);
    wire.send(bytes.substr(split));
    CHECK(wire.read() == State::answering);
    CHECK(wire.connection.held() == 0);
    CHECK(wire.connection.take_frame() == "a request");
  }
}

TEST_CASE("connection: an empty frame is a frame") {
  Wire wire;
  wire.send("\0"s);
  CHECK(wire.read() == State::answering);
  CHECK(wire.connection.take_frame().empty());
}

TEST_CASE("connection: bytes that come with the NUL end it without a reply") {
  Wire wire;
  wire.send("identify\0\n"s);
  CHECK(wire.read() == State::finished);
}

TEST_CASE("connection: one that ends before its NUL is finished") {
  Wire wire;
  wire.send("identify");
  CHECK(wire.read() == State::reading);
  wire.half_close();
  CHECK(wire.read() == State::finished);
}

TEST_CASE("connection: one that is half-closed after its frame still gets its reply") {
  Wire wire;
  wire.send("identify\0"s);
  wire.half_close();
  REQUIRE(wire.read() == State::answering);
  wire.connection.answer("a reply");
  CHECK(wire.received() == "a reply\0"s);
}

TEST_CASE("connection: a frame of the largest size is taken, one byte more is not") {
  Wire wire;
  wire.large_is_for_us = GENERATE(true, false);
  std::string frame(kMaxFrameBytes, 'a');
  REQUIRE(wire.stream(frame) == State::reading);
  SECTION("its NUL") {
    wire.send("\0"s);
    CHECK(wire.read() == State::answering);
    CHECK(wire.connection.take_frame() == (wire.large_is_for_us ? frame : ""));
  }
  SECTION("another byte") {
    wire.send("a");
    CHECK(wire.read() == State::finished);
  }
}

TEST_CASE("connection: nobody is asked about a frame of 16 KiB") {
  Wire wire;
  const std::string frame(kSmallFrameBytes, 'a');
  wire.send(frame + '\0');
  CHECK(wire.read() == State::answering);
  CHECK(wire.times_asked == 0);
  CHECK(wire.connection.take_frame() == frame);
}

TEST_CASE("connection: a larger frame that is not for us is counted and not kept") {
  Wire wire;
  wire.send(std::string(kSmallFrameBytes, 'a'));
  CHECK(wire.read() == State::reading);
  CHECK(wire.connection.held() == kSmallFrameBytes);
  wire.send("b");
  CHECK(wire.read() == State::reading);
  CHECK(wire.connection.held() == 0);
  CHECK(wire.asked_about == std::string(kSmallFrameBytes, 'a'));  // however much has come
  wire.stream(std::string(100'000, 'c'));
  CHECK(wire.connection.held() == 0);
  wire.send("d\0"s);
  CHECK(wire.read() == State::answering);
  CHECK(wire.connection.take_frame().empty());
}

TEST_CASE("connection: a larger frame that is not for us is not kept when it comes at once") {
  Wire wire;
  wire.send(std::string(kSmallFrameBytes + 1, 'a') + '\0');
  CHECK(wire.read() == State::answering);
  CHECK(wire.connection.take_frame().empty());
}

TEST_CASE("connection: about a larger frame that is for us is asked once") {
  Wire wire;
  wire.large_is_for_us = true;
  const std::string frame(200'000, 'a');
  CHECK(wire.stream(frame + '\0') == State::answering);
  CHECK(wire.times_asked == 1);
  CHECK(wire.connection.take_frame() == frame);
}

TEST_CASE("connection: it has 10 s, and 1 s more for each whole 64 KiB beyond the first") {
  Wire wire;
  wire.large_is_for_us = true;
  const auto start = wire.connection.deadline();
  CHECK(start - Connection::Clock::now() <= 10s);
  CHECK(start - Connection::Clock::now() > 5s);
  wire.stream(std::string(2 * 65'536 - 1, 'a'));
  CHECK(wire.connection.deadline() - start == 0s);
  wire.stream("a");
  CHECK(wire.connection.deadline() - start == 1s);
  wire.stream(std::string(65'536, 'a'));
  CHECK(wire.connection.deadline() - start == 2s);
}

TEST_CASE("connection: a frame that is dropped has no more time than one that is kept") {
  Wire wire;
  const auto start = wire.connection.deadline();
  wire.stream(std::string(3 * 65'536, 'a'));
  CHECK(wire.connection.deadline() - start == 2s);
}

TEST_CASE("connection: a reply is followed by a NUL and a second for the client to close") {
  Wire wire;
  wire.send("identify\0"s);
  wire.read();
  wire.connection.answer("a reply");
  CHECK(wire.connection.state() == State::lingering);
  CHECK(wire.connection.deadline() - Connection::Clock::now() <= 1s);
  CHECK(wire.received() == "a reply\0"s);
}

TEST_CASE("connection: what comes after the frame is dropped until the client closes") {
  Wire wire;
  wire.send("identify\0"s);
  wire.read();
  wire.connection.answer("a reply");
  wire.send("identify\0"s);
  CHECK(wire.read() == State::lingering);
  wire.half_close();
  CHECK(wire.read() == State::finished);
}

TEST_CASE("connection: a slow reader gets all of a large reply") {
  Wire wire;
  wire.send("identify\0"s);
  wire.read();
  const std::string reply(2'000'000, 'r');
  wire.connection.answer(reply);
  REQUIRE(wire.connection.state() == State::writing);
  std::string got;
  while (wire.connection.state() == State::writing) {
    const std::string piece = wire.received();
    REQUIRE_FALSE(piece.empty());
    got += piece;
    wire.connection.writable();
  }
  got += wire.received();
  CHECK(wire.connection.state() == State::lingering);
  CHECK(got == reply + '\0');
}

TEST_CASE("connection: a full socket is tried again and loses nothing") {
  Wire wire;
  wire.send("identify\0"s);
  wire.read();
  wire.connection.answer(std::string(2'000'000, 'r'));
  wire.connection.writable();
  CHECK(wire.connection.state() == State::writing);
}

TEST_CASE("connection: a client that has gone before its reply ends it, and nothing else") {
  Wire wire;
  wire.send("identify\0"s);
  wire.read();
  wire.client.reset();
  wire.connection.answer("a reply");
  CHECK(wire.connection.state() == State::finished);
}

}  // namespace p2pchat
