#include "net/loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <future>
#include <new>
#include <thread>
#include <vector>

#include "base/error.h"
#include "net/dial.h"
#include "protocol/address.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

// A client whose every wait ends.
class Client {
 public:
  explicit Client(Fd made) : fd_(std::move(made)) {
    const timeval patience{std::chrono::seconds(kPatience).count(), 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;  // closed by the other side: the test finds out by reading
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  void half_close() const { shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  void reset() {
    const linger at_once{1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    fd_.reset();
  }

  // The reply's frame, or what came before the connection ended.
  std::string receive() const {
    std::string bytes;
    std::array<char, 65536> piece{};
    while (bytes.empty() || bytes.back() != '\0') {
      const ssize_t count = recv(fd_.get(), piece.data(), piece.size(), 0);
      if (count <= 0) return bytes;
      bytes.append(piece.data(), static_cast<std::size_t>(count));
    }
    bytes.pop_back();
    return bytes;
  }
  // Waits for the end of the connection and drops what comes before.
  bool is_closed() const {
    std::array<char, 65536> piece{};
    ssize_t count = 0;
    while ((count = recv(fd_.get(), piece.data(), piece.size(), 0)) > 0) {
    }
    return count == 0 || errno == ECONNRESET;
  }

 private:
  Fd fd_;
};

// A loop on a thread of its own whose frames the test takes one by one.
class Served {
 public:
  explicit Served(const LoopLimits& limits = {}, const std::string& address = "127.0.0.1")
      : loop(limits), address_(loop.listen(address, 0)) {
    loop.on_frame([this](Incoming frame) {
      const std::lock_guard lock(mutex_);
      handed_on_.push_back(frame.connection);
      frames_.push_back(std::move(frame));
      changed_.notify_all();
    });
    loop.on_large_frame([](std::string_view prefix) { return prefix.starts_with("large"); });
  }
  ~Served() {
    // What a test has left unanswered would be waited for.
    {
      const std::lock_guard lock(mutex_);
      for (const std::uint64_t connection : handed_on_) loop.reply(connection, std::nullopt);
    }
    end();
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  void start() {
    thread_ = std::thread([this] { loop.run(); });
  }
  void end() {
    loop.stop();
    if (thread_.joinable()) thread_.join();
  }

  Client connect() const {
    Dialed line = dial("127.0.0.1", read_address_argument(address_)->port, Deadline(kPatience));
    REQUIRE(line.socket);
    REQUIRE(fcntl(line.socket.get(), F_SETFL, 0) == 0);
    return Client(std::move(line.socket));
  }
  Client connect(std::string_view bytes) const {
    Client client = connect();
    client.send(bytes);
    return client;
  }

  Client connect_from(const std::string& source, std::string_view bytes) const {
    Fd made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    REQUIRE(inet_pton(AF_INET, source.c_str(), &address.sin_addr) == 1);
    REQUIRE(bind(made.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(read_address_argument(address_)->port);
    REQUIRE(::connect(made.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    Client client(std::move(made));
    client.send(bytes);
    return client;
  }

  Incoming next() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, kPatience, [this] { return !frames_.empty(); }));
    Incoming frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
  }
  bool has_next() {
    const std::lock_guard lock(mutex_);
    return !frames_.empty();
  }

  // True when a client that comes now is served.
  bool serves() {
    const Client client = connect("ping\0"s);
    loop.reply(next().connection, "pong");
    return client.receive() == "pong";
  }

  // Of the loop's thread.
  std::chrono::nanoseconds cpu_time() {
    clockid_t clock{};
    timespec time{};
    REQUIRE(pthread_getcpuclockid(thread_.native_handle(), &clock) == 0);
    REQUIRE(clock_gettime(clock, &time) == 0);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
  // True when the loop sleeps while nothing happens.
  bool rests() {
    const auto before = cpu_time();
    std::this_thread::sleep_for(300ms);
    return cpu_time() - before < 60ms;
  }

  Loop loop;
  const std::string& address() const { return address_; }

 private:
  std::string address_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Incoming> frames_;
  std::vector<std::uint64_t> handed_on_;
  std::thread thread_;
};

// No new descriptor, until the end.
class NoDescriptors {
 public:
  NoDescriptors() {
    REQUIRE(getrlimit(RLIMIT_NOFILE, &previous_) == 0);
    const rlimit none{0, previous_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &previous_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit previous_{};
};

}  // namespace

TEST_CASE("loop: a frame is handed on with its source and its reply goes back") {
  Served served;
  served.start();
  const Client client = served.connect("a request\0"s);
  const Incoming frame = served.next();
  CHECK(frame.frame == "a request");
  CHECK(frame.source.address == "127.0.0.1");
  CHECK(frame.source.network == "127.0.0.1");
  CHECK(frame.deadline > Loop::Clock::now());
  served.loop.reply(frame.connection, "a reply");
  CHECK(client.receive() == "a reply");
}

TEST_CASE("loop: two clients at once each get their own reply") {
  Served served;
  served.start();
  const Client first = served.connect("1\0"s);
  const Client second = served.connect("2\0"s);
  const Incoming one = served.next();
  const Incoming other = served.next();
  CHECK(one.connection != other.connection);
  served.loop.reply(other.connection, "to " + other.frame);
  served.loop.reply(one.connection, "to " + one.frame);
  CHECK(first.receive() == "to 1");
  CHECK(second.receive() == "to 2");
}

TEST_CASE("loop: an IPv4 client of a listener on all addresses is seen by its IPv4 address") {
  Served served({}, "");
  served.start();
  const Client client = served.connect("x\0"s);
  CHECK(served.next().source.address == "127.0.0.1");
}

TEST_CASE("loop: a frame in two pieces is handed on once") {
  Served served;
  served.start();
  const Client client = served.connect("a req");
  CHECK(served.serves());
  client.send("uest\0"s);
  CHECK(served.next().frame == "a request");
  CHECK_FALSE(served.has_next());
}

TEST_CASE("loop: what has come of a frame is shown until work on it begins") {
  Served served;
  std::mutex mutex;
  std::vector<std::string> shown;
  const auto seen = [&](std::size_t count) {
    const auto by = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < by) {
      if (const std::lock_guard lock(mutex); shown.size() >= count) return true;
      std::this_thread::yield();
    }
    return false;
  };
  served.loop.on_unfinished_frame([&](std::string_view unfinished, const Source& source) {
    const std::lock_guard lock(mutex);
    shown.emplace_back(source.address + " " + std::string(unfinished));
    return unfinished.size() < 4 ? BegunWork() : std::make_shared<std::string>("begun");
  });
  served.start();
  const Client client = served.connect("ab");
  REQUIRE(seen(1));
  client.send("cd");
  REQUIRE(seen(2));
  client.send("ef\0"s);
  const Incoming incoming = served.next();
  CHECK(incoming.frame == "abcdef");
  REQUIRE(incoming.begun);
  CHECK(*static_cast<std::string*>(incoming.begun.get()) == "begun");
  const Client whole = served.connect("whole\0"s);
  CHECK_FALSE(served.next().begun);
  const std::lock_guard lock(mutex);
  CHECK(shown == std::vector<std::string>{"127.0.0.1 ab", "127.0.0.1 abcd"});
}

TEST_CASE("loop: work that has begun is let go with a connection that ends before its frame") {
  Served served;
  std::promise<std::weak_ptr<void>> begun;
  served.loop.on_unfinished_frame([&](std::string_view, const Source&) {
    const auto work = std::make_shared<int>(1);
    begun.set_value(work);
    return work;
  });
  served.start();
  Client client = served.connect("unfinished");
  auto started = begun.get_future();
  REQUIRE(started.wait_for(kPatience) == std::future_status::ready);
  const std::weak_ptr<void> work = started.get();
  client.close();
  const auto by = std::chrono::steady_clock::now() + kPatience;
  while (!work.expired() && std::chrono::steady_clock::now() < by) std::this_thread::yield();
  CHECK(work.expired());
}

TEST_CASE("loop: bytes that come with the NUL close the connection without a reply") {
  Served served;
  served.start();
  const Client client = served.connect("identify\0\n"s);
  CHECK(client.receive().empty());
  CHECK(served.serves());
}

TEST_CASE("loop: a client that half-closes after its frame gets its reply") {
  Served served;
  served.start();
  const Client client = served.connect("a request\0"s);
  client.half_close();
  served.loop.reply(served.next().connection, "a reply");
  CHECK(client.receive() == "a reply");
}

TEST_CASE("loop: a client that closes before its frame is complete harms nobody") {
  Served served;
  served.start();
  Client client = served.connect("a req");
  client.close();
  CHECK(served.serves());
}

TEST_CASE("loop: a large frame is kept only when it is for us") {
  const std::string start = GENERATE("large", "other");
  Served served;
  served.start();
  const std::string frame = start + std::string(300'000, 'a');
  const Client client = served.connect(frame + '\0');
  CHECK(served.next().frame == (start == "large" ? frame : ""));
}

TEST_CASE("loop: a large reply reaches a client that reads late") {
  Served served;
  served.start();
  const Client client = served.connect("a request\0"s);
  const std::string reply(8'000'000, 'r');
  served.loop.reply(served.next().connection, reply);
  CHECK(served.serves());
  CHECK(client.receive() == reply);
}

TEST_CASE("loop: a client that does not close after its reply is closed by us") {
  Served served;
  served.start();
  const Client client = served.connect("a request\0"s);
  served.loop.reply(served.next().connection, "a reply");
  CHECK(client.receive() == "a reply");
  CHECK(client.is_closed());
}

TEST_CASE("loop: a reply of nothing closes the connection") {
  Served served;
  served.start();
  const Client client = served.connect("a request\0"s);
  served.loop.reply(served.next().connection, std::nullopt);
  CHECK(client.receive().empty());
  CHECK(client.is_closed());
}

TEST_CASE("loop: a reply to a connection that is not there is dropped") {
  Served served;
  served.start();
  served.loop.reply(0, "a reply");
  served.loop.reply(1'000'000, std::nullopt);
  Client client = served.connect("a request\0"s);
  const std::uint64_t gone = served.next().connection;
  served.loop.reply(gone, std::nullopt);
  CHECK(client.is_closed());
  served.loop.reply(gone, "a reply");
  CHECK(served.serves());
}

TEST_CASE("loop: an unfinished client gives way to a newcomer, the oldest first") {
  LoopLimits limits;
  limits.connections = 2;
  Served served(limits);
  served.start();
  const Client oldest = served.connect("unfinished");
  const Client middle = served.connect();
  const Client newest = served.connect();
  CHECK(oldest.is_closed());
  middle.send("2\0"s);
  served.loop.reply(served.next().connection, "to 2");
  CHECK(middle.receive() == "to 2");
}

TEST_CASE("loop: a client that waits for its reply does not give way") {
  LoopLimits limits;
  limits.connections = 2;
  Served served(limits);
  served.start();
  const Client waiting = served.connect("1\0"s);
  const Incoming frame = served.next();
  const Client idle = served.connect();
  const Client newest = served.connect();
  CHECK(idle.is_closed());
  served.loop.reply(frame.connection, "to 1");
  CHECK(waiting.receive() == "to 1");
}

TEST_CASE("loop: a client that has its reply gives way before one that has not") {
  LoopLimits limits;
  limits.connections = 2;
  Served served(limits);
  served.start();
  const Client idle = served.connect();
  const Client done = served.connect("1\0"s);
  served.loop.reply(served.next().connection, "to 1");
  CHECK(done.receive() == "to 1");
  const Client newest = served.connect();
  CHECK(done.is_closed());
  idle.send("2\0"s);
  served.loop.reply(served.next().connection, "to 2");
  CHECK(idle.receive() == "to 2");
}

TEST_CASE("loop: when unfinished frames hold too much, the largest is closed") {
  LoopLimits limits;
  limits.frame_bytes = 100'000;
  Served served(limits);
  served.start();
  const Client large = served.connect("large" + std::string(60'000, 'a'));
  const Client medium = served.connect("large" + std::string(30'000, 'b'));
  const Client last = served.connect("large" + std::string(20'000, 'c'));
  CHECK(large.is_closed());
  medium.send("\0"s);
  CHECK(served.next().frame.size() == 30'005);
  last.send("\0"s);
  CHECK(served.next().frame.size() == 20'005);
}

TEST_CASE("loop: bytes of finished frames and closed connections count no more") {
  LoopLimits limits;
  limits.frame_bytes = 100'000;
  Served served(limits);
  served.start();
  for (int i = 0; i < 4; ++i) {
    const Client client = served.connect("large" + std::string(60'000, 'a') + '\0');
    served.loop.reply(served.next().connection, "a reply");
    CHECK(client.receive() == "a reply");
    Client broken = served.connect("large" + std::string(60'000, 'a'));
    broken.close();
  }
  CHECK(served.serves());
}

TEST_CASE("loop: with enough to answer, frames wait in their sockets until there is room") {
  LoopLimits limits;
  limits.answering = 2;
  Served served(limits);
  std::promise<void> turned;
  const Fd turn(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  served.loop.watch(turn.get(), [&] {
    std::uint64_t count = 0;
    REQUIRE(read(turn.get(), &count, sizeof count) == sizeof count);
    turned.set_value();
  });
  served.start();
  const Client first = served.connect("1\0"s);
  const Client second = served.connect("2\0"s);
  const Incoming one = served.next();
  const Incoming two = served.next();
  const Client third = served.connect("3\0"s);
  const std::uint64_t count = 1;
  REQUIRE(write(turn.get(), &count, sizeof count) == sizeof count);
  REQUIRE(turned.get_future().wait_for(kPatience) == std::future_status::ready);
  CHECK(served.rests());  // and the loop does not spin over the one that waits
  CHECK_FALSE(served.has_next());
  served.loop.reply(one.connection, "to " + one.frame);
  const Incoming three = served.next();
  CHECK(three.frame == "3");
  served.loop.reply(three.connection, "to 3");
  served.loop.reply(two.connection, "to " + two.frame);
  CHECK(first.receive() == "to 1");
  CHECK(second.receive() == "to 2");
  CHECK(third.receive() == "to 3");
}

TEST_CASE("loop: with too many bytes to answer, frames wait in their sockets as well") {
  LoopLimits limits;
  limits.answering_bytes = 100'000;
  Served served(limits);
  served.start();
  const Client large = served.connect("large" + std::string(100'000, 'a') + '\0');
  const Incoming first = served.next();
  const Client second = served.connect("2\0"s);
  CHECK(served.rests());
  CHECK_FALSE(served.has_next());
  served.loop.reply(first.connection, "to 1");
  CHECK(served.next().frame == "2");
}

TEST_CASE("loop: frames that are being answered count, and an unfinished one gives way") {
  LoopLimits limits;
  limits.frame_bytes = 100'000;
  Served served(limits);
  served.start();
  const Client answered = served.connect("large" + std::string(60'000, 'a') + '\0');
  const Incoming frame = served.next();
  const Client unfinished = served.connect("large" + std::string(50'000, 'b'));
  CHECK(unfinished.is_closed());
  served.loop.reply(frame.connection, "a reply");
  CHECK(answered.receive() == "a reply");
}

// A hung-up socket in a PollSet once made every wait return at once.
TEST_CASE("loop: a client that has gone while its frame is worked on does not make it spin") {
  const std::string how = GENERATE("half-closed", "closed", "reset");
  CAPTURE(how);
  Served served;
  served.start();
  Client client = served.connect("a request\0"s);
  const Incoming frame = served.next();
  if (how == "half-closed") client.half_close();
  if (how == "closed") client.close();
  if (how == "reset") client.reset();
  CHECK(served.rests());
  served.loop.reply(frame.connection, "a reply");
  CHECK(served.serves());
}

TEST_CASE("loop: a client that half-closed before its reading was paused does not make it spin") {
  LoopLimits limits;
  limits.answering = 1;
  Served served(limits);
  served.start();
  const Client first = served.connect("1\0"s);
  const Incoming frame = served.next();
  Client gone = served.connect("unfinished");
  gone.reset();
  CHECK(served.rests());
  served.loop.reply(frame.connection, "to 1");
  CHECK(first.receive() == "to 1");
  CHECK(served.serves());
}

TEST_CASE("loop: an idle one rests, with and without clients") {
  Served served;
  served.start();
  CHECK(served.serves());
  const Client idle = served.connect();
  CHECK(served.rests());
}

TEST_CASE("loop: without descriptors it lets newcomers wait, rests, and serves them after") {
  Served served;
  served.start();
  CHECK(served.serves());
  const Fd newcomer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(read_address_argument(served.address())->port);
  {
    const NoDescriptors none;
    REQUIRE(connect(newcomer.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(send(newcomer.get(), "x", 2, MSG_NOSIGNAL) == 2);
    CHECK(served.rests());
    CHECK_FALSE(served.has_next());
  }
  CHECK(served.next().frame == "x");
}

TEST_CASE("loop: a stop closes who has no frame and waits for the replies that are due") {
  Served served;
  served.start();
  const Client idle = served.connect("unfinished");
  const Client waiting = served.connect("a request\0"s);
  const Incoming frame = served.next();
  served.loop.stop();
  CHECK(idle.is_closed());
  const Dialed refused =
      dial("127.0.0.1", read_address_argument(served.address())->port, Deadline(kPatience));
  CHECK_FALSE(refused.socket);
  served.loop.reply(frame.connection, "a reply");
  CHECK(waiting.receive() == "a reply");
  served.end();
}

TEST_CASE("loop: a stop does not wait for the client to close") {
  Served served;
  served.start();
  const Client client = served.connect("a request\0"s);
  served.loop.reply(served.next().connection, "a reply");
  CHECK(client.receive() == "a reply");
  const auto before = Loop::Clock::now();
  served.end();
  CHECK(Loop::Clock::now() - before < 5s);  // what the slowest exchange is given
}

TEST_CASE("loop: a stop before the start ends it at once") {
  Served served;
  served.loop.stop();
  served.loop.run();
  CHECK(served.loop.time_to_end() > 0s);
  CHECK(served.loop.time_to_end() <= 5s);
}

TEST_CASE("loop: without a port it serves descriptors and timers") {
  Loop loop(LoopLimits{});
  const Fd event(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  int seen = 0;
  loop.watch(event.get(), [&] {
    std::uint64_t count = 0;
    CHECK(read(event.get(), &count, sizeof count) == sizeof count);
    ++seen;
    loop.after(0ms, [&] { loop.stop(); });
  });
  loop.run();
  CHECK(seen == 1);
}

TEST_CASE("loop: a watched descriptor stays the caller's") {
  const Fd event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  {
    Loop loop(LoopLimits{});
    loop.watch(event.get(), [] {});
  }
  CHECK(fcntl(event.get(), F_GETFD) != -1);
}

TEST_CASE("loop: timers go off in the order of their times, once each and not before") {
  Loop loop(LoopLimits{});
  std::string order;
  const auto start = Loop::Clock::now();
  loop.after(30ms, [&] {
    order += "3";
    CHECK(Loop::Clock::now() - start >= 30ms);
  });
  loop.after(0ms, [&] { order += "1"; });
  loop.after(20ms, [&] { order += "2"; });
  loop.after(40ms, [&] { loop.stop(); });
  loop.run();
  CHECK(order == "123");
}

TEST_CASE("loop: a timer goes off again and again, also when what it does fails") {
  Loop loop(LoopLimits{});
  int count = 0;
  loop.every(1ms, [&] {
    if (++count == 3) loop.stop();
    throw std::bad_alloc();
  });
  loop.run();
  CHECK(count >= 3);
}

TEST_CASE("loop: a frame for which there is no memory costs its connection and nobody else") {
  Loop loop(LoopLimits{});
  const std::string address = loop.listen("127.0.0.1", 0);
  int frames = 0;
  loop.on_frame([&](const Incoming& frame) {
    if (++frames == 1) throw std::bad_alloc();
    loop.reply(frame.connection, "a reply");
  });
  std::thread running([&] { loop.run(); });
  const auto connect = [&] {
    Dialed line = dial("127.0.0.1", read_address_argument(address)->port, Deadline(kPatience));
    fcntl(line.socket.get(), F_SETFL, 0);
    return Client(std::move(line.socket));
  };
  const Client first = connect();
  first.send("1\0"s);
  CHECK(first.is_closed());
  const Client second = connect();
  second.send("2\0"s);
  CHECK(second.receive() == "a reply");
  loop.stop();
  running.join();
}

TEST_CASE("loop: when frames hold too much, the network that has most gives way") {
  LoopLimits limits;
  limits.frame_bytes = 100'000;
  Served served(limits);
  served.start();
  const Client alone = served.connect_from("127.0.0.2", "large" + std::string(40'000, 'a'));
  const Client one = served.connect("large" + std::string(25'000, 'b'));
  const Client two = served.connect("large" + std::string(30'000, 'c'));
  const Client three = served.connect("large" + std::string(20'000, 'd'));
  CHECK(two.is_closed());
  alone.send("\0"s);
  CHECK(served.next().frame.size() == 40'005);
}

TEST_CASE("loop: a timer may set another") {
  Loop loop(LoopLimits{});
  int turns = 0;
  std::function<void()> again = [&] {
    if (++turns == 3) return loop.stop();
    loop.after(1ms, again);
  };
  loop.after(1ms, again);
  loop.run();
  CHECK(turns == 3);
}

TEST_CASE("loop: another thread's reply wakes it") {
  Served served;
  served.start();
  const Client client = served.connect("a request\0"s);
  const Incoming frame = served.next();
  std::thread([&] { served.loop.reply(frame.connection, "a reply"); }).join();
  CHECK(client.receive() == "a reply");
}

TEST_CASE("loop: replies that come in one turn are all written, and so is one after them") {
  Served served;
  const Fd event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  std::vector<Incoming> frames;
  served.loop.watch(event.get(), [&] {
    std::uint64_t count = 0;
    CHECK(read(event.get(), &count, sizeof count) == sizeof count);
    for (const Incoming& one : frames) served.loop.reply(one.connection, "to " + one.frame);
  });
  served.start();
  const Client first = served.connect("1\0"s);
  const Client second = served.connect("2\0"s);
  frames.push_back(served.next());
  frames.push_back(served.next());
  const std::uint64_t one = 1;
  CHECK(write(event.get(), &one, sizeof one) == sizeof one);
  CHECK(first.receive() == "to 1");
  CHECK(second.receive() == "to 2");
  const Client third = served.connect("3\0"s);
  served.loop.reply(served.next().connection, "to 3");
  CHECK(third.receive() == "to 3");
}

TEST_CASE("loop: it says where it listens") {
  Loop loop(LoopLimits{});
  const auto address = read_address_argument(loop.listen("127.0.0.1", 0));
  REQUIRE(address);
  CHECK(address->host == "127.0.0.1");
  CHECK(address->port != 0);
}

TEST_CASE("loop: a port in use is refused with a hint") {
  Loop first(LoopLimits{});
  const std::string taken = first.listen("127.0.0.1", 0);
  const Error error = error_from([&] {
    Loop second(LoopLimits{});
    second.listen("127.0.0.1", read_address_argument(taken)->port);
  });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::Contains(taken));
  CHECK_THAT(error.what(), Catch::Contains("address already in use"));
  CHECK_THAT(error.hint(), Catch::Contains("-p"));
  CHECK_THAT(error.hint(), Catch::Contains("p2pchat log --follow"));
}

TEST_CASE("loop: a port in use on one address is refused for all") {
  Loop first(LoopLimits{});
  const std::string taken = first.listen("127.0.0.1", 0);
  Loop second(LoopLimits{});
  CHECK(error_from([&] { second.listen("", read_address_argument(taken)->port); }).status() ==
        Status::system);
}

TEST_CASE("loop: an address that is not ours is refused") {
  Loop loop(LoopLimits{});
  const Error error = error_from([&] { loop.listen("192.0.2.7", 0); });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::Contains("192.0.2.7"));
}

}  // namespace p2pchat
