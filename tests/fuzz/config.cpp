// The config file: it is refused with a message that can be shown, or every value in it is within
// its limits.
#include "node/config.h"

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/text.h"
#include "fuzz.h"

namespace p2pchat {

namespace {

// A folder of our own; TMPDIR is for whoever runs this to clear.
const std::string& folder() {
  static const std::string path = [] {
    const char* base = std::getenv("TMPDIR");
    std::string made = std::string(base == nullptr ? "/tmp" : base) + "/p2pchat-fuzz-XXXXXX";
    HOLDS(mkdtemp(made.data()) != nullptr);
    return made;
  }();
  return path;
}

std::optional<Config> load(std::string_view content) {
  const Home home(folder());
  std::ofstream(home.config_file(), std::ios::binary) << content;
  try {
    return Config::load(home);
  } catch (const Error& error) {
    HOLDS(error.status() == Status::config);
    HOLDS(escape_for_terminal(error.what()) == error.what());
    HOLDS(escape_for_terminal(error.hint()) == error.hint());
    return std::nullopt;
  }
}

}  // namespace

FUZZ_TARGET(config) {
  const auto config = load(input);
  if (!config) return;
  HOLDS(config->rotate_days() >= 1 && config->rotate_days() <= 200);
  HOLDS(config->log_keep_seconds() <= 3650ULL * 86'400);
  const auto timeout = config->send_timeout();
  HOLDS(!timeout || timeout->count() > 0);
  HOLDS(read_listen_address(config->listen_address().empty() ? "*" : config->listen_address()) ==
        config->listen_address());
  std::string written;
  for (const Setting& setting : config->settings()) {
    HOLDS(escape_for_terminal(setting.value) == setting.value);
    if (setting.origin != "default") written += setting.key + " = " + setting.value + "\n";
  }
  const auto again = load(written);
  HOLDS(again);
  for (std::size_t i = 0; i < config->settings().size(); ++i) {
    HOLDS(again->settings()[i].value == config->settings()[i].value);
    HOLDS(again->settings()[i].origin == config->settings()[i].origin);
  }
}

}  // namespace p2pchat
