// What a fault point does in the program of the tests. The environment says at which one something
// happens: P2PCHAT_FAULT="fail 17 FILE" or "kill 17 FILE"; the points are counted from 1 through
// all threads. FILE gets the name of the point when it is reached.
#include "base/fault.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace p2pchat {

namespace {

struct Order {
  bool kills = false;
  unsigned long number = 0;  // 0: none
  std::string file;
};

Order read_order() {
  const char* text = std::getenv("P2PCHAT_FAULT");
  // A lack of memory is none of ours: memory.cpp.
  if (text == nullptr || std::strncmp(text, "memory", 6) == 0) return {};
  std::array<char, 5> verb{};
  std::array<char, 1024> file{};
  unsigned long number = 0;
  if (std::sscanf(text, "%4s %lu %1023s", verb.data(), &number, file.data()) != 3) std::abort();
  return {std::strcmp(verb.data(), "kill") == 0, number, file.data()};
}

}  // namespace

bool fault(const char* what, int error_number) {
  static const Order order = read_order();
  static std::atomic<unsigned long> passed = 0;
  if (++passed != order.number) return false;
  const int file = open(order.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (write(file, what, std::strlen(what)) < 0) std::abort();
  close(file);
  if (order.kills) kill(getpid(), SIGKILL);
  errno = error_number;
  return true;
}

}  // namespace p2pchat
