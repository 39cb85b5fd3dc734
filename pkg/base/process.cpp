#include "base/process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error.h"

namespace p2pchat {

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

void die_by_signal(int signal_number) {
  std::signal(signal_number, SIG_DFL);
  sigset_t only{};
  sigemptyset(&only);
  sigaddset(&only, signal_number);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal_number);
  std::_Exit(128 + signal_number);  // a signal whose default action does not end us
}

}  // namespace p2pchat
