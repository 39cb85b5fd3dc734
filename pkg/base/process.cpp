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

#include <algorithm>
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

// As it was before settle_process().
struct Given {
  mode_t umask;
  void (*on_broken_pipe)(int);
};
std::optional<Given> given;

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
  if (unblocks_) pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

int SignalFd::take() const {
  signalfd_siginfo info{};
  const ssize_t count = read(fd_.get(), &info, sizeof info);
  return count == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

int SignalFd::take_all() const {
  const int first = take();
  while (take() != 0) {
  }
  return first;
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

struct Streams {
  int input;
  int output;
  int errors;
};

// Between fork and exec, where another thread may have held any lock: nothing but system calls.
// Returns the errno of what failed.
int become(char* const* argv, char* const* environment, const Streams& streams, bool own_group) {
  constexpr int kFirstOther = 3;
  if (own_group) setpgid(0, 0);
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  sigset_t none{};
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (given_descriptor_limit) setrlimit(RLIMIT_NOFILE, &*given_descriptor_limit);
  if (given) umask(given->umask);
  if (dup2(streams.input, STDIN_FILENO) < 0 || dup2(streams.output, STDOUT_FILENO) < 0 ||
      dup2(streams.errors, STDERR_FILENO) < 0) {
    return errno;
  }
  // On exec, so that the pipe which reports a failure is there until then.
  close_range(kFirstOther, ~0U, CLOSE_RANGE_CLOEXEC);
  execvpe(argv[0], argv, environment);
  return errno;
}

// A list as exec takes it; valid as long as the strings are.
std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_for(const Launch& launch) {
  std::vector<std::string> taken = launch.unset;
  std::vector<std::string> variables;
  for (const auto& [name, value] : launch.set) {
    taken.push_back(name);
    variables.push_back(name + "=" + value);
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    if (std::find(taken.begin(), taken.end(), name) == taken.end()) variables.emplace_back(text);
  }
  return variables;
}

}  // namespace

std::vector<std::string> folders_in_path() {
  constexpr const char* kDefault = "/bin:/usr/bin";
  const char* variable = std::getenv("PATH");
  const std::string path = variable == nullptr ? kDefault : variable;
  std::vector<std::string> folders;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    folders.push_back(end == begin ? "." : path.substr(begin, end - begin));
    begin = end + 1;
  }
  return folders;
}

int cannot_run(const std::string& program) {
  const auto problem_of = [](const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return errno;
    return S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0 ? 0 : EACCES;
  };
  if (program.find('/') != std::string::npos) return problem_of(program);
  int problem = ENOENT;
  if (program.empty()) return problem;
  for (const std::string& folder : folders_in_path()) {
    const int here = problem_of(folder + "/" + program);
    if (here == 0) return 0;
    if (here != ENOENT && here != ENOTDIR) problem = here;
  }
  return problem;
}

Process::Process(const Launch& launch) : own_group_(launch.own_group) {
  std::vector<std::string> words = launch.argv;
  std::vector<std::string> variables = environment_for(launch);
  const std::vector<char*> argv = pointers_to(words);
  const std::vector<char*> environment = pointers_to(variables);
  Pipe to_child = make_pipe();
  Pipe from_child = make_pipe();
  Pipe errors = launch.reads_errors ? make_pipe() : Pipe{};
  Pipe failure = make_pipe();
  const Streams streams{to_child.read_end.get(), from_child.write_end.get(),
                        errors.write_end ? errors.write_end.get() : STDERR_FILENO};
  pid_ = fork();
  if (pid_ == 0) {
    const int problem = become(argv.data(), environment.data(), streams, own_group_);
    [[maybe_unused]] const ssize_t written =
        write(failure.write_end.get(), &problem, sizeof problem);
    _exit(127);
  }
  if (pid_ < 0) {
    throw Error(Status::system, "cannot start a process: " + errno_text(errno));
  }
  // glibc 2.36 declares no pidfd_open() that C++ could link to.
  handle_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  const int no_handle = handle_ ? 0 : errno;
  failure.write_end.reset();
  int problem = 0;
  if (read(failure.read_end.get(), &problem, sizeof problem) == sizeof problem) {
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    throw Error(Status::unavailable,
                "cannot run " + in_quotes(launch.argv[0]) + ": " + errno_text(problem));
  }
  if (no_handle != 0) {
    kill(own_group_ ? -pid_ : pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    throw Error(Status::system, "cannot watch a process: " + errno_text(no_handle));
  }
  input_ = std::move(to_child.write_end);
  output_ = std::move(from_child.read_end);
  errors_ = std::move(errors.read_end);
  for (const Fd* end : {&input_, &output_, &errors_}) {
    if (*end) fcntl(end->get(), F_SETFL, O_NONBLOCK);
  }
}

Process::Process(Process&& other) noexcept
    : input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)),
      handle_(std::move(other.handle_)),
      pid_(std::exchange(other.pid_, -1)),
      own_group_(other.own_group_),
      status_(other.status_) {}

Process::~Process() {
  constexpr std::chrono::milliseconds kGrace{1'000};
  if (pid_ < 0) return;
  close_pipes();
  if (wait(Deadline(kGrace))) return;
  signal(SIGTERM);
  wait(Deadline(kGrace));
}

void Process::close_pipes() {
  input_.reset();
  output_.reset();
  errors_.reset();
}

void Process::signal(int signal_number) const {
  if (pid_ <= 0 || status_) return;
  if (own_group_) kill(-pid_, signal_number);
  // It may have left the group.
  if (!own_group_ || getpgid(pid_) != pid_) kill(pid_, signal_number);
}

int Process::end() {
  // Before it is waited for: until then its number is nobody else's.
  signal(SIGKILL);
  return reap();
}

std::optional<int> Process::wait(const Deadline& deadline) {
  if (status_ || pid_ < 0) return status_;
  while (true) {
    pollfd polled{handle_.get(), POLLIN, 0};
    const int ready = poll(&polled, 1, poll_time(deadline.remaining()));
    if (ready > 0) break;
    if (ready == 0 && deadline.passed()) return std::nullopt;
  }
  return reap();
}

int Process::reap() {
  constexpr int kSignalBase = 128;
  if (!status_) {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = WIFSIGNALED(status) ? kSignalBase + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return *status_;
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
