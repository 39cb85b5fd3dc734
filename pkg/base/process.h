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
#include <utility>
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

// Raises the soft descriptor limit to the hard one and returns it; other programs get the one that
// we were given.
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
  // The first that came; those behind it are taken as well, so that they do not end us before the
  // outcomes are told.
  int take_all() const;
  // Those that are still to come do nothing, also when this is gone: until die_by_signal().
  void keep_blocked() { unblocks_ = false; }

 private:
  sigset_t previous_{};
  bool unblocks_ = true;
  Fd fd_;
};

// Throws Error{system} when there can be no more threads.
std::thread start_thread(std::function<void()> work);

// The folders of PATH as execvp(3) sees them: an empty entry is the current folder.
std::vector<std::string> folders_in_path();

// 0, or the errno for which a program that is looked up in PATH cannot be run.
int cannot_run(const std::string& program);

struct Launch {
  std::vector<std::string> argv;                              // argv[0] is looked up in PATH
  std::vector<std::pair<std::string, std::string>> set = {};  // environment variables, beside ours
  std::vector<std::string> unset = {};                        // those of ours that it does not get
  bool own_group = false;     // a process group of its own, all of which signal() and end() reach
  bool reads_errors = false;  // its standard error is a pipe to us, too
};

// Another program, whose standard input we write and whose standard output we read. It starts with
// the signals, limits and descriptors that any program starts with: default actions, nothing
// blocked, the descriptor limit and the file mask that we were given, descriptors 0 to 2 alone;
// standard error is ours unless we read it.
class Process {
 public:
  // Throws Error{unavailable} when it cannot be started, Error{system} when nothing can.
  explicit Process(const Launch& launch);
  // Closes the pipes; a process that has not ended by then gets SIGTERM and is left behind.
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Our ends, non-blocking; -1 once closed.
  int input() const { return input_.get(); }
  int output() const { return output_.get(); }
  int errors() const { return errors_.get(); }
  void close_input() { input_.reset(); }
  void close_output() { output_.reset(); }
  void close_errors() { errors_.reset(); }
  void close_pipes();

  // Readable once it has ended.
  int end_descriptor() const { return handle_.get(); }
  // Waits for its end: the exit status, 128 + n for signal n, nothing when the time is over first.
  std::optional<int> wait(const Deadline& deadline);
  // Nothing after wait() has told its end.
  void signal(int signal_number) const;
  // SIGKILL for it and what is left of its group; its exit status as wait() gives it.
  int end();

 private:
  int reap();

  Fd input_;
  Fd output_;
  Fd errors_;
  Fd handle_;  // a pidfd
  int pid_ = -1;
  bool own_group_ = false;
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
