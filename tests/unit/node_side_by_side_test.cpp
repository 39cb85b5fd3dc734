#include "node/side_by_side.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "node/identity.h"
#include "store/messages.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

struct Fixture {
  TestHome home{Who::alice};
  Identity identity = load_identity(home.home());
  Database database = home.state();
  Sender own{identity, database, 7, 5};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "side by side: every task runs once, with what it needs to send") {
  const std::size_t count = GENERATE(0, 1, 2, 100);
  std::vector<std::atomic<int>> runs(count);
  std::atomic<int> wrong = 0;
  side_by_side(home.home(), own, count, [&](std::size_t i, const Sender& sender) {
    runs[i] += 1;
    const bool same_identity = &sender.identity == &identity;
    const bool right = same_identity && sender.log_keep_seconds == 7 && sender.interrupt == 5;
    if (!right) wrong += 1;
  });
  for (const auto& run : runs) CHECK(run == 1);
  CHECK(wrong == 0);
}

TEST_CASE_METHOD(Fixture, "side by side: no two threads share a connection to the state") {
  std::mutex mutex;
  std::condition_variable all_here;
  std::set<Database*> connections;
  std::set<std::thread::id> threads;
  constexpr std::size_t kCount = 3;
  side_by_side(home.home(), own, kCount, [&](std::size_t, const Sender& sender) {
    std::unique_lock lock(mutex);
    connections.insert(&sender.database);
    threads.insert(std::this_thread::get_id());
    all_here.notify_all();
    // Nobody takes two of them.
    all_here.wait_for(lock, kPatience, [&] { return threads.size() == kCount; });
  });
  CHECK(threads.size() == kCount);
  CHECK(connections.size() == kCount);
  CHECK(connections.contains(&database));
  CHECK(threads.contains(std::this_thread::get_id()));
}

TEST_CASE_METHOD(Fixture, "side by side: one task alone runs in the thread that asks") {
  std::thread::id ran;
  side_by_side(home.home(), own, 1,
               [&](std::size_t, const Sender&) { ran = std::this_thread::get_id(); });
  CHECK(ran == std::this_thread::get_id());
}

TEST_CASE_METHOD(Fixture, "side by side: as many as allowed run at once, and no more") {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t running = 0;
  std::size_t most = 0;
  side_by_side(home.home(), own, kMaxExchangesAtOnce + 8, [&](std::size_t, const Sender&) {
    std::unique_lock lock(mutex);
    most = std::max(most, ++running);
    changed.notify_all();
    changed.wait_for(lock, kPatience, [&] { return most >= kMaxExchangesAtOnce; });
    // One more would come now.
    changed.wait_for(lock, 20ms, [&] { return most > kMaxExchangesAtOnce; });
    --running;
  });
  CHECK(most == kMaxExchangesAtOnce);
}

TEST_CASE_METHOD(Fixture,
                 "side by side: one that takes its time does not keep the others waiting") {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t done = 0;
  bool waited_for_all = false;
  constexpr std::size_t kCount = 50;
  side_by_side(home.home(), own, kCount, [&](std::size_t i, const Sender&) {
    std::unique_lock lock(mutex);
    if (i == 0) {
      waited_for_all = changed.wait_for(lock, kPatience, [&] { return done == kCount - 1; });
    } else {
      ++done;
      changed.notify_all();
    }
  });
  CHECK(waited_for_all);
}

TEST_CASE_METHOD(Fixture, "side by side: where no other connection can be had, one does it all") {
  const Home elsewhere("/nonexistent/folder");
  std::vector<std::size_t> order;
  side_by_side(elsewhere, own, 5, [&](std::size_t i, const Sender& sender) {
    if (&sender.database == &database) order.push_back(i);
  });
  CHECK(order == std::vector<std::size_t>{0, 1, 2, 3, 4});
}

}  // namespace p2pchat
