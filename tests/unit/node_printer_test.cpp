#include "node/printer.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <future>

#include "node/identity.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

// Bob's state with messages of Alice's in it, and a printer whose end can be waited for.
struct Fixture {
  void store(const std::string& jti, const std::string& body) {
    MessageRow row;
    row.key = {Direction::in, id_of(Who::alice), id_of(Who::bob), jti};
    row.body = body;
    row.time = 1000;
    messages.insert(row);
  }

  MessageState state_of(const std::string& jti) {
    return messages.find({Direction::in, id_of(Who::alice), id_of(Who::bob), jti})->state;
  }
  std::string body_of(const std::string& jti) {
    return messages.find({Direction::in, id_of(Who::alice), id_of(Who::bob), jti})->body;
  }

  static Formatter body_and_newline() {
    return [](const Received& message) { return message.body + "\n"; };
  }

  void start(Printer& printer) {
    printer.start([this] { ended.set_value(); });
  }
  bool has_ended() { return ended.get_future().wait_for(kPatience) == std::future_status::ready; }

  // Writes until there is nothing more, or the limit is reached.
  std::string print_all(std::optional<std::uint64_t> limit, const Formatter& format,
                        bool forget_bodies = false) {
    CapturedStdout out;
    Printer printer(home.home(), format, limit, forget_bodies);
    printer.start([] {});
    printer.finish(kPatience);
    out.end();
    return out.text();
  }

  TestHome home{Who::bob};
  Database database = home.state();
  Messages messages{database};
  std::promise<void> ended;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "printer: what waits is written oldest first and marked") {
  for (const char* jti : {"2", "3", "1"}) store(jti, std::string("body ") + jti);
  CHECK(print_all(std::nullopt, body_and_newline()) == "body 2\nbody 3\nbody 1\n");
  CHECK(messages.count_to_print() == 0);
  CHECK(state_of("1") == MessageState::printed);
  CHECK(body_of("1") == "body 1");
}

TEST_CASE_METHOD(Fixture, "printer: what was written is not written again") {
  store("1", "hello");
  CHECK(print_all(std::nullopt, body_and_newline()) == "hello\n");
  CHECK(print_all(std::nullopt, body_and_newline()).empty());
}

TEST_CASE_METHOD(Fixture, "printer: bytes go out as the formatter gave them, however many") {
  const std::string body = std::string("\0\xff\x1b[2J\n", 8) + std::string(300'000, 'a');
  store("1", body);
  CHECK(print_all(std::nullopt, [](const Received& message) { return message.body; }) == body);
}

TEST_CASE_METHOD(Fixture, "printer: an empty message counts") {
  store("1", "");
  CHECK(print_all(std::nullopt, [](const Received& message) { return message.body; }).empty());
  CHECK(state_of("1") == MessageState::printed);
}

TEST_CASE_METHOD(Fixture, "printer: it stops at the limit and leaves the rest") {
  for (const char* jti : {"1", "2", "3"}) store(jti, jti);
  CHECK(print_all(2, body_and_newline()) == "1\n2\n");
  CHECK(state_of("3") == MessageState::print);
}

TEST_CASE_METHOD(Fixture, "printer: it says when the limit is reached, and how many wait before") {
  for (const char* jti : {"1", "2"}) store(jti, jti);
  CapturedStdout out;
  Printer printer(home.home(), body_and_newline(), 2, false);
  const std::uint64_t waiting = printer.waiting();
  const bool early = printer.reached_limit();
  start(printer);
  const bool ended_by_itself = has_ended();
  const bool reached = printer.reached_limit();
  printer.finish(kPatience);
  out.end();
  CHECK(waiting == 2);
  CHECK_FALSE(early);
  CHECK(ended_by_itself);
  CHECK(reached);
  CHECK(out.text() == "1\n2\n");
}

TEST_CASE_METHOD(Fixture, "printer: news wake it") {
  CapturedStdout out;
  Printer printer(home.home(), body_and_newline(), 1, false);
  start(printer);
  store("1", "hello");
  printer.wake();
  const bool ended_by_itself = has_ended();
  printer.finish(kPatience);
  out.end();
  CHECK(ended_by_itself);
  CHECK(out.text() == "hello\n");
}

TEST_CASE_METHOD(Fixture, "printer: a sender is called by our name for it") {
  home.trust(Who::alice, "al", "");
  store("1", "hello");
  const auto all = [](const Received& message) {
    return message.peer + "|" + message.fingerprint + "|" + message.id + "|" +
           std::to_string(message.time) + "|" + message.body;
  };
  CHECK(print_all(std::nullopt, all) == "al|" + fingerprint(id_of(Who::alice)) + "|1|1000|hello");
}

TEST_CASE_METHOD(Fixture, "printer: a sender that was removed since is called by its fingerprint") {
  store("1", "hello");
  CHECK(print_all(std::nullopt, [](const Received& message) { return message.peer; }) ==
        fingerprint(id_of(Who::alice)));
}

TEST_CASE_METHOD(Fixture, "printer: a body is forgotten once it is written, if that is wished") {
  store("1", "hello");
  CHECK(print_all(std::nullopt, body_and_newline(), true) == "hello\n");
  CHECK(state_of("1") == MessageState::printed);
  CHECK(body_of("1").empty());
}

TEST_CASE_METHOD(Fixture, "printer: there is one for a home") {
  const Printer first(home.home(), body_and_newline(), std::nullopt, false);
  const Error error = error_from(
      [&] { const Printer second(home.home(), body_and_newline(), std::nullopt, false); });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::Contains(home.home().folder()));
}

