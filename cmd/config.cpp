// p2pchat config: the settings in force.
#include "node/config.h"

#include "base/text.h"
#include "command.h"
#include "output.h"

namespace p2pchat {

namespace {

int run(const Call& call) {
  require_arguments(call, 0, 0);
  std::vector<std::vector<std::string>> rows;
  const Config config = Config::load(call.home);
  for (const Setting& setting : config.settings()) {
    rows.push_back({setting.key, setting.value, setting.origin});
  }
  print(table(rows));
  return 0;
}

}  // namespace

const Command kConfigCommand = {
    "config", "", "print the settings in force and where each comes from", {}, {}, run,
};

}  // namespace p2pchat
