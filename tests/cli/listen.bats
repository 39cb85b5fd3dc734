#!/usr/bin/env bats
# p2pchat listen: when it begins, what it writes and when it ends. What strangers may send it is in
# hostile.bats, what survives a crash in state.bats.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

# Bob knows the port.
listening() {
  start_listen alice "$@"
  befriend bob alice
}
# Messages that alice has stored and not printed: her listener was killed.
leave_waiting() {
  start_stuck_listen alice -k
  befriend bob alice
  for text in "$@"; do bob send -m "$text" alice; done
  kill -KILL "$PID"
  ended 137 "$PID"
}

@test "listen: says where it listens on stderr, once, and nothing else" {
  start_listen alice -k
  stop_listen
  assert_stdout
  assert_stderr "listening on 127.0.0.1:$PORT"
}

@test "listen: one message, then exit 0; its bytes and one newline on stdout" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  start alice listen -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 0 bob send -m hi alice
  assert_silent
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out" hi
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT"
}

@test "listen: one registration, too, is enough for a one-shot" {
  start_listen alice
  expect 0 carol register alice "127.0.0.1:$PORT" --as carol
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out"
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT" \
    "pending: $(fingerprint carol) calls itself \"carol\"; accept with: $(own alice) peers accept $(fingerprint carol) --as carol"
}

@test "listen: a one-shot outlasts a port scan, identify and keys, and ends after one message" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  start alice listen -p "$PORT" -a 127.0.0.1
  wait_for_port
  peer_py scan "$PORT"
  for request in identify keys rubbish; do
    printf '%s\0' "$request" >"$FOLDER/request"
    peer_py raw "$PORT" "$FOLDER/request" >"$FOLDER/reply"
    has_size "$FOLDER/reply" 100
  done
  kill -0 "$PID"
  expect 0 bob send -m hi alice
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out" hi
}

@test "listen: a message that is not taken does not end a one-shot" {
  start_listen alice -k
  befriend bob alice
  befriend carol alice
  stop_listen
  start alice listen -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 77 carol send -m "from a stranger" alice
  expect 0 bob send -m hi alice
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out" hi
}

@test "listen -n 2: ends after two messages, the third waits for the next listen" {
  listening -n 2
  expect 0 bob send -m one alice
  kill -0 "$PID"
  expect 0 bob send -m two alice
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out" one two
}

@test "listen -n: what arrives beyond the count is kept for the next" {
  leave_waiting one two three
  expect 0 alice listen -n 2 -p 0
  assert_stdout one two
  assert_stderr # it had enough and opened no port
  expect 0 alice listen -p 0
  assert_stdout three
  assert_stderr
}

@test "listen -n: messages left over count, new ones make up the rest" {
  leave_waiting one two
  start_listen alice -n 3
  befriend bob alice
  expect 0 bob send -m three alice
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out" one two three
}

@test "listen -k: what is left over is written first, nothing twice" {
  leave_waiting one two
  start_listen alice -k
  befriend bob alice
  expect 0 bob send -m three alice
  wait_until has_line "$FOLDER/alice.out" three
  stop_listen
  assert_stream "$FOLDER/alice.out" one two three
  expect 124 alice listen -p 0 -W 1
  assert_stdout
}

@test "listen -n: registrations do not count" {
  listening -n 1
  befriend carol alice
  kill -0 "$PID"
  expect 0 bob send -m hi alice
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out" hi
}

@test "listen -W: 124 when the time is over first, and what has come is written" {
  expect 124 alice listen -p 0 -a 127.0.0.1 -W 1
  assert_stdout
  assert_match "$stderr" '^listening on 127\.0\.0\.1:[0-9]+$'
  start_listen alice -n 2 -W 4
  befriend bob alice
  bob send -m one alice
  ended 124 "$PID"
  assert_stream "$FOLDER/alice.out" one
}

@test "listen -W: does not change the status when the count is reached in time" {
  start_listen alice -n 1 -W 60
  befriend bob alice
  expect 0 bob send -m one alice
  ended 0 "$PID"
}

@test "listen: SIGTERM ends -k with 0 and is what ends the others: 143" {
  start_listen alice -k
  stop_listen 0
  for options in "" "-n 2" "-W 60"; do
    read -ra words <<<"$options"
    start_listen alice "${words[@]}"
    stop_listen 143
    assert_stderr "listening on 127.0.0.1:$PORT"
  done
}

@test "listen: SIGINT is what ends it: 130, with -k too" {
  for options in "" -k; do
    start_listen alice ${options:+"$options"}
    kill -INT "$PID"
    ended 130 "$PID"
    assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT"
  done
}

