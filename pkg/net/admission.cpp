#include "net/admission.h"

#include <algorithm>

namespace p2pchat {

bool Admission::has_token(Networks::const_iterator bucket, Clock::time_point now) const {
  return bucket == full_at_.end() || bucket->second <= now + limits_.interval * (limits_.burst - 1);
}

bool Admission::has_token(const std::string& network, Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  return has_token(full_at_.find(network), now);
}

bool Admission::charge(const std::string& network, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  auto bucket = full_at_.find(network);
  if (!has_token(bucket, now)) return false;
  if (bucket == full_at_.end()) {
    make_room(now);
    bucket = remember(network, now);
  }
  set(bucket, std::max(bucket->second, now) + limits_.interval);
  return true;
}

void Admission::refund(const std::string& network) {
  const std::lock_guard lock(mutex_);
  const auto bucket = full_at_.find(network);
  if (bucket != full_at_.end()) set(bucket, bucket->second - limits_.interval);
}

std::size_t Admission::remembered() const {
  const std::lock_guard lock(mutex_);
  return full_at_.size();
}

// Without memory nothing is changed.
Admission::Networks::iterator Admission::remember(const std::string& network,
                                                  Clock::time_point full_at) {
  const auto bucket = full_at_.emplace(network, full_at).first;
  try {
    by_time_.insert({full_at, &bucket->first});
  } catch (...) {
    full_at_.erase(bucket);
    throw;
  }
  return bucket;
}

void Admission::set(Networks::iterator bucket, Clock::time_point full_at) {
  auto node = by_time_.extract({bucket->second, &bucket->first});
  node.value().first = full_at;
  by_time_.insert(std::move(node));
  bucket->second = full_at;
}

void Admission::forget(Networks::iterator bucket) {
  by_time_.erase({bucket->second, &bucket->first});
  full_at_.erase(bucket);
}

// Full buckets go; at the limit the one that is full soonest goes, too.
void Admission::make_room(Clock::time_point now) {
  while (!by_time_.empty() &&
         (by_time_.begin()->first <= now || full_at_.size() >= limits_.networks)) {
    forget(full_at_.find(*by_time_.begin()->second));
  }
}

}  // namespace p2pchat
