#include "terminal.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "base/clock.h"
#include "base/file.h"

namespace p2pchat {

namespace {

std::string program = "p2pchat";
// A listener must not wait for whoever has stopped reading its notices.
std::atomic<std::chrono::milliseconds> patience{std::chrono::milliseconds(0)};

constexpr std::string_view kRed = "\x1b[1;31m";
constexpr std::string_view kCyan = "\x1b[1;36m";

// https://no-color.org/
bool has_colours() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  const std::string_view terminal = variable("TERM");
  return is_terminal(STDERR_FILENO) && variable("NO_COLOR").empty() && !terminal.empty() &&
         terminal != "dumb";
}

std::string coloured(std::string_view word, std::string_view colour) {
  constexpr std::string_view kPlain = "\x1b[0m";
  if (!has_colours()) return std::string(word);
  return std::string(colour) + std::string(word) + std::string(kPlain);
}

std::atomic<std::size_t> progress_columns = 0;

// What makes the line of progress blank, on any terminal.
std::string progress_wiped() {
  const std::size_t columns = progress_columns.exchange(0);
  return columns == 0 ? "" : "\r" + std::string(columns, ' ') + "\r";
}

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
  if (can_be_written()) write_all(STDERR_FILENO, progress_wiped() + std::string(line) + "\n");
}

void show_progress(std::string_view line) {
  if (!is_terminal(STDERR_FILENO) || !can_be_written()) return;
  const std::string wiped = progress_wiped();
  progress_columns = line.size();
  write_all(STDERR_FILENO, wiped + std::string(line));
}

void say_error(std::string_view text, std::string_view hint) {
  say(program + ": " + coloured("error:", kRed) + " " + std::string(text));
  if (!hint.empty()) say_hint(hint);
}

void say_hint(std::string_view hint) {
  say(program + ": " + coloured("hint:", kCyan) + " " + std::string(hint));
}

bool is_terminal(int descriptor) {
  return isatty(descriptor) == 1;
}

}  // namespace p2pchat
