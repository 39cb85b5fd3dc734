// What every fuzz target has: its name, and a way to say what must hold for any input at all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace p2pchat {

using FuzzTarget = void (*)(std::string_view input);

// Enters a target in the table from which main.cpp takes the one to run.
struct FuzzEntry {
  FuzzEntry(const char* name, FuzzTarget target);
};

// Followed by the body of a function that takes any bytes, `input`.
#define FUZZ_TARGET(name)                                  \
  static void fuzz_##name(std::string_view input);         \
  static const FuzzEntry entry_##name(#name, fuzz_##name); \
  static void fuzz_##name(std::string_view input)

// Ends the process, for libFuzzer to keep the input, unless the property holds.
#define HOLDS(property) \
  ((property) ? static_cast<void>(0) : report_broken_property(#property, __FILE__, __LINE__))
[[noreturn]] void report_broken_property(const char* property, const char* file, int line);

// Takes the first line, without its line feed, off the input; all of it when there is none.
std::string_view take_line(std::string_view& input);

// Cuts `bytes` into pieces as long as the characters of `lengths` say (in a circle), from 1 byte
// each; into at most 256 of them.
std::vector<std::string_view> cut(std::string_view bytes, std::string_view lengths);

// A word to put into an input that could not guess its value: "$BOB".
struct Placeholder {
  std::string_view word;
  std::string_view value;
};
std::string fill(std::string_view text, const std::vector<Placeholder>& placeholders);

}  // namespace p2pchat
