#!/usr/bin/env bats
# listen as a service: the socket and the wish to hear of readiness that a service manager hands to
# it, by the rules of sd_listen_fds(3) and sd_notify(3).
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

HANDOVER=(/usr/bin/python3 "$BATS_TEST_DIRNAME/handover.py")

# handed KIND... -- COMMAND...: p2pchat on alice's home, with these sockets.
handed() {
  local kinds=()
  while [[ "$1" != -- ]]; do
    kinds+=("$1")
    shift
  done
  within_limits "${HANDOVER[@]}" run "${kinds[@]}" -- "$BIN" --home "$FOLDER/alice" "${@:2}"
}

# start_handed KIND... -- ARGUMENTS...: alice listens on such a socket.
start_handed() {
  WRAPPER=("${HANDOVER[@]}" run "${@:1:1}" --)
  start alice listen "${@:3}"
  WRAPPER=()
}

# start_manager hear|ignore ADDRESS: who is told, in $FOLDER/manager.out.
start_manager() {
  start_command manager "${HANDOVER[@]}" "$@"
  MANAGER="$FOLDER/manager.out"
  wait_until has_line "$MANAGER" '^bound$'
}

@test "service: on a socket of the service manager it serves from the first connection on" {
  command -v systemd-socket-activate >/dev/null || skip "systemd-socket-activate is missing"
  PORT="$(peer_py free-port)"
  start_command alice systemd-socket-activate -l "127.0.0.1:$PORT" \
    "$BIN" --home "$FOLDER/alice" listen -k
  wait_until has_line "$ERR" '^Listening on '
  befriend bob alice
  expect 0 bob send -m hi alice
  assert_silent
  OUT="$FOLDER/alice.out" ERR="$FOLDER/alice.err"
  stop_listen
  assert_stdout hi
  assert_equal "$(grep -v '^[A-Z]' "$ERR")" "listening on 127.0.0.1:$PORT"
}

@test "service: without -k it ends after one exchange on that socket" {
  start_handed tcp --
  wait_for_port
  befriend bob alice
  ended 0 "$PID"
}

@test "service: a Unix socket is as good" {
  for socket in "$FOLDER/socket" "@p2pchat-$$"; do
    start_handed "$socket" -- -k
    wait_until has_line "$FOLDER/alice.err" '^listening on '
    assert_stream "$FOLDER/alice.err" "listening on $socket"
    target="${socket/#@/ABSTRACT-CONNECT:}"
    target="${target/#\//UNIX-CONNECT:/}"
    expect 0 bob register alice localhost --via "socat - $target"
    expect 0 bob send -m hi alice
    assert_silent
    OUT="$FOLDER/alice.out" ERR="$FOLDER/alice.err"
    stop_listen
    assert_stdout hi
  done
}

@test "service: where it listens is said once, by the socket or by the options" {
  expect 64 handed tcp -- listen -p 4040
  assert_refusal listen "--port does not go with a socket that is handed over (LISTEN_FDS)"
  expect 64 handed tcp -- listen -k -a 127.0.0.1
  assert_refusal listen "--address does not go with a socket that is handed over (LISTEN_FDS)"
}

@test "service: one socket, and one that listens; everything else is refused" {
  expect 64 handed tcp tcp -- listen
  assert_refusal listen "2 sockets are handed over (LISTEN_FDS), not one"
  expect 64 handed file -- listen
  assert_refusal listen "cannot listen on descriptor 3: it is no socket"
  expect 64 handed udp -- listen
  assert_refusal listen "cannot listen on descriptor 3: it is no stream socket"
  expect 64 handed packets -- listen
  assert_refusal listen "cannot listen on descriptor 3: it is no stream socket"
  expect 64 handed bound -- listen
  assert_refusal listen "cannot listen on descriptor 3: it does not listen"
  # shellcheck disable=SC2016  # for that shell
  claiming=(bash -c 'LISTEN_PID=$$ LISTEN_FDS="$0" exec "$@" 3>&-')
  expect 64 within_limits "${claiming[@]}" 1 "$BIN" --home "$FOLDER/alice" listen
  assert_refusal listen "descriptor 3 is handed over (LISTEN_FDS), but not open"
  for number in -1 one 99999999999; do
    expect 64 within_limits "${claiming[@]}" "$number" "$BIN" --home "$FOLDER/alice" listen
    assert_refusal listen "not a number in LISTEN_FDS: '$number'"
  done
}