@test "listen: under nohup a hang-up does not end it" {
  WRAPPER=(nohup)
  start_listen alice -k
  befriend bob alice
  kill -HUP "$PID"
  expect 0 bob send -m "still here" alice
  kill -0 "$PID"
  stop_listen
  assert_stream "$FOLDER/alice.out" "still here"
}

@test "listen: an orderly end closes those who never finished, without waiting for them" {
  start_listen alice -k
  for _ in 1 2 3; do
    exec {idle}<>"/dev/tcp/127.0.0.1/$PORT"
    printf 'ident' >&"$idle"
  done
  stop_listen
  assert_equal "$(cat <&"$idle")" ""
}

@test "listen --reply: the text and a newline come back to the sender; --raw, the text alone" {
  listening -k --reply thanks
  expect 0 bob send -m hi alice
  assert_stdout thanks
  assert_stderr
  stop_listen
  listening -k --reply thanks --raw
  expect 0 bob send -m hi alice
  printf thanks | cmp - "$OUT"
}

@test "listen --reply: as much as a command line can carry comes back whole" {
  text="$(head -c 131000 /dev/zero | tr '\0' a)" # one word may have 128 KiB
  listening -k --reply "$text"
  expect 0 bob send -m hi alice
  assert_stdout "$text"
  assert_stderr
}

@test "listen: by default on every address, IPv4 and IPv6" {
  start alice listen -k -p 0
  wait_for_port
  befriend bob alice
  expect 0 bob register alice "127.0.0.1:$PORT"
  if grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null; then
    expect 0 bob register alice "[::1]:$PORT"
  fi
  stop_listen
}

@test "listen: an address in use is 71, with a hint" {
  start_listen alice -k
  expect 71 bob listen -p "$PORT" -a 127.0.0.1
  assert_refusal listen "cannot listen on '127.0.0.1:$PORT': address already in use"
  assert_hint listen "another program has this port: choose one with -p; if it is another listen, $(own bob) log --follow shows what it receives"
  stop_listen
}

@test "listen: an address of another machine is 71" {
  expect 71 alice listen -p 0 -a 192.0.2.1
  assert_refusal listen "cannot listen on '192.0.2.1:0'"
}

@test "listen: an address that is none is refused, not resolved into a crash" {
  expect 71 alice listen -p 0 -a nosuch.invalid
  assert_refusal listen "cannot listen on 'nosuch.invalid:0': "
  for address in '' '[' ':' 'a b' 127.0.0.1:4040 '[::1]:4040'; do
    expect 64 alice listen -p 0 -a "$address"
    assert_refusal listen "not an address to listen on: '$address'"
  done
}

@test "listen: a second listener on one home is 71, and the first goes on" {
  listening -k
  expect 71 alice listen -p 0
  assert_refusal listen "another listen prints the messages of '$FOLDER/alice' already"
  assert_hint listen "$(own alice) log --follow shows what it receives"
  expect 0 bob send -m hi alice
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
}

@test "listen: a call that makes no sense is 64" {
  while read -ra words; do
    expect 64 alice listen "${words[@]}"
    assert_refusal listen
  done <<'END'
-p 65536
-p -1
-p http
-p 0x10
-p
-n 0 -p 0
-n x -p 0
-n -1 -p 0
-n 99999999999 -p 0
-k -n 1 -p 0
-W 0 -p 0
-W soon -p 0
-W -1 -p 0
-W 1w -p 0
surplus
--frobnicate
-x
END
}

@test "listen: times may have a unit" {
  for time in 1 1s 1000ms 0.5 0.01m; do
    expect 124 alice listen -p 0 -W "$time"
    assert_stdout
  done
}

@test "listen: a node without an identity is 78" {
  expect 78 node nobody listen -p 0
  assert_refusal listen "no identity"
  [[ ! -e "$FOLDER/nobody" ]]
}

@test "listen: never reads its standard input" {
  printf 'a\nb\n' >"$FOLDER/input"
  {
    expect 124 alice listen -p 0 -W 1
    read -r rest
  } <"$FOLDER/input"
  assert_equal "$rest" a
}

@test "listen: a removed peer's message is written as everybody's" {
  leave_waiting one
  alice peers remove bob
  expect 0 alice listen -p 0
  assert_stdout one
}

@test "listen: on a terminal a line a message: time, name and text" {
  start_command alice /usr/bin/python3 "$PEER_PY" pty --fds 1 \
    "$BIN" --home "$FOLDER/alice" listen -p 0 -a 127.0.0.1 -n 2
  wait_for_port
  befriend bob alice
  bob send -m "good morning" alice
  bob send -m $'two\nlines' alice
  ended 0 "$PID"
  time='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z'
  assert_match "$(<"$FOLDER/alice.out")" "^$time bob: good morning"$'\n'"$time bob: two"$'\n'"  lines$"
}
