#!/usr/bin/env bats
# listen as a service: the socket and the wish to hear of readiness that a service manager hands to
# it, by the rules of sd_listen_fds(3) and sd_notify(3); and the units that are installed.
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

# ---- the units

CONFINED=(/usr/bin/python3 "$BATS_TEST_DIRNAME/confined.py")

needs_units() {
  command -v systemd-analyze >/dev/null || skip "systemd-analyze is missing"
  [[ -e "$(dirname "$BIN")/cmake_install.cmake" ]] || skip "$BIN is in no build folder"
  PREFIX="$FOLDER/prefix"
  expect 0 cmake --install "$(dirname "$BIN")" --prefix "$PREFIX"
  SYSTEM="$PREFIX/lib/systemd/system" USER_UNITS="$PREFIX/lib/systemd/user"
}

# command_of UNIT: into the words of COMMAND.
command_of() { eval "COMMAND=($("${CONFINED[@]}" --commands "$1"))"; }

# confined UNIT HOME [VARIABLE=VALUE]...: sets WRAPPER to run what follows as the unit does, with these
# variables.
confined() { WRAPPER=(env P2PCHAT_HOME="$FOLDER/$2" "${CONFINED[@]}" "$1" env "${@:3}"); }

@test "service: the units of both managers are there, and without fault" {
  needs_units
  units=(p2pchat-inetd.socket p2pchat-inetd@.service p2pchat-keygen.service p2pchat.service p2pchat.socket)
  for manager in system user; do
    cd "$PREFIX/lib/systemd/$manager"
    assert_equal "$(printf '%s\n' * | sort)" "$(printf '%s\n' "${units[@]}" | sort)"
    XDG_RUNTIME_DIR="$FOLDER" expect 0 systemd-analyze verify "--$manager" --man=no "${units[@]}"
    assert_silent
  done
  assert_equal "$(ls "$PREFIX/lib/sysusers.d")" p2pchat.conf
  grep -h ^Documentation= "$SYSTEM"/* | sort -u | tr '()' '. ' | while IFS=: read -r _ page; do
    [[ -e "$PREFIX/share/man/man1/${page% }" ]] || fail "no page $page"
  done
  if grep -r '@[A-Za-z]*@' "$PREFIX/lib"; then fail "not filled in"; fi
}

@test "service: the exposure of the units, as systemd counts it, is below 2" {
  needs_units
  for unit in "$SYSTEM"/*.service; do
    expect 0 systemd-analyze security --no-pager --offline=yes --threshold=20 "$unit"
    assert_contains "$stdout" "Overall exposure level for p2pchat"
  done
}

@test "service: the user of the system units is made by systemd-sysusers" {
  command -v systemd-sysusers >/dev/null || skip "systemd-sysusers is missing"
  needs_units
  mkdir -p "$FOLDER/root/etc"
  expect 0 systemd-sysusers --root="$FOLDER/root" "$PREFIX/lib/sysusers.d/p2pchat.conf"
  has_line "$FOLDER/root/etc/passwd" '^p2pchat:.*:/var/lib/p2pchat:/usr/sbin/nologin$'
  grep -h ^User= "$SYSTEM"/*.service | sort -u >"$FOLDER/users"
  assert_stream "$FOLDER/users" User=p2pchat
  if grep ^User= "$USER_UNITS"/*; then fail "a user's units run as that user"; fi
}

@test "service: under the filter of the units it lives a whole life" {
  if sanitized; then skip "a sanitizer makes system calls of its own"; fi
  needs_units
  needs_faketime
  unit="$SYSTEM/p2pchat.service"
  later=(LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME=+20d FAKETIME_DONT_FAKE_MONOTONIC=1)
  # It does forbid something.
  confined "$unit" alice
  expect 1 "${WRAPPER[@]}" /usr/bin/python3 -c 'import os; os.setpriority(os.PRIO_PROCESS, 0, 5)'
  assert_contains "$stderr" "Operation not permitted"
  expect 1 "${WRAPPER[@]}" /usr/bin/python3 -c 'import socket as s; s.socket(s.AF_NETLINK, s.SOCK_RAW)'
  assert_contains "$stderr" "Address family not supported"

  # An identity is made once.
  command_of "$SYSTEM/p2pchat-keygen.service"
  confined "$SYSTEM/p2pchat-keygen.service" new
  expect 0 within_limits "${WRAPPER[@]}" "${COMMAND[@]}"
  made="$(fingerprint new)"
  assert_stdout "$made"
  expect 0 within_limits "${WRAPPER[@]}" "${COMMAND[@]}"
  assert_stdout "$made"
  assert_stderr

  # New keys, a name to resolve, a message; its text is in the log, and not where the journal is.
  old=("$FOLDER"/alice/encryption-*.pem)
  start_manager hear "$FOLDER/notify"
  command_of "$unit"
  confined "$unit" alice NOTIFY_SOCKET="$FOLDER/notify" P2PCHAT_LISTEN_PORT=0 \
    P2PCHAT_LISTEN_ADDRESS=localhost "${later[@]}"
  start_command alice "${WRAPPER[@]}" "${COMMAND[@]}"
  wait_for_port
  wait_until has_line "$MANAGER" READY=1
  [[ ! -e "${old[0]}" ]]
  expect 0 at +20d bob register alice "127.0.0.1:$PORT"
  expect 0 at +20d bob send --id 1 -m $'hi\n<0>emergency' alice
  wait_until test -s "$FOLDER/alice.out"
  expect 0 alice log --received
  assert_contains "$stdout" "<0>emergency"
  OUT="$FOLDER/alice.out" ERR="$FOLDER/alice.err"
  stop_listen
  assert_match "$stdout" '^message [A-Za-z0-9_-]{22} from bob$'
  wait_until has_line "$MANAGER" STOPPING=1

  # A handler, and one that has to be ended.
  confined "$unit" alice P2PCHAT_LISTEN_PORT=0 P2PCHAT_LISTEN_ADDRESS=127.0.0.1 "${later[@]}"
  # shellcheck disable=SC2016  # for the handler
  start_command alice "${WRAPPER[@]}" "${COMMAND[0]}" listen -k --exec-timeout 1 --exec \
    sh -c 'read -r word; echo "got $word"; [ "$word" != wait ] || exec sleep 60'
  wait_for_port
  expect 0 at +20d bob register alice "127.0.0.1:$PORT"
  expect 0 at +20d bob send -m word alice
  assert_stdout "got word"
  expect 79 at +20d bob send -m wait alice
  OUT="$FOLDER/alice.out" ERR="$FOLDER/alice.err"
  stop_listen
}

@test "service: one exchange a process, as p2pchat-inetd.socket starts it" {
  command -v systemd-socket-activate >/dev/null || skip "systemd-socket-activate is missing"
  needs_units
  PORT="$(peer_py free-port)"
  unit="$USER_UNITS/p2pchat-inetd@.service"
  command_of "$unit"
  confined "$unit" alice
  # Every stream of such a unit that is not the connection has its place in it.
  assert_equal "$(grep ^Standard "$unit" | tr '\n' ' ')" \
    "StandardInput=socket StandardOutput=socket StandardError=journal "
  start_command activate systemd-socket-activate --accept --inetd -l "127.0.0.1:$PORT" \
    -E "${WRAPPER[1]}" "${WRAPPER[@]:2}" "${COMMAND[@]}"
  wait_until has_line "$ERR" '^Listening on '
  befriend bob alice
  for text in one two; do expect 0 bob send -m "$text" alice; done
  expect 0 alice listen -n 2
  assert_stdout one two
  assert_stderr
}
