#!/usr/bin/env bats
# listen --exec: what a handler gets, what becomes of what it does, and that it is run once.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

# handler SCRIPT...: alice listens until a signal and hands messages to this shell script; HANDLING
# are options before --exec.
HANDLING=()
handler() {
  start_listen alice -k "${HANDLING[@]}" --exec /bin/bash -c "$@"
  befriend bob alice
}
# A handler that has begun waits until this file is there.
wait_for_go() { printf 'echo x >>"%s/begun"; until [ -e "%s/go" ]; do sleep 0.02; done; ' "$FOLDER" "$FOLDER"; }
# How often a handler that says so has begun.
begun() { [[ "$(grep -c x "$FOLDER/begun" 2>/dev/null)" == "$1" ]]; }
state_of() { sqlite3 "$FOLDER/alice/state.db" "SELECT state FROM messages WHERE direction = 'in' $1"; }

@test "handlers: its output is the reply, byte for byte, and its input the message" {
  handler 'cat; printf "%s" "$P2PCHAT_MSG_PEER"; printf "\n\n\0\377"'
  printf 'a\tb\n\n' >"$FOLDER/body"
  expect 0 bob send --raw -f "$FOLDER/body" alice
  printf 'a\tb\n\nbob\n\n\0\377' | cmp - "$OUT"
  assert_stderr
  stop_listen
  assert_stream "$FOLDER/alice.out"
}

@test "handlers: two shell lines make a remote procedure" {
  start_listen alice -k --exec sed 's/^/you said: /'
  befriend bob alice
  reply="$(bob send -m "two words" alice)"
  assert_equal "$reply" "you said: two words"
  expect 0 bob send -q -m hi alice
  assert_silent
}

@test "handlers: --exec ends the options, and no shell touches the words" {
  # shellcheck disable=SC2016
  start_listen alice -k --exec /bin/bash -c 'printf "<%s>" "$@"' --json -p '$(id)' '*' '' 'a  b' --exec -- ';'
  befriend bob alice
  expect 0 bob send -m hi alice
  # shellcheck disable=SC2016
  assert_equal "$stdout" '<-p><$(id)><*><><a  b><--exec><--><;>'
}

@test "handlers: it knows about the message, and gets our environment without the passphrase" {
  export GREETING=hello P2PCHAT_MSG_ID=forged
  echo "not needed" >"$FOLDER/passphrase"
  chmod 600 "$FOLDER/passphrase"
  WRAPPER=(env P2PCHAT_PASSPHRASE_FILE="$FOLDER/passphrase")
  handler 'echo "$GREETING $P2PCHAT_MSG_PEER $P2PCHAT_MSG_FINGERPRINT $P2PCHAT_MSG_ID $P2PCHAT_MSG_TIME ${P2PCHAT_PASSPHRASE_FILE-none}"'
  expect 0 bob send --id AAAAAAAAAAAAAAAAAAAAAA -m hi alice
  assert_match "$stdout" "^hello bob $(fingerprint bob) AAAAAAAAAAAAAAAAAAAAAA 20[0-9-]{8}T[0-9:]{8}Z none$"
}

@test "handlers: it has descriptors 0 to 2, default signals, its own group, our limit and mask" {
  WRAPPER=(bash -c 'ulimit -n 333; umask 027; exec "$@"' -)
  handler 'echo $(ls /proc/self/fd); grep -E "^Sig(Blk|Ign)" /proc/self/status | cut -f 2 | tr "\n" " "
    ulimit -n; umask; [ "$(ps -o pgid= -p $$ | tr -d " ")" = $$ ] && echo leads'
  expect 0 bob send -m hi alice
  assert_stdout "0 1 2 3" "0000000000000000 0000000000000000 333" 0027 leads # 3: ls reads the folder
}

@test "handlers: whatever a message holds starts no command and reaches it whole" {
  handler 'cat >"$0/got"' "$FOLDER"
  # shellcheck disable=SC2016
  for body in '$(touch pwned)' '`touch pwned`' '"; touch pwned; "' "'; touch pwned; '" '%s%n%d' '-rf /' \
    $'line\n--json\n' $'\e[2J\e]0;title\a' '${IFS}' '&& touch pwned' '| touch pwned'; do
    expect 0 bob send --raw -m "$body" alice
    printf %s "$body" | cmp - "$FOLDER/got"
  done
  [[ ! -e pwned && ! -e "$FOLDER/pwned" ]]
}

