#include "node/worker_pool.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>

#include "test_home.h"

namespace p2pchat {

namespace {

bool comes(std::promise<void>& event) {
  return event.get_future().wait_for(kPatience) == std::future_status::ready;
}

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
  std::promise<void> submitted;
  std::promise<void> last;
  WorkerPool pool(1);
  pool.submit([&] { submitted.get_future().wait(); });
  pool.submit([&] { order += "1"; });
  pool.submit([&] {
    order += "2";
    last.set_value();
  });
  pool.submit_next([&] { order += "0"; });
  submitted.set_value();
  REQUIRE(comes(last));
  CHECK(order == "012");
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
