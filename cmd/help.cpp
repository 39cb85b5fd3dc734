// p2pchat help: the same texts as --help, and the table of exit statuses.
#include "base/error.h"
#include "base/text.h"
#include "command.h"
#include "external.h"
#include "output.h"

namespace p2pchat {

namespace {

constexpr std::string_view kExitStatusTopic = "exit-status";

std::string exit_status_help() {
  std::vector<std::vector<std::string>> rows;
  for (const StatusRow& row : status_table()) {
    std::string meaning(row.meaning);
    if (!row.advice.empty()) meaning += " (a script should: " + std::string(row.advice) + ")";
    rows.push_back({std::string(row.status), std::move(meaning)});
  }
  return table(rows);
}

std::string help_on(const std::string& topic, const Globals& globals) {
  if (topic == kExitStatusTopic) return exit_status_help();
  if (const Command* command = find_command(topic)) return help_of(*command);
  run_external(topic, globals, {"--help"});
  throw Error(Status::usage, "no help for " + in_quotes(topic),
              did_you_mean(topic, "p2pchat help", "p2pchat help"));
}

int run(const Call& call) {
  require_arguments(call, 0, 1);
  print(call.arguments().empty() ? help_of_all() : help_on(call.arguments()[0], call.globals));
  return 0;
}

}  // namespace

const Command kHelpCommand = {
    "help", "[COMMAND | exit-status]", "say how a command is used", {}, run, false,
};

}  // namespace p2pchat
