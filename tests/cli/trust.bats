#!/usr/bin/env bats
# Whom a node trusts, across commands: policies, changed keys, verification, roaming, and somebody
# in the middle.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { strangers; }

# bob has pinned alice, who has accepted him; nobody listens afterwards, at ALICE_PORT.
friends_apart() {
  start_listen alice -k
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob >/dev/null
  ALICE_PORT="$PORT"
  stop_listen
}
status_of() { node "$1" peers --porcelain=v1 | grep "$(fingerprint "$2")" | cut -f 1; }
digits() { node "$1" peers verify "$2"; }

# ---- policies

@test "trust: with pinned, the default, a stranger waits" {
  for policy in "" "--trust pinned" --trust=pinned; do
    # shellcheck disable=SC2086  # words
    start_listen alice -k $policy
    befriend bob alice
    assert_equal "$(status_of alice bob)" pending
    expect 77 bob send -m hi alice
    stop_listen
    rm -r "$FOLDER/alice/state.db"*
  done
}

@test "trust: at first use a stranger is trusted, named by us, announced and listed as such" {
  start_listen alice -k --trust first-use
  expect 0 bob register alice "127.0.0.1:$PORT" --as 'root; rm -rf ~'
  assert_stderr "registered 'alice', which trusts this node"
  id="$(fingerprint bob)"
  name="peer-${id:7:8}"
  wait_until has_line "$FOLDER/alice.err" '^trusted (first use): '
  assert_equal "$(grep -v ^listening "$FOLDER/alice.err")" \
    "trusted (first use): $id calls itself \"root; rm -rf ~\"; its name here is $name, compare keys with: $(own alice) peers verify $name"
  expect 0 alice peers
  assert_match "$stdout" "^$name  trusted \\(first use\\)  "
  expect 0 bob send -m hi alice
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
}

@test "trust: a first-use peer is verified, or decided about, with one command" {
  start_listen alice -k --trust first-use
  befriend bob alice
  befriend carol alice
  for who in bob carol; do assert_equal "$(status_of alice "$who")" first-use; done
  id="$(fingerprint bob)"
  expect 0 alice peers verify "peer-${id:7:8}" --confirm
  assert_silent
  assert_equal "$(status_of alice bob)" verified
  id="$(fingerprint carol)"
  expect 0 alice peers accept "$id" --as "peer-${id:7:8}"
  assert_equal "$(status_of alice carol)" trusted
}

@test "trust: a policy that is none is 64" {
  for policy in '' always first_use; do
    expect 64 alice listen -p 0 -W 1 --trust "$policy"
    assert_refusal listen "not a policy: '$policy'"
  done
}

# ---- changed keys

@test "trust: a key that has changed is 77 in send and register, with both and the one command" {
  friends_apart
  alice keygen --force --bits 2048 >/dev/null 2>&1
  start alice listen -k -p "$ALICE_PORT" -a 127.0.0.1
  wait_for_port
  old="$(bob peers show alice | sed -n 's/^fingerprint *//p')"
  new="$(fingerprint alice)"
  way="$(own bob) register alice 127.0.0.1:$ALICE_PORT --replace --expect $new"
  expect 77 bob send -m hi alice
  assert_refusal send "the key of 'alice' has changed: pinned $old, offered $new"
  assert_contains "$stderr" "$way"
  expect 77 bob register alice "127.0.0.1:$ALICE_PORT"
  assert_refusal register "the key of 'alice' has changed: pinned $old, offered $new"
  assert_contains "$stderr" "$way"
  expect 77 bob peers ping alice
  assert_contains "$stderr" "key: the key of 'alice' has changed"
  assert_equal "$(bob peers show alice | sed -n 's/^fingerprint *//p')" "$old"
  read -ra words <<<"$way"
  expect 0 bob "${words[@]:3}"
  assert_stdout "$new"
  expect 0 bob peers show alice
  assert_contains "$stdout" "$new"
}

