#include "terminal.h"

#include <poll.h>
#include <unistd.h>

#include "base/file.h"

namespace p2pchat {

namespace {

std::string program = "p2pchat";

}  // namespace

void name_program(std::string_view words) {
  program = words;
}

void say(std::string_view line) {
  // A listener must not wait for whoever has stopped reading its notices. One write a message, so
  // that two threads do not mix their lines.
  pollfd polled{STDERR_FILENO, POLLOUT, 0};
  if (poll(&polled, 1, 0) != 1 || (polled.revents & POLLOUT) == 0) return;
  write_all(STDERR_FILENO, std::string(line) + "\n");
}

void say_error(std::string_view text, std::string_view hint) {
  say(program + ": error: " + std::string(text));
  if (!hint.empty()) say(program + ": hint: " + std::string(hint));
}

bool is_terminal(int descriptor) {
  return isatty(descriptor) == 1;
}

}  // namespace p2pchat
