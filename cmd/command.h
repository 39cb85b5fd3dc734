// A subcommand. To add one:
//   1. cmd/NAME.cpp with its `const Command kNameCommand` and what it runs; anything longer than
//      reading options, one call into node and printing the result belongs in pkg/node;
//   2. its declaration below, its entry in the table in cmd/commands.cpp, its line in
//   CMakeLists.txt;
//   3. man/p2pchat-NAME.1, tests/cli/NAME.bats, and its promises in tests/promises.txt;
//   tests/cli/docs.bats checks that every command of the table has them.
#pragma once

#include <cxxopts.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/home.h"

namespace p2pchat {

struct Command;

// What a command was called with.
struct Call {
  const Command& command;
  Home home;
  cxxopts::ParseResult options;
  std::vector<std::string> arguments;  // those that are no options

  bool has(const std::string& option) const { return options.count(option) > 0; }
  // An option without a value ("--raw"; "--raw=false" takes it back).
  bool flag(const std::string& option) const { return options[option].as<bool>(); }
  std::optional<std::string> text(const std::string& option) const;
};

struct Command {
  std::string_view name;
  std::string_view synopsis;  // after "p2pchat NAME "
  std::string_view summary;   // lower case, no full stop
  void (*declare)(cxxopts::OptionAdder add);
  int (*run)(const Call& call);  // returns the exit status; throws Error
};

extern const Command kKeygenCommand;
extern const Command kRegisterCommand;
extern const Command kListenCommand;
extern const Command kSendCommand;
extern const Command kPeersCommand;
extern const Command kConfigCommand;
extern const Command kHelpCommand;

// All of them, in the order of the help.
std::span<const Command* const> commands();
const Command* find_command(std::string_view name);

// The text of `--help`: usage, summary, options.
std::string help_of(const Command& command);
// The text of `p2pchat --help`.
std::string help_of_all();

// Reads options and arguments; runs the command, or prints its help.
int run_command(const Command& command, const Home& home, const std::vector<std::string>& words);

// Throws Error{usage} unless there are so many arguments.
void require_arguments(const Call& call, std::size_t fewest, std::size_t most);
// A time like 30s, above 0. Throws Error{usage}.
std::optional<std::chrono::milliseconds> time_option(const Call& call, const std::string& option);

}  // namespace p2pchat