@test "trust: a registration that claims a known address is told, and needs a person" {
  start_listen alice -k --trust first-use
  bob register alice "127.0.0.1:$PORT" --as bob --announce 192.0.2.7:4040 >/dev/null 2>&1
  alice peers verify "$(fingerprint bob)" --confirm
  expect 0 carol register alice "127.0.0.1:$PORT" --as bob --announce 192.0.2.7:4040
  assert_contains "$stderr" "this node is pending there"
  id="$(fingerprint bob)" new="$(fingerprint carol)"
  name="peer-${id:7:8}"
  wait_until has_line "$FOLDER/alice.err" '^changed key? '
  assert_equal "$(grep '^changed key? ' "$FOLDER/alice.err")" \
    "changed key? $new claims the address 192.0.2.7:4040 of '$name', which is pinned to $id; if its key has changed: $(own alice) register $name 192.0.2.7:4040 --replace --expect $new"
  assert_equal "$(status_of alice bob)" verified
  assert_equal "$(status_of alice carol)" pending
  expect 77 alice peers accept "$new" --as carol
  assert_refusal peers "$new claims the address 192.0.2.7:4040 of '$name', which is pinned to $id"
  assert_contains "$stderr" "$(own alice) register $name 192.0.2.7:4040 --replace --expect $new"
  expect 0 alice peers accept "$new" --as carol --expect "$new"
}

@test "trust: a state that fails while keys are compared pins nothing and lets nothing through" {
  friends_apart
  start alice listen -k -p "$ALICE_PORT" -a 127.0.0.1
  wait_for_port
  peer_py sql "$FOLDER/bob/state.db" 'SELECT 1' >/dev/null # the log is in the file now
  cp "$FOLDER/bob/state.db" "$FOLDER/good"
  # Locked: no command waits for ever, and none decides without it.
  start_command lock /usr/bin/python3 "$PEER_PY" lock "$FOLDER/bob/state.db"
  wait_until has_line "$OUT" locked
  expect 71 bob register alice "127.0.0.1:$ALICE_PORT"
  assert_refusal register "locked by another process for too long"
  kill -KILL "$PID"
  # Damaged, a page at a time.
  pages="$(($(stat -c %s "$FOLDER/good") / 4096))"
  for ((page = 1; page < pages; ++page)); do
    cp "$FOLDER/good" "$FOLDER/bob/state.db"
    rm -f "$FOLDER/bob/state.db-wal" "$FOLDER/bob/state.db-shm"
    head -c 4096 /dev/zero | dd of="$FOLDER/bob/state.db" bs=4096 seek="$page" conv=notrunc 2>/dev/null
    status=0
    bob register alice --expect "$(fingerprint carol)" >/dev/null 2>&1 || status=$?
    # 77 where the pages of the peers are whole.
    ((status == 71 || status == 77)) || fail "status $status with page $page damaged"
  done
}

@test "trust: with a full disk nothing is pinned and nothing sent goes unrecorded" {
  [[ $EUID == 0 ]] || skip "only root can mount a small disk"
  friends_apart
  start alice listen -k -p "$ALICE_PORT" -a 127.0.0.1
  wait_for_port
  mkdir "$FOLDER/small"
  mount -t tmpfs -o size=1m tmpfs "$FOLDER/small" || skip "no tmpfs here"
  cp -a "$FOLDER/bob" "$FOLDER/small/bob"
  dd if=/dev/zero of="$FOLDER/small/full" bs=4k 2>/dev/null || true
  full_bob() { within_limits "$BIN" --home "$FOLDER/small/bob" "$@"; }
  expect 71 full_bob send -m hi alice
  expect 71 full_bob register alice --expect "$(fingerprint alice)"
  rm "$FOLDER/small/full"
  expect 0 full_bob peers --names
  assert_stdout alice
  umount "$FOLDER/small"
  stop_listen
  assert_stream "$FOLDER/alice.out"
}

# ---- verification

@test "trust: verify prints sixty digits in groups of five, the same on both sides" {
  friends_apart
  expect 0 alice peers verify bob
  assert_match "$stdout" '^([0-9]{5} ){11}[0-9]{5}$'
  assert_equal "$stdout" "$(digits bob alice)"
  assert_equal "$stdout" "$(alice peers verify "$(fingerprint bob)")"
}

