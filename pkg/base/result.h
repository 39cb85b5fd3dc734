// A value, or the reason a peer's bytes were refused. What a stranger sends is never an exception:
// functions that read it return a Result, and the reason is for our logs and tests only.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace p2pchat {

struct Refusal {
  std::string why;  // lower case, no full stop, printable: never bytes of the peer
};

template <typename T>
class Result {
 public:
  Result(T value) : value_(std::move(value)) {}              // NOLINT(google-explicit-constructor)
  Result(Refusal refusal) : why_(std::move(refusal.why)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return value_.has_value(); }
  const T& operator*() const& { return *value_; }
  T& operator*() & { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  const T* operator->() const { return &*value_; }
  T* operator->() { return &*value_; }

  // Empty when there is a value.
  const std::string& why() const { return why_; }
  Refusal refusal() const { return Refusal{why_}; }

 private:
  std::optional<T> value_;
  std::string why_;
};

}  // namespace p2pchat
