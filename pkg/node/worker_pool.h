// A few threads that take jobs from two queues: where the costly cryptography happens.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace p2pchat {

// Of the second queue.
inline constexpr std::size_t kMostInSecondQueue = 64;
inline constexpr std::size_t kMostBytesInSecondQueue = 8'388'608;

class WorkerPool {
 public:
  using Job = std::function<void()>;

  explicit WorkerPool(unsigned threads);
  ~WorkerPool() { end(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void submit(Job job);
  // Only when a thread waits for work; false when none does.
  bool submit_if_idle(Job job);
  // Before what is waiting: the second half of work that has begun.
  void submit_next(Job job);
  // To the second queue, which gets one turn in ten while the first has work. `bytes` are what the
  // job keeps in memory. When the queue holds too many, or too much, the oldest is not done: its
  // `dropped` is called instead, on the caller's thread.
  void submit_second(std::size_t bytes, Job job, Job dropped);
  // How many jobs of the first queue wait for a thread.
  std::size_t waiting();
  // Finishes the jobs that have begun and ends the threads; what is queued, and what is submitted
  // from then on, is dropped.
  void end();

 private:
  struct Second {
    std::size_t bytes;
    Job job;
    Job dropped;
  };

  void run();
  bool has_job() const { return !jobs_.empty() || !second_.empty(); }
  Job take_job();
  Second take_second();
  Job take_dropped();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::deque<Second> second_;
  std::size_t second_bytes_ = 0;
  std::size_t idle_ = 0;  // threads
  unsigned turns_ = 0;    // of the first queue since the last of the second
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace p2pchat
