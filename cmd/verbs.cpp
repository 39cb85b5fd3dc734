#include "verbs.h"

#include <algorithm>
#include <span>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "command.h"

namespace p2pchat {

namespace {

const Verb& find_verb(const std::string& name, std::span<const Verb> verbs) {
  const auto find = [&](const auto& wanted) {
    return std::find_if(verbs.begin(), verbs.end(), wanted);
  };
  auto verb = find([&](const Verb& v) { return v.name == name; });
  if (verb == verbs.end()) verb = find([](const Verb& v) { return v.name.empty() && v.most > 0; });
  if (verb != verbs.end()) return *verb;
  std::string known;
  for (const Verb& v : verbs) known += v.name.empty() ? "" : " " + std::string(v.name);
  throw Error(Status::usage, "unknown verb " + in_quotes(name), "one of:" + known);
}

}  // namespace

bool Verb::takes(std::string_view option) const {
  return options.find(" " + std::string(option) + " ") != std::string_view::npos;
}

const Verb& verb_of(const Call& call) {
  const Verb& verb =
      find_verb(call.arguments().empty() ? "" : call.arguments()[0], call.command.verbs);
  for (const Option& option : call.command.options) {
    const std::string name(option.name);
    if (call.has(name) && !verb.takes(name)) {
      const std::string with = verb.name.empty() ? "a list" : std::string(verb.name);
      throw Error(Status::usage, "--" + name + " does not go with " + with);
    }
  }
  const std::size_t word = verb.name.empty() ? 0 : 1;
  require_arguments(call, word + verb.fewest, word + verb.most);
  return verb;
}

}  // namespace p2pchat
