// Commands that others provide: an unknown word `foo` stands for the program p2pchat-foo in PATH,
// as with git. Built-in commands come first. The names of files are untrusted text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "command.h"

namespace p2pchat {

struct ExternalCommand {
  std::string name;
  std::string path;
};

// Those that can be run, by name.
std::vector<ExternalCommand> external_commands();

// Becomes that program, if there is one; returns if not. Throws Error{usage} when there is one that
// cannot be run.
void run_external(const std::string& name, const Globals& globals,
                  const std::vector<std::string>& arguments);

// The hint for a word that is no command: "did you mean: p2pchat send", or `otherwise` when nothing
// is like it. `program` are the words before the command.
std::string did_you_mean(std::string_view word, const std::string& program,
                         const std::string& otherwise);

}  // namespace p2pchat
