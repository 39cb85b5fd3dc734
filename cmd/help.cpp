// p2pchat help: the same texts as --help, and the table of exit statuses.
#include "base/error.h"
#include "base/text.h"
#include "command.h"
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

int run(const Call& call) {
  require_arguments(call, 0, 1);
  if (call.arguments().empty()) {
    print(help_of_all());
  } else if (call.arguments()[0] == kExitStatusTopic) {
    print(exit_status_help());
  } else if (const Command* command = find_command(call.arguments()[0])) {
    print(help_of(*command));
  } else {
    throw Error(Status::usage, "no help for " + in_quotes(call.arguments()[0]), "p2pchat help");
  }
  return 0;
}

}  // namespace

const Command kHelpCommand = {
    "help", "[COMMAND | exit-status]", "say how a command is used", {}, run, false,
};

}  // namespace p2pchat
