// What this process asks of the kernel: for itself, descriptors, core dumps, limits, signals; and
// other processes, started without the traces of this one.
#pragma once

#include <csignal>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
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

// Throws Error{system} when there can be no more threads.
std::thread start_thread(std::function<void()> work);

// Another program, whose standard input we write and whose standard output we read. It starts with
// the signals, limits and descriptors that any program starts with: default actions, nothing
// blocked, the descriptor limit that we were given, descriptors 0 to 2 alone; standard error is
// ours.
class Process {
 public:
  // argv[0] is looked up in PATH. Throws Error{unavailable} when it cannot be started.
  explicit Process(const std::vector<std::string>& argv);
  // Closes the pipes; a process that has not ended by then gets SIGTERM and is left behind.
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Our ends, non-blocking.
  int input() const { return input_.get(); }
  int output() const { return output_.get(); }
  void close_pipes();

  // Waits for its end: the exit status, 128 + n for signal n, nothing when the time is over first.
  std::optional<int> wait(const Deadline& deadline);

 private:
  Fd input_;
  Fd output_;
  Fd handle_;  // a pidfd, readable once it has ended
  int pid_ = -1;
  std::optional<int> status_;
};

// Ends this process by the signal's default action, so that a parent sees the true cause.
[[noreturn]] void die_by_signal(int signal_number);

// From here on files that we create are our user's alone, and a write to a pipe that nobody reads
// fails instead of ending us.
void settle_process();

// Becomes another program, for which the umask and the signals are as they were before
// settle_process(). Throws Error{usage} when it cannot be run.
[[noreturn]] void exec_program(const std::string& path, const std::vector<std::string>& argv);

}  // namespace p2pchat
