#include "node/follower.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <future>

#include "base/clock.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

// Bob's state, and a follower on a thread of its own, whose stdout is a pipe.
struct Fixture {
  Fixture() {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
  }
  ~Fixture() {
    if (thread.joinable()) thread.join();
  }

  void add(const std::string& body, Direction direction = Direction::in) {
    MessageRow row;
    row.key = {direction, "iss", "aud", "id of " + body.substr(0, 20)};
    row.body = body;
    row.time = 1000;
    row.state = MessageState::printed;
    messages.insert(row);
  }

  // What it ends with is in `end`, once stdout was given back.
  void follow(const FollowOptions& options, const HistoryQuery& query = {}) {
    std::promise<FollowEnd> promise;
    end = promise.get_future();
    captured.emplace(writer.get());
    writer.reset();
    thread = std::thread([this, options, query, promise = std::move(promise)]() mutable {
      try {
        promise.set_value(
            follow_history(home.home(), query, options,
                           [](const HistoryEntry& entry) { return *entry.body + "\n"; }));
      } catch (...) {
        promise.set_exception(std::current_exception());
      }
    });
  }
  FollowEnd ended() {
    const bool has_ended = end.wait_for(kPatience) == std::future_status::ready;
    captured->end();
    REQUIRE(has_ended);
    return end.get();
  }
  // The next so many bytes of stdout; fewer when there are no more, or none for long.
  std::string read_bytes(std::size_t count) const {
    std::string text(count, '\0');
    std::size_t got = 0;
    pollfd polled{reader.get(), POLLIN, 0};
    while (got < count && poll(&polled, 1, poll_time(kPatience)) == 1) {
      const ssize_t size = read(reader.get(), text.data() + got, count - got);
      if (size <= 0) break;
      got += static_cast<std::size_t>(size);
    }
    return text.substr(0, got);
  }

  TestHome home{Who::bob};
  Database database = home.state();
  Messages messages{database};
  Fd reader;
  Fd writer;
  std::optional<CapturedStdout> captured;
  std::future<FollowEnd> end;
  std::thread thread;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "follower: what is there comes first, then what is stored, each once") {
  add("1");
  follow({});
  const std::string first = read_bytes(2);
  add("2");
  const std::string second = read_bytes(2);
  messages.set_state(1, MessageState::print);
  add("3", Direction::out);
  const std::string third = read_bytes(2);
  reader.reset();
  CHECK(error_from([&] { ended(); }).status() == Status::system);
  CHECK(first + second + third == "1\n2\n3\n");
}

TEST_CASE_METHOD(Fixture, "follower: it chooses what to write as the history does") {
  HistoryQuery query;
  query.direction = Direction::out;
  add("1");
  add("2", Direction::out);
  follow({}, query);
  const std::string first = read_bytes(2);
  add("3");
  add("4", Direction::out);
  const std::string second = read_bytes(2);
  reader.reset();
  CHECK(error_from([&] { ended(); }).status() == Status::system);
  CHECK(first + second == "2\n4\n");
}

TEST_CASE_METHOD(Fixture, "follower: a reader that does not read holds up its end no longer") {
  add(std::string(1'000'000, 'x'));
  follow({{}, 100ms});
  CHECK_FALSE(ended().reached);
  CHECK(read_bytes(1'000'001).size() < 1'000'001);
}

TEST_CASE_METHOD(Fixture, "follower: what was begun when the time ends is written whole") {
  add(std::string(1'000'000, 'x'));
  follow({{}, 1ms});
  auto text = std::async(std::launch::async, [&] { return read_bytes(1'000'002); });
  const FollowEnd how = ended();
  CHECK_FALSE(how.reached);
  CHECK(how.signal_number == 0);
  // A busy machine may have let the time pass before it was begun.
  const std::string written = text.get();
  CHECK((written.empty() || written == std::string(1'000'000, 'x') + "\n"));
}

TEST_CASE_METHOD(Fixture, "follower: a reader that has gone ends it without a new message") {
  follow({});
  reader.reset();
  const Error error = error_from([&] { ended(); });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::StartsWith("cannot write to standard output: "));
}

}  // namespace p2pchat
