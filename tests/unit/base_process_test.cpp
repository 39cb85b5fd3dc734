#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <thread>

#include "base/error.h"

namespace p2pchat {

namespace {

// Runs in a child, since what is tested changes the whole process. Returns the wait status.
template <typename Action>
int wait_status_of(const Action& action) {
  const pid_t child = fork();
  if (child == 0) _exit(action() ? 0 : 1);
  REQUIRE(child > 0);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

template <typename Action>
bool holds_in_child(const Action& action) {
  const int status = wait_status_of(action);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool is_blocked(int signal_number) {
  sigset_t mask{};
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, signal_number) == 1;
}

}  // namespace

TEST_CASE(
    "process: a closed standard descriptor is filled so that no file of ours takes its place") {
  const int closed = GENERATE(0, 1, 2);
  CAPTURE(closed);
  CHECK(holds_in_child([&] {
    close(closed);
    occupy_standard_descriptors();
    return open("/dev/null", O_RDONLY) > 2;
  }));
}

TEST_CASE("process: reading a filled stdin and writing a filled stdout or stderr still fail") {
  CHECK(holds_in_child([] {
    for (int fd = 0; fd <= 2; ++fd) close(fd);
    occupy_standard_descriptors();
    char byte = 'x';
    return read(0, &byte, 1) == -1 && write(1, &byte, 1) == -1 && write(2, &byte, 1) == -1;
  }));
}

TEST_CASE("process: open standard descriptors are left as they are") {
  CHECK(holds_in_child([] {
    int ends[2] = {-1, -1};
    if (pipe(ends) != 0 || dup2(ends[1], 1) != 1) return false;
    occupy_standard_descriptors();
    char byte = 'x';
    return write(1, &byte, 1) == 1 && read(ends[0], &byte, 1) == 1;
  }));
}

TEST_CASE("process: a process that holds a key leaves no core file") {
  CHECK(holds_in_child([] {
    prctl(PR_SET_DUMPABLE, 1);
    forbid_core_dumps();
    return prctl(PR_GET_DUMPABLE) == 0;
  }));
}

TEST_CASE("process: the descriptor limit is raised to the hard one and said") {
  CHECK(holds_in_child([] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t hard = limit.rlim_max;
    limit.rlim_cur = 64;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    const std::size_t raised = raise_descriptor_limit();
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == hard && raised == hard;
  }));
}

TEST_CASE("process: a watched signal is read instead of taking effect") {
  const SignalFd signals{SIGUSR1, SIGTERM};
  CHECK(signals.take() == 0);
  raise(SIGTERM);
  CHECK(signals.take() == SIGTERM);
  CHECK(signals.take() == 0);
}

TEST_CASE("process: only the named signals are blocked, and only while they are watched") {
  REQUIRE_FALSE(is_blocked(SIGUSR1));
  {
    const SignalFd signals{SIGUSR1};
    CHECK(is_blocked(SIGUSR1));
    CHECK_FALSE(is_blocked(SIGUSR2));
  }
  CHECK_FALSE(is_blocked(SIGUSR1));
}

TEST_CASE("process: a signal that was blocked before stays so") {
  CHECK(holds_in_child([] {
    sigset_t mask{};
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, nullptr);
    { const SignalFd signals{SIGUSR1}; }
    return is_blocked(SIGUSR1);
  }));
}

TEST_CASE("process: signals that are kept blocked come to nothing, but for the one we die by") {
  const int status = wait_status_of([] {
    {
      SignalFd signals{SIGTERM, SIGINT};
      raise(SIGTERM);
      signals.keep_blocked();
    }
    raise(SIGTERM);
    die_by_signal(SIGINT);
    return false;
  });
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGINT);
}

TEST_CASE("process: dying by a signal shows the parent that signal, even if it was blocked") {
  const int signal_number = GENERATE(SIGTERM, SIGINT);
  const int status = wait_status_of([&] {
    const SignalFd signals{SIGTERM, SIGINT};
    std::signal(signal_number, SIG_IGN);
    die_by_signal(signal_number);
    return false;
  });
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == signal_number);
}

TEST_CASE("process: a signal that does not end a process still ends this one") {
  const int status = wait_status_of([] {
    die_by_signal(SIGCHLD);
    return true;
  });
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 128 + SIGCHLD);
}

