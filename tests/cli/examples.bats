#!/usr/bin/env bats
# The pages do not lie: what they show under EXAMPLES is typed, command after command, into a shell
# on a terminal, in an empty folder, and must show there what the page says it does. So is the
# conversation in the README.
#
# Each page has its own test, which prepares what the reader of an example is taken to have, and says
# what goes on elsewhere meanwhile. What cannot be had here is changed by `replace` into the nearest
# that can: nothing of a page is left out in any other way.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

# Whose fingerprints those of the pages stand for.
declare -gA OWNERS=(
  [SHA256:tmSVEJEazF2ZSjwRud0cNfXd5XNQErOT-j5AKY999kc]=alice
  [SHA256:IcBydOoZ0O7bxgsSv0xPte-UpF0zMyolz6O_CmdR8Uc]=bob
  [SHA256:TCbZB0wn2J7eWScMCsFLceBxsVI5UZ91R0svO6Y0gfU]=carol
  [SHA256:B19rvwyYfHHBske1FI0IIiSvXv3qZWeO4ELrfMxB2Ks]=alice # in the README
  [SHA256:-tDfPoxUAvsloolKGflhFX-d7mTboRm2rCA8ShAQhNg]=bob
)

setup() {
  export HOME="$FOLDER" # also where a test makes its identities itself
  PATH="$FOLDER/bin:$PATH"
  mkdir "$FOLDER/bin" "$FOLDER/here"
  ln -s "$BIN" "$FOLDER/bin/p2pchat"
  FROM=() TO=() # what is replaced, in this order
  UNUSED=()     # by its place in FROM
}