@test "trust: a verified peer is one until its key is replaced" {
  friends_apart
  expect 0 bob peers verify alice --confirm
  expect 0 bob peers verify alice --confirm
  assert_silent
  assert_equal "$(status_of bob alice)" verified
  alice keygen --force --bits 2048 >/dev/null 2>&1
  start alice listen -k -p "$ALICE_PORT" -a 127.0.0.1
  wait_for_port
  expect 0 bob register alice --replace --expect "$(fingerprint alice)"
  assert_equal "$(status_of bob alice)" trusted
}

@test "trust: who is not trusted can be compared but not confirmed" {
  start_listen alice -k
  befriend bob alice
  expect 0 alice peers verify "$(fingerprint bob)"
  assert_equal "$stdout" "$(digits bob alice)"
  expect 77 alice peers verify "$(fingerprint bob)" --confirm
  assert_refusal peers "$(fingerprint bob) is not a trusted peer"
}

# ---- in the middle. Carol listens where alice should.

@test "trust: in the middle at first contact: caught by --expect" {
  start_listen carol -k
  expect 77 bob register alice "127.0.0.1:$PORT" --expect "$(fingerprint alice)"
  assert_refusal register "the key of 'alice' is $(fingerprint carol), not the expected"
  expect 0 carol peers
  assert_silent
}

@test "trust: in the middle at first contact: caught by verify" {
  start_listen carol -k
  carol_port="$PORT"
  befriend bob alice # carol, in truth
  start_listen alice -k
  carol register alice "127.0.0.1:$PORT" --as bob >/dev/null 2>&1
  alice peers accept "$(fingerprint carol)" --as bob >/dev/null # carol, in truth
  carol peers accept "$(fingerprint bob)" --as bob >/dev/null
  [[ "$(digits bob alice)" != "$(digits alice bob)" ]]
  [[ -n "$carol_port" ]]
}

@test "trust: in the middle later: caught by the pin, and nothing leaves" {
  friends_apart
  start carol listen -k -p "$ALICE_PORT" -a 127.0.0.1
  wait_for_port
  expect 77 bob send -m 'a secret' alice
  assert_contains "$stderr" "has changed"
  expect 77 bob register alice
  expect 0 carol peers
  assert_silent
}

@test "trust: in the middle: an old statement again is 77, and changes nothing" {
  friends_apart
  start alice listen -k -p "$ALICE_PORT" -a 127.0.0.1
  wait_for_port
  printf 'keys\0' >"$FOLDER/keys"
  peer_py raw "$PORT" "$FOLDER/keys" >"$FOLDER/old"
  alice keygen --rotate
  says_new() { ! peer_py raw "$PORT" "$FOLDER/keys" | cmp -s - "$FOLDER/old"; }
  wait_until says_new
  expect 0 bob send -m one alice
  expect 0 bob register alice # knows the newer key now
  stop_listen
  start_server file --port "$ALICE_PORT" --file "$FOLDER/old"
  expect 77 bob send -m two alice
  assert_refusal send "'alice' does not know this node or could not open the message"
  expect 65 bob register alice
  stop_server
}

@test "trust: in the middle: what is dropped, doubled or reordered arrives once each" {
  friends_apart
  start_listen alice -k
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER" --cut 1
  expect 74 bob send --id dropped -m dropped alice
  stop_server
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER" --twice
  expect 0 bob send --id dropped -m dropped alice
  expect 0 bob send -m doubled alice
  stop_server
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER" --hold
  start_command held "$BIN" --home "$FOLDER/bob" send -m held alice
  held="$PID"
  wait_until has_size "$FOLDER/bob/state.db-wal" 1
  sends_second() { bob send -m overtaking alice 2>/dev/null; }
  wait_until sends_second
  ended 0 "$held"
  kill -TERM "${STARTED[1]}"
  ended 0 "${STARTED[1]}"
  sort "$FOLDER/alice.out" >"$FOLDER/sorted"
  assert_stream "$FOLDER/sorted" doubled dropped held overtaking
}

# ---- roaming

