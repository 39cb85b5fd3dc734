#include "node/side_by_side.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/process.h"

namespace p2pchat {

void side_by_side(const Home& home, const Sender& own, std::size_t count,
                  const ExchangeTask& task) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&](const Sender& sender) {
    for (std::size_t i = next++; i < count; i = next++) task(i, sender);
  };
  const auto help = [&] {
    try {
      Database database = home.open_state(Durability::full);
      work({own.identity, database, own.log_keep_seconds, own.interrupt});
    } catch (...) {  // a thread's outermost edge: the others take its share
    }
  };
  const std::size_t helpers = std::min(count, kMaxExchangesAtOnce);
  std::vector<std::thread> threads;
  try {
    while (threads.size() + 1 < helpers) threads.push_back(start_thread(help));
  } catch (const Error&) {  // those that run do it all
  }
  work(own);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace p2pchat
