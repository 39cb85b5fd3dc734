#include <array>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "command.h"
#include "external.h"
#include "output.h"

namespace p2pchat {

namespace {

constexpr std::array kCommands = {
    &kKeygenCommand, &kRegisterCommand, &kListenCommand, &kSendCommand, &kPeersCommand,
    &kLogCommand,    &kQueueCommand,    &kConfigCommand, &kHelpCommand,
};

std::string usage_of(const Command& command) {
  std::string usage = "p2pchat " + std::string(command.name);
  if (!command.synopsis.empty()) usage += " " + std::string(command.synopsis);
  return usage;
}

// A section of the help, where there are any.
std::string list_of_externals() {
  std::vector<std::vector<std::string>> rows;
  for (const ExternalCommand& external : external_commands()) {
    rows.push_back({"  " + escape_for_terminal(external.name), escape_for_terminal(external.path)});
  }
  return rows.empty() ? "" : "\nexternal commands:\n" + table(rows);
}

}  // namespace

std::span<const Command* const> commands() {
  return kCommands;
}

const Command* find_command(std::string_view name) {
  for (const Command* command : kCommands) {
    if (command->name == name) return command;
  }
  return nullptr;
}

std::string help_of(const Command& command) {
  return "usage: " + usage_of(command) + "\n\n" + std::string(command.summary) + "\n\n" +
         describe_options(command.options);
}

std::string help_of_all() {
  std::vector<std::vector<std::string>> rows;
  for (const Command* command : kCommands) {
    rows.push_back({"  " + std::string(command->name), std::string(command->summary)});
  }
  return "usage: p2pchat [--home DIR] [--passphrase-file FILE] COMMAND [OPTIONS] [ARGUMENTS]\n"
         "       p2pchat --help | --version\n\n"
         "Encrypted peer-to-peer messages for the Unix shell.\n\ncommands:\n" +
         table(rows) + list_of_externals() +
         "\np2pchat help COMMAND and p2pchat help exit-status say more, p2pchat(1) says all.\n";
}

std::optional<std::string> Call::text(std::string_view option) const {
  const auto given = options.given.find(option);
  if (given == options.given.end()) return std::nullopt;
  return given->second;
}

int run_command(const Command& command, const Globals& globals,
                const std::vector<std::string>& words) {
  ParsedOptions options = parse_options(command.options, words, "usage: " + usage_of(command));
  if (options.help) {
    print(help_of(command));
    return 0;
  }
  Home home = command.needs_home ? Home::locate(globals.home, globals.passphrase_file) : Home("");
  return command.run({command, globals, std::move(home), std::move(options)});
}

std::string program_words(const Globals& globals) {
  const auto word_or = [](const std::string& text, const char* instead) {
    const std::string word = shell_word(text);
    return can_be_shown(word) ? word : instead;
  };
  std::string words = "p2pchat";
  if (globals.home) words += " --home " + word_or(*globals.home, "FOLDER");
  if (globals.passphrase_file) {
    words += " --passphrase-file " + word_or(*globals.passphrase_file, "FILE");
  }
  return words;
}

bool can_be_shown(const std::string& word) {
  constexpr std::size_t kMostShown = 200;
  return word.size() <= kMostShown && escape_for_terminal(word) == word;
}

void require_arguments(const Call& call, std::size_t fewest, std::size_t most) {
  const std::string usage = "usage: " + usage_of(call.command);
  if (call.arguments().size() < fewest) {
    throw Error(Status::usage, "an argument is missing", usage);
  }
  if (call.arguments().size() > most) {
    throw Error(Status::usage, "too many arguments: " + in_quotes(call.arguments()[most]), usage);
  }
}

void refuse_together(const Call& call, std::initializer_list<std::string_view> options) {
  std::string first;
  for (const std::string_view option : options) {
    if (!call.has(option)) continue;
    const std::string name = "--" + std::string(option);
    if (!first.empty()) throw Error(Status::usage, first + " and " + name + " exclude each other");
    first = name;
  }
}

void refuse_mixed_formats(const Call& call) {
  refuse_together(call, {"json", "format"});
  refuse_together(call, {"json", "raw", "escape"});
}

std::optional<std::uint64_t> count_option(const Call& call) {
  const auto text = call.text("count");
  if (!text) return std::nullopt;
  const auto count = parse_unsigned(*text, std::numeric_limits<std::uint32_t>::max());
  if (!count || *count == 0) throw Error(Status::usage, "not a count: " + in_quotes(*text));
  return count;
}

std::optional<std::chrono::milliseconds> time_option(const Call& call, std::string_view option) {
  const auto text = call.text(option);
  if (!text) return std::nullopt;
  const auto time = parse_duration(*text);
  if (!time || time->count() == 0) {
    throw Error(Status::usage, "not a time: " + in_quotes(*text),
                "a number of seconds, or with a unit: 500ms 30s 5m 2h 1d");
  }
  return time;
}

}  // namespace p2pchat