@test "trust: a newer registration moves a peer, an older one again does not" {
  start_listen alice -k
  start_server proxy --to "$PORT" --save "$FOLDER"
  bob register alice "127.0.0.1:$SERVER_PORT" --announce 192.0.2.1:1 >/dev/null 2>&1
  alice peers accept "$(fingerprint bob)" --as bob >/dev/null
  announced() { alice peers show bob | sed -n 's/^announced *//p'; }
  assert_equal "$(announced)" 192.0.2.1:1
  now="$(date +%s)"
  later() { (($(date +%s) > now)); }
  wait_until later
  bob register alice "127.0.0.1:$SERVER_PORT" --announce 192.0.2.2:2 >/dev/null 2>&1
  assert_equal "$(announced)" 192.0.2.2:2
  peer_py raw "$PORT" "$FOLDER/2.request" >/dev/null
  assert_equal "$(announced)" 192.0.2.2:2
}

@test "trust: what the user typed is never moved by a peer" {
  start_listen alice -k
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob >/dev/null
  sqlite3 "$FOLDER/alice/state.db" "UPDATE peers SET typed_address = '192.0.2.9:9'"
  bob register alice --announce 192.0.2.2:2 >/dev/null 2>&1
  expect 0 alice peers show bob
  assert_contains "$stdout" "address       192.0.2.9:9"
}

@test "trust: a changed key of a peer without an address is taken by the command that is named" {
  strangers
  start_listen alice -k
  bob register alice "127.0.0.1:$PORT" --as bob --announce none 2>/dev/null
  alice peers accept "$(fingerprint bob)" --as bob
  carol register alice "127.0.0.1:$PORT" --as bob --announce none 2>/dev/null
  expect 77 alice peers accept "$(fingerprint carol)" --as bob
  assert_contains "$stderr" "hint: if its key has changed: $(own alice) "
  local command="${stderr##*if its key has changed: "$(own alice)" }"
  # shellcheck disable=SC2086
  expect 0 alice $command
  expect 0 alice peers --format '%p %f'
  assert_stdout "bob $(fingerprint carol)"
  expect 64 alice peers accept "$(fingerprint carol)" --as bob --replace
  assert_refusal peers "--replace needs --expect"
}

@test "trust: a changed key on a card, and one behind a command, are taken by the command that is named" {
  strangers
  cd "$FOLDER"
  bob keygen --card >card
  expect 0 alice register bob --card card
  carol keygen --card >card
  expect 77 alice register bob --card card
  # shellcheck disable=SC2086
  expect 0 alice ${stderr##*if the key has changed: p2pchat }
  assert_stdout "$(fingerprint carol)"
  local via="'$BIN' --home '$FOLDER/bob' listen --inetd"
  expect 77 alice register bob --via "$via"
  printf 'alice %s\n' "${stderr##*if the key has changed: p2pchat }" >typed
  # shellcheck source=/dev/null
  take() { source ./typed; }
  expect 0 take
  assert_stdout "$(fingerprint bob)"
}

@test "trust: what is decided while a registration is under way is not undone by it" {
  strangers
  cd "$FOLDER"
  start_listen alice -k
  expect 0 bob register alice "127.0.0.1:$PORT"
  mkfifo go
  cat >slowly <<END
#!/bin/sh
[ -e asked ] && { echo >waits; cat go >&2; }
touch asked
exec socat - TCP:127.0.0.1:$PORT
END
  chmod +x slowly
  start bob register alice --via ./slowly
  local register="$PID"
  wait_until test -e waits
  expect 0 bob peers block alice
  echo >go
  ended 77 "$register"
  expect 0 bob peers --format '%p %s'
  assert_stdout "alice blocked"
}

@test "trust: --replace without an address keeps the one that the peer had announced" {
  strangers
  start_listen alice -k
  alice register bob --card <(bob keygen --card) 2>/dev/null
  bob register alice "127.0.0.1:$PORT" --announce :4999 2>/dev/null
  sqlite3 "$FOLDER/alice/state.db" "UPDATE peers SET announced_address = '127.0.0.1:$PORT'"
  alice register bob --card <(carol keygen --card) --replace --expect "$(fingerprint carol)" 2>/dev/null
  expect 0 alice peers --format '%p %a %f'
  assert_stdout "bob 127.0.0.1:$PORT $(fingerprint carol)"
}
