// A subcommand. What it takes to add one: pkg/README.md.
// The completions (cmd/completion.h) come from what stands in its tables.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/home.h"
#include "options.h"
#include "verbs.h"

namespace p2pchat {

struct Command;

// What stands before the command.
struct Globals {
  std::optional<std::string> home;
  std::optional<std::string> passphrase_file;
};

struct GlobalOption {
  Option option;
  std::optional<std::string> Globals::*value;
};
inline constexpr std::array kGlobalOptions = {
    GlobalOption{{"", "home", "Use this state folder", "DIR"}, &Globals::home},
    GlobalOption{{"", "passphrase-file", "The first line of this file opens the keys", "FILE"},
                 &Globals::passphrase_file},
};
// Stands alone, as kHelpOption does.
inline constexpr Option kVersionOption{"", "version", "Print the version"};

// What a command was called with.
struct Call {
  const Command& command;
  const Globals& globals;
  Home home;
  ParsedOptions options;

  const std::vector<std::string>& arguments() const { return options.arguments; }
  // Also of a flag: "--raw" is given, "--raw=false" is not.
  bool has(std::string_view option) const { return options.given.contains(option); }
  std::optional<std::string> text(std::string_view option) const;
};

struct Command {
  std::string_view name;
  std::string_view synopsis;  // after "p2pchat NAME "
  std::string_view summary;   // lower case, no full stop
  std::span<const Option> options;
  Arguments arguments;           // of a command without verbs
  int (*run)(const Call& call);  // returns the exit status; throws Error
  bool needs_home = true;
  std::span<const Verb> verbs = {};
};

extern const Command kKeygenCommand;
extern const Command kRegisterCommand;
extern const Command kListenCommand;
extern const Command kSendCommand;
extern const Command kPeersCommand;
extern const Command kLogCommand;
extern const Command kQueueCommand;
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
int run_command(const Command& command, const Globals& globals,
                const std::vector<std::string>& words);

// The words with which our user calls this program on the same state folder: "p2pchat --home DIR",
// or "p2pchat --home FOLDER" where DIR cannot be shown.
std::string program_words(const Globals& globals);
// True when the word of a command can be shown and typed as it is.
bool can_be_shown(const std::string& word);

// Throws Error{usage} unless there are so many arguments.
void require_arguments(const Call& call, std::size_t fewest, std::size_t most);
// Throws Error{usage} when more than one of these is given.
void refuse_together(const Call& call, std::initializer_list<std::string_view> options);
// The same for the ways to write messages: --json, --format, --raw, --escape.
void refuse_mixed_formats(const Call& call);
// --count, above 0. Throws Error{usage}.
std::optional<std::uint64_t> count_option(const Call& call);
// A time like 30s, above 0. Throws Error{usage}.
std::optional<std::chrono::milliseconds> time_option(const Call& call, std::string_view option);

}  // namespace p2pchat
