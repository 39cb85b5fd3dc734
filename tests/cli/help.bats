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

@test "help: what a later version may bring is unknown today, never accepted and ignored" {
  while read -ra words; do
    expect 64 alice "${words[@]}"
    assert_stdout
    assert_match "$stderr" "^p2pchat( [a-z]+)?: error: [^A-Z]"
  done <<'END'
send --queue -m x bob
send --json -m x bob
send --expire 1h -m x bob
send --propagate -m x bob
send -m x bob carol
listen -W 1 -p 0 --json
listen -W 1 -p 0 --format %b
listen -W 1 -p 0 --exec cat
queue
queue flush
config --json
END
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
