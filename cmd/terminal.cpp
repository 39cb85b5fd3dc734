#include "terminal.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>

#include "base/clock.h"
#include "base/file.h"

namespace p2pchat {

namespace {

std::string program = "p2pchat";
// A listener must not wait for whoever has stopped reading its notices.
std::atomic<std::chrono::milliseconds> patience{std::chrono::milliseconds(0)};

bool can_be_written() {
  pollfd polled{STDERR_FILENO, POLLOUT, 0};
  if (poll(&polled, 1, poll_time(patience)) == 1 && (polled.revents & POLLOUT) != 0) return true;
  patience = std::chrono::milliseconds(0);
  return false;
}

}  // namespace

void name_program(std::string_view words) {
  program = words;
}

void set_patience(std::chrono::milliseconds time) {
  patience = time;
}

void say(std::string_view line) {
  // One write a message, so that two threads do not mix their lines.
  if (can_be_written()) write_all(STDERR_FILENO, std::string(line) + "\n");
}

void say_error(std::string_view text, std::string_view hint) {
  say(program + ": error: " + std::string(text));
  if (!hint.empty()) say_hint(hint);
}

void say_hint(std::string_view hint) {
  say(program + ": hint: " + std::string(hint));
}

bool is_terminal(int descriptor) {
  return isatty(descriptor) == 1;
}

}  // namespace p2pchat
