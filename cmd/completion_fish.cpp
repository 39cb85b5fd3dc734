#include "command.h"
#include "completion.h"

namespace p2pchat {

namespace {

constexpr std::string_view kHead =
    R"fish(# Completion of p2pchat in fish; made by: p2pchat help completion fish

)fish";

// Between what an option takes, which it asks for, and what is offered where.
constexpr std::string_view kEngine = R"fish(
# The folder after --home, with a ~ or a variable at its beginning.
function __p2pchat_folder
    set -l folder (string replace -r '^~(?=/|$)' -- $HOME $argv[1])
    set -l parts (string match -r '^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?(.*)$' -- $folder)
    and set folder "$$parts[2]$parts[3]"
    printf '%s\n' $folder
end

# Where the cursor is, a line each: the command with its verb, how many arguments are before it, and the
# folder after --home; "-rest", and the words of the line that an option takes whole.
function __p2pchat_read
    set -l words $argv
    set -l command
    set -l place ''
    set -l count 0
    set -l home
    set -l option
    set -l ended
    set -e words[1]
    while set -q words[1]
        set -l word $words[1]
        set -e words[1]
        if test -n "$option"
            test "$option" = --home; and set home $word
            set option
        else if test -z "$ended"; and test "$word" = --
            set ended yes
        else if test -z "$ended"; and string match -q -- '--*' $word
            if set -l parts (string match -r -- '^--home=(.*)$' $word)
                set home $parts[2]
            else if __p2pchat_takes_rest "$command $word"
                if set -q words[1]
                    printf '%s\n' -rest $words
                    return
                end
            else if __p2pchat_takes_value "$command $word"
                set option $word
            end
        else if test -z "$ended"; and string match -q -- '-?*' $word
            set -l letters (string split '' -- $word)[2..-1]
            while set -q letters[1]
                if __p2pchat_takes_value "$command -$letters[1]"
                    set -q letters[2]; or set option -$letters[1]
                    break
                end
                set -e letters[1]
            end
        else if test -z "$command"
            set command $word
            set place $word
        else if test $count = 0; and test "$place" = "$command"; and __p2pchat_is_verb "$command $word"
            set place "$command $word"
        else
            set count (math $count + 1)
        end
    end
    printf '%s\n' "$place" $count $home
end

# The same, in a variable: it is asked for by each of the conditions below.
function __p2pchat_look
    set -l words (commandline -opc)
    set -l line (string escape -- $words | string collect)
    if test "$line" != "$__p2pchat_line"
        set -g __p2pchat_line $line
        set -g __p2pchat_now (__p2pchat_read $words)
    end
end

# Whether the cursor is at that place, and there at the first (0), a further (1) or any argument.
function __p2pchat_at
    __p2pchat_look
    test "$__p2pchat_now[1]" = "$argv[1]"; or return
    switch "$argv[2]"
        case 0
            test $__p2pchat_now[2] = 0
        case 1
            test $__p2pchat_now[2] != 0
    end
end

function __p2pchat_in_rest
    __p2pchat_look
    test "$__p2pchat_now[1]" = -rest
end

function __p2pchat_in_external
    __p2pchat_look
    set -l command (string split -f1 ' ' -- $__p2pchat_now[1])
    test -n "$command"; and test "$command" != -rest; and not __p2pchat_is_command $command
end

# The first word of each line that p2pchat says.
function __p2pchat_ask
    __p2pchat_look
    set -l home
    set -q __p2pchat_now[3]; and set home --home (__p2pchat_folder $__p2pchat_now[3])
    command p2pchat $home $argv 2>/dev/null </dev/null |
        string replace -r '^ ?([^ ]*).*' '$1' | string match -r '^[A-Za-z0-9._:][A-Za-z0-9._:-]*$'
end

# What can stand for a word of that kind.
function __p2pchat_offer
    switch $argv[1]
        case folder
            __fish_complete_directories
        case program
            __fish_complete_command
        case host
            __fish_print_hostnames
        case trusted
            __p2pchat_ask peers --names
        case peer
            __p2pchat_ask peers --format '%p %f'
        case pending
            __p2pchat_ask peers --pending --format %f
        case queued
            __p2pchat_ask queue --format %i
        case command
            for file in $PATH/p2pchat-*
                test -f $file; and test -x $file
                and string match -r '(?<=/p2pchat-)[A-Za-z0-9._][A-Za-z0-9._-]*$' -- $file
            end
        case rest
            __p2pchat_look
            complete -C (string join ' ' -- (string escape -- $__p2pchat_now[2..-1]) (commandline -ct))
        case choice
            printf '%s\n' $argv[2..-1]
    end
end

complete -c p2pchat -f
complete -c p2pchat -n __p2pchat_in_rest -a '(__p2pchat_offer rest)'
complete -c p2pchat -n __p2pchat_in_external -F
)fish";

