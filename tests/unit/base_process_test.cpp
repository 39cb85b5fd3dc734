#include "base/process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

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

}  // namespace p2pchat
