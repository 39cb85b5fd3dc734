#include "node/worker_pool.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "test_home.h"

namespace p2pchat {

namespace {

bool comes(std::promise<void>& event) {
  return event.get_future().wait_for(kPatience) == std::future_status::ready;
}

// A pool whose only thread has a job that ends when `submitted` is set, so that what is submitted
// until then waits together.
struct BusyPool {
  BusyPool() {
    pool.submit([this] {
      begun.set_value();
      submitted.get_future().wait();
    });
    REQUIRE(comes(begun));
  }

  std::promise<void> begun;
  std::promise<void> submitted;
  WorkerPool pool{1};
};

}  // namespace

TEST_CASE("worker_pool: every job is done, by whichever thread is free") {
  constexpr int kJobs = 100;
  std::atomic<int> done = 0;
  std::promise<void> all;
  WorkerPool pool(3);
  for (int i = 0; i < kJobs; ++i) {
    pool.submit([&] {
      if (++done == kJobs) all.set_value();
    });
  }
  CHECK(comes(all));
}

TEST_CASE("worker_pool: what is for an idle thread alone is not done by one that works") {
  std::promise<void> done;
  {
    BusyPool busy;
    CHECK_FALSE(busy.pool.submit_if_idle([&] { done.set_value(); }));
    busy.submitted.set_value();
    // Until its only thread has come to rest.
    while (!busy.pool.submit_if_idle([&] { done.set_value(); })) std::this_thread::yield();
    CHECK(comes(done));
  }
}

TEST_CASE("worker_pool: what waits for a thread is counted, but for the second queue") {
  BusyPool busy;
  CHECK(busy.pool.waiting() == 0);
  busy.pool.submit([] {});
  busy.pool.submit_second(
      1, [] {}, [] {});
  CHECK(busy.pool.waiting() == 1);
  busy.submitted.set_value();
}

TEST_CASE("worker_pool: jobs run beside each other") {
  std::promise<void> first;
  std::promise<void> second;
  std::promise<void> met;
  WorkerPool pool(2);
  pool.submit([&] {
    first.set_value();
    if (comes(second)) met.set_value();
  });
  pool.submit([&] {
    if (comes(first)) second.set_value();
  });
  CHECK(comes(met));
}

TEST_CASE("worker_pool: the second half of a job comes before what waits") {
  std::string order;
  std::promise<void> last;
  BusyPool busy;
  WorkerPool& pool = busy.pool;
  pool.submit([&] { order += "1"; });
  pool.submit([&] {
    order += "2";
    last.set_value();
  });
  pool.submit_next([&] { order += "0"; });
  busy.submitted.set_value();
  REQUIRE(comes(last));
  CHECK(order == "012");
}

TEST_CASE("worker_pool: the second queue gets one turn in ten while the first has work") {
  std::string order;
  std::promise<void> last;
  BusyPool busy;
  WorkerPool& pool = busy.pool;
  const auto add = [&] { order += "2"; };
  for (int i = 0; i < 3; ++i) pool.submit_second(0, add, {});
  for (int i = 0; i < 20; ++i) pool.submit([&] { order += "1"; });
  pool.submit([&] {
    order += "1";
    pool.submit([&] { last.set_value(); });
  });
  busy.submitted.set_value();
  REQUIRE(comes(last));
  CHECK(order.substr(0, 22) == "1111111121111111112111");
}

TEST_CASE("worker_pool: without work in the first queue the second gets every turn") {
  std::string order;
  std::promise<void> last;
  WorkerPool pool(1);
  const auto add = [&] { order += "2"; };
  for (int i = 0; i < 5; ++i) pool.submit_second(0, add, {});
  const auto end = [&] { last.set_value(); };
  pool.submit_second(0, end, {});
  REQUIRE(comes(last));
  CHECK(order == "22222");
}

TEST_CASE("worker_pool: of more than 64 jobs in the second queue the oldest are dropped") {
  std::vector<int> done;
  std::vector<int> dropped;
  std::promise<void> last;
  BusyPool busy;
  WorkerPool& pool = busy.pool;
  for (int i = 0; i < 67; ++i) {
    pool.submit_second(
        0,
        [&, i] {
          done.push_back(i);
          if (i == 66) last.set_value();
        },
        [&, i] { dropped.push_back(i); });
  }
  busy.submitted.set_value();
  REQUIRE(comes(last));
  CHECK(dropped == std::vector<int>{0, 1, 2});
  CHECK(done.size() == kMostInSecondQueue);
  CHECK(done.front() == 3);
}

TEST_CASE("worker_pool: of more than 8 MiB in the second queue the oldest are dropped") {
  std::string dropped;
  std::promise<void> last;
  BusyPool busy;
  WorkerPool& pool = busy.pool;
  const auto submit = [&](char name, std::size_t bytes) {
    pool.submit_second(
        bytes,
        [&, name] {
          if (name == 'e') last.set_value();
        },
        [&, name] { dropped += name; });
  };
  submit('a', 1);
  submit('b', kMostBytesInSecondQueue - 1);
  CHECK(dropped.empty());
  submit('c', 1);
  CHECK(dropped == "a");
  submit('d', kMostBytesInSecondQueue);
  CHECK(dropped == "abc");
  submit('e', 0);
  CHECK(dropped == "abc");
  busy.submitted.set_value();
  REQUIRE(comes(last));
}

TEST_CASE("worker_pool: a job may submit another") {
  std::promise<void> done;
  WorkerPool pool(1);
  pool.submit([&] { pool.submit([&] { done.set_value(); }); });
  CHECK(comes(done));
}

TEST_CASE("worker_pool: a job that fails costs no other") {
  std::promise<void> done;
  WorkerPool pool(1);
  pool.submit([] { throw std::runtime_error("no memory"); });
  pool.submit([&] { done.set_value(); });
  CHECK(comes(done));
}

TEST_CASE("worker_pool: the end waits for the job that has begun") {
  std::promise<void> begun;
  std::promise<void> released;
  bool finished = false;
  WorkerPool pool(1);
  pool.submit([&] {
    begun.set_value();
    released.get_future().wait();
    finished = true;
  });
  REQUIRE(comes(begun));
  std::thread releasing([&] { released.set_value(); });
  pool.end();
  releasing.join();
  CHECK(finished);
}

TEST_CASE("worker_pool: what is submitted after the end is dropped") {
  bool done = false;
  WorkerPool pool(1);
  pool.end();
  pool.submit([&] { done = true; });
  pool.submit_next([&] { done = true; });
  pool.end();
  CHECK_FALSE(done);
}

}  // namespace p2pchat