std::string fish_word(std::string_view text) {
  std::string all = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') all += '\\';
    all += c;
  }
  return all + "'";
}

// A function that succeeds for these.
std::string set_of(std::string_view name, const std::string& words) {
  return "function " + std::string(name) + "\n    contains -- \"$argv\"" + words + "\nend\n";
}

std::string listed(const std::string& command, const Option& option) {
  std::string all;
  for (const std::string& spelling : spellings(option)) {
    all += " \\\n        " + fish_word(command + " " + spelling);
  }
  return all;
}

// What the function that reads the line has to know.
std::string sets() {
  std::string values;
  std::string rests;
  std::string verbs;
  std::string known;
  const auto add = [&](const std::string& command, const Option& option) {
    if (option.value.empty()) return;
    (option.takes_rest ? rests : values) += listed(command, option);
  };
  for (const GlobalOption& global : kGlobalOptions) add("", global.option);
  for (const Command* command : commands()) {
    const std::string name(command->name);
    known += " " + name;
    for (const Option& option : command->options) add(name, option);
    for (const Verb& verb : command->verbs) {
      if (verb.name.empty()) continue;
      verbs += " \\\n        " + fish_word(name + " " + std::string(verb.name));
    }
  }
  return set_of("__p2pchat_takes_value", values) + set_of("__p2pchat_takes_rest", rests) +
         set_of("__p2pchat_is_verb", verbs) + set_of("__p2pchat_is_command", known);
}

std::string line_if(const std::string& condition) {
  return "complete -c p2pchat -n " + fish_word(condition);
}

std::string offer(const std::string& words) {
  if (words == "file") return " -F";
  return words == "text" ? "" : " -a " + fish_word("(__p2pchat_offer " + words + ")");
}

std::string line_of(const Place& place, const Option& option) {
  std::string line = line_if("__p2pchat_at " + fish_word(place.name));
  if (!option.letter.empty()) line += " -s " + std::string(option.letter);
  line += " -l " + std::string(option.name) + " -d " + fish_word(option.help);
  if (option.value.empty()) return line + "\n";
  const std::string words = words_of_value(option);
  return line + (words == "file" ? " -r" : " -x") + offer(words) + "\n";
}

std::string lines_of(const Place& place) {
  std::string lines;
  for (const Option& option : place.options) lines += line_of(place, option);
  const auto at = [&](const std::string& which) {
    return line_if("__p2pchat_at " + fish_word(place.name) + " " + which);
  };
  std::string verbs;
  for (const std::string_view verb : place.verbs) verbs += " " + std::string(verb);
  if (!verbs.empty()) lines += at("0") + " -a " + fish_word(verbs.substr(1)) + "\n";
  for (std::size_t i = 0; i < place.arguments.size(); ++i) {
    const std::string words = offer(words_of(place.arguments[i]));
    if (!words.empty()) lines += at(std::to_string(i)) + words + "\n";
  }
  if (place.arguments[0] == WordKind::command) {
    for (const Command* command : commands()) {
      lines += at("0") + " -a " + std::string(command->name) + " -d " +
               fish_word(command->summary) + "\n";
    }
  }
  return lines;
}

}  // namespace

std::string fish_completion() {
  std::string lines;
  for (const Place& place : places()) lines += lines_of(place);
  return std::string(kHead) + sets() + std::string(kEngine) + lines;
}

}  // namespace p2pchat
