#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace p2pchat {

namespace {

// As it was before we raised it.
std::optional<struct rlimit> given_descriptor_limit;

}  // namespace

void occupy_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // open() takes the lowest free number, which is this one.
    if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) std::abort();
  }
}

void forbid_core_dumps() {
  prctl(PR_SET_DUMPABLE, 0);
}

std::size_t raise_descriptor_limit() {
  struct rlimit limit {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    throw Error(Status::system, "cannot read the descriptor limit: " + errno_text(errno));
  }
  given_descriptor_limit = limit;
  const rlim_t soft = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : soft;
}

SignalFd::SignalFd(std::initializer_list<int> signals) {
  sigset_t wanted{};
  sigemptyset(&wanted);
  for (const int signal_number : signals) {
    // One that we were started to ignore (nohup, a background job of a script) stays ignored: while
    // blocked it would be queued all the same.
    struct sigaction present {};
    sigaction(signal_number, nullptr, &present);
    if (present.sa_handler != SIG_IGN) sigaddset(&wanted, signal_number);
  }
  pthread_sigmask(SIG_BLOCK, &wanted, &previous_);
  fd_ = Fd(signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd_) throw Error(Status::system, "cannot watch signals: " + errno_text(errno));
}

SignalFd::~SignalFd() {
  pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

int SignalFd::take() const {
  signalfd_siginfo info{};
  const ssize_t count = read(fd_.get(), &info, sizeof info);
  return count == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

namespace {

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Error(Status::system, "cannot make a pipe: " + errno_text(errno));
  }
  return {Fd(ends[0]), Fd(ends[1])};
}

// Between fork and exec, where another thread may have held any lock: nothing but system calls.
// Returns the errno of what failed.
int become(char* const* argv, int input, int output) {
  constexpr int kFirstOther = 3;
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  sigset_t none{};
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (given_descriptor_limit) setrlimit(RLIMIT_NOFILE, &*given_descriptor_limit);
  if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0) return errno;
  // On exec, so that the pipe which reports a failure is there until then.
  close_range(kFirstOther, ~0U, CLOSE_RANGE_CLOEXEC);
  execvp(argv[0], argv);
  return errno;
}

}  // namespace

Process::Process(const std::vector<std::string>& argv) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  Pipe to_child = make_pipe();
  Pipe from_child = make_pipe();
  Pipe failure = make_pipe();
  pid_ = fork();
  if (pid_ == 0) {
    const int problem = become(words.data(), to_child.read_end.get(), from_child.write_end.get());
    [[maybe_unused]] const ssize_t written =
        write(failure.write_end.get(), &problem, sizeof problem);
    _exit(127);
  }
  if (pid_ < 0) {
    throw Error(Status::system, "cannot start a process: " + errno_text(errno));
  }
  // glibc 2.36 declares no pidfd_open() that C++ could link to.
  handle_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  failure.write_end.reset();
  int problem = 0;
  if (read(failure.read_end.get(), &problem, sizeof problem) == sizeof problem) {
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    throw Error(Status::unavailable,
                "cannot run " + in_quotes(argv[0]) + ": " + errno_text(problem));
  }
  input_ = std::move(to_child.write_end);
  output_ = std::move(from_child.read_end);
  fcntl(input_.get(), F_SETFL, O_NONBLOCK);
  fcntl(output_.get(), F_SETFL, O_NONBLOCK);
}

Process::Process(Process&& other) noexcept
    : input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      handle_(std::move(other.handle_)),
      pid_(std::exchange(other.pid_, -1)),
      status_(other.status_) {}

Process::~Process() {
  constexpr std::chrono::milliseconds kGrace{1'000};
  if (pid_ < 0) return;
  close_pipes();
  if (wait(Deadline(kGrace))) return;
  kill(pid_, SIGTERM);
  wait(Deadline(kGrace));
}

void Process::close_pipes() {
  input_.reset();
  output_.reset();
}

std::optional<int> Process::wait(const Deadline& deadline) {
  constexpr int kSignalBase = 128;
  if (status_ || pid_ < 0) return status_;
  while (true) {
    pollfd polled{handle_.get(), POLLIN, 0};
    const int ready = poll(&polled, 1, poll_time(deadline.remaining()));
    if (ready > 0) break;
    if (ready == 0 && deadline.passed()) return std::nullopt;
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  status_ = WIFSIGNALED(status) ? kSignalBase + WTERMSIG(status) : WEXITSTATUS(status);
  return status_;
}

std::thread start_thread(std::function<void()> work) {
  try {
    return std::thread(std::move(work));
  } catch (const std::system_error& error) {
    throw Error(Status::system, "cannot start a thread: " + errno_text(error.code().value()));
  }
}

void die_by_signal(int signal_number) {
  std::signal(signal_number, SIG_DFL);
  sigset_t only{};
  sigemptyset(&only);
  sigaddset(&only, signal_number);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal_number);
  std::_Exit(128 + signal_number);  // a signal whose default action does not end us
}

namespace {

struct Given {
  mode_t umask;
  void (*on_broken_pipe)(int);
};
std::optional<Given> given;

void unsettle_process() {
  if (!given) return;
  umask(given->umask);
  std::signal(SIGPIPE, given->on_broken_pipe);
  // POCO has blocked it before we could look.
  sigset_t only{};
  sigemptyset(&only);
  sigaddset(&only, SIGPIPE);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
}

}  // namespace

void settle_process() {
  constexpr mode_t kPrivateMask = 077;
  // POCO blocks it in this thread anyway: every write is checked instead.
  given = {umask(kPrivateMask), std::signal(SIGPIPE, SIG_IGN)};
}

void exec_program(const std::string& path, const std::vector<std::string>& argv) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  unsettle_process();
  execvp(path.c_str(), words.data());
  const int problem = errno;
  settle_process();
  throw Error(Status::usage, "cannot run " + in_quotes(path) + ": " + errno_text(problem));
}

}  // namespace p2pchat