TEST_CASE_METHOD(Fixture, "printer: another can follow one that has ended") {
  { const Printer first(home.home(), body_and_newline(), std::nullopt, false); }
  CHECK_NOTHROW(Printer(home.home(), body_and_newline(), std::nullopt, false));
}

TEST_CASE_METHOD(Fixture, "printer: when stdout fails it ends with an error and marks nothing") {
  store("1", "hello");
  const std::string how = GENERATE("a full disk", "a closed pipe");
  CAPTURE(how);
  Fd target;
  if (how == "a full disk") {
    target = Fd(open("/dev/full", O_WRONLY | O_CLOEXEC));
  } else {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    close(ends[0]);
    target = Fd(ends[1]);
  }
  REQUIRE(target);
  CapturedStdout out(target.get());
  Printer printer(home.home(), body_and_newline(), std::nullopt, false);
  start(printer);
  const bool ended_by_itself = has_ended();
  std::optional<Error> error;
  try {
    printer.finish(kPatience);
  } catch (const Error& thrown) {
    error = thrown;
  }
  out.end();
  CHECK(ended_by_itself);
  REQUIRE(error);
  CHECK(error->status() == Status::system);
  CHECK_THAT(error->what(), Catch::StartsWith("cannot write to standard output: "));
  CHECK(state_of("1") == MessageState::print);
}

TEST_CASE_METHOD(Fixture, "printer: a reader that has stopped reading holds the end up no longer") {
  store("1", std::string(1'000'000, 'a'));
  store("2", "hello");
  std::array<int, 2> ends{};
  REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  CapturedStdout out(writer.get());
  Printer printer(home.home(), body_and_newline(), std::nullopt, false);
  start(printer);
  const Error error = error_from([&] { printer.finish(50ms); });
  out.end();
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::Contains("'1' was written in part"));
  CHECK(state_of("1") == MessageState::print);
  CHECK(state_of("2") == MessageState::print);
}

TEST_CASE_METHOD(Fixture, "printer: a message of which nothing was written is no problem") {
  store("1", "hello");
  std::array<int, 2> ends{};
  REQUIRE(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  while (write(writer.get(), "x", 1) == 1) {
  }
  CapturedStdout out(writer.get());
  Printer printer(home.home(), body_and_newline(), std::nullopt, false);
  start(printer);
  CHECK_NOTHROW(printer.finish(50ms));
  out.end();
  CHECK(state_of("1") == MessageState::print);
}

TEST_CASE_METHOD(Fixture, "printer: one that was not started writes nothing and ends") {
  store("1", "hello");
  {
    Printer printer(home.home(), body_and_newline(), std::nullopt, false);
    printer.finish(kPatience);
  }
  CHECK(state_of("1") == MessageState::print);
}

}  // namespace p2pchat
