#include "command.h"
#include "completion.h"

namespace p2pchat {

namespace {

constexpr std::string_view kHead =
    R"bash(# Completion of p2pchat in bash; made by: p2pchat help completion bash
# shellcheck shell=bash disable=SC2034 # what one function leaves to the other

)bash";

// What follows the tables. It reads the line itself: COMP_WORDS are cut at each '=' and ':', which
// is also why an answer has to lack what the line has before these.
constexpr std::string_view kEngine = R"bash(
# Into `words`: those of a line, without their quotes. Nothing in them is expanded or run.
_p2pchat_split() {
  local line="$1" word="" quote="" char begun="" i
  words=()
  for ((i = 0; i < ${#line}; i++)); do
    char="${line:i:1}"
    if [[ -n "$quote" && "$char" == "$quote" ]]; then
      quote=""
    elif [[ "$quote" != "'" && "$char" == \\ ]]; then
      word+="${line:++i:1}" begun=1
    elif [[ -z "$quote" && ("$char" == \" || "$char" == \') ]]; then
      quote="$char" begun=1
    elif [[ -z "$quote" && "$char" == [[:blank:]] ]]; then
      [[ -z "$begun" ]] || words+=("$word")
      word="" begun=""
    else
      word+="$char" begun=1
    fi
  done
  words+=("$word")
}

# Into `home`: --home and the folder, with a ~ or a variable at its beginning.
_p2pchat_home() {
  local folder="$1"
  if [[ "$folder" == \~ || "$folder" == \~/* ]]; then
    folder="$HOME${folder:1}"
  elif [[ "$folder" =~ ^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?(.*)$ ]]; then
    folder="${!BASH_REMATCH[1]}${BASH_REMATCH[2]}"
  fi
  home=(--home "$folder")
}

# Adds to `offers` the first word of each line that p2pchat says.
_p2pchat_ask() {
  local word rest LC_ALL=C
  while read -r word rest; do
    [[ -z "$word" || "$word" == -* || "$word" == *[!A-Za-z0-9._:-]* ]] || offers+=("$word")
  done < <(command p2pchat ${home[@]+"${home[@]}"} "$@" 2>/dev/null </dev/null)
}

# Adds to `offers` what can stand for a word of that kind.
_p2pchat_offer() {
  local word
  case "$1" in
    file) compopt -o default 2>/dev/null ;; # readline does it, with all its quoting
    folder) compopt -o dirnames 2>/dev/null ;;
    program)
      if [[ "$value" == */* ]]; then
        compopt -o default 2>/dev/null
      else
        while read -r word; do offers+=("$word"); done < <(compgen -A command -- "$value")
      fi
      ;;
    host) while read -r word; do offers+=("$word"); done < <(compgen -A hostname -- "$value") ;;
    trusted) _p2pchat_ask peers --names ;;
    peer) _p2pchat_ask peers --format '%p %f' ;;
    pending) _p2pchat_ask peers --pending --format %f ;;
    queued) _p2pchat_ask queue --format %i ;;
    command)
      offers+=("${_p2pchat_commands[@]}")
      while read -r word; do
        word="${word#p2pchat-}"
        [[ -z "$word" || "$word" == -* || "$word" == *[!A-Za-z0-9._-]* ]] || offers+=("$word")
      done < <(compgen -A command -- p2pchat-)
      ;;
    choice) offers+=("${@:2}") ;;
  esac
}

# The command line after an option that takes all of it. Fails when nothing is left to do.
_p2pchat_rest() {
  local i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ "${COMP_WORDS[i]}" != "$option" ]] || break
  done
  if ((i + 1 == COMP_CWORD)); then
    _p2pchat_offer program
    return
  elif declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset "$((i + 1))"
  elif declare -F _command_offset >/dev/null; then
    _command_offset "$((i + 1))"
  else
    compopt -o default 2>/dev/null
  fi
  return 1
}

