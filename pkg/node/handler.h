// One run of a program that answers a message: body on its standard input, reply from its standard
// output. p2pchat-listen(1) "Handlers".
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "node/received.h"

namespace p2pchat {

struct HandlerCommand {
  std::vector<std::string> argv;  // run without a shell
  std::chrono::milliseconds time_limit{20'000};
  std::size_t output_limit = 1'048'576;
};

// What a handler's exit status is when the handler itself has not given one; 128 + n is signal n.
inline constexpr unsigned kTooLate = 124;
inline constexpr unsigned kTooMuchOutput = 125;
inline constexpr unsigned kNotRun = 127;
inline constexpr unsigned kInterrupted = 255;

struct Handled {
  std::string reply;  // empty when it was too late or too long, or the handler was not run
  unsigned rc = 0;    // 0 to 255
};

// A piece of what a handler says on its standard error: one line without its end.
using ErrorLine = std::function<void(std::string_view line)>;

// Returns when the handler has ended and nothing of its process group is left. Once `stop` is
// readable the handler gets SIGTERM, and 5 s to end. Whatever goes wrong is a status.
Handled run_handler(const HandlerCommand& command, const Received& message, int stop,
                    const ErrorLine& on_error_line);

}  // namespace p2pchat