# replace FROM TO: in the lines of the page.
replace() {
  UNUSED[${#FROM[@]}]="$1"
  FROM+=("$1")
  TO+=("$2")
}

# ours LINE: the line as it is here, in $line.
ours() {
  local i owner theirs
  line="$1"
  for i in "${!FROM[@]}"; do
    [[ "$line" == *"${FROM[i]}"* ]] || continue
    line="${line//"${FROM[i]}"/"${TO[i]}"}"
    unset "UNUSED[i]"
  done
  for theirs in "${!OWNERS[@]}"; do
    [[ "$line" == *"${theirs:0:15}"* ]] || continue # the least that p2pchat takes
    owner="$(fingerprint "${OWNERS[$theirs]}")"
    line="${line//"$theirs"/"$owner"}"
    line="${line//"${theirs:0:15}"/"${owner:0:15}"}"
  done
}

# What is another each time: times, the numbers of `peers verify`, the address and port. A carriage
# return takes away what stood there.
normal() {
  sed -E -e 's/.*\r(.)/\1/' -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/TIME/g' -e 's/([0-9]{5} ){11}[0-9]{5}/NUMBERS/' \
    -e 's/[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} UTC [0-9]{4}$/DATE/' \
    -e 's/^listening on .*:[0-9]+$/listening/'
}

# ---- terminals

# The shell of a terminal: after what a command has shown comes a mark.
MARK=$'\036'
typed_commands() {
  local command status=0
  while IFS= read -r -u 9 command; do
    eval "(exit $status); $command" 9<&-
    status=$?
    printf '\036'
  done
}
export -f typed_commands

# terminal NAME: commands are typed on this one from now on, whose state folder is that of NAME.
terminal() {
  TERMINAL="$1"
  [[ -z "${TYPE[$1]:-}" ]] || return 0
  local fd pipe="$FOLDER/$1.typed"
  mkfifo "$pipe"
  exec {fd}<>"$pipe"
  TYPE[$1]=$fd
  start_command "$1.terminal" env -C "$FOLDER/here" P2PCHAT_HOME="$FOLDER/$1" TERM=dumb \
    /usr/bin/python3 "$PEER_PY" pty bash -c 'echo $$ >../$0.pid; typed_commands' "$1" 9<"$pipe"
  wait_until test -s "$FOLDER/$1.pid"
  STARTED+=("-$(<"$FOLDER/$1.pid")") # with all that it runs
  COMMAND[$1]="" SHOWN[$1]=0 WANTED[$1]="" BACKGROUND[$1]=""
}
declare -gA TYPE COMMAND SHOWN WANTED BACKGROUND

type_command() {
  COMMAND[$TERMINAL]="$1" WANTED[$TERMINAL]=""
  [[ "$1" != *'&' ]] || BACKGROUND[$TERMINAL]=yes
  printf '%s\n' "$1" >&"${TYPE[$TERMINAL]}"
}

# The last command has shown as many lines as the page does, of which some may come from behind it.
has_shown() {
  read_file "$FOLDER/$TERMINAL.terminal.out"
  got="${content:SHOWN[$TERMINAL]}"
  local shown="${got//[!$'\n']/}" wanted="${WANTED[$TERMINAL]//[!$'\n']/}"
  ((${#shown} >= ${#wanted}))
}
has_finished() {
  has_shown || [[ -z "${BACKGROUND[$TERMINAL]}" ]] || return
  [[ "$got" == *"$MARK"* ]]
}

# The last command ends, and has shown what the page shows after it.
finish() {
  [[ "${COMMAND[$TERMINAL]}" ]] || return 0
  local line lines wanted="" got order=(cat)
  mapfile -t lines <<<"${WANTED[$TERMINAL]%$'\n'}"
  [[ "${WANTED[$TERMINAL]}" ]] || lines=()
  wait_until has_finished || fail "$PAGE: ${COMMAND[$TERMINAL]}" "has shown: $got"
  SHOWN[$TERMINAL]=${#content}
  got="${got//"$MARK"/}"
  learn_id "${WANTED[$TERMINAL]}" "$got"
  for line in "${lines[@]}"; do
    ours "$line"
    wanted+="$line"$'\n'
  done
  [[ -z "${BACKGROUND[$TERMINAL]}" ]] || order=(sort) # two write there, each when it can
  diff <(printf %s "$wanted" | normal | "${order[@]}") \
    <(printf %s "$got" | normal | "${order[@]}") >&2 ||
    fail "$PAGE: ${COMMAND[$TERMINAL]}" "(< the page, > the terminal)"
  COMMAND[$TERMINAL]=""
}

# The id that the page shows stands for the one we have got, from there on.
learn_id() {
  local id="(message|queued as) '([A-Za-z0-9_-]{22})'"
  [[ "$1" =~ $id ]] || return 0
  local theirs="${BASH_REMATCH[2]}"
  [[ "$2" =~ $id ]] || return 0
  replace "$theirs" "${BASH_REMATCH[2]}"
}

# interrupt [PROGRAM]: once all has been shown, what runs is ended as by Ctrl-C.
interrupt() {
  wait_until has_shown
  pkill -INT -g "$(<"$FOLDER/$TERMINAL.pid")" -x "${1:-p2pchat}"
}

# ---- pages

# The lines of the blocks under a heading of a page, or in the README; $END ends each.
END=.Ed
blocks() {
  sed -n "/^\.Sh $2\$/,/^\.Sh /p" "$1" |
    sed -n '/^\.Bd -literal/,/^\.Ed$/{/^\.Bd/d; s/\\e/\\/g; p;}'
}

readme_blocks() {
  sed -n '/^```console$/,/^```$/{/^```console$/d; s/^```$/.Ed/; p;}' "$REPOSITORY/README.md"
}

# open_page FILE [HEADING]: of man/, or README.md.
open_page() {
  PAGE="$1"
  terminal nobody # until the test says whose
  if [[ "$1" == README.md ]]; then
    mapfile -t LINES_LEFT < <(readme_blocks)
  else
    mapfile -t LINES_LEFT < <(blocks "$REPOSITORY/man/$1" "${2:-EXAMPLES}")
  fi
  ((${#LINES_LEFT[@]})) || fail "$1: no examples"
}

next_line() {
  ((${#LINES_LEFT[@]})) || fail "$PAGE: no further example" || return
  line="${LINES_LEFT[0]}"
  LINES_LEFT=("${LINES_LEFT[@]:1}")
}

# example [TERMINAL]: types the commands of the next block, of which the last goes on. `finish` waits
# for its end, and so does what comes next on this terminal.
example() {
  local line begun=""
  terminal "${1:-$TERMINAL}"
  while next_line && [[ "$line" != "$END" ]]; do
    if [[ "$line" == '$ '* || -z "$begun" ]]; then
      finish
      ours "$line"
      [[ "$line" == '$ '* ]] || fail "$PAGE: what is this: $line"
      type_command "${line#\$ }"
      begun=yes
    else
      WANTED[$TERMINAL]+="$line"$'\n'
    fi
  done
}

# more_shown TERMINAL: the next block begins with what the last command there shows meanwhile.
more_shown() {
  local line
  terminal "$1"
  while [[ "${LINES_LEFT[0]}" != '$ '* && "${LINES_LEFT[0]}" != "$END" ]]; do
    next_line
    WANTED[$TERMINAL]+="$line"$'\n'
  done
}

# shown_file FILE: the next block is what it holds.
shown_file() {
  local line
  while next_line && [[ "$line" != "$END" ]]; do printf '%s\n' "$line"; done >"$1"
}

close_page() {
  while ((${#LINES_LEFT[@]})); do
    example
  done
  for TERMINAL in "${!TYPE[@]}"; do finish; done
  ((${#UNUSED[@]} == 0)) || fail "$PAGE: not there to be replaced:" "${UNUSED[@]}"
}

# ---- who listens

# Whether anybody does at $PORT; without a connection, which would be one exchange.
is_listening() {
  grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$PORT") [0-9A-F:]+ 0A " /proc/net/tcp*
}
until_listening() {
  wait_until is_listening || fail "$PAGE: ${COMMAND[$TERMINAL]}" "$(cat "$FOLDER/$TERMINAL.terminal.out")"
}

# The default port may be somebody's: $PORT stands for it.
default_port() {
  export P2PCHAT_LISTEN_PORT="$PORT"
  replace 4040 "$PORT"
}

@test "examples: each page that has some has a test here" {
  while read -r page; do
    page="${page##*/}"
    has_line "$BATS_TEST_FILENAME" "^@test \"examples: ${page%.*}(${page##*.})" || fail "no test of $page"
  done < <(grep -l '^\.Sh EXAMPLES$' "$REPOSITORY"/man/*)
}

@test "examples: p2pchat(1)" {
  PORT="$(peer_py free-port)"
  default_port
  replace 'alice localhost ' "alice localhost:$PORT "
  replace 'cat inbox.txt' 'wait && cat inbox.txt' # faster than anybody types
  replace /tmp/ "$FOLDER/"
  # shellcheck disable=SC2016
  printf '%s\n' '#!/bin/sh' '"$P2PCHAT_EXE" peers --names | wc -l' >"$FOLDER/bin/p2pchat-count"
  chmod +x "$FOLDER/bin/p2pchat-count"
  open_page p2pchat.1
  close_page
}

@test "examples: p2pchat-config(1)" {
  strangers
  replace /tmp/ "$FOLDER/"
  open_page p2pchat-config.1
  printf '%s\n' '; where this node listens' '[listen]' 'port = 4041' '' '[send]' 'timeout = 10s' \
    >"$FOLDER/bob/config"
  example
  example
  finish
  printf '%s\n' '[listen]' 'prot = 4041' >"$FOLDER/bob/config"
  close_page
}

@test "examples: p2pchat-help(1)" {
  open_page p2pchat-help.1
  close_page
}

@test "examples: p2pchat-keygen(1)" {
  replace /tmp/ "$FOLDER/"
  replace /media/ "$FOLDER/"
  open_page p2pchat-keygen.1
  example
  example
  finish
  assert_equal "$(<"$FOLDER/here/fingerprint.txt")" "$(fingerprint alice)"
  example
  finish
  mkdir "$FOLDER/stick"
  (umask 077 && echo secret >"$FOLDER/stick/phrase")
  export P2PCHAT_PASSPHRASE_FILE="$FOLDER/stick/phrase" # for us; the terminal is open already
  close_page
}

@test "examples: p2pchat-listen(1)" {
  friends
  start_listen alice -k
  befriend bob alice
  stop_listen
  # The nearest to a line of inetd.conf: one exchange, with the words that the line ends with.
  replace '4040 stream tcp nowait alice /usr/bin/p2pchat p2pchat listen --inetd' \
    "$ socat TCP-LISTEN:$PORT,reuseaddr EXEC:'p2pchat listen --inetd'"
  default_port
  says() { bob send -m "$1" alice; }

  open_page p2pchat-listen.1
  example alice
  until_listening
  says hi
  finish
  assert_equal "$(<"$FOLDER/here/message.txt")" hi

  example
  until_listening
  says 'back at noon'
  says $'one\ntwo \e[31mred'
  interrupt

  example
  until_listening
  says 'back at noon'
  says 'or later'

  example # nobody writes
  example
  until_listening
  says hi
  example
  until_listening
  says hi
  says hi
  interrupt socat

  example
  until_listening
  assert_equal "$(says ping)" 'at lunch until one'
  interrupt

  example
  until_listening
  says 'back at noon'
  interrupt

  example
  until_listening
  says one
  wait_until test -e "$FOLDER/here/msg.1"
  until_listening
  interrupt
  close_page
  assert_equal "$(<"$FOLDER/here/msg.0")" one
}

@test "examples: p2pchat-listen(1), its handler" {
  friends
  start_listen alice -k
  befriend bob alice
  stop_listen
  default_port
  bob peers rename alice server
  open_page p2pchat-listen.1 HANDLERS
  shown_file "$FOLDER/here/bot"
  chmod +x "$FOLDER/here/bot"
  example alice
  until_listening
  example bob
  finish
  terminal alice
  interrupt
  close_page
}

@test "examples: p2pchat-peers(1)" {
  strangers
  start_listen alice -k
  befriend bob alice
  open_page p2pchat-peers.1
  for _ in accept show verify export; do example alice; done
  finish
  [[ -s "$FOLDER/here/bob.card" ]]
  echo notes >"$FOLDER/here/notes.txt"
  start_listen bob -k
  befriend alice bob
  close_page
}

@test "examples: p2pchat-register(1)" {
  strangers
  start_listen alice -k
  replace 'alice localhost ' "alice localhost:$PORT "
  open_page p2pchat-register.1
  example bob
  finish
  bob peers remove alice
  example
  finish
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob
  example
  finish
  bob peers remove alice
  alice keygen --card >"$FOLDER/here/alice.card"
  example
  printf '#!/bin/sh\nshift 3\nP2PCHAT_HOME="%s" exec "$@"' "$FOLDER/alice" >"$FOLDER/bin/ssh"
  chmod +x "$FOLDER/bin/ssh"
  close_page
}

@test "examples: p2pchat-send(1)" {
  friends
  start_listen alice -k
  bob register alice "localhost:$PORT" --as bob
  replace 4040 "$PORT"
  carol keygen --card | bob register carol "localhost:$(peer_py free-port)" --card - 2>/dev/null
  bob peers show carol >"$FOLDER/carol.shown"
  [[ "$(<"$FOLDER/carol.shown")" =~ localhost:([0-9]+) ]]
  replace 4041 "${BASH_REMATCH[1]}"
  # A listener that is stopped does not answer in time; it goes on before the retry.
  local listener="$PID"
  replace 'echo $?' "echo \$?; kill -CONT $listener"
  echo notes | tee "$FOLDER/here/notes.txt" >"$FOLDER/here/report.txt"
  mkdir "$FOLDER/here/src"
  open_page p2pchat-send.1
  for _ in text bytes reply report; do example bob; done
  finish
  kill -STOP "$listener"
  close_page
}

@test "examples: p2pchat-log(1)" {
  friends
  start_listen bob -k
  local listener="$PID"
  alice register bob "127.0.0.1:$PORT" --as alice 2>/dev/null
  start_listen alice -k
  befriend bob alice
  bob send -m 'back at noon' alice
  alice send -m 'then let us eat' bob
  kill -STOP "$listener"
  expect 74 alice send -W 200ms --id question -m 'at one?' bob
  kill -CONT "$listener"
  replace 51K7lIOJnF2SjpJ1UAsTzg "$(alice log -n 1 --format %i)"
  open_page p2pchat-log.1
  example alice
  example
  bob send -m 'here I am' alice
  interrupt
  example
  bob_writes_until_it_ends() { bob send -m 'to be kept' alice && has_finished; }
  wait_until bob_writes_until_it_ends
  finish
  assert_equal "$(<"$FOLDER/here/message")" 'to be kept'
  close_page
  assert_equal "$(alice log --json | grep -c '"text":null')" "$(alice log | wc -l)"
}

@test "examples: p2pchat-queue(1)" {
  friends
  start_listen alice -k
  bob register alice "localhost:$PORT" --as bob
  replace 4040 "$PORT"
  stop_listen
  # The table of a user who has this line there.
  cat >"$FOLDER/bin/crontab" <<<"sed -n '/^\\* \\* \\* /p' '$REPOSITORY/man/p2pchat-queue.1'"
  chmod +x "$FOLDER/bin/crontab"
  open_page p2pchat-queue.1
  example bob
  example
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  example
  example
  finish
  sqlite3 "$FOLDER/bob/state.db" \
    "INSERT INTO queue SELECT max(id), aud, 0, 0, 1, 'expired' FROM messages GROUP BY aud"
  assert_equal "$(bob queue --format %s)" failed
  example
  close_page
}

@test "examples: the conversation in the README" {
  PORT="$(peer_py free-port)"
  default_port
  replace 'alice localhost ' "alice localhost:$PORT "
  replace /tmp/ "$FOLDER/"
  # Bob's message comes in between.
  replace 'p2pchat listen > inbox.txt' 'p2pchat listen > inbox.txt &'
  replace 'cat inbox.txt' 'wait && cat inbox.txt'
  open_page README.md
  example alice
  until_listening
  example bob
  more_shown alice
  example
  until_listening
  example bob
  more_shown alice
  example
  interrupt
  example
  until_listening
  bob send -m hi alice
  finish
  example
  until_listening
  example bob
  finish
  terminal alice
  interrupt
  close_page
}
