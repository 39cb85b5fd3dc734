#!/usr/bin/env bats
# Encryption keys that come and go: by the clock and by hand, what senders notice of it, and what a
# thief of the keys can still read.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

keys_of() { (cd "$FOLDER/$1" && printf '%s\n' encryption-*); }
newest() { keys_of "$1" | tail -n 1; }
says() {
  printf 'keys\0' >"$FOLDER/keys"
  peer_py raw "$PORT" "$FOLDER/keys" | tr -d '\0'
}

@test "rotation: by hand there is a new key, the one before stays, older ones go" {
  first="$(newest alice)"
  expect 0 alice keygen --rotate
  assert_silent
  second="$(newest alice)"
  [[ "$first" != "$second" ]]
  assert_equal "$(keys_of alice | wc -l)" 2
  expect 0 alice keygen --rotate
  assert_equal "$(keys_of alice | wc -l)" 2
  [[ ! -e "$FOLDER/alice/$first" && -e "$FOLDER/alice/$second" ]]
  assert_equal "$(stat -c %a "$FOLDER/alice/$(newest alice)")" 600
}

@test "rotation: two at once are two rotations" {
  before="$(newest alice)"
  start_command one "$BIN" --home "$FOLDER/alice" keygen --rotate
  one="$PID"
  start_command two "$BIN" --home "$FOLDER/alice" keygen --rotate
  ended 0 "$one"
  ended 0 "$PID"
  [[ ! -e "$FOLDER/alice/$before" ]]
  assert_equal "$(keys_of alice | wc -l)" 2
}

@test "rotation: a running listen takes the new key up, and senders heal in the same call" {
  start_listen alice -k
  befriend bob alice
  before="$(says)"
  alice keygen --rotate
  alice keygen --rotate
  changed() { [[ "$(says)" != "$before" ]]; }
  wait_until changed
  expect 0 bob send -m healed alice
  assert_silent
  expect 0 bob send -m again alice
  stop_listen
  assert_stream "$FOLDER/alice.out" healed again
}

@test "rotation: by the clock, at half the life of a key" {
  needs_faketime
  at +6d alice listen -p 0 -W 100ms 2>/dev/null || true
  assert_equal "$(keys_of alice | wc -l)" 1
  at +7d alice listen -p 0 -W 100ms 2>/dev/null || true
  assert_equal "$(keys_of alice | wc -l)" 2
  at +7d alice listen -p 0 -W 100ms 2>/dev/null || true
  assert_equal "$(keys_of alice | wc -l)" 2
}

@test "rotation: rotate.days sets the life of the next key" {
  needs_faketime
  printf '[rotate]\ndays = 1\n' >"$FOLDER/alice/config"
  alice keygen --rotate
  rm "$FOLDER/alice/$(keys_of alice | head -n 1)"
  at +1d alice listen -p 0 -W 100ms 2>/dev/null || true
  assert_equal "$(keys_of alice | wc -l)" 2
}

@test "rotation: the first command after its end takes an expired key from the disk" {
  needs_faketime
  for command in "peers" "peers --names" "log" "log --forget nobody" "send -m x nobody"; do
    cp -a "$FOLDER/alice" "$FOLDER/copy"
    # shellcheck disable=SC2086  # words
    at +15d "$BIN" --home "$FOLDER/copy" $command >/dev/null 2>&1 || true
    [[ ! -e "$FOLDER/copy/$(newest alice)" ]] || fail "$command leaves it"
    rm -r "$FOLDER/copy"
  done
}

@test "rotation: a sender whose copy has expired fetches a current one first" {
  needs_faketime
  start_listen alice -k
  befriend bob alice
  stop_listen
  start_listen_at +20d alice -k -p "$PORT"
  expect 0 at +20d bob send -m late alice
  assert_silent
  stop_listen
  assert_stream "$FOLDER/alice.out" late
}

@test "rotation: after two of them the keys of that day open nothing that was recorded before" {
  needs_faketime
  start_listen alice -k
  start_server proxy --to "$PORT" --save "$FOLDER"
  bob register alice "127.0.0.1:$SERVER_PORT" >/dev/null 2>&1
  expect 0 bob send -m 'a secret of today' alice
  stop_listen
  recorded=("$FOLDER"/*.request)
  ((${#recorded[@]} == 3)) # keys, registration, message
  opens() {
    /usr/bin/python3 "$REPOSITORY/tests/peer/open_recorded.py" "$FOLDER/alice" "${recorded[@]}"
  }
  assert_equal "$(opens)" "2 of 3 open"
  at +7d alice listen -p 0 -W 100ms 2>/dev/null || true
  assert_equal "$(opens)" "2 of 3 open"
  at +14d alice listen -p 0 -W 100ms 2>/dev/null || true
  assert_equal "$(keys_of alice | wc -l)" 2
  assert_equal "$(opens)" "0 of 3 open"
}

@test "rotation: a node that was restored from a backup is back after one command" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  cp -a "$FOLDER/alice" "$FOLDER/backup"
  alice keygen --rotate
  alice keygen --rotate
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 0 bob send -m before alice
  stop_listen
  # The number of a key is at least the time of its making, but two made in a second differ.
  highest="$(newest alice)" highest="${highest//[!0-9]/}"
  rm -r "$FOLDER/alice"
  mv "$FOLDER/backup" "$FOLDER/alice"
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 77 bob send -m lost alice
  assert_refusal send "'alice' does not know this node or could not open the message"
  before="$(says)"
  later() { (($(date +%s) > highest)); }
  wait_until later
  expect 0 alice keygen --rotate
  changed() { [[ "$(says)" != "$before" ]]; }
  wait_until changed
  expect 0 bob send -m back alice
  stop_listen
  assert_stream "$FOLDER/alice.out" back
}

@test "rotation: without an identity it is 78" {
  expect 78 node nobody keygen --rotate
  assert_refusal keygen "no identity"
}

@test "rotation: the number of a key stays known when the key is gone" {
  needs_faketime
  local largest
  at +300d alice keygen --rotate # the clock ran ahead, once
  for _ in 1 2; do alice keygen --rotate; done
  largest="$(newest alice)"
  at +20d alice peers
  assert_equal "$(keys_of alice)" 'encryption-*'
  at +20d alice keygen --rotate
  [[ "$(newest alice)" > "$largest" ]]
}