namespace {

// Everything that comes out of it until it closes.
std::string output_of(Process& process) {
  std::string text;
  std::array<char, 4096> piece{};
  while (true) {
    pollfd polled{process.output(), POLLIN, 0};
    if (poll(&polled, 1, 60'000) != 1) return "nothing in a minute";
    const ssize_t count = read(process.output(), piece.data(), piece.size());
    if (count <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(count));
  }
}

std::string output_of(const std::vector<std::string>& argv) {
  Process process({argv});
  return output_of(process);
}

}  // namespace

TEST_CASE("process: another program reads what we write and we read what it writes") {
  Process cat({{"cat"}});
  REQUIRE(write_all(cat.input(), "hello") == 0);
  const std::string nothing_yet;
  CHECK_FALSE(cat.wait(Deadline(std::chrono::milliseconds(0))));
  {
    Process moved = std::move(cat);
    pollfd polled{moved.output(), POLLIN, 0};
    REQUIRE(poll(&polled, 1, 60'000) == 1);
    std::array<char, 16> piece{};
    CHECK(read(moved.output(), piece.data(), piece.size()) == 5);
    moved.close_pipes();
    CHECK(moved.wait(Deadline(std::chrono::seconds(60))) == 0);
  }
}

TEST_CASE("process: its end is told as a shell tells it") {
  const auto [script, status] = GENERATE(table<std::string, int>(
      {{"exit 0", 0}, {"exit 7", 7}, {"exit 255", 255}, {"kill -TERM $$", 128 + SIGTERM}}));
  Process process({{"/bin/sh", "-c", script}});
  CHECK(process.wait(Deadline(std::chrono::seconds(60))) == status);
  CHECK(process.wait(Deadline(std::chrono::seconds(0))) == status);
}

TEST_CASE("process: what cannot be run is said at once") {
  try {
    const Process process({{"/nonexistent/program"}});
    FAIL("it runs");
  } catch (const Error& error) {
    CHECK(error.status() == Status::unavailable);
    CHECK(error.what() ==
          std::string("cannot run '/nonexistent/program': no such file or directory"));
  }
}

TEST_CASE("process: it has descriptors 0 to 2 alone") {
  const Fd leaked(dup(STDERR_FILENO));
  REQUIRE(leaked);
  CHECK(output_of({"/bin/sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"}) == "0 1 2 3 ");  // 3: ls's
}

TEST_CASE("process: it starts with default signals and none blocked") {
  std::signal(SIGPIPE, SIG_IGN);
  const SignalFd blocked{SIGTERM, SIGUSR1};
  CHECK(output_of({"/bin/sh", "-c", "grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f 2"}) ==
        "0000000000000000\n0000000000000000\n");
}

TEST_CASE("process: it gets the descriptor limit that we were given") {
  CHECK(holds_in_child([] {
    struct rlimit limit {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 77;
    setrlimit(RLIMIT_NOFILE, &limit);
    raise_descriptor_limit();
    return output_of({"/bin/sh", "-c", "ulimit -n"}) == "77\n";
  }));
}

TEST_CASE("process: one that does not end with its pipes is ended") {
  pid_t pid = 0;
  {
    Process process({{"/bin/sh", "-c", "echo $$; exec sleep 600"}});
    pollfd polled{process.output(), POLLIN, 0};
    REQUIRE(poll(&polled, 1, 60'000) == 1);
    std::array<char, 32> piece{};
    REQUIRE(read(process.output(), piece.data(), piece.size()) > 0);
    pid = std::stoi(piece.data());
  }
  CHECK(kill(pid, 0) == -1);
}

TEST_CASE("process: it gets our environment with what is added and without what is taken away") {
  setenv("P2PCHAT_TEST_KEPT", "kept", 1);
  setenv("P2PCHAT_TEST_CHANGED", "ours", 1);
  setenv("P2PCHAT_TEST_GONE", "ours", 1);
  Launch launch{{"/bin/sh", "-c",
                 "echo $P2PCHAT_TEST_KEPT $P2PCHAT_TEST_CHANGED ${P2PCHAT_TEST_GONE-gone}; "
                 "env | grep -c P2PCHAT_TEST_CHANGED"}};
  launch.set = {{"P2PCHAT_TEST_CHANGED", "a=b"}};
  launch.unset = {"P2PCHAT_TEST_GONE"};
  Process process(launch);
  CHECK(output_of(process) == "kept a=b gone\n1\n");
}

TEST_CASE("process: in a group of its own it is ended with all that it has started") {
  Launch launch{{"/bin/sh", "-c", "sleep 600 & echo $! $$; ps -o pgid= -p $!; wait"}};
  launch.own_group = true;
  Process process(launch);
  std::string said;
  while (std::count(said.begin(), said.end(), '\n') < 2) {
    pollfd polled{process.output(), POLLIN, 0};
    REQUIRE(poll(&polled, 1, 60'000) == 1);
    std::array<char, 64> piece{};
    const ssize_t count = read(process.output(), piece.data(), piece.size());
    REQUIRE(count > 0);
    said.append(piece.data(), static_cast<std::size_t>(count));
  }
  int child = 0;
  int parent = 0;
  int group = 0;
  REQUIRE(std::sscanf(said.c_str(), "%d %d %d", &child, &parent, &group) == 3);
  CHECK(group == parent);
  CHECK(process.end() == 128 + SIGKILL);
  // The child is somebody else's to wait for by now.
  while (kill(child, 0) == 0 &&
         output_of({"/bin/ps", "-o", "stat=", "-p", std::to_string(child)}).find('Z') ==
             std::string::npos) {
    std::this_thread::yield();
  }
}

TEST_CASE("process: one that has ended is told by its status, whatever its group does") {
  Launch launch{{"/bin/sh", "-c", "sleep 600 & exit 7"}};
  launch.own_group = true;
  Process process(launch);
  pollfd polled{process.end_descriptor(), POLLIN, 0};
  REQUIRE(poll(&polled, 1, 60'000) == 1);
  CHECK(process.end() == 7);
  CHECK(process.end() == 7);
}

TEST_CASE("process: its standard error is ours unless we read it") {
  Launch launch{{"/bin/sh", "-c", "echo out; echo error >&2"}};
  launch.reads_errors = true;
  Process process(launch);
  CHECK(output_of(process) == "out\n");
  std::array<char, 16> piece{};
  CHECK(read(process.errors(), piece.data(), piece.size()) == 6);
}

TEST_CASE("process: it gets the file mask that we were given") {
  CHECK(holds_in_child([] {
    umask(027);
    settle_process();
    return output_of({"/bin/sh", "-c", "umask"}) == "0027\n";
  }));
}

TEST_CASE("process: whether a program can be run is known before") {
  CHECK(cannot_run("sh") == 0);
  CHECK(cannot_run("/bin/sh") == 0);
  CHECK(cannot_run("no such program") == ENOENT);
  CHECK(cannot_run("/no/such/program") == ENOENT);
  CHECK(cannot_run("") == ENOENT);
  CHECK(cannot_run("/etc/passwd") == EACCES);
  CHECK(cannot_run("/bin") == EACCES);
}

namespace {

// The exit status of this script, which a settled process becomes.
int status_as_program(const std::string& script) {
  const int status = wait_status_of([&] {
    settle_process();
    exec_program("/bin/sh", {"sh", "-c", script});
    return false;
  });
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("process: it becomes another program, whose exit status is its own") {
  CHECK(status_as_program("exit 7") == 7);
  CHECK(status_as_program("test \"$0\" = sh") == 0);
}

TEST_CASE("process: a settled process makes private files and outlives its readers") {
  CHECK(holds_in_child([] {
    settle_process();
    struct sigaction present {};
    sigaction(SIGPIPE, nullptr, &present);
    return umask(0) == 077 && present.sa_handler == SIG_IGN;
  }));
}

TEST_CASE("process: the program that it becomes has the umask and the signals that we were given") {
  CHECK(holds_in_child([] {
    umask(027);
    std::signal(SIGPIPE, SIG_DFL);
    return status_as_program("test $(umask) = 0027 && kill -PIPE $$") == -1;
  }));
  CHECK(holds_in_child([] {
    std::signal(SIGPIPE, SIG_IGN);
    return status_as_program("kill -PIPE $$; exit 5") == 5;
  }));
}

TEST_CASE("process: what it cannot become is said, and it goes on as before") {
  CHECK(holds_in_child([] {
    settle_process();
    try {
      exec_program("/nonexistent/program", {"program"});
    } catch (const Error& error) {
      return error.status() == Status::usage && umask(0) == 077 &&
             error.what() ==
                 std::string("cannot run '/nonexistent/program': no such file or directory");
    }
    return false;
  }));
}

}  // namespace p2pchat
