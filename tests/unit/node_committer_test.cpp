#include "node/committer.h"

#include <SQLiteCpp/Statement.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <future>
#include <new>
#include <string>
#include <thread>

#include "base/error.h"
#include "test_home.h"

namespace p2pchat {

namespace {

void mark(Database& database, const std::string& name) {
  database.guarded([&] { database.sqlite().exec("INSERT INTO marks VALUES ('" + name + "', 1)"); });
}

int count_marks(Database& database) {
  return database.sqlite().execAndGet("SELECT count(*) FROM marks").getInt();
}

struct Fixture {
  // Submits a job that keeps the committer busy until release() is called.
  void hold() {
    std::promise<void> begun;
    committer.submit({[&](Database&) {
                        begun.set_value();
                        released.get_future().wait();
                      },
                      [](bool) {}});
    begun.get_future().wait();
  }
  void release() { released.set_value(); }

  // Waits until the committer waits for more, with one job.
  void submit_first(Committer::Job job) {
    many_come = true;
    committer.submit(std::move(job));
    while (asked == 0) std::this_thread::yield();
  }

  // Waits until what has been submitted so far is done. The queue is dropped at the end.
  void drain() {
    std::promise<void> done;
    committer.submit({[](Database&) {}, [&](bool) { done.set_value(); }});
    REQUIRE(done.get_future().wait_for(kPatience) == std::future_status::ready);
  }

  std::vector<std::string> failures;
  TestHome home;
  Database reader = home.state();
  std::promise<void> released;
  std::atomic<bool> many_come = false;
  std::atomic<int> asked = 0;  // whether many come
  Committer committer{home.state(),
                      [this](const Error& error) { failures.push_back(error.what()); },
                      {[this] {
                         ++asked;
                         return many_come.load();
                       },
                       3, 2 * kPatience}};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "committer: a job is told that it is committed, and then it is") {
  int seen = -1;
  bool told = false;
  committer.submit({[](Database& database) { mark(database, "a"); },
                    [&](bool committed) {
                      told = committed;
                      seen = count_marks(reader);
                    }});
  drain();
  CHECK(told);
  CHECK(seen == 1);
}

TEST_CASE_METHOD(Fixture, "committer: jobs that wait share a transaction, in their order") {
  std::string order;
  hold();
  for (const char* name : {"a", "b", "c"}) {
    committer.submit({[&order, name](Database& database) {
                        mark(database, name);
                        order += name;
                      },
                      [&order, this](bool) { order += std::to_string(count_marks(reader)); }});
  }
  release();
  drain();
  CHECK(order == "abc333");
}

TEST_CASE_METHOD(Fixture, "committer: while many come, jobs wait until there are enough") {
  std::promise<void> done;
  std::string order;
  const auto job = [&](const char* name) {
    return Committer::Job{[&order, name](Database& database) {
                            mark(database, name);
                            order += name;
                          },
                          [&](bool) {
                            order += std::to_string(count_marks(reader));
                            if (order.size() == 6) done.set_value();
                          }};
  };
  submit_first(job("a"));
  committer.submit(job("b"));
  committer.submit(job("c"));
  REQUIRE(done.get_future().wait_for(kPatience) == std::future_status::ready);
  CHECK(order == "abc333");
}

TEST_CASE_METHOD(Fixture, "committer: once no more come, nobody waits") {
  int committed = 0;
  submit_first({[](Database&) {}, [&](bool) { ++committed; }});
  many_come = false;
  drain();
  CHECK(committed == 1);
}

TEST_CASE_METHOD(Fixture, "committer: what waits for others that do not come waits a while only") {
  std::promise<void> done;
  Committer patient(home.state(), [](const Error&) {}, {[] { return true; }});
  patient.submit({[](Database&) {}, [&](bool) { done.set_value(); }});
  CHECK(done.get_future().wait_for(kPatience) == std::future_status::ready);
}

TEST_CASE_METHOD(Fixture, "committer: the end does not wait for more") {
  bool called = false;
  submit_first({[&](Database&) { called = true; }, [&](bool) { called = true; }});
  committer.end();
  CHECK_FALSE(called);
}

TEST_CASE_METHOD(Fixture,
                 "committer: of a transaction that fails nothing stays, and all are told") {
  std::string told;
  const auto tell = [&](bool committed) { told += committed ? "+" : "-"; };
  const std::function<void(Database&)> fail = GENERATE(
      std::function<void(Database&)>([](Database&) { throw Error(Status::system, "disk full"); }),
      std::function<void(Database&)>([](Database&) { throw std::bad_alloc(); }));
  hold();
  committer.submit({[](Database& database) { mark(database, "a"); }, tell});
  committer.submit({fail, tell});
  release();
  drain();
  CHECK(told == "--");
  CHECK(count_marks(reader) == 0);
}

TEST_CASE_METHOD(Fixture, "committer: it lives on after a failure") {
  bool told = false;
  committer.submit({[](Database& database) {
                      mark(database, "a");
                      mark(database, "a");
                    },
                    [](bool) {}});
  drain();
  committer.submit(
      {[](Database& database) { mark(database, "a"); }, [&](bool committed) { told = committed; }});
  drain();
  CHECK(told);
  CHECK(count_marks(reader) == 1);
}

TEST_CASE_METHOD(Fixture, "committer: what is done alone takes nobody with it when it fails") {
  std::promise<void> done;
  bool told = false;
  hold();
  committer.submit_alone([](Database&) { throw Error(Status::system, "disk full"); });
  committer.submit_alone([&](Database& database) {
    mark(database, "alone");
    done.set_value();
  });
  committer.submit(
      {[](Database& database) { mark(database, "a"); }, [&](bool committed) { told = committed; }});
  release();
  REQUIRE(done.get_future().wait_for(kPatience) == std::future_status::ready);
  committer.end();
  CHECK(told);
  CHECK(count_marks(reader) == 2);
}

TEST_CASE_METHOD(Fixture, "committer: the end finishes the transaction that has begun") {
  bool told = false;
  std::promise<void> begun;
  committer.submit({[&](Database& database) {
                      begun.set_value();
                      mark(database, "a");
                    },
                    [&](bool committed) { told = committed; }});
  begun.get_future().wait();
  committer.end();
  CHECK(told);
  CHECK(count_marks(reader) == 1);
}

TEST_CASE_METHOD(Fixture, "committer: what comes after the end is dropped") {
  bool called = false;
  committer.end();
  committer.submit({[&](Database&) { called = true; }, [&](bool) { called = true; }});
  committer.submit_alone([&](Database&) { called = true; });
  committer.end();
  CHECK_FALSE(called);
}

}  // namespace p2pchat
