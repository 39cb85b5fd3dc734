// Commands that do one of several things: the word after the command says which. And what kind of
// word each argument is, for who completes it.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace p2pchat {

struct Call;

enum class WordKind {
  text,  // anything: nothing to offer
  file,
  folder,
  program,
  host,
  trusted_peer,
  peer,          // any: its name, or its fingerprint where it has none
  pending_peer,  // its fingerprint
  queued,        // the id of a message
  command,       // of p2pchat
  shell,
};

// The kinds of the first and the second; a third and further ones are as the second.
using Arguments = std::array<WordKind, 2>;

struct Verb {
  std::string_view name;  // "" where no word is given
  std::size_t fewest;     // arguments after it
  std::size_t most;
  Arguments arguments;
  std::string_view options;  // those that it takes, each between spaces
  int (*run)(const Call& call);

  bool takes(std::string_view option) const;
};

// What the call names. Throws Error{usage} for a word that is none, an option that does not go with
// it, or another number of arguments. Where the verb "" takes arguments, a word that is no verb is
// one.
const Verb& verb_of(const Call& call);

}  // namespace p2pchat