_p2pchat() {
  local words options verbs arguments kind option="" place="" command="" ended="" rest=""
  local home=() offers=() count=0 letters word value prefix i
  _p2pchat_split "${COMP_LINE:0:COMP_POINT}"
  local last=$((${#words[@]} - 1))
  value="${words[last]}" kind=""
  for ((i = 1; i < last; i++)); do
    word="${words[i]}"
    if [[ -n "$kind" ]]; then # the value of the option before it
      [[ "$option" != --home ]] || _p2pchat_home "$word"
      kind=""
    elif [[ -z "$ended" && "$word" == -- ]]; then
      ended=1
    elif [[ -z "$ended" && "$word" == --* ]]; then
      option="${word%%=*}"
      if [[ "$word" == *=* ]]; then
        [[ "$option" != --home ]] || _p2pchat_home "${word#*=}"
      else
        _p2pchat_value "$command" "$option"
        [[ -z "$rest" ]] || break
      fi
    elif [[ -z "$ended" && "$word" == -?* ]]; then
      for ((letters = 1; letters < ${#word}; letters++)); do
        option="-${word:letters:1}"
        _p2pchat_value "$command" "$option"
        [[ -z "$kind" ]] || break
      done
      ((letters >= ${#word} - 1)) || kind=""
    elif [[ -z "$command" ]]; then
      command="$word" place="$word"
    else
      _p2pchat_place "$place"
      if ((count == 0)) && [[ " ${verbs[*]} " == *" $word "* ]]; then
        place="$command $word"
      else
        count=$((count + 1))
      fi
    fi
  done

  if [[ -n "$rest" ]]; then
    _p2pchat_rest || return 0
  elif [[ -n "$kind" ]]; then
    # shellcheck disable=SC2086 # a kind and words
    _p2pchat_offer $kind
  elif [[ -z "$ended" && "$value" == --*=* ]]; then
    _p2pchat_value "$command" "${value%%=*}"
    value="${value#*=}"
    # shellcheck disable=SC2086
    _p2pchat_offer $kind
  else
    _p2pchat_place "$place"
    if [[ -z "$ended" && "$value" == -* ]]; then
      offers=("${options[@]}")
    else
      ((count > 0)) || offers=("${verbs[@]}")
      # shellcheck disable=SC2086
      _p2pchat_offer ${arguments[count < 1 ? 0 : 1]}
    fi
  fi

  # What readline leaves alone, before the word that it is about to replace.
  prefix=""
  _p2pchat_split "${2-}"
  [[ "$value" != *"${words[*]}" ]] || prefix="${value%"${words[*]}"}"
  COMPREPLY=()
  for word in "${offers[@]}"; do
    [[ "$word" != "$value"* ]] || COMPREPLY+=("${word#"$prefix"}")
  done
}

complete -F _p2pchat p2pchat
)bash";

// "'send -f' | 'send --file'"
std::string patterns(const std::string& command, const Option& option) {
  std::string all;
  for (const std::string& spelling : spellings(option)) {
    all += (all.empty() ? "'" : " | '") + command + " " + spelling + "'";
  }
  return all;
}

// For _p2pchat_value.
std::string case_of_value(const std::string& command, const Option& option) {
  if (option.value.empty()) return "";
  const std::string rest = option.takes_rest ? " rest=1" : "";
  return "    " + patterns(command, option) + ") kind='" + words_of_value(option) + "'" + rest +
         " ;;\n";
}

std::string values() {
  std::string cases;
  for (const GlobalOption& global : kGlobalOptions) cases += case_of_value("", global.option);
  for (const Command* command : commands()) {
    for (const Option& option : command->options) {
      cases += case_of_value(std::string(command->name), option);
    }
  }
  return "# What an option of a command takes, into `kind`: nothing for a flag.\n"
         "_p2pchat_value() {\n  kind=\"\"\n  case \"$1 $2\" in\n" +
         cases + "  esac\n}\n\n";
}

std::string case_of_place(const Place& place) {
  std::string options;
  for (const Option& option : place.options) {
    for (const std::string& spelling : spellings(option)) options += " " + spelling;
  }
  std::string verbs;
  for (const std::string_view verb : place.verbs) verbs += " " + std::string(verb);
  return "    '" + place.name + "')\n      options=(" + options.substr(1) + ")\n      verbs=(" +
         (verbs.empty() ? "" : verbs.substr(1)) + ")\n      arguments=('" +
         words_of(place.arguments[0]) + "' '" + words_of(place.arguments[1]) + "')\n      ;;\n";
}

}  // namespace

std::string bash_completion() {
  std::string names;
  for (const Command* command : commands()) names += " " + std::string(command->name);
  std::string cases;
  for (const Place& place : places()) cases += case_of_place(place);
  return std::string(kHead) + "_p2pchat_commands=(" + names.substr(1) + ")\n\n" + values() +
         "# What can stand after a command and its verb.\n"
         "_p2pchat_place() {\n  options=() verbs=() arguments=(file file)\n  case \"$1\" in\n" +
         cases + "  esac\n}\n" + std::string(kEngine);
}

}  // namespace p2pchat
