// Our own failures: one exception type that carries the exit status and the text to print.
// Thrown anywhere, caught once in main. The table of statuses is the only one: `help exit-status`
// prints it, and the man pages repeat it.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace p2pchat {

// Exit statuses, after sysexits(3) where it has a fitting one.
enum class Status : int {
  ok = 0,
  usage = 64,
  data = 65,
  no_input = 66,
  no_peer = 67,
  no_host = 68,
  unavailable = 69,
  internal = 70,
  system = 71,
  cannot_create = 73,
  unknown_outcome = 74,
  try_later = 75,
  protocol = 76,
  trust = 77,
  config = 78,
  handler = 79,
  timeout = 124,
};

struct StatusRow {
  std::string_view status;   // "74", or "130, 143"
  std::string_view meaning;  // what it says about the invocation
  std::string_view advice;   // what a script should do, may be empty
};

std::span<const StatusRow> status_table();

class Error : public std::runtime_error {
 public:
  // text: "cannot open 'x': permission denied" (lower case, no full stop); hint: a cure, or empty.
  Error(Status status, const std::string& text, std::string hint = {});

  // The program ends by this signal once the error has been printed; 0: by its status.
  Error&& ended_by(int signal_number) &&;

  Status status() const { return status_; }
  int signal_number() const { return signal_number_; }
  const std::string& hint() const { return hint_; }

 private:
  Status status_;
  std::string hint_;
  int signal_number_ = 0;
};

// Hints name commands that our user can type as they are: `words` are those that call this program
// on the state folder of this call, "p2pchat --home DIR". Once, before there are threads.
void name_own_command(std::string words);
// "p2pchat peers" of "peers".
std::string own_command(std::string_view rest);

// The words of errno in lower case: "no such file or directory".
std::string errno_text(int error_number);

}  // namespace p2pchat
