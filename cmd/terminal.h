// Everything said to people. The rules: standard error only; one line a message, lower case, no
// full stop, what failed, the subject in quotes, why; at most one hint. Text from peers is escaped
// by whoever puts it into a message (base/text). The words "error:" and "hint:" are the only thing
// in colour, on a terminal that has colours and unless NO_COLOR is set. No other file of cmd/
// writes to standard error.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"

namespace p2pchat {

// The words before each message: "p2pchat send".
void name_program(std::string_view words);

// How long a line waits for whoever reads it before it is dropped; not at all unless set.
void set_patience(std::chrono::milliseconds time);
// For commands whose lines say what has become of messages.
inline constexpr std::chrono::seconds kOutcomePatience{10};

// A line as it is: progress, notices, results for people.
void say(std::string_view line);
// "p2pchat send: error: ..." and, when there is one, "p2pchat send: hint: ...".
void say_error(std::string_view text, std::string_view hint);
void say_hint(std::string_view hint);

// How far something that takes a while has come: a line that the next one takes the place of, on a
// terminal alone. Nothing: takes it away.
void show_progress(std::string_view line);

bool is_terminal(int descriptor);

}  // namespace p2pchat