@test "handlers: every exit status travels; the sender ends with 79 and says which" {
  handler 'cat; echo; exit "$(cat "$0/status")"' "$FOLDER"
  for status in 1 2 63 64 77 254; do
    echo "$status" >"$FOLDER/status"
    expect 79 bob send -m words alice
    assert_stdout words
    assert_contains "$stderr" "$status"
  done
  assert_equal "$(state_of 'GROUP BY state')" handled
}

@test "handlers: one that dies by a signal is 128 and its number" {
  handler 'kill -KILL $$'
  expect 79 bob send -m hi alice
  assert_equal "$(sqlite3 "$FOLDER/alice/state.db" "SELECT rc FROM messages WHERE direction = 'in'")" 137
}

@test "handlers --exec-timeout: one that hangs is ended with its children; the reply is empty" {
  HANDLING=(--exec-timeout 300ms)
  handler 'trap "" TERM; echo partial; sleep 600 & echo $! >"$0/child"; wait; sleep 600' "$FOLDER"
  expect 79 bob send -m hi alice
  assert_stdout
  wait_until has_ended "$(<"$FOLDER/child")"
  assert_equal "$(sqlite3 "$FOLDER/alice/state.db" "SELECT rc FROM messages WHERE direction = 'in'")" 124
}

@test "handlers --exec-output: the limit is a reply, a byte more is none" {
  HANDLING=(--exec-output 1K)
  handler 'head -c "$(cat)" /dev/zero'
  expect 0 bob send -m 1024 alice
  [[ $(stat -c %s "$OUT") == 1024 ]]
  expect 79 bob send -m 1025 alice
  assert_stdout
  expect 79 bob send -m 100000000 alice
  assert_equal "$(sqlite3 "$FOLDER/alice/state.db" "SELECT rc FROM messages WHERE direction = 'in' ORDER BY id")" $'0\n125\n125'
}

@test "handlers: 1 MiB goes in and out, and a reader that is slow or absent harms nobody" {
  head -c 1048576 /dev/urandom >"$FOLDER/big"
  handler 'cat'
  expect 0 bob send --binary -f "$FOLDER/big" alice
  assert_same_bytes "$FOLDER/big" "$OUT"
  stop_listen
  handler 'exec <&-; echo "did not read"'
  expect 0 bob send --binary -f "$FOLDER/big" alice
  assert_stdout "did not read"
}

@test "handlers: a child that holds the pipes delays no reply, and is ended" {
  handler 'sleep 600 & echo $!'
  expect 0 bob send -m hi alice
  wait_until has_ended "$stdout"
}

@test "handlers: what they say on standard error is ours, a line each, with the id and escaped" {
  handler 'printf "one\n\e[31mred\n%s: forged\nlast" "listening on" >&2'
  expect 0 bob send --id AAAAAAAAAAAAAAAAAAAAAA -m hi alice
  stop_listen
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT" \
    'handler AAAAAAAAAAAAAAAAAAAAAA: one' \
    'handler AAAAAAAAAAAAAAAAAAAAAA: \x1b[31mred' \
    'handler AAAAAAAAAAAAAAAAAAAAAA: listening on: forged' \
    'handler AAAAAAAAAAAAAAAAAAAAAA: last'
}

@test "handlers: a repetition gets the stored reply, byte for byte, and is not run again" {
  handler 'echo x >>"$0/begun"; date +%N; head -c 100 /dev/urandom; exit 5' "$FOLDER"
  expect 79 bob send --id once -m hi alice
  cp "$OUT" "$FOLDER/first"
  expect 79 bob send --id once -m hi alice
  assert_same_bytes "$FOLDER/first" "$OUT"
  begun 1
  stop_listen
  # Whoever listens now.
  start_listen alice -k
  befriend bob alice
  expect 79 bob send --id once -m hi alice
  assert_same_bytes "$FOLDER/first" "$OUT"
  begun 1
}

