#!/usr/bin/env bats
# Other ways than a connection of our own: register --via, listen --inetd, and programs that carry
# one to the other.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { strangers; }

# A command for --via: alice's end of the pipe, with more options of hers.
alice_inetd() {
  printf '%s --home %s listen --inetd%s' "$BIN" "$FOLDER/alice" "${*:+ $*}"
}
# bob registers alice over a command; alice accepts him.
befriend_via() {
  bob register alice --via "$1" --as bob >/dev/null 2>&1
  alice peers accept "$(fingerprint bob)" --as bob >/dev/null
}
# The next listen of alice writes what the others have stored.
assert_alice_writes() {
  expect 0 alice listen -n "$#" -p 0 -a 127.0.0.1
  assert_stdout "$@"
  assert_stderr
}

@test "transport: pipes carry registration, message and reply, with no port anywhere" {
  via="$(alice_inetd --reply thanks)"
  expect 0 bob register alice --via "$via" --as bob
  assert_stdout "$(fingerprint alice)"
  assert_contains "$stderr" "this node is pending there"
  assert_contains "$stderr" "pending: $(fingerprint bob) calls itself \"bob\""
  expect 77 bob send -m early alice
  alice peers accept "$(fingerprint bob)" --as bob
  expect 0 bob send -m hi alice
  assert_stdout thanks
  assert_stderr
  assert_alice_writes hi
}

@test "transport: the command is remembered, shown, and taken back" {
  via="$(alice_inetd)"
  befriend_via "$via"
  expect 0 bob peers show alice
  assert_contains "$stdout" "via           $via"
  assert_contains "$stdout" "address       -"
  start_listen alice -k
  expect 0 bob register alice "127.0.0.1:$PORT" --via ''
  expect 0 bob peers show alice
  assert_contains "$stdout" "via           -"
  expect 0 bob send -m hi alice
}

@test "transport: %h and %p are words of the shell, and need an address" {
  printf '#!/bin/sh\nprintf "%%s\\n" "$@" >>"%s"\nexec %s\n' "$FOLDER/words" "$(alice_inetd)" >"$FOLDER/carry"
  chmod +x "$FOLDER/carry"
  expect 0 bob register alice '[::1]:4041' --via "$FOLDER/carry %h %p 100%%"
  assert_equal "$(sort -u "$FOLDER/words")" "$(printf '%s\n' 100% 4041 ::1)"
  expect 64 carol register alice --via "$FOLDER/carry %h"
  assert_refusal register "no address for 'alice'"
}

@test "transport: nothing from the network sets the command or the address it names" {
  befriend_via "$(alice_inetd)"
  expect 0 bob register alice --announce 192.0.2.2:2 --as '$(touch pwned)'
  expect 0 alice peers show bob
  assert_contains "$stdout" "via           -"
  [[ ! -e pwned && ! -e "$FOLDER/pwned" ]]
}

@test "transport: a command that cannot run is 69, one that says nothing or goes away 74" {
  befriend_via "$(alice_inetd)"
  set_via() { sqlite3 "$FOLDER/bob/state.db" "UPDATE peers SET via = '$1'"; }
  set_via '/nonexistent/command'
  expect 69 bob send -m hi alice
  assert_contains "$stderr" "no answer from 'alice' (via /nonexistent/command): the command ended with status 127 and no answer"
  set_via 'cat >/dev/null; exit 3'
  expect 74 bob send -W 1 -m hi alice
  set_via 'head -c 1 >/dev/null; exit 3'
  expect 74 bob send -m hi alice
  assert_contains "$stderr" "status 3"
  set_via 'echo this is no answer'
  expect 76 bob send -m hi alice
  expect 0 alice listen -n 1 -p 0 -W 1 || true
}

@test "transport: a command is given no descriptor, no signal setting and no more time" {
  befriend_via "$(alice_inetd)"
  sqlite3 "$FOLDER/bob/state.db" "UPDATE peers SET via = 'ls /proc/self/fd >$FOLDER/fds; grep SigIgn /proc/self/status >$FOLDER/ignored; sleep 600'"
  expect 74 bob send -W 2 -m hi alice
  assert_equal "$(tr '\n' ' ' <"$FOLDER/fds")" "0 1 2 3 " # 3: that of ls
  assert_equal "$(cut -f 2 "$FOLDER/ignored")" 0000000000000000
}

@test "transport: a message of 1 MiB goes through pipes" {
  befriend_via "$(alice_inetd)"
  yes 'sixteen bytes, :' | tr -d '\n' | head -c 1048576 >"$FOLDER/body"
  expect 0 bob send --raw -f "$FOLDER/body" alice
  expect 0 alice listen -n 1 -p 0 --raw
  assert_same_bytes "$OUT" "$FOLDER/body"
}

@test "transport: --inetd serves one exchange and writes nothing else to it" {
  printf 'identify\0' >"$FOLDER/question"
  for question in identify keys garbage ''; do
    printf '%s\0' "$question" >"$FOLDER/question"
    expect 0 within_limits "$BIN" --home "$FOLDER/alice" listen --inetd <"$FOLDER/question"
    assert_stderr
    assert_equal "$(tail -c 1 "$OUT" | od -An -tx1)" ' 00'
    assert_equal "$(tr -cd '\0' <"$OUT" | wc -c)" 1
  done
  # Without a whole frame there is no reply, and nothing to complain about.
  expect 0 within_limits "$BIN" --home "$FOLDER/alice" listen --inetd </dev/null
  assert_silent
}

