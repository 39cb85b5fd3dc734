// What this process asks of the kernel for itself: descriptors, core dumps, limits, signals.
#pragma once

#include <csignal>
#include <cstddef>
#include <initializer_list>

#include "base/file.h"

namespace p2pchat {

// A program may be started with descriptor 0, 1 or 2 closed. Fills each gap with a descriptor that
// fails in the direction it would be used, so that no file of ours is ever mistaken for a stream
// and a write to a closed stdout still fails.
void occupy_standard_descriptors();

// For commands that hold a private key: no core file, no ptrace by the same user.
void forbid_core_dumps();

// Raises the soft descriptor limit to the hard one and returns it.
std::size_t raise_descriptor_limit();

// Blocks the signals in this thread (and those started after it) and makes them readable from a
// descriptor, so that an event loop takes them like any other event. Ignored ones stay ignored.
class SignalFd {
 public:
  explicit SignalFd(std::initializer_list<int> signals);
  ~SignalFd();
  SignalFd(const SignalFd&) = delete;
  SignalFd& operator=(const SignalFd&) = delete;

  int descriptor() const { return fd_.get(); }
  // The next pending signal's number, 0 when there is none. Does not block.
  int take() const;

 private:
  sigset_t previous_{};
  Fd fd_;
};

// Ends this process by the signal's default action, so that a parent sees the true cause.
[[noreturn]] void die_by_signal(int signal_number);

}  // namespace p2pchat
