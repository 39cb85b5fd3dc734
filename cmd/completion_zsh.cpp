#include "base/text.h"
#include "command.h"
#include "completion.h"

namespace p2pchat {

namespace {

constexpr std::string_view kHead = R"zsh(#compdef p2pchat
# Completion of p2pchat in zsh; made by: p2pchat help completion zsh

# Adds to `offers` the first word of each line that p2pchat says.
_p2pchat_ask() {
  local line word
  for line in "${(@f)$(command p2pchat $p2pchat_home "$@" 2>/dev/null </dev/null)}"; do
    word=${${line# }%% *}
    [[ -z $word || $word == -* || $word == *[^A-Za-z0-9._:-]* ]] || offers+=($word)
  done
}

# What can stand for a word of that kind.
_p2pchat_offer() {
  local expl name ret=1
  local -a offers
  case $1 in
    (file) _files; return ;;
    (folder) _directories; return ;;
    (program) _command_names -e; return ;;
    (host) _hosts; return ;;
    (trusted) _p2pchat_ask peers --names ;;
    (peer) _p2pchat_ask peers --format '%p %f' ;;
    (pending) _p2pchat_ask peers --pending --format %f ;;
    (queued) _p2pchat_ask queue --format %i ;;
    (command)
      _describe -t commands command p2pchat_commands && ret=0
      for name in ${${(k)commands[(I)p2pchat-*]}#p2pchat-}; do
        [[ -z $name || $name == -* || $name == *[^A-Za-z0-9._-]* ]] || offers+=($name)
      done
      ;;
    (choice) offers=("${@[2,-1]}") ;;
  esac
  (($#offers)) && _wanted words expl word compadd -a offers && ret=0
  return ret
}

# Into `p2pchat_home`: --home and the folder, with a ~ or a variable at its beginning.
_p2pchat_home() {
  local folder=${(Q)1} match mbegin mend MATCH MBEGIN MEND
  if [[ $folder == (\~|\~/*) ]]; then
    folder=$HOME${folder#\~}
  elif [[ $folder =~ '^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?(.*)$' ]]; then
    folder=${(P)match[1]}$match[2]
  fi
  p2pchat_home=(--home $folder)
}

)zsh";

// A word of a specification: what would end it or its part is escaped.
std::string escaped(std::string_view text) {
  std::string all;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') all += '\\';
    all += c;
  }
  return all;
}

// The action after the last colon.
std::string action(const std::string& words) {
  return words == "text" ? " " : "{_p2pchat_offer " + words + "}";
}

// '(-p --port)'{-p+,--port=}'[Port to listen on]:PORT: '
std::string spec_of(const Option& option) {
  const bool alone = option.name == kHelpOption.name || option.name == kVersionOption.name;
  const bool has_letter = !option.letter.empty();
  const bool has_value = !option.value.empty() && !option.takes_rest;
  const std::string letter = "-" + std::string(option.letter);
  const std::string name = "--" + std::string(option.name);
  std::string what = "[" + escaped(option.help) + "]";
  if (has_value) what += ":" + escaped(option.value) + ":" + action(words_of_value(option));
  if (option.takes_rest) what += ":*::" + escaped(option.value) + ":_normal";
  const std::string excluded = alone ? "- : *" : has_letter ? letter + " " + name : "";
  const std::string long_form = name + (has_value ? "=" : "");
  return (excluded.empty() ? "" : "'(" + excluded + ")'") +
         (has_letter ? "{" + letter + (has_value ? "+" : "") + "," + long_form + "}" : long_form) +
         shell_word(what);
}

std::string line_of(const std::string& spec) {
  return " \\\n        " + spec;
}

std::string specs_of(const Place& place) {
  std::string specs;
  for (const Option& option : place.options) specs += line_of(spec_of(option));
  return specs;
}

// For the words after the command.
std::string arguments_of(const Place& place) {
  const bool after_verb = place.name.find(' ') != std::string::npos;
  const std::string first = words_of(place.arguments[0]);
  std::string act = action(first);
  if (!place.verbs.empty()) {
    std::string words = "choice";
    for (const std::string_view verb : place.verbs) words += " " + std::string(verb);
    act = first == "text" ? action(words)
                          : "{_p2pchat_offer " + words + "; _p2pchat_offer " + first + "}";
  }
  std::string specs;
  if (after_verb) specs += line_of("'1: : '");
  if (act != " ") specs += line_of("'" + std::string(after_verb ? "2" : "1") + ": :" + act + "'");
  const std::string others = action(words_of(place.arguments[1]));
  if (others != " ") specs += line_of("'*: :" + others + "'");
  return specs;
}

std::string case_of(const Place& place) {
  return "    ('" + place.name + "')\n      _arguments -s -S" + specs_of(place) +
         arguments_of(place) + "\n      ;;\n";
}

// Which word is the verb.
std::string case_of_verbs(const Place& place) {
  if (place.verbs.empty()) return "";
  std::string verbs;
  for (const std::string_view verb : place.verbs) verbs += "|" + std::string(verb);
  return "    (" + place.name + ") verb=${before[(r)(" + verbs.substr(1) + ")]} ;;\n";
}

}  // namespace

std::string zsh_completion() {
  std::string names;
  for (const Command* command : commands()) {
    names +=
        "    " + shell_word(std::string(command->name) + ":" + escaped(command->summary)) + "\n";
  }
  const std::vector<Place> all = places();
  std::string verbs;
  std::string cases;
  for (const Place& place : all) {
    if (place.name.empty()) continue;
    verbs += case_of_verbs(place);
    cases += case_of(place);
  }
  return std::string(kHead) +
         "_p2pchat() {\n"
         "  local curcontext=$curcontext state state_descr line verb\n"
         "  local -A opt_args\n"
         "  local -a p2pchat_home p2pchat_commands before\n"
         "  p2pchat_commands=(\n" +
         names +
         "  )\n"
         "  _arguments -C" +
         specs_of(all.front()) + line_of("'(-): :{_p2pchat_offer command}'") +
         line_of("'(-)*:: :->rest'") +
         " && return\n"
         "  [[ $state == rest ]] || return\n"
         "  (($+opt_args[--home])) && _p2pchat_home $opt_args[--home]\n"
         "  before=(\"${(@)words[2,CURRENT-1]}\")\n"
         "  case $words[1] in\n" +
         verbs +
         "  esac\n"
         "  case $words[1]${verb:+ $verb} in\n" +
         cases +
         "    (*) _files ;;\n"
         "  esac\n"
         "}\n\n"
         "if [[ $funcstack[1] == _p2pchat ]]; then\n"
         "  _p2pchat \"$@\"\n"
         "else\n"
         "  compdef _p2pchat p2pchat\n"
         "fi\n";
}

}  // namespace p2pchat
