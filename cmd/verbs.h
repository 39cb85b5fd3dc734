// Commands that do one of several things: the word after the command says which.
#pragma once

#include <span>
#include <string_view>

#include "command.h"

namespace p2pchat {

struct Verb {
  std::string_view name;  // "" where no word is given
  std::size_t fewest;     // arguments after it
  std::size_t most;
  std::string_view options;  // those that it takes, each between spaces
  int (*run)(const Call& call);
};

// What the call names. Throws Error{usage} for a word that is none, an option that does not go with
// it, or another number of arguments.
const Verb& verb_of(const Call& call, std::span<const Verb> verbs);

}  // namespace p2pchat
