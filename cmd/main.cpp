// p2pchat: what stands before the command, the choice of the command, and the one place where
// errors become words and an exit status.
#include <algorithm>
#include <exception>
#include <new>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "command.h"
#include "external.h"
#include "output.h"
#include "terminal.h"

namespace p2pchat {

namespace {

// Our own options end at the first word that is none: `p2pchat [--home DIR] COMMAND ...`.
int run(std::vector<std::string> words) {
  Globals globals;
  auto word = words.begin();
  // "--home DIR" or "--home=DIR".
  const auto takes_value = [&](const std::string& option, std::optional<std::string>& value) {
    if (word->starts_with(option + "=")) {
      value = word->substr(option.size() + 1);
      return true;
    }
    if (*word != option) return false;
    if (word + 1 == words.end()) throw Error(Status::usage, option + " needs a value");
    value = *++word;
    return true;
  };
  for (; word != words.end() && word->starts_with('-'); ++word) {
    if (*word == "-h" || *word == "--help") {
      print(help_of_all());
      return 0;
    }
    if (*word == "--version") {
      print("p2pchat " P2PCHAT_VERSION "\n");
      return 0;
    }
    const auto is_this = [&](const GlobalOption& global) {
      return takes_value("--" + std::string(global.option.name), globals.*global.value);
    };
    if (!std::any_of(kGlobalOptions.begin(), kGlobalOptions.end(), is_this)) {
      throw Error(Status::usage, "unknown option " + in_quotes(*word), "p2pchat --help");
    }
  }
  if (word == words.end()) throw Error(Status::usage, "no command", "p2pchat --help");
  name_own_command(program_words(globals));
  const Command* command = find_command(*word);
  if (command == nullptr) {
    run_external(*word, globals, {word + 1, words.end()});
    throw Error(Status::usage, "unknown command " + in_quotes(*word),
                did_you_mean(*word, "p2pchat", "p2pchat --help"));
  }
  name_program("p2pchat " + std::string(command->name));
  return run_command(*command, globals, {word + 1, words.end()});
}

int fail(Status status, std::string_view text, std::string_view hint) {
  say_error(text, hint);
  return static_cast<int>(status);
}

}  // namespace

}  // namespace p2pchat

int main(int argc, char** argv) {
  using namespace p2pchat;
  occupy_standard_descriptors();
  settle_process();
  try {
    return run({argv + 1, argv + argc});
  } catch (const Error& error) {
    const int status = fail(error.status(), error.what(), error.hint());
    if (error.signal_number() != 0) die_by_signal(error.signal_number());
    return status;
  } catch (const std::bad_alloc&) {
    return fail(Status::system, "out of memory", {});
  } catch (const std::exception& error) {
    return fail(Status::internal, std::string("internal error: ") + error.what(), {});
  }
}
