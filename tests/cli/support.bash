# What the command-line tests share. A test file begins with
#   source "$BATS_TEST_DIRNAME/support.bash"
# and its setup() says which homes each test gets: `strangers` or `friends` (setup_suite.bash).
#
# A failure is always checked as its exact exit status, so that a crash never passes for a refusal,
# and both streams are checked even when nothing is expected on them. Nothing sleeps a fixed time to
# be right: what takes time is waited for, up to an end that only a hang can reach.
# shellcheck disable=SC2034  # results are for the test files

REPOSITORY="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
BIN="${P2PCHAT_BIN:-$REPOSITORY/build/p2pchat}"
PEER_PY="$REPOSITORY/tests/cli/peer.py"
LONGEST_WAIT=60 # seconds; far more than anything needs, with a sanitizer's build too

export LC_ALL=C TZ=UTC
export RES_OPTIONS="timeout:1 attempts:1" # a name server that is away is noticed within seconds
unset P2PCHAT_HOME P2PCHAT_LISTEN_PORT P2PCHAT_LISTEN_ADDRESS P2PCHAT_SEND_TIMEOUT \
  P2PCHAT_ROTATE_DAYS P2PCHAT_LOG_KEEP

FOLDER="${BATS_TEST_TMPDIR:-}" # holds the homes alice, bob, carol and what the helpers leave
STARTED=()                     # processes to end with the test

# ---- homes

homes_from() {
  export HOME="$FOLDER" # nothing may touch the user's own state
  # shellcheck disable=SC2153
  cp -a "$HOMES/$1/." "$FOLDER"
}
strangers() { homes_from strangers; }
friends() { homes_from friends; }

# ---- running p2pchat

# Ends whatever hangs: status 137, which is none of p2pchat's.
within_limits() { timeout --signal=KILL "$LONGEST_WAIT" "$@"; }
# node HOME COMMAND...: p2pchat on one of the homes.
node() { within_limits "$BIN" --home "$FOLDER/$1" "${@:2}"; }
alice() { node alice "$@"; }
bob() { node bob "$@"; }
carol() { node carol "$@"; }
p2pchat() { within_limits "$BIN" "$@"; }
# own HOME: how a hint names this program to who has called it so.
own() { echo "p2pchat --home $FOLDER/$1"; }
peer_py() { within_limits /usr/bin/python3 "$PEER_PY" "$@"; }

# A sanitizer's build is not what ships.
sanitized() { grep -aqE '__(asan|tsan)_init' "$BIN"; }

fingerprint() { node "$1" keygen --fingerprint; }

# ---- what is expected

fail() {
  printf '%s\n' "$@" >&2
  return 1
}