@test "handlers: while one runs others are busy, and so is its own repetition; nothing is kept" {
  handler "$(wait_for_go) cat; echo"
  start bob send --id first -m one alice
  local first="$PID"
  wait_until begun 1
  expect 75 bob send --id second -m two alice
  assert_refusal send
  expect 75 bob send --id first -m one alice
  assert_refusal send
  touch "$FOLDER/go"
  ended 0 "$first"
  assert_stream "$FOLDER/bob.out" one
  assert_equal "$(state_of)" handled
  expect 0 bob send --id second -m two alice
  assert_stdout two
  begun 2
}

@test "handlers --jobs: so many run side by side" {
  HANDLING=(--jobs 3)
  handler "$(wait_for_go) cat"
  local pids=()
  for number in 1 2 3; do
    start bob send -m "$number" alice
    pids+=("$PID")
  done
  wait_until begun 3
  expect 75 bob send -m 4 alice
  touch "$FOLDER/go"
  for pid in "${pids[@]}"; do ended 0 "$pid"; done
}

@test "handlers: a crash while one runs: it is not run again, and the sender is told" {
  handler "$(wait_for_go)"
  local listener="$PID"
  start bob send --id it -W 30 -m hi alice
  local sender="$PID"
  wait_until begun 1
  kill -KILL "$listener"
  ended 137 "$listener"
  ended 74 "$sender"
  touch "$FOLDER/go"
  handler 'echo x >>"$0/begun"' "$FOLDER"
  read_file "$FOLDER/alice.err"
  assert_contains "$content" "interrupted: the handler of message "
  expect 79 bob send --id it -m hi alice
  assert_stdout
  begun 1
  assert_equal "$(state_of)" interrupted
}

@test "handlers: a crash before one has begun: the next listener begins it, once" {
  handler 'echo x >>"$0/begun"; cat; echo' "$FOLDER"
  expect 0 bob send --id it -m hi alice
  begun 1
  stop_listen
  sqlite3 "$FOLDER/alice/state.db" "UPDATE messages SET state = 'exec', reply = x''"
  expect 0 alice listen -n 1 --exec sh -c "echo x >>$FOLDER/begun; cat; echo"
  assert_silent # it opens no port
  begun 2
  handler 'echo x >>"$0/begun"; cat; echo' "$FOLDER"
  expect 0 bob send --id it -m hi alice
  assert_stdout hi
  begun 2
}

@test "handlers: SIGTERM reaches them, and an answer within its time still arrives" {
  handler 'trap "echo last words; exit 4" TERM; echo x >>"$0/begun"; sleep 600 & wait' "$FOLDER"
  local listener="$PID"
  start bob send -m hi alice
  local sender="$PID"
  wait_until begun 1
  kill -TERM "$listener"
  ended 0 "$listener"
  ended 79 "$sender"
  assert_stream "$FOLDER/bob.out" "last words"
}

@test "handlers: one that ignores SIGTERM does not keep the listener for ever" {
  handler 'trap "" TERM; echo x >>"$0/begun"; echo $$ >"$0/pid"; sleep 600; sleep 600' "$FOLDER"
  local listener="$PID"
  start bob send -m hi alice
  wait_until begun 1
  kill -TERM "$listener"
  ended 0 "$listener"
  wait_until has_ended "$(<"$FOLDER/pid")"
  assert_equal "$(state_of)" handled
}

@test "handlers: without -k one message, with -n so many, and no more is taken" {
  start_listen alice --exec cat
  befriend bob alice # a registration of a known peer
  ended 0 "$PID"
  start_listen alice -n 2 --exec cat
  bob register alice "127.0.0.1:$PORT" --as bob >/dev/null 2>&1
  expect 0 bob send -m one alice
  expect 0 bob send -m two alice
  ended 0 "$PID"
}

@test "handlers: messages that wait to be printed are not theirs" {
  start_stuck_listen alice -k
  befriend bob alice
  expect 0 bob send -m "to be printed" alice
  kill -TERM "$PID"
  ended 0 "$PID"
  handler 'cat >>"$0/got"' "$FOLDER"
  expect 0 bob send -m handled alice
  stop_listen
  assert_equal "$(<"$FOLDER/got")" handled
  expect 0 alice listen -n 1
  assert_stdout "to be printed"
}

