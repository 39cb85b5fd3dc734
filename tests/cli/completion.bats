#!/usr/bin/env bats
# p2pchat help completion: what bash, zsh and fish offer, asked in these shells.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() {
  friends
  mkdir "$FOLDER/bin" "$FOLDER/completions"
  PATH="$FOLDER/bin:$PATH"
  ln -s "$BIN" "$FOLDER/bin/p2pchat"
  export P2PCHAT_HOME="$FOLDER/alice" ZSH_DUMP="$BATS_FILE_TMPDIR/zsh.dump" FOLDER
}

# The help of each command, which the tests of every shell go through.
setup_file() {
  local command
  mkdir "$BATS_FILE_TMPDIR/help"
  for command in $(p2pchat --help | sed -n '/^commands:$/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    p2pchat help "$command" >"$BATS_FILE_TMPDIR/help/$command"
  done
}

# ---- asking a shell

needs() {
  local program
  for program in "$@"; do command -v "$program" >/dev/null || skip "$program is missing"; done
}

# ask SHELL LINE...: what it offers at the end of each line, into OFFERED, a word a line and sorted.
declare -gA OFFERED
ask() {
  local shell="$1" line at=""
  needs "$shell"
  p2pchat help completion "$shell" >"$FOLDER/completions/_p2pchat"
  printf '%s\n' "${@:2}" >"$FOLDER/lines"
  expect 0 "ask_$shell" <"$FOLDER/lines"
  assert_stderr
  for line in "${@:2}"; do OFFERED[$line]=""; done
  while IFS= read -r line; do
    if [[ "$line" == '> '* ]]; then
      at="${line#> }"
    else
      OFFERED[$at]+="$line"$'\n'
    fi
  done <"$OUT"
  assert_equal "$at" "${*: -1}" # it has got to the end
  for at in "${!OFFERED[@]}"; do
    OFFERED[$at]="$(printf %s "${OFFERED[$at]}" | sed '/^$/d' | sort -u)"
  done
}
ask_bash() { within_limits bash "$BATS_TEST_DIRNAME/complete.bash" "$FOLDER/completions/_p2pchat"; }
ask_fish() {
  within_limits fish --no-config "$BATS_TEST_DIRNAME/complete.fish" "$FOLDER/completions/_p2pchat"
}
ask_zsh() {
  within_limits zsh -f "$BATS_TEST_DIRNAME/complete.zsh" "$FOLDER/completions" "$FOLDER/lines"
}

# offers LINE [WORD]...: these and nothing else; zsh has options besides where there is nothing.
offers() {
  local got="${OFFERED[$1]}" wanted
  wanted="$(printf '%s\n' "${@:2}" | sort -u)"
  (($# > 1)) || got="$(grep -v '^-' <<<"$got")" || true
  [[ "$got" == "$wanted" ]] || fail "$1" "got:" "$got" "wanted:" "$wanted"
}

# ---- what the help says

cd_help() { cd "$BATS_FILE_TMPDIR/help" || return; }
commands() { (cd_help && echo *); }
verbs() { (cd_help && head -n 1 "$1" | grep -oE '(\| |\[)[a-z][a-z-]*' | grep -oE '[a-z-]+$'); }
options() {
  (cd_help && sed '1,/^$/d' "$1" | grep -oE '(^|[ ,])--?[A-Za-z][a-z-]*' | tr -d ' ,' | sort -u)
}

offers_all_of_help() {
  local command verb lines=("p2pchat " "p2pchat -") names
  names="$(commands)"
  for command in $names; do
    lines+=("p2pchat $command " "p2pchat $command -")
    for verb in $(verbs "$command"); do lines+=("p2pchat $command $verb -"); done
  done
  ask "$1" "${lines[@]}"
  # shellcheck disable=SC2086
  offers "p2pchat " $names
  offers "p2pchat -" -h --help --version --home --passphrase-file
  for command in $names; do
    for verb in $(verbs "$command"); do
      grep -qx -- "$verb" <<<"${OFFERED[p2pchat $command ]}" || fail "no $verb of $command"
      OFFERED[p2pchat $command -]+=$'\n'"${OFFERED[p2pchat $command $verb -]}"
    done
    diff <(options "$command") <(sort -u <<<"${OFFERED[p2pchat $command -]}") >&2 ||
      fail "options of $command (< help, > $1)"
  done
}

@test "completion bash: every command, verb and option of the help, and no other" {
  offers_all_of_help bash
}
@test "completion zsh: every command, verb and option of the help, and no other" {
  offers_all_of_help zsh
}
@test "completion fish: every command, verb and option of the help, and no other" {
  offers_all_of_help fish
}

offers_what_goes_with_a_verb() {
  local strip="" trust="p2pchat listen --trust="
  [[ "$1" != fish ]] || strip="--trust="
  ask "$1" "p2pchat peers --" "p2pchat peers accept --" "p2pchat peers verify x --c" \
    "p2pchat peers accept x --as n --r" "p2pchat send -- -" "p2pchat keygen --bits " \
    "p2pchat peers --porcelain " "p2pchat listen --trust f" "$trust" "p2pchat help completion " \
    "p2pchat help li" "p2pchat help send " "p2pchat listen --exec cat --j" "p2pchat listen -p " \
    "p2pchat listen -kp " "p2pchat listen -p0 --inet" "p2pchat send -m -f --qui" \
    "p2pchat send -m 'it is --json' --quie" "p2pchat frobnicate --j" "p2pchat queue flush --now --n"
  offers "p2pchat peers --" --format --help --json --names --null --pending --porcelain
  offers "p2pchat peers accept --" --as --expect --help --replace
  offers "p2pchat peers verify x --c" --confirm
  offers "p2pchat peers accept x --as n --r" --replace
  offers "p2pchat send -- -"
  [[ -z "${OFFERED[p2pchat send -- -]}" ]]
  offers "p2pchat keygen --bits " 2048 3072 4096
  offers "p2pchat peers --porcelain " v1
  offers "p2pchat listen --trust f" first-use
  offers "$trust" "${strip}first-use" "${strip}pinned"
  offers "p2pchat help completion " bash fish zsh
  offers "p2pchat help li" listen
  offers "p2pchat help send "
  offers "p2pchat listen --exec cat --j"
  offers "p2pchat listen -p "
  offers "p2pchat listen -kp "
  offers "p2pchat listen -p0 --inet" --inetd
  # Zsh takes no option for the value of another.
  [[ "$1" == zsh ]] || offers "p2pchat send -m -f --qui" --quiet
  offers "p2pchat send -m 'it is --json' --quie" --quiet
  offers "p2pchat frobnicate --j"
}

@test "completion bash: an option with its verb alone, and values where they are few" {
  offers_what_goes_with_a_verb bash
}
@test "completion zsh: an option with its verb alone, and values where they are few" {
  offers_what_goes_with_a_verb zsh
}
@test "completion fish: an option with its verb alone, and values where they are few" {
  offers_what_goes_with_a_verb fish
}

# ---- whom the node knows

# Alice trusts Bob, and Carol waits; Bob has a message for Alice in his queue.
acquaint() {
  start_listen alice -k
  befriend carol alice
  stop_listen
  CAROL="$(fingerprint carol)"
  for _ in 1 2; do expect 75 bob send --queue -m hi alice; done
  # An id that begins with a hyphen is offered to nobody, as it would be taken for an option.
  sqlite3 "$FOLDER/bob/state.db" "UPDATE messages SET jti =
    iif(id = (SELECT max(id) FROM messages), '-AAAAAAAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAAAAAAAA')"
}

offers_whom_it_knows() {
  local line lines=() wanted=() words none="$FOLDER/nobody"
  expected() { lines+=("$1") wanted+=("${*:2}"); }
  acquaint
  expected "p2pchat send " bob
  expected "p2pchat send -q -m 'hi there' b" bob
  expected "p2pchat send bob " bob
  expected "p2pchat send -- " bob
  expected "p2pchat send c"
  expected "p2pchat register " bob
  expected "p2pchat peers ping -W 1 " bob
  expected "p2pchat peers accept " "$CAROL"
  expected "p2pchat peers reject " "$CAROL"
  expected "p2pchat peers accept $CAROL "
  expected "p2pchat peers accept $CAROL --as "
  expected "p2pchat peers accept $CAROL --expect "
  expected "p2pchat register carol --expect "
  expected "p2pchat peers show " bob "$CAROL"
  expected "p2pchat peers rename bob "
  expected "p2pchat log " bob "$CAROL"
  expected "p2pchat log --forget " bob "$CAROL"
  expected "p2pchat --home $FOLDER/bob send " alice
  expected "p2pchat --home '$FOLDER'/bob send " alice
  expected "p2pchat --home=$FOLDER/bob peers show " alice
  # shellcheck disable=SC2016
  expected 'p2pchat --home $FOLDER/bob queue flush ' alice
  expected "p2pchat --home ~/bob queue retry " AAAAAAAAAAAAAAAAAAAAAA
  expected "p2pchat --home $FOLDER/bob queue drop AAAAAAAAAAAAAAAAAAAAAA " alice
  for words in send "peers accept" "peers show" "queue retry" log; do
    expected "p2pchat --home $none $words "
  done
  # What a shell would put in the place of a word is not known before the line is run.
  ask "$1" "p2pchat --home \$(touch $FOLDER/ran) send " "p2pchat --home \`touch $FOLDER/ran\` send " \
    "p2pchat --home (touch $FOLDER/ran) send " "p2pchat send \$(touch $FOLDER/ran) " "${lines[@]}"
  for line in "${!lines[@]}"; do
    read -ra words <<<"${wanted[line]}"
    offers "${lines[line]}" "${words[@]}"
  done
  [[ ! -e "$none" && ! -e "$FOLDER/ran" ]] || fail "there is what should not"
}

@test "completion bash: trusted peers, strangers that wait and queued messages of the node" {
  offers_whom_it_knows bash
}
@test "completion zsh: trusted peers, strangers that wait and queued messages of the node" {
  offers_whom_it_knows zsh
  read_file "$FOLDER/completions/terminal"
  refute_contains "$content" "error"
}
@test "completion fish: trusted peers, strangers that wait and queued messages of the node" {
  offers_whom_it_knows fish
}

# No such name gets into a database or a package; if one did, it would end here.
is_not_led_astray() {
  local name
  # shellcheck disable=SC2016
  for name in '$(touch${IFS}ran)' '`touch${IFS}ran`' $'\e[31mred' 'a;b' "a'b" '-rf' '*'; do
    provide "p2pchat-$name"
  done
  provide p2pchat-notes
  # shellcheck disable=SC2016
  sqlite3 "$FOLDER/alice/state.db" 'UPDATE peers SET name = '"'"'$(touch${IFS}ran)'"'"
  # shellcheck disable=SC2016
  assert_equal "$(alice peers --names)" '$(touch${IFS}ran)'
  cd "$FOLDER" || return
  ask "$1" "p2pchat " "p2pchat send " "p2pchat no"
  # shellcheck disable=SC2046
  offers "p2pchat " $(commands) notes
  offers "p2pchat send "
  offers "p2pchat no" notes
  [[ ! -e "$FOLDER/ran" ]]
}
provide() {
  printf '#!/bin/sh\n' >"$FOLDER/bin/$1"
  chmod +x "$FOLDER/bin/$1"
}

@test "completion bash: no name runs a command or reaches the terminal's controls" {
  is_not_led_astray bash
}
@test "completion zsh: no name runs a command or reaches the terminal's controls" {
  is_not_led_astray zsh
}
@test "completion fish: no name runs a command or reaches the terminal's controls" {
  is_not_led_astray fish
}

# ---- what is a shell's own

@test "completion zsh, fish: after --exec the other program's own" {
  for shell in zsh fish; do
    ask "$shell" "p2pchat listen --exec p2pcha" "p2pchat listen -k --exec p2pchat send " \
      "p2pchat listen --exec p2pchat peers accept --exp"
    offers "p2pchat listen --exec p2pcha" p2pchat
    offers "p2pchat listen -k --exec p2pchat send " bob
    offers "p2pchat listen --exec p2pchat peers accept --exp" --expect
  done
}

@test "completion bash: after --exec programs, and then what bash-completion has for them" {
  ask bash "p2pchat listen --exec p2pcha" "p2pchat listen --exec p2pchat send "
  offers "p2pchat listen --exec p2pcha" p2pchat
  offers "p2pchat listen --exec p2pchat send "
  # That package's function gets the place of the program among the words.
  # shellcheck disable=SC2016
  echo '_command_offset() { COMPREPLY=("${COMP_WORDS[@]:$1}"); }' >>"$FOLDER/completions/_p2pchat"
  printf '%s\n' "p2pchat listen -W 1 --exec tr a-z " >"$FOLDER/lines"
  expect 0 ask_bash <"$FOLDER/lines"
  assert_stdout "> p2pchat listen -W 1 --exec tr a-z " tr a-z ""
}

# A shell that reads its keys from a pipe; what it runs is a function that shows its words.
@test "completion bash: readline puts the words where they belong" {
  acquaint
  touch "$FOLDER/my file" "$FOLDER/messages"
  p2pchat help completion bash >"$FOLDER/completions/p2pchat"
  # shellcheck disable=SC2016
  type_keys() {
    printf '%s\n' ". $FOLDER/completions/p2pchat" 'p2pchat() { printf "<%s>" "$@"; echo; }' \
      $'p2pchat listen --trust=f\t' $'p2pchat peers acc\tSHA\t--a\tcarol' \
      $'p2pchat peers accept SHA256:\t' $'p2pchat peers accept "SHA\t' \
      $'p2pchat --home='"$FOLDER"$'/bo\t send al\t' $'p2pchat send --file='"$FOLDER"$'/mes\tbo\t' \
      $'p2pchat send -f '"$FOLDER"$'/my\t-q b\t' |
      TERM=dumb INPUTRC=/dev/null within_limits bash --norc --noprofile -i
  }
  expect 0 type_keys
  grep '^<' "$OUT" >"$FOLDER/words"
  assert_equal "$(<"$FOLDER/words")" "<listen><--trust=first-use>
<peers><accept><$CAROL><--as><carol>
<peers><accept><$CAROL>
<peers><accept><$CAROL>
<--home=$FOLDER/bob/><send><alice>
<send><--file=$FOLDER/messages><bob>
<send><-f><$FOLDER/my file><-q><bob>"
}

@test "completion zsh, fish: files and folders" {
  mkdir "$FOLDER/here" "$FOLDER/here/folder"
  touch "$FOLDER/here/file"
  cd "$FOLDER/here"
  for shell in zsh fish; do
    ask "$shell" "p2pchat send -f f" "p2pchat --home fo" "p2pchat listen f"
    [[ "${OFFERED[p2pchat send -f f]}" == file*folder* ]]
    assert_match "${OFFERED[p2pchat --home fo]}" '^folder/?$'
    offers "p2pchat listen f"
  done
}

@test "completion zsh, fish: options are shown with the words of the help" {
  needs zsh fish
  p2pchat help completion fish >"$FOLDER/p2pchat.fish"
  expect 0 fish --no-config -c "source $FOLDER/p2pchat.fish; complete -C 'p2pchat register --'"
  assert_contains "$stdout" $'--announce\tWhere they can reach us: [HOST]:PORT, or none'
  assert_contains "$stdout" $'--via\tReach them through this command (\'\' for none any more); %h %p: the address'
}

@test "completion zsh: is also read by eval, as bash's and fish's are" {
  needs zsh
  expect 0 zsh -f -c 'autoload -Uz compinit; compinit -u -D
    eval "$(p2pchat help completion zsh)"; print -- $_comps[p2pchat]'
  assert_stdout _p2pchat
  assert_stderr
}

@test "completion: bash's has nothing that shellcheck finds" {
  needs shellcheck
  p2pchat help completion bash >"$FOLDER/completion.bash"
  expect 0 shellcheck "$FOLDER/completion.bash"
  assert_silent
}

@test "completion: of another shell is 64, as is none and one too many" {
  expect 64 p2pchat help completion tcsh
  assert_stderr "p2pchat help: error: no completion for 'tcsh'" "p2pchat help: hint: one of: bash zsh fish"
  expect 64 p2pchat help completion
  assert_refusal help "an argument is missing"
  expect 64 p2pchat help completion zsh fish
  assert_refusal help "too many arguments: 'fish'"
  expect 64 p2pchat help exit-status fish
  assert_refusal help "too many arguments: 'fish'"
}

@test "completion: is installed where each shell looks, as the program prints it" {
  needs cmake
  [[ -e "${BIN%/*}/cmake_install.cmake" ]] || skip "p2pchat is not in its build folder"
  expect 0 cmake --install "${BIN%/*}" --prefix "$FOLDER/prefix"
  p2pchat help completion bash >"$FOLDER/bash"
  p2pchat help completion zsh >"$FOLDER/zsh"
  p2pchat help completion fish >"$FOLDER/fish"
  assert_same_bytes "$FOLDER/bash" "$FOLDER/prefix/share/bash-completion/completions/p2pchat"
  assert_same_bytes "$FOLDER/zsh" "$FOLDER/prefix/share/zsh/site-functions/_p2pchat"
  assert_same_bytes "$FOLDER/fish" "$FOLDER/prefix/share/fish/vendor_completions.d/p2pchat.fish"
}
