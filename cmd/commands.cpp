#include <array>

#include "base/error.h"
#include "base/text.h"
#include "command.h"
#include "output.h"

namespace p2pchat {

namespace {

constexpr std::array kCommands = {
    &kKeygenCommand, &kRegisterCommand, &kListenCommand, &kSendCommand,
    &kPeersCommand,  &kConfigCommand,   &kHelpCommand,
};

cxxopts::Options declared(const Command& command) {
  cxxopts::Options options("p2pchat " + std::string(command.name));
  options.custom_help("");
  options.add_options()("h,help", "Print this help");
  command.declare(options.add_options());
  return options;
}

std::string usage_of(const Command& command) {
  std::string usage = "p2pchat " + std::string(command.name);
  if (!command.synopsis.empty()) usage += " " + std::string(command.synopsis);
  return usage;
}

// The library's messages begin with a capital, quote typographically and name options without their
// hyphens.
std::string plain(std::string text) {
  for (const std::string_view quote : {"\u2018", "\u2019"}) {
    for (std::size_t at = text.find(quote); at != std::string::npos; at = text.find(quote)) {
      text.replace(at, quote.size(), "'");
    }
  }
  const std::size_t name = text.find('\'') + 1;
  if (text.starts_with("Option")) {
    text.insert(name, text.find('\'', name) == name + 1 ? "-" : "--");
  }
  return ascii_lower(text.substr(0, 1)) + text.substr(1);
}

cxxopts::ParseResult parsed(const Command& command, const std::vector<std::string>& words) {
  std::vector<const char*> argv = {"p2pchat"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  try {
    return declared(command).parse(static_cast<int>(argv.size()), argv.data());
  } catch (const cxxopts::exceptions::exception& error) {
    throw Error(Status::usage, escape_for_terminal(plain(error.what())),
                "usage: " + usage_of(command));
  }
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
  std::string options = declared(command).help({}, false);
  // The library begins with empty lines for what it was not given, and leaves spaces at line ends.
  options.erase(0, options.find_first_not_of('\n'));
  for (std::size_t at = options.find(" \n"); at != std::string::npos; at = options.find(" \n")) {
    options.erase(at, 1);
  }
  return "usage: " + usage_of(command) + "\n\n" + std::string(command.summary) + "\n\n" + options;
}

std::string help_of_all() {
  std::vector<std::vector<std::string>> rows;
  for (const Command* command : kCommands) {
    rows.push_back({"  " + std::string(command->name), std::string(command->summary)});
  }
  return "usage: p2pchat [--home DIR] COMMAND [OPTIONS] [ARGUMENTS]\n"
         "       p2pchat --help | --version\n\n"
         "Encrypted peer-to-peer messages for the Unix shell.\n\ncommands:\n" +
         table(rows) +
         "\np2pchat help COMMAND and p2pchat help exit-status say more, p2pchat(1) says all.\n";
}

std::optional<std::string> Call::text(const std::string& option) const {
  if (!has(option)) return std::nullopt;
  return options[option].as<std::string>();
}

int run_command(const Command& command, const Home& home, const std::vector<std::string>& words) {
  const cxxopts::ParseResult options = parsed(command, words);
  const Call call{command, home, options, options.unmatched()};
  if (call.flag("help")) {
    print(help_of(command));
    return 0;
  }
  return command.run(call);
}

void require_arguments(const Call& call, std::size_t fewest, std::size_t most) {
  const std::string usage = "usage: " + usage_of(call.command);
  if (call.arguments.size() < fewest) {
    throw Error(Status::usage, "an argument is missing", usage);
  }
  if (call.arguments.size() > most) {
    throw Error(Status::usage, "too many arguments: " + in_quotes(call.arguments[most]), usage);
  }
}

std::optional<std::chrono::milliseconds> time_option(const Call& call, const std::string& option) {
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
