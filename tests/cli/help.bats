#!/usr/bin/env bats
# p2pchat help, --help and --version, and what stands before the command.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { strangers; }

@test "help: --help, -h and help say the same on stdout, and nothing else" {
  expect 0 p2pchat --help
  assert_stderr
  assert_contains "$stdout" "usage: p2pchat [--home DIR] [--passphrase-file FILE] COMMAND [OPTIONS] [ARGUMENTS]"
  text="$stdout"
  for words in -h help; do
    expect 0 p2pchat "$words"
    assert_stderr
    assert_equal "$stdout" "$text"
  done
}

@test "help: names every command with its summary" {
  expect 0 p2pchat help
  for command in keygen register listen send peers config help; do
    assert_match "$stdout" "(^|"$'\n'")  $command +[a-z]"
  done
}

@test "help COMMAND: is what -h and --help say" {
  for command in keygen register listen send peers config help; do
    expect 0 p2pchat help "$command"
    assert_stderr
    text="$stdout"
    assert_contains "$text" "usage: p2pchat $command"
    for option in -h --help; do
      expect 0 p2pchat "$command" "$option"
      assert_stderr
      assert_equal "$stdout" "$text"
    done
  done
}

@test "help: no line is empty of meaning: no placeholder of the option library" {
  for command in keygen register listen send peers config help; do
    expect 0 p2pchat help "$command"
    refute_contains "$stdout" "[OPTION...]"
  done
}

@test "help exit-status: a row for every status" {
  expect 0 p2pchat help exit-status
  assert_stderr
  for status in 0 64 65 66 67 68 69 70 71 73 74 75 76 77 78 79 124 "130, 143"; do
    has_line "$OUT" "^$status  *[a-z]"
  done
  assert_equal "$(wc -l <"$OUT")" 18
}

@test "help: an unknown topic is 64" {
  expect 64 p2pchat help frobnicate
  assert_refusal help "no help for 'frobnicate'"
  assert_contains "$stderr" "hint: p2pchat help"
  expect 64 p2pchat help sned
  assert_stderr "p2pchat help: error: no help for 'sned'" \
    "p2pchat help: hint: did you mean: p2pchat help send"
  expect 64 p2pchat help send listen
  assert_refusal help "too many arguments: 'listen'"
}

@test "help: --version is one line" {
  expect 0 p2pchat --version
  assert_match "$stdout" '^p2pchat [0-9]+\.[0-9]+\.[0-9]+$'
  assert_stdout "$stdout"
  assert_stderr
}

@test "help: no command, an unknown one and an unknown option are 64" {
  expect 64 p2pchat
  assert_refusal "" "no command"
  expect 64 p2pchat frobnicate
  assert_refusal "" "unknown command 'frobnicate'"
  assert_contains "$stderr" "hint: p2pchat --help"
  expect 64 p2pchat --frobnicate send
  assert_refusal "" "unknown option '--frobnicate'"
  expect 64 p2pchat ''
  assert_refusal "" "unknown command ''"
  expect 64 p2pchat --home
  assert_refusal "" "--home needs a value"
  expect 64 p2pchat --home '' peers
  assert_refusal peers "--home needs a folder"
}

@test "help: an unknown word cannot move the cursor" {
  expect 64 p2pchat $'\e[31mred'
  assert_refusal "" "unknown command '\\x1b[31mred'"
  expect 64 p2pchat send $'--\e[31mred'
  refute_contains "$stderr" $'\e'
}

@test "help: a word that is almost a command is 64, and it is said which" {
  while read -r word meant; do
    expect 64 p2pchat "$word" -x
    assert_stdout
    assert_stderr "p2pchat: error: unknown command '$word'" "p2pchat: hint: did you mean: p2pchat $meant"
  done <<'END'
sned send
SEND send
peer peers
lisetn listen
regsitre register
hlp help
END
  for word in chat x s sxxd "sen d"; do
    expect 64 p2pchat "$word"
    refute_contains "$stderr" "p2pchat chat"
  done
}

# on_terminal FDS VARIABLE...: what p2pchat says of an unknown word, these descriptors being a
# terminal.
on_terminal() {
  env -u NO_COLOR -u TERM "${@:2}" /usr/bin/python3 "$PEER_PY" pty --fds "$1" "$BIN" sned
}

@test "help: on a terminal the words error: and hint: are in colour" {
  expect 64 on_terminal 0,1,2 TERM=xterm
  assert_stdout $'p2pchat: \e[1;31merror:\e[0m unknown command \'sned\'' \
    $'p2pchat: \e[1;36mhint:\e[0m did you mean: p2pchat send'
  expect 64 on_terminal 2 TERM=linux NO_COLOR=
  assert_contains "$stdout" $'\e[1;31merror:\e[0m'
}

@test "help: no colour with NO_COLOR, without TERM, on a dumb terminal or where stderr is none" {
  plain=("p2pchat: error: unknown command 'sned'" "p2pchat: hint: did you mean: p2pchat send")
  for variables in "TERM=xterm NO_COLOR=1" "TERM=xterm NO_COLOR=0" "TERM=dumb" "TERM=" "COLUMNS=80"; do
    read -ra variables <<<"$variables"
    expect 64 on_terminal 0,1,2 "${variables[@]}"
    assert_stdout "${plain[@]}"
    assert_stderr
  done
  expect 64 on_terminal 0,1 TERM=xterm
  assert_stdout
  assert_stderr "${plain[@]}"
}