@test "handlers: no zombie and no descriptor is left after many messages" {
  handler 'cat >/dev/null; sleep 600 & exit 0'
  local descriptors
  expect 0 bob send -m hi alice
  descriptors="$(ls "/proc/$PID/fd")"
  for ((i = 0; i < 60; i++)); do expect 0 bob send -m hi alice; done
  # The loop closes the last connection in its own time.
  same_descriptors() { [[ "$(ls "/proc/$PID/fd")" == "$descriptors" ]]; }
  wait_until same_descriptors
  assert_equal "$(ps --ppid "$PID" -o stat= || true)" ""
}

@test "handlers: when nothing is to be kept the message goes once it is handled" {
  export P2PCHAT_LOG_KEEP=0
  handler 'echo done'
  expect 0 bob send -m "a secret nobody keeps" alice
  stop_listen
  refute_found "a secret nobody keeps" "$FOLDER"/alice/*
}

@test "handlers: on one exchange of another program, too" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  local port
  port="$(/usr/bin/python3 "$PEER_PY" free-port)"
  start_command socat socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" \
    "EXEC:'$BIN --home $FOLDER/alice listen --inetd --exec sed s/^/re\:/'"
  expect 0 bob register alice "127.0.0.1:$port" --as bob
  expect 0 bob send -m hi alice
  assert_equal "$stdout" "re:hi"
  assert_equal "$(state_of)" handled
}

@test "handlers: what does not go with them, and what is none, is refused before anything opens" {
  expect 64 alice listen --exec
  assert_refusal listen "--exec needs a command"
  expect 64 alice listen --trust first-use --exec cat
  assert_refusal listen "--exec and --trust first-use exclude each other"
  expect 64 alice listen --reply hi --exec cat
  assert_refusal listen "--reply and --exec exclude each other"
  for option in --raw --escape --json --format=%b; do
    expect 64 alice listen "$option" --exec cat
    assert_refusal listen " exclude each other"
  done
  for option in --exec-timeout=1 --exec-output=1 --jobs=1; do
    expect 64 alice listen "$option"
    assert_refusal listen "${option%=*} goes with --exec alone"
  done
  for option in --exec-timeout=0 --exec-timeout=x --exec-output=1.5M --exec-output=2M --jobs=0 --jobs=x; do
    expect 64 alice listen "$option" --exec cat
    assert_refusal listen
  done
  expect 66 alice listen --exec no-such-handler
  assert_refusal listen "cannot run 'no-such-handler': no such file or directory"
  expect 66 alice listen --exec 'tr a-z A-Z'
  assert_refusal listen "cannot run 'tr a-z A-Z': no such file or directory"
  assert_hint listen "its arguments are words of their own: --exec tr a-z A-Z"
  expect 66 alice listen --exec /etc/passwd
  assert_refusal listen "cannot run '/etc/passwd': permission denied"
}

@test "handlers: one that goes away while we listen is a failure of its own" {
  printf '#!/bin/sh\ncat; echo\n' >"$FOLDER/bot"
  chmod +x "$FOLDER/bot"
  start_listen alice -k --exec "$FOLDER/bot"
  befriend bob alice
  expect 0 bob send -m hi alice
  assert_stdout hi
  rm "$FOLDER/bot"
  expect 79 bob send -m hi alice
  stop_listen
  read_file "$FOLDER/alice.err"
  assert_contains "$content" "cannot run '$FOLDER/bot': no such file or directory"
}

@test "handlers: the one on the page does what the page says" {
  sed -n '/^#!\/bin\/sh$/,/^\.Ed$/p' "$REPOSITORY/man/p2pchat-listen.1" | sed '$d' >"$FOLDER/bot"
  chmod +x "$FOLDER/bot"
  cd "$FOLDER"
  start_listen alice -k --exec ./bot
  befriend bob alice
  bob peers rename alice server
  free="$(bob send -m disk server)"
  assert_match "$free" '^Filesystem .*/'
  expect 79 bob send -m "rm -rf /" server
  assert_stdout "bob, say uptime or disk"
}