@test "transport: --inetd works beside a running listen, which writes what it takes" {
  start_listen alice -k
  befriend_via "$(alice_inetd)"
  expect 0 bob send -m hi alice
  bob register other --via "$(alice_inetd)" 2>/dev/null || true
  # A message that the loop itself takes wakes the printer for both.
  befriend carol alice
  expect 0 alice peers accept "$(fingerprint carol)" --as carol
  expect 0 carol send -m there alice
  wait_until has_line "$FOLDER/alice.out" there
  stop_listen
  assert_stream "$FOLDER/alice.out" hi there
}

@test "transport: options of a port do not go with --inetd" {
  for options in "-p 1" "-a ::1" -k "-n 1" "-W 1"; do
    # shellcheck disable=SC2086  # words
    expect 64 alice listen --inetd $options
    assert_contains "$stderr" "does not go with --inetd"
  done
}

@test "transport: socat in front of --inetd is a listener like any other" {
  port_file="$FOLDER/socat.err"
  start_command socat socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork,reuseaddr "EXEC:$(alice_inetd)"
  wait_until has_line "$port_file" 'listening on'
  PORT="$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$port_file" | head -n 1)"
  expect 0 bob register alice "127.0.0.1:$PORT" --as bob --announce :4040
  alice peers accept "$(fingerprint bob)" --as bob
  expect 0 bob send -m hi alice
  assert_silent
  assert_alice_writes hi
}

@test "transport: socat as the command is a way to any address" {
  start_listen alice -k
  expect 0 bob register alice "127.0.0.1:$PORT" --via 'socat - TCP:%h:%p'
  alice peers accept "$(fingerprint bob)" --as bob
  expect 0 bob send -m hi alice
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
}

@test "transport: started for each connection, as inetd and systemd do, on a socket" {
  command -v systemd-socket-activate >/dev/null || skip "systemd-socket-activate is missing"
  port="$(peer_py free-port)"
  start_command activate systemd-socket-activate --accept --inetd -l "127.0.0.1:$port" \
    "$BIN" --home "$FOLDER/alice" listen --inetd
  can_ask() { bob register alice "127.0.0.1:$port" --as bob --announce :4040 >/dev/null 2>&1; }
  wait_until can_ask
  expect 0 alice peers accept "$(fingerprint bob)" --as bob
  # The socket tells who it comes from.
  expect 0 alice peers show bob
  assert_contains "$stdout" "announced     127.0.0.1:4040"
  expect 0 bob send -m hi alice
  assert_alice_writes hi
}

@test "transport: where standard error is the connection too, nothing is written to it" {
  port="$(peer_py free-port)"
  start_command socat socat -d -d "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" \
    "EXEC:$(alice_inetd),nofork"
  wait_until has_line "$FOLDER/socat.err" 'listening on'
  kill -KILL "$PID"
  # A server of the old kind: 0, 1 and 2 are the socket.
  start_command inetd /usr/bin/python3 "$PEER_PY" inetd "$port" "$BIN" --home "$FOLDER/alice" \
    listen --inetd
  wait_until has_line "$OUT" ready
  start_server proxy --to "$port" --save "$FOLDER"
  expect 0 bob register alice "127.0.0.1:$SERVER_PORT" --as bob
  assert_equal "$(tr -cd '\0' <"$FOLDER/2.reply" | wc -c)" 1
  refute_found pending "$FOLDER/2.reply"
}

@test "transport: over ssh to a machine where only sshd listens" {
  command -v sshd >/dev/null || [[ -x /usr/sbin/sshd ]] || skip "sshd is missing"
  [[ $EUID == 0 ]] || skip "only root starts sshd here"
  port="$(peer_py free-port)"
  mkdir -p /run/sshd "$FOLDER/ssh"
  ssh-keygen -q -t ed25519 -N '' -f "$FOLDER/ssh/host"
  ssh-keygen -q -t ed25519 -N '' -f "$FOLDER/ssh/me"
  # What runs on the other side is fixed there; the words of the client do not matter.
  printf 'command="%s",restrict %s\n' "$(alice_inetd)" "$(cat "$FOLDER/ssh/me.pub")" >"$FOLDER/ssh/keys"
  start_command sshd /usr/sbin/sshd -D -e -p "$port" -h "$FOLDER/ssh/host" -o ListenAddress=127.0.0.1 \
    -o AuthorizedKeysFile="$FOLDER/ssh/keys" -o StrictModes=no -o UsePAM=no -o PidFile=none \
    -o PermitRootLogin=yes
  wait_until has_line "$FOLDER/sshd.err" 'Server listening'
  # ssh asks getpwuid for its files, not HOME.
  via="ssh -F none -i $FOLDER/ssh/me -p $port -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=$FOLDER/ssh/known %h p2pchat listen --inetd"
  expect 0 bob register alice 127.0.0.1 --via "$via" --as bob
  assert_contains "$stderr" "this node is pending there"
  alice peers accept "$(fingerprint bob)" --as bob
  expect 0 bob send -m 'over ssh' alice
  assert_stdout
  assert_alice_writes 'over ssh'
}