@test "help: standard output has no colour, on a terminal either" {
  for words in --help "help send" "help exit-status"; do
    read -ra words <<<"$words"
    expect 0 env -u NO_COLOR TERM=xterm /usr/bin/python3 "$PEER_PY" pty "$BIN" "${words[@]}"
    refute_contains "$stdout" $'\e'
  done
}

# ---- commands that others provide

# provide NAME [LINE]...: a program of that name, first in PATH, with these lines of shell.
provide() {
  mkdir -p "$FOLDER/bin"
  [[ ":$PATH:" == *":$FOLDER/bin:"* ]] || PATH="$FOLDER/bin:$PATH"
  printf '%s\n' '#!/bin/sh' "${@:2}" >"$FOLDER/bin/$1"
  chmod +x "$FOLDER/bin/$1"
}

@test "help external: an unknown word runs p2pchat-WORD, with its arguments unchanged" {
  # shellcheck disable=SC2016
  provide p2pchat-foo 'printf "<%s>\n" "$@"' 'cat' 'echo said >&2' 'exit 7'
  from_pipe() { printf 'input\n' | p2pchat foo --help -x "a  b" '' -- $'\xff'; }
  expect 7 from_pipe
  assert_stdout '<--help>' '<-x>' '<a  b>' '<>' '<-->' $'<\xff>' input
  assert_stderr said
}

@test "help external: it knows the state folder, this program and the passphrase file" {
  # shellcheck disable=SC2016
  provide p2pchat-env 'echo "$P2PCHAT_HOME|$P2PCHAT_EXE|${P2PCHAT_PASSPHRASE_FILE-unset}"'
  exe="$(readlink -f "$BIN")"
  cd "$FOLDER"
  expect 0 p2pchat env
  assert_stdout "$FOLDER/.p2pchat|$exe|unset"
  P2PCHAT_HOME=bob expect 0 p2pchat env
  assert_stdout "$FOLDER/bob|$exe|unset"
  P2PCHAT_HOME=bob P2PCHAT_PASSPHRASE_FILE=p expect 0 p2pchat --home alice env
  assert_stdout "$FOLDER/alice|$exe|p"
  expect 0 p2pchat --home=/none --passphrase-file phrase env
  assert_stdout "/none|$exe|$FOLDER/phrase"
  # shellcheck disable=SC2016
  provide p2pchat-who 'exec "$P2PCHAT_EXE" keygen --fingerprint'
  expect 0 p2pchat --home alice who
  assert_stdout "$(fingerprint alice)"
}

@test "help external: umask and signals are those that p2pchat was given, and the process is the same" {
  # shellcheck disable=SC2016
  provide p2pchat-state 'umask' 'grep -E "^Sig(Blk|Ign):" /proc/self/status' 'echo $$'
  plain() { (umask 027 && env --default-signal "$BIN" state); }
  expect 0 plain
  assert_match "$stdout" $'^0027\nSigBlk:\t0+\nSigIgn:\t0+\n[0-9]+$'
  ignoring() { env --default-signal --ignore-signal=PIPE "$BIN" state; }
  expect 0 ignoring
  assert_match "$stdout" $'\nSigBlk:\t0+\nSigIgn:\t0+1000\n'
  start_command state "$BIN" state
  ended 0 "$PID"
  assert_equal "$(tail -n 1 "$OUT")" "$PID"
}

@test "help external: what ends it by a signal ends p2pchat by it" {
  # shellcheck disable=SC2016
  provide p2pchat-die 'kill -TERM $$'
  expect 143 p2pchat die
}

@test "help external: built-in commands come first" {
  provide p2pchat-send 'echo mine'
  provide p2pchat-help 'echo mine'
  expect 64 p2pchat send
  assert_refusal send "no peer to send to"
  expect 0 p2pchat help
  refute_contains "$stdout" "external"
}

@test "help external: no option, path or empty word runs a program" {
  provide p2pchat-x 'echo ran'
  mkdir "$FOLDER/bin/p2pchat-a" "$FOLDER/bin/p2pchat-folder"
  for name in p2pchat- p2pchat--o p2pchat--help p2pchat-a/b; do provide "$name" 'echo ran'; done
  cd "$FOLDER/bin"
  for word in '' -o a/b ./p2pchat-x ../bin/p2pchat-x x/ folder p2pchat-x; do
    expect 64 p2pchat "$word"
    assert_refusal "" "unknown "
    expect 64 p2pchat help -- "$word"
    assert_refusal help "no help for "
  done
  expect 0 p2pchat x
  assert_stdout ran
}

