#include "node/handlers.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "base/error.h"
#include "test_home.h"

namespace p2pchat {

namespace {

struct Fixture {
  Handlers& handlers(const std::string& script, std::uint64_t jobs = 1,
                     std::optional<std::uint64_t> limit = std::nullopt,
                     bool forget_bodies = false) {
    HandlerCommand command{{"/bin/sh", "-c", script}, kPatience};
    handlers_.emplace(
        home.home(), command, jobs, limit, forget_bodies,
        Handlers::Events{[](const std::string&, std::string_view) {},
                         [this](const Received& message) { interrupted.push_back(message.id); }});
    return *handlers_;
  }

  std::int64_t store(const std::string& jti, MessageState state = MessageState::exec) {
    MessageRow row;
    row.key = {Direction::in, id_of(Who::alice), id_of(Who::bob), jti};
    row.body = "body of " + jti;
    row.exp = kNow;
    row.state = state;
    return messages.insert(row);
  }
  ToHandle held(std::int64_t row) {
    auto place = handlers_->places().take();
    REQUIRE(place);
    return {row, message_lock(home.home().lock_file(), row), *std::move(place)};
  }
  MessageRow row(std::int64_t id) { return *messages.get(id); }

  TestHome home{Who::bob};
  Database database = home.state();
  Messages messages{database};
  std::vector<std::string> interrupted;
  std::optional<Handlers> handlers_;
};

}  // namespace

TEST_CASE("handlers: places are limited at once and altogether") {
  Places places(2, 3);
  {
    auto first = places.take();
    const auto second = places.take();
    REQUIRE(first);
    REQUIRE(second);
    CHECK_FALSE(places.take());
    CHECK(places.take_in_queue());
    first->use();
    CHECK_FALSE(places.all_used());
  }
  for (int i = 0; i < 2; ++i) {
    auto place = places.take();
    REQUIRE(place);
    place->use();
  }
  CHECK(places.all_used());
  CHECK_FALSE(places.take());
  CHECK_FALSE(places.take_in_queue());
}

TEST_CASE_METHOD(Fixture,
                 "handlers: a message is handled once, and its reply and status are kept") {
  Handlers& all = handlers("cat; exit 3");
  const std::int64_t id = store("1");
  const auto handled = all.handle(held(id));
  REQUIRE(handled);
  CHECK(handled->reply == "body of 1");
  CHECK(row(id).state == MessageState::handled);
  CHECK(row(id).reply == "body of 1");
  CHECK(row(id).rc == 3);
  CHECK(row(id).body == "body of 1");
  CHECK_FALSE(all.handle(held(id)));
}

TEST_CASE_METHOD(Fixture, "handlers: while one runs its message is marked and held") {
  const std::string fifo = home.home().folder() + "/fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  Handlers& all = handlers("cat " + fifo);
  const std::int64_t id = store("1");
  auto end = std::async(std::launch::async, [&] { return all.handle(held(id)); });
  Fd writer(open(fifo.c_str(), O_WRONLY | O_CLOEXEC));  // waits for the handler
  CHECK(row(id).state == MessageState::handling);
  CHECK_FALSE(message_lock(home.home().lock_file(), id).held());
  CHECK_FALSE(all.places().take());
  REQUIRE(write_all(writer.get(), "done") == 0);
  writer.reset();
  CHECK(end.get()->reply == "done");
  CHECK(message_lock(home.home().lock_file(), id).held());
}

TEST_CASE_METHOD(Fixture, "handlers: a body goes once it is handled, if nothing is to be kept") {
  const std::int64_t id = store("1");
  handlers("cat", 1, std::nullopt, true);
  CHECK(handlers_->handle(held(id))->reply == "body of 1");
  CHECK(row(id).body.empty());
  CHECK(row(id).reply == "body of 1");
}

TEST_CASE_METHOD(Fixture,
                 "handlers: what is left over is handled, or interrupted if it had begun") {
  const std::int64_t first = store("1");
  const std::int64_t begun = store("2", MessageState::handling);
  const std::int64_t second = store("3");
  store("4", MessageState::print);
  const std::int64_t elsewhere = store("5");
  const FileLock lock = message_lock(home.home().lock_file(), elsewhere);
  Handlers& all = handlers("cat");
  auto left = all.leftovers();
  REQUIRE(left.size() == 2);
  CHECK(left[0].row == first);
  CHECK(left[1].row == second);
  CHECK(interrupted == std::vector<std::string>{"2"});
  CHECK(row(begun).state == MessageState::interrupted);
  CHECK(row(begun).rc == kInterrupted);
  CHECK_FALSE(all.places().take());
  CHECK(all.handle(std::move(left[0]))->reply == "body of 1");
  CHECK(all.handle(std::move(left[1]))->reply == "body of 3");
}

TEST_CASE_METHOD(Fixture, "handlers: no more is taken from what is left over than was asked for") {
  const std::int64_t first = store("1");
  const std::int64_t second = store("2");
  Handlers& all = handlers("cat", 1, 1);
  auto left = all.leftovers();
  REQUIRE(left.size() == 1);
  CHECK(left[0].row == first);
  CHECK(all.handle(std::move(left[0])));
  CHECK(row(second).state == MessageState::exec);
}

TEST_CASE_METHOD(Fixture, "handlers: once they are to stop nothing is begun any more") {
  const std::int64_t id = store("1");
  handlers("echo ran").stop();
  CHECK_FALSE(handlers_->handle(held(id)));
  CHECK(row(id).state == MessageState::exec);
}

TEST_CASE_METHOD(Fixture, "handlers: a start that cannot be recorded waits until it can") {
  const std::int64_t id = store("1");
  const std::string ran = home.home().folder() + "/ran";
  handlers("touch " + ran);
  database.sqlite().exec(
      "CREATE TRIGGER no BEFORE UPDATE ON messages BEGIN "
      "SELECT raise(ABORT, 'disk full'); END");
  auto end = std::async(std::launch::async, [&] { return handlers_->handle(held(id)); });
  CHECK(end.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
  CHECK_FALSE(exists(ran));
  database.sqlite().exec("DROP TRIGGER no");
  CHECK(end.get());
  CHECK(exists(ran));
}

TEST_CASE_METHOD(Fixture, "handlers: an end that cannot be recorded waits until it can") {
  const std::int64_t id = store("1");
  handlers("cat");
  database.sqlite().exec(
      "CREATE TRIGGER no BEFORE UPDATE ON messages WHEN new.state = 'handled' "
      "BEGIN SELECT raise(ABORT, 'disk full'); END");
  auto end = std::async(std::launch::async, [&] { return handlers_->handle(held(id)); });
  while (row(id).state != MessageState::handling) std::this_thread::yield();
  CHECK(end.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
  CHECK_FALSE(message_lock(home.home().lock_file(), id).held());
  database.sqlite().exec("DROP TRIGGER no");
  CHECK(end.get()->reply == "body of 1");
  CHECK(row(id).state == MessageState::handled);
}

TEST_CASE_METHOD(Fixture, "handlers: when they are to stop, what cannot be recorded is an error") {
  const std::int64_t id = store("1");
  handlers("cat");
  database.sqlite().exec(
      "CREATE TRIGGER no BEFORE UPDATE ON messages WHEN new.state = 'handled' "
      "BEGIN SELECT raise(ABORT, 'disk full'); END");
  auto end = std::async(std::launch::async, [&] { return handlers_->handle(held(id)); });
  while (row(id).state != MessageState::handling) std::this_thread::yield();
  handlers_->stop();
  CHECK(error_from([&] { end.get(); }).status() == Status::system);
  CHECK(row(id).state == MessageState::handling);
  CHECK(handlers_->places().take());
}

}  // namespace p2pchat