@test "service: a socket that is meant for another process is left to it" {
  WRAPPER=(env LISTEN_FDS=2 LISTEN_PID=1)
  start_listen alice -k
  WRAPPER=()
  befriend bob alice
  stop_listen
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT"
}

@test "service: a handler sees nothing of what is meant for the listener" {
  start_manager hear "$FOLDER/notify"
  export NOTIFY_SOCKET="$FOLDER/notify" LISTEN_FDNAMES=port
  start_handed tcp -- -k --exec sh -c 'env; ls -l /proc/self/fd'
  wait_for_port
  befriend bob alice
  expect 0 bob send -m hi alice
  assert_contains "$stdout" P2PCHAT_MSG_PEER=bob
  refute_contains "$stdout" NOTIFY
  refute_contains "$stdout" LISTEN
  refute_contains "$stdout" socket:
  stop_listen
}

@test "service: ready is said once it listens, and stopping as soon as it is to end" {
  for address in "$FOLDER/notify" "@p2pchat-notify-$$"; do
    start_manager hear "$address"
    manager=$PID
    # shellcheck disable=SC2016  # for the handler
    printf '%s\n' '#!/bin/sh' 'trap "" TERM' "touch $FOLDER/begun" \
      "until [ -e $FOLDER/go ]; do sleep 0.02; done" >"$FOLDER/handler"
    chmod +x "$FOLDER/handler"
    WRAPPER=(env NOTIFY_SOCKET="$address")
    start alice listen -k -p 0 -a 127.0.0.1 --exec "$FOLDER/handler"
    WRAPPER=()
    wait_until has_line "$MANAGER" '^READY=1 '
    wait_for_port
    assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT"
    assert_stream "$MANAGER" bound "READY=1 STATUS=listening on 127.0.0.1:$PORT"
    listener=$PID
    befriend bob alice
    # Its end waits for a handler, which waits for us.
    start_command bob "$BIN" --home "$FOLDER/bob" send -m hi alice
    sender=$PID
    wait_until test -e "$FOLDER/begun"
    kill -TERM "$listener"
    wait_until has_line "$MANAGER" STOPPING
    kill -0 "$listener"
    touch "$FOLDER/go"
    ended 0 "$listener"
    ended 0 "$sender"
    assert_stream "$MANAGER" bound "READY=1 STATUS=listening on 127.0.0.1:$PORT" STOPPING=1
    kill -KILL "$manager"
    rm "$FOLDER/begun" "$FOLDER/go"
  done
}

@test "service: without a port, since enough messages wait, it is ready all the same" {
  expect 0 bob register alice localhost --via "$BIN --home $FOLDER/alice listen --inetd"
  expect 0 bob send -m hi alice
  start_manager hear "$FOLDER/notify"
  NOTIFY_SOCKET="$FOLDER/notify" expect 0 alice listen
  assert_stdout hi
  assert_stderr
  wait_until has_line "$MANAGER" STOPPING
  assert_stream "$MANAGER" bound "READY=1 STOPPING=1"
}

@test "service: a manager that does not hear changes nothing" {
  start_manager ignore "$FOLDER/deaf"
  touch "$FOLDER/file"
  mkdir "$FOLDER/folder"
  for address in "$FOLDER/deaf" "$FOLDER/missing" "$FOLDER/file" "$FOLDER/folder" notify @ / \
    "/$(printf %0200d 0)" vsock:2:1 $'\n'; do
    WRAPPER=(env NOTIFY_SOCKET="$address")
    start_listen alice -k
    WRAPPER=()
    befriend bob alice
    expect 0 bob send -m hi alice
    OUT="$FOLDER/alice.out" ERR="$FOLDER/alice.err"
    stop_listen
    assert_stdout hi
    assert_stderr "listening on 127.0.0.1:$PORT"
  done
}
