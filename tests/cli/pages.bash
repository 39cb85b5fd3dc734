# The commands of a page or of the README, typed one after the other into a shell on a terminal, in an
# empty folder; each must show there what the page says it does. A test file begins with
#   source "$BATS_TEST_DIRNAME/pages.bash"
#
# A test prepares what the reader of an example is taken to have, and says what goes on elsewhere
# meanwhile. What cannot be had here is changed by `replace` into the nearest that can: nothing of a
# page is left out in any other way.
# shellcheck disable=SC2034  # results are for the test files
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
  local fd pipe="$FOLDER/$1.typed" PID OUT ERR
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

# The last blocks of a page: alice starts a handler, bob writes to it; then it is ended.
ask_handler() {
  example alice
  until_listening
  example bob
  finish
  terminal alice
  interrupt
  close_page
}
