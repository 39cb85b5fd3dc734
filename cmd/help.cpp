// p2pchat help: the same texts as --help, the table of exit statuses, and the completions of
// shells.
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "command.h"
#include "completion.h"
#include "external.h"
#include "output.h"

namespace p2pchat {

namespace {

int exit_status(const Call&) {
  std::vector<std::vector<std::string>> rows;
  for (const StatusRow& row : status_table()) {
    std::string meaning(row.meaning);
    if (!row.advice.empty()) meaning += " (a script should: " + std::string(row.advice) + ")";
    rows.push_back({std::string(row.status), std::move(meaning)});
  }
  print(table(rows));
  return 0;
}

std::string help_on(const std::string& topic, const Globals& globals) {
  if (const Command* command = find_command(topic)) return help_of(*command);
  run_external(topic, globals, {"--help"});
  throw Error(Status::usage, "no help for " + in_quotes(topic),
              did_you_mean(topic, "p2pchat help", "p2pchat help"));
}

int completion(const Call& call) {
  print(completion_for(call.arguments()[1]));
  return 0;
}

int commands_help(const Call& call) {
  print(call.arguments().empty() ? help_of_all() : help_on(call.arguments()[0], call.globals));
  return 0;
}

constexpr std::array kVerbs = {
    Verb{"", 0, 1, {WordKind::command}, "", commands_help},
    Verb{"exit-status", 0, 0, {}, "", exit_status},
    Verb{"completion", 1, 1, {WordKind::shell}, "", completion},
};

int run(const Call& call) {
  return verb_of(call).run(call);
}

}  // namespace

const Command kHelpCommand = {
    "help",
    "[COMMAND | exit-status | completion SHELL]",
    "say how a command is used",
    {},
    {},
    run,
    false,
    kVerbs,
};

}  // namespace p2pchat
