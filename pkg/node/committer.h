// The one writer of what arrives: commits all that wait in a single transaction (group commit), so
// that many messages share a sync. While many more are on their way, they wait for each other.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "store/database.h"

namespace p2pchat {

class Committer {
 public:
  struct Job {
    std::function<void(Database&)> work;  // inside the transaction
    // After it, on the committer's thread; never throws.
    std::function<void(bool committed)> finish;
  };

  // When jobs wait for each other.
  struct Gathering {
    std::function<bool()> many_come;  // whether it is worth it; called under the committer's lock
    std::size_t most = 8;             // jobs
    std::chrono::milliseconds longest{10};
  };

  // failed: told of every batch that could not be committed, on the committer's thread.
  Committer(Database database, std::function<void(const Error&)> failed, Gathering gathering);
  ~Committer() { end(); }
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Does nothing after end().
  void submit(Job job);
  // In a transaction of its own: its failure is nobody else's.
  void submit_alone(std::function<void(Database&)> work);
  // Finishes the commit that has begun and ends the thread; what is queued is dropped.
  void end();

 private:
  void run();
  void gather(std::unique_lock<std::mutex>& lock);
  bool commit(const std::vector<Job>& batch);

  Database database_;
  std::function<void(const Error&)> failed_;
  Gathering gathering_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Job> waiting_;
  std::vector<std::vector<Job>> waiting_alone_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace p2pchat
