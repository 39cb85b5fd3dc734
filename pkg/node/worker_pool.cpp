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

void WorkerPool::submit_next(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    jobs_.push_front(std::move(job));
  }
  changed_.notify_one();
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    try {
      job();
    } catch (...) {  // a thread's outermost edge: whatever goes wrong costs one job
    }
    lock.lock();
  }
}

}  // namespace p2pchat