# expect STATUS COMMAND...: runs it and checks its exit status. Leaves both streams, byte for byte,
# in the files $OUT and $ERR, and without their final newlines in $stdout and $stderr.
expect() {
  local wanted="$1" status=0
  OUT="$FOLDER/stdout" ERR="$FOLDER/stderr"
  "${@:2}" >"$OUT" 2>"$ERR" || status=$?
  read_streams
  ((status == wanted)) || fail "exit status $status, not $wanted: ${*:2}" "$stdout" "$stderr"
}
read_streams() {
  read_file "$OUT"
  stdout="${content%"${content##*[!$'\n']}"}"
  read_file "$ERR"
  stderr="${content%"${content##*[!$'\n']}"}"
}

# A file into $content, without its NUL bytes, which $nuls counts. By this process: what a test takes
# is mostly the time to start others.
read_file() {
  local part
  content="" nuls=0
  while IFS= read -r -d '' part; do
    content+="$part"
    ((++nuls))
  done <"$1"
  content+="$part"
}

assert_equal() { [[ "$1" == "$2" ]] || fail "got:    $1" "wanted: $2"; }
assert_match() { [[ "$1" =~ $2 ]] || fail "got:    $1" "wanted: $2"; }
assert_contains() { [[ "$1" == *"$2"* ]] || fail "got:    $1" "wanted in it: $2"; }
refute_contains() { [[ "$1" != *"$2"* ]] || fail "got:    $1" "not wanted in it: $2"; }
# refute_found TEXT FILE...: the bytes are nowhere in the files.
refute_found() {
  if grep -aqF -- "$1" "${@:2}"; then fail "found: $1"; fi
}
assert_same_bytes() { cmp -- "$1" "$2" >&2 || fail "different bytes: $1 $2"; }

# The whole of a stream: these lines and nothing else; without an argument, nothing at all.
assert_stream() {
  local wanted=""
  if (($# > 1)); then printf -v wanted '%s\n' "${@:2}"; fi
  read_file "$1"
  [[ "$content" == "$wanted" && "$nuls" == 0 ]] ||
    fail "got:" "$(cat -v "$1")" "wanted:" "${@:2}"
}
assert_stdout() { assert_stream "$OUT" "$@"; }
assert_stderr() { assert_stream "$ERR" "$@"; }
assert_silent() {
  assert_stdout
  assert_stderr
}

# What every failure looks like: nothing on stdout, one line of error in the house style, at most
# one hint. assert_refusal COMMAND [TEXT]: TEXT is in the error, in front of any hint.
assert_refusal() {
  local program="p2pchat${1:+ $1}" lines
  assert_stdout
  mapfile -t lines <"$ERR"
  ((${#lines[@]} == 1 || ${#lines[@]} == 2)) || fail "not one line of error: $stderr"
  assert_match "${lines[0]}" "^$program: error: (SHA256:|[^A-Z]).*[^.]$"
  ((${#lines[@]} == 1)) || assert_match "${lines[1]}" "^$program: hint: "
  assert_contains "${lines[0]}" "${2:-}"
}

# assert_hint COMMAND TEXT: the hint that such a failure has.
assert_hint() {
  assert_equal "${stderr#*$'\n'}" "p2pchat${1:+ $1}: hint: $2"
}
# unreached PEER: what it says when nobody can be reached there.
unreached() {
  echo "the owner of '$1' types: p2pchat listen -k; if it runs, the address is wrong or a firewall is between"
}

# ---- a clock that is wrong

FAKETIME_LIBRARY="$(printf '%s\n' /usr/lib/*/faketime/libfaketimeMT.so.1 | head -n 1)"
needs_faketime() { [[ -e "$FAKETIME_LIBRARY" ]] || skip "libfaketime is missing"; }
# at TIME COMMAND...: with a clock so far ahead (+20d) or behind (-2m).
at() { LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME="$1" FAKETIME_DONT_FAKE_MONOTONIC=1 "${@:2}"; }
# start_listen_at TIME HOME [OPTION]...
start_listen_at() {
  WRAPPER=(env LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME="$1" FAKETIME_DONT_FAKE_MONOTONIC=1)
  start_listen "${@:2}"
  WRAPPER=()
}

# ---- what takes time

# wait_until COMMAND...: tries until it succeeds.
wait_until() {
  local end=$((SECONDS + LONGEST_WAIT))
  until "$@"; do
    ((SECONDS < end)) || fail "waited in vain for: $*" || return
    sleep 0.02
  done
}
has_ended() { ! kill -0 "$1" 2>/dev/null; }
has_line() { grep -qs -- "$2" "$1"; } # FILE REGEX
has_size() { [[ $(stat -c %s -- "$1") -ge $2 ]]; }

# ended STATUS PID: waits for a process that the test started and checks its exit status.
ended() {
  local status=0
  wait_until has_ended "$2"
  wait "$2" || status=$?
  ((status == $1)) || fail "process ended with $status, not $1"
}

# start_command NAME COMMAND...: in the background; sets PID; its streams go to $FOLDER/NAME.out and
# NAME.err.
start_command() {
  OUT="$FOLDER/$1.out" ERR="$FOLDER/$1.err"
  # Emptied now: what an earlier one has said must not be taken for this one's words.
  : >"$OUT"
  : >"$ERR"
  # A shell's background processes ignore SIGINT: not what a user sees.
  env --default-signal "${@:2}" >"$OUT" 2>"$ERR" </dev/null 3>&- &
  PID=$!
  STARTED+=("$PID")
}

# start HOME COMMAND...: p2pchat, with the words of WRAPPER before it.
start() { start_command "$1" "${WRAPPER[@]}" "$BIN" --home "$FOLDER/$1" "${@:2}"; }
WRAPPER=()

# start_listen HOME ARGUMENTS...: returns once it listens on $PORT (of 127.0.0.1 unless they say
# otherwise).
start_listen() {
  start "$1" listen -p 0 -a 127.0.0.1 "${@:2}"
  wait_for_port
}
wait_for_port() {
  wait_until listens_or_ended "$PID" "$ERR"
  read_file "$ERR"
  [[ $'\n'"$content" =~ $'\n''listening on '[^$'\n']*:([0-9]+)$'\n' ]] ||
    fail "it does not listen:" "$content"
  PORT="${BASH_REMATCH[1]}"
}
listens_or_ended() { has_line "$2" '^listening on ' || has_ended "$1"; }

# Ends the listener that was started last, in order.
stop_listen() {
  kill -TERM "$PID"
  ended "${1:-0}" "$PID"
  read_streams
}

# A listener that cannot write a byte: its stdout is a full pipe that nobody reads.
start_stuck_listen() {
  if [[ ! -e "$FOLDER/full" ]]; then
    mkfifo "$FOLDER/full"
    exec 8<>"$FOLDER/full"
    dd if=/dev/zero of="$FOLDER/full" oflag=nonblock bs=4096 2>/dev/null || true # until it is full
  fi
  local WRAPPER=(bash -c 'exec "$@" >&8' -)
  start_listen "$@"
}

# befriend HOME NAME: HOME registers the listener at $PORT as NAME, silently.
befriend() { node "$1" register "$2" "127.0.0.1:$PORT" --as "$1" >/dev/null 2>&1; }

# start_server KIND ARGUMENTS...: one of peer.py's servers; sets SERVER_PORT and SERVER_PID.
start_server() {
  local said="$FOLDER/server.said"
  : >"$said"
  /usr/bin/python3 "$PEER_PY" serve "$@" >"$said" 2>&1 3>&- &
  SERVER_PID=$!
  STARTED+=("$SERVER_PID")
  wait_until has_line "$said" '^[0-9]'
  SERVER_PORT="$(head -n 1 "$said")"
}
stop_server() {
  kill -KILL "$SERVER_PID"
  ended 137 "$SERVER_PID"
}

end_all() {
  local pid
  for pid in "${STARTED[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  for pid in "${STARTED[@]}"; do wait "$pid" 2>/dev/null || true; done
}
teardown() { end_all; }

# The state of a home that knows only what the first version of the program did, as that one stored it.
to_first_schema() {
  local database="$FOLDER/$1/state.db"
  mv "$database" "$FOLDER/newer.db"
  [[ ! -e "$database-wal" ]] || mv "$database-wal" "$FOLDER/newer.db-wal"
  rm -f "$database-shm"
  (umask 077 && sqlite3 "$database" -cmd "ATTACH '$FOLDER/newer.db' AS newer" \
    <"$REPOSITORY/tests/cli/first_schema.sql" >/dev/null)
}
