// The options of a command as a table, from which come its parsing, its help and whatever else has
// to know them; and what one call gave for them. The library behind it stays inside options.cpp.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace p2pchat {

struct Option {
  std::string_view letter;  // "p" for -p, or ""
  std::string_view name;    // "port" for --port
  std::string_view help;
  std::string_view value = {};  // what it takes, as the help names it; "" for a flag
  bool takes_rest = false;      // all words after it: ParsedOptions::rest
};

// Of every command.
inline constexpr Option kHelpOption{"h", "help", "Print this help"};

struct ParsedOptions {
  bool help = false;
  std::map<std::string, std::string, std::less<>> given;  // by name; a flag has no text
  std::vector<std::string> arguments;                     // those that are no options
  std::vector<std::string> rest;                          // what takes_rest has taken
};

// kHelpOption is known besides. Throws Error{usage} with `usage` as its hint.
ParsedOptions parse_options(std::span<const Option> options, const std::vector<std::string>& words,
                            const std::string& usage);

// The lines of the help, one an option.
std::string describe_options(std::span<const Option> options);

}  // namespace p2pchat
