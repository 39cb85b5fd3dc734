// Completions: a script for each shell, made from the tables of the commands, so that it knows
// every command, verb and option. The parts of completion.cpp are common to all;
// completion_SHELL.cpp writes the tables in the words of its shell, and the code that reads them.
//
// Whom a node knows is asked for by the script: `p2pchat peers` and `queue`, with the --home of the
// line. It offers only words of characters that no shell and no terminal obeys, and none that
// begins with a hyphen, which would be taken for an option. Fingerprints are offered where they
// choose somebody, and never for --expect, where they are to come from elsewhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "options.h"
#include "verbs.h"

namespace p2pchat {

// Throws Error{usage} for a shell that is none of them.
std::string completion_for(std::string_view shell);

// What may stand after a command and its verb.
struct Place {
  std::string name;  // "" before the command, "send", "peers accept"
  std::vector<Option> options;
  std::vector<std::string_view> verbs;  // may be the first argument
  Arguments arguments;
};
std::vector<Place> places();

// For the function of each script that offers words: the name of a kind, or "choice" and the words.
// A value whose name has no kind ends the program, and with it the build.
std::string words_of(WordKind kind);
std::string words_of_value(const Option& option);

// "-p" and "--port".
std::vector<std::string> spellings(const Option& option);

// One file each.
std::string bash_completion();
std::string fish_completion();
std::string zsh_completion();

}  // namespace p2pchat