@test "help external: one that cannot be run is 64, with its path" {
  provide p2pchat-data 'echo ran'
  chmod -x "$FOLDER/bin/p2pchat-data"
  expect 64 p2pchat data
  assert_refusal "" "cannot run '$FOLDER/bin/p2pchat-data': permission denied"
  provide p2pchat-broken
  echo '#!/nonexistent/shell' >"$FOLDER/bin/p2pchat-broken"
  expect 64 p2pchat broken
  assert_refusal "" "cannot run '$FOLDER/bin/p2pchat-broken': no such file or directory"
  mkdir "$FOLDER/next"
  printf '#!/bin/sh\necho second\n' >"$FOLDER/next/p2pchat-data"
  chmod +x "$FOLDER/next/p2pchat-data"
  PATH="$FOLDER/bin:$FOLDER/next:$PATH" expect 0 p2pchat data
  assert_stdout second
}

@test "help external: help COMMAND is its own --help" {
  # shellcheck disable=SC2016
  provide p2pchat-foo 'echo "usage: foo ($*)"' 'exit 3'
  expect 3 p2pchat help foo
  assert_stdout "usage: foo (--help)"
}

@test "help external: the list of commands has them in a section of its own" {
  expect 0 p2pchat --help
  refute_contains "$stdout" "external"
  provide p2pchat-foo
  provide $'p2pchat-\e[31m\nred'
  provide p2pchat-data
  chmod -x "$FOLDER/bin/p2pchat-data"
  expect 0 p2pchat --help
  text="$stdout"
  assert_contains "$text" $'\n\nexternal commands:\n  \\x1b[31m\\nred  '
  assert_match "$text" $'\n''  foo  +'"$FOLDER/bin/p2pchat-foo"$'\n\n'
  refute_contains "$text" $'\e'
  refute_contains "$text" "p2pchat-data"
  expect 0 p2pchat help
  assert_equal "$stdout" "$text"
}

@test "help external: a word that is almost one of them gets it as a hint" {
  provide p2pchat-backup
  expect 64 p2pchat bakcup
  assert_stderr "p2pchat: error: unknown command 'bakcup'" \
    "p2pchat: hint: did you mean: p2pchat backup"
  provide $'p2pchat-\e[31mred'
  expect 64 p2pchat $'\e[31mrad'
  assert_stderr "p2pchat: error: unknown command '\\x1b[31mrad'" \
    "p2pchat: hint: did you mean: p2pchat '\\x1b[31mred'"
  provide p2pchat-sent
  expect 64 p2pchat sen
  has_line "$ERR" "hint: did you mean: p2pchat send or p2pchat sent$"
}

@test "help: what a later version may bring is unknown today, never accepted and ignored" {
  while read -ra words; do
    expect 64 alice "${words[@]}"
    assert_stdout
    assert_match "$stderr" "^p2pchat( [a-z]+)?: error: [^A-Z]"
  done <<'END'
config --json
listen --tls
END
}

@test "help: the command of a hint has the state folder and the passphrase file that were given" {
  expect 78 p2pchat --home "$FOLDER/no one" --passphrase-file phrase peers
  assert_stderr "p2pchat peers: error: no identity in '$FOLDER/no one'" \
    "p2pchat peers: hint: make one with: p2pchat --home '$FOLDER/no one' --passphrase-file phrase keygen"
  P2PCHAT_HOME="$FOLDER/none" expect 78 p2pchat peers
  assert_hint peers "make one with: p2pchat keygen"
  expect 78 p2pchat --home $'no\none' peers
  assert_hint peers "make one with: p2pchat --home FOLDER keygen"
}

@test "help: --home comes before P2PCHAT_HOME, which comes before ~/.p2pchat" {
  P2PCHAT_HOME="$FOLDER/bob" expect 0 p2pchat --home "$FOLDER/alice" keygen --fingerprint
  assert_stdout "$(fingerprint alice)"
  expect 0 p2pchat --home="$FOLDER/alice" keygen --fingerprint
  assert_stdout "$(fingerprint alice)"
  P2PCHAT_HOME="$FOLDER/bob" expect 0 p2pchat keygen --fingerprint
  assert_stdout "$(fingerprint bob)"
  cp -a "$FOLDER/carol" "$HOME/.p2pchat"
  expect 0 p2pchat keygen --fingerprint
  assert_stdout "$(fingerprint carol)"
  P2PCHAT_HOME="" expect 0 p2pchat keygen --fingerprint
  assert_stdout "$(fingerprint carol)"
}

@test "help: a stdout that cannot be written is 71" {
  for words in --help --version help "help exit-status" "send --help"; do
    read -ra words <<<"$words"
    refused() { p2pchat "${words[@]}" >/dev/full; }
    expect 71 refused
    has_line "$ERR" 'error: cannot write to standard output: no space left on device$'
    refused() { p2pchat "${words[@]}" >&-; }
    expect 71 refused
    has_line "$ERR" 'error: cannot write to standard output: bad file descriptor$'
  done
}

@test "help: needs no state folder, nor a place where one could be" {
  for words in help "help send" "send --help" "help exit-status" --help --version; do
    read -ra words <<<"$words"
    expect 0 env -u HOME -u P2PCHAT_HOME "$BIN" "${words[@]}"
    assert_stderr
  done
  expect 0 p2pchat --home '' help
}
