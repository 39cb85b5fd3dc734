#include "node/committer.h"

#include <new>

#include "base/error.h"
#include "base/process.h"

namespace p2pchat {

Committer::Committer(Database database, std::function<void(const Error&)> failed,
                     Gathering gathering)
    : database_(std::move(database)),
      failed_(std::move(failed)),
      gathering_(std::move(gathering)),
      thread_(start_thread([this] { run(); })) {}

void Committer::end() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    waiting_.clear();
    waiting_alone_.clear();
  }
  changed_.notify_one();
  thread_.join();
}

void Committer::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    waiting_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void Committer::submit_alone(std::function<void(Database&)> work) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    waiting_alone_.push_back({{std::move(work), [](bool) {}}});
  }
  changed_.notify_one();
}

void Committer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty() || !waiting_alone_.empty(); });
    gather(lock);
    if (ending_) return;
    std::vector<Job> batch;
    if (waiting_.empty()) {
      batch.swap(waiting_alone_.back());
      waiting_alone_.pop_back();
    } else {
      batch.swap(waiting_);
    }
    lock.unlock();
    const bool committed = commit(batch);
    for (const Job& job : batch) job.finish(committed);
    batch.clear();  // bodies and keys go while nobody waits for the lock
    lock.lock();
  }
}

void Committer::gather(std::unique_lock<std::mutex>& lock) {
  const auto end = std::chrono::steady_clock::now() + gathering_.longest;
  while (!ending_ && !waiting_.empty() && waiting_.size() < gathering_.most &&
         gathering_.many_come()) {
    if (changed_.wait_until(lock, end) == std::cv_status::timeout) return;
  }
}

bool Committer::commit(const std::vector<Job>& batch) {
  // A thread's outermost edge. Disk full, locked, damaged: nothing of it is acknowledged, and the
  // listener lives.
  try {
    try {
      WriteTransaction transaction(database_);
      for (const Job& job : batch) job.work(database_);
      transaction.commit();
      return true;
    } catch (const Error& error) {
      failed_(error);
    } catch (...) {
      failed_(Error(Status::system, "out of memory"));
    }
  } catch (const std::bad_alloc&) {  // for the words, too
  }
  return false;
}

}  // namespace p2pchat
