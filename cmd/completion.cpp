#include "completion.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "command.h"

namespace p2pchat {

namespace {

struct Shell {
  std::string_view name;
  std::string (*completion)();
};
constexpr std::array kShells = {
    Shell{"bash", bash_completion},
    Shell{"zsh", zsh_completion},
    Shell{"fish", fish_completion},
};

std::string shells() {
  std::string names;
  for (const Shell& shell : kShells) names += " " + std::string(shell.name);
  return names;
}

// What an option takes, by the name that its help has for it.
struct ValueName {
  std::string_view name;
  WordKind kind;
};
constexpr std::array kValueNames = {
    ValueName{"ADDR", WordKind::text},   ValueName{"ADDRESS", WordKind::text},
    ValueName{"CMD", WordKind::program}, ValueName{"COUNT", WordKind::text},
    ValueName{"DIR", WordKind::folder},  ValueName{"FILE", WordKind::file},
    ValueName{"FORMAT", WordKind::text}, ValueName{"ID", WordKind::text},
    ValueName{"MYNAME", WordKind::text}, ValueName{"N", WordKind::text},
    ValueName{"NAME", WordKind::text},   ValueName{"PEER", WordKind::peer},
    ValueName{"PORT", WordKind::text},   ValueName{"SHA256:...", WordKind::text},
    ValueName{"SIZE", WordKind::text},   ValueName{"TEXT", WordKind::text},
    ValueName{"TIME", WordKind::text},   ValueName{"CMD [ARG]...", WordKind::program},
};

// "pinned|first-use", "v1": the words themselves.
bool is_choice(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

Place place_before_command() {
  Place place{"", {kHelpOption, kVersionOption}, {}, {WordKind::command}};
  for (const GlobalOption& global : kGlobalOptions) place.options.push_back(global.option);
  return place;
}

Place place_of(const Command& command, const Verb& verb) {
  Place place{std::string(command.name), {kHelpOption}, {}, verb.arguments};
  if (!verb.name.empty()) place.name += " " + std::string(verb.name);
  for (const Option& option : command.options) {
    if (verb.takes(option.name)) place.options.push_back(option);
  }
  for (const Verb& other : command.verbs) {
    if (verb.name.empty() && !other.name.empty()) place.verbs.push_back(other.name);
  }
  return place;
}

Place place_of(const Command& command) {
  Place place{std::string(command.name), {kHelpOption}, {}, command.arguments};
  place.options.insert(place.options.end(), command.options.begin(), command.options.end());
  return place;
}

}  // namespace

std::string completion_for(std::string_view shell) {
  for (const Shell& known : kShells) {
    if (known.name == shell) return known.completion();
  }
  throw Error(Status::usage, "no completion for " + in_quotes(shell), "one of:" + shells());
}

std::vector<Place> places() {
  std::vector<Place> all = {place_before_command()};
  for (const Command* command : commands()) {
    if (command->verbs.empty()) all.push_back(place_of(*command));
    for (const Verb& verb : command->verbs) all.push_back(place_of(*command, verb));
  }
  return all;
}

std::string words_of(WordKind kind) {
  switch (kind) {
    case WordKind::text:
      return "text";
    case WordKind::file:
      return "file";
    case WordKind::folder:
      return "folder";
    case WordKind::program:
      return "program";
    case WordKind::host:
      return "host";
    case WordKind::trusted_peer:
      return "trusted";
    case WordKind::peer:
      return "peer";
    case WordKind::pending_peer:
      return "pending";
    case WordKind::queued:
      return "queued";
    case WordKind::command:
      return "command";
    case WordKind::shell:
      return "choice" + shells();
  }
  throw Error(Status::internal, "a kind of word without a name");
}

std::string words_of_value(const Option& option) {
  if (is_choice(option.value)) {
    std::string words = "choice " + std::string(option.value);
    std::replace(words.begin(), words.end(), '|', ' ');
    return words;
  }
  for (const ValueName& known : kValueNames) {
    if (known.name == option.value) return words_of(known.kind);
  }
  throw Error(Status::internal, "no kind of word is known for " + in_quotes(option.value));
}

std::vector<std::string> spellings(const Option& option) {
  std::vector<std::string> all;
  if (!option.letter.empty()) all.push_back("-" + std::string(option.letter));
  all.push_back("--" + std::string(option.name));
  return all;
}

}  // namespace p2pchat
