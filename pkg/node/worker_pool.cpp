#include "node/worker_pool.h"

#include "base/error.h"
#include "base/process.h"

namespace p2pchat {

WorkerPool::WorkerPool(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) {
    try {
      threads_.push_back(start_thread([this] { run(); }));
    } catch (const Error&) {
      // One will do; without any there is nobody to do the work.
      if (threads_.empty()) throw;
      return;
    }
  }
}

void WorkerPool::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    jobs_.clear();
    second_.clear();
    second_bytes_ = 0;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkerPool::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

bool WorkerPool::submit_if_idle(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || idle_ <= jobs_.size() + second_.size()) return false;
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void WorkerPool::submit_next(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    jobs_.push_front(std::move(job));
  }
  changed_.notify_one();
}

void WorkerPool::submit_second(std::size_t bytes, Job job, Job dropped) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    second_.push_back({bytes, std::move(job), std::move(dropped)});
    second_bytes_ += bytes;
  }
  changed_.notify_one();
  while (const Job oldest = take_dropped()) oldest();
}

std::size_t WorkerPool::waiting() {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

// Nothing when the second queue is within its limits.
WorkerPool::Job WorkerPool::take_dropped() {
  const std::lock_guard lock(mutex_);
  const bool within =
      second_.size() <= kMostInSecondQueue && second_bytes_ <= kMostBytesInSecondQueue;
  return within ? Job() : take_second().dropped;
}

WorkerPool::Second WorkerPool::take_second() {
  Second oldest = std::move(second_.front());
  second_.pop_front();
  second_bytes_ -= oldest.bytes;
  return oldest;
}

WorkerPool::Job WorkerPool::take_job() {
  constexpr unsigned kTurnsOfFirst = 9;
  Job job;
  const bool second = jobs_.empty() || (!second_.empty() && turns_ >= kTurnsOfFirst);
  turns_ = second ? 0 : turns_ + 1;
  if (second) {
    job = take_second().job;
  } else {
    job = std::move(jobs_.front());
    jobs_.pop_front();
  }
  return job;
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this] { return ending_ || has_job(); });
    --idle_;
    if (!has_job()) return;
    const Job job = take_job();
    lock.unlock();
    try {
      job();
    } catch (...) {  // a thread's outermost edge: whatever goes wrong costs one job
    }
    lock.lock();
  }
}

}  // namespace p2pchat
