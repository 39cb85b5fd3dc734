#!/usr/bin/env bats
# Strangers up to each bound of a listener, and beyond: its friends are served all the time.
# shellcheck source=load.bash
source "$BATS_TEST_DIRNAME/load.bash"

setup() { friends; }

# The largest message; arguments: how to send it.
send_largest() {
  yes 'sixteen bytes, :' | tr -d '\n' | head -c 1048576 >"$FOLDER/largest" || true
  expect 0 bob send -q --raw -f "$FOLDER/largest" alice
  assert_silent
}
assert_largest_was_written() {
  PID="$LISTENER" OUT="$FOLDER/alice.out" ERR="$FOLDER/alice.err"
  stop_listen
  printf 'recorded\n' | cat - "$FOLDER/largest" <(echo) >"$FOLDER/wanted"
  assert_same_bytes "$OUT" "$FOLDER/wanted"
}

@test "load: 64 connections with 4 MiB each but for a byte: a message of 1 MiB gets through" {
  recorded
  strangers_that hold "$PORT" 64 --request "$FOLDER/message.request" --bytes 4194303 \
    --until 16 # 64 MiB
  assert_equal "$HELD" "holding 16"
  send_largest
  note "$HELD of 64 connections of 4 MiB, $(peak_memory "$LISTENER") KiB of memory at most"
  assert_largest_was_written
}

@test "load: what fills the memory is closed where most of it comes from" {
  recorded
  # The network with the largest frame is not the one with most.
  strangers_that hold "$PORT" 1 --request "$FOLDER/message.request" --bytes 4194303 --from 127.0.0.3
  one="$STRANGERS"
  strangers_that hold "$PORT" 40 --request "$FOLDER/message.request" --bytes 2097152 --from 127.0.0.2 \
    --until 30
  note "$HELD of 40 connections of 2 MiB beside one of 4 MiB"
  assert_equal "$HELD" "holding 30"
  kill -0 "$one"
  inode="$(find /proc/"$one"/fd -printf '%l\n' | sed -n 's/^socket:\[\([0-9]*\)\]/\1/p')"
  # Still established (01), seen from its end.
  grep -qE " 01 .* $inode " /proc/net/tcp || fail "the only one of its network was closed"
  assert_listener_ends_well
}

@test "load: frames that are not for us take no memory, however long they are" {
  recorded
  before="$(peak_memory "$LISTENER")"
  strangers_that hold "$PORT" 64 --bytes 4194303
  assert_equal "$HELD" "holding 64"
  after="$(peak_memory "$LISTENER")"
  note "64 such frames of 4 MiB took $((after - before)) KiB"
  # A sixteenth of what they are.
  if ! sanitized; then ((after - before < 16384)) || fail "$((after - before)) KiB"; fi
  bob_is_served one
  assert_listener_ends_well
}

# ---- work

@test "load: junk that costs private-key operations, from the friend's own address" {
  recorded
  strangers_that flood "$PORT" 40 --request "$FOLDER/message.request" --junk
  bob_is_served one two three
  strangers_end
  note "of the junk: $HELD"
  assert_listener_ends_well
}

@test "load: a recorded request again and again, from the friend's own address" {
  recorded
  strangers_that flood "$PORT" 40 --request "$FOLDER/message.request"
  bob_is_served one two three
  strangers_end
  note "of the request: $HELD"
  assert_listener_ends_well
}

@test "load: registrations again and again, from the friend's own address" {
  recorded
  start_server proxy --to "$PORT" --save "$FOLDER"
  carol register alice "127.0.0.1:$SERVER_PORT" >/dev/null 2>&1
  strangers_that flood "$PORT" 40 --request "$FOLDER/2.request"
  bob_is_served one two three
  strangers_end
  note "of the registration: $HELD"
  assert_listener_ends_well
}

@test "load: more junk than can wait: from another address the friend notices nothing" {
  recorded
  workers_on_one_processor
  strangers_that flood "$PORT" 200 --request "$FOLDER/message.request" --junk --from 127.0.0.2 \
    --stop "$LISTENER"
  bob_is_served one two three
  strangers_end
  note "of the junk: $HELD"
  # The second queue was full: 40 are let into the first, and 64 wait in it.
  ((${HELD##* } > 0)) || fail "nothing was closed"
  assert_listener_ends_well
}

@test "load: more junk than can wait, from the friend's own address: a message arrives, once" {
  recorded
  strangers_that flood "$PORT" 200 --request "$FOLDER/message.request" --junk
  tries=0 status=74
  # A connection that is closed is 74, and says to repeat the message under its id.
  while ((status == 74 && tries < 100)); do
    status=0 tries=$((tries + 1))
    bob send -q --id one -m one alice 2>"$FOLDER/said" || status=$?
  done
  ((status == 0)) || fail "it ended with $status: $(<"$FOLDER/said")"
  PRINTED+=(one)
  strangers_end
  note "it took $tries times; of the junk: $HELD"
  assert_listener_ends_well
}

# ---- connections

@test "load: ten thousand connections from one address that say nothing: newcomers are served" {
  local count=10000
  if sanitized; then count=2000; fi
  ((count <= DESCRIPTORS - 200)) || count=$((DESCRIPTORS - 200))
  recorded
  SECONDS=0
  strangers_that hold "$PORT" "$count" --from 127.0.0.2
  # Each has ten seconds: on a slow machine the first are gone before the last come.
  ((SECONDS >= 9)) || assert_equal "$HELD" "holding $count"
  bob_is_served one two three
  note "$HELD of $count connections, $(peak_memory "$LISTENER") KiB of memory at most"
  assert_equal "$(peer_py scan "$PORT")" ""
  bob_is_served four
  assert_rests "$LISTENER" "beside them"
  assert_listener_ends_well
}

@test "load: far more connections than there are descriptors: the oldest give way" {
  local count=2000
  ((count <= DESCRIPTORS - 200)) || count=$((DESCRIPTORS - 200))
  WRAPPER=(prlimit --nofile=256:256)
  recorded
  strangers_that hold "$PORT" "$count" --from 127.0.0.2 --until 208 # 48 are its own
  bob_is_served one two three
  note "$HELD of $count connections to a listener with 256 descriptors"
  assert_equal "$HELD" "holding 208"
  # They come once more, from another address, and hold some bytes each.
  strangers_that hold "$PORT" 300 --request "$FOLDER/message.request" --bytes 1000 --from 127.0.0.3 \
    --until 208
  assert_equal "$HELD" "holding 208"
  bob_is_served four
  assert_listener_ends_well
}

has_connections() { [[ $(find "/proc/$1/fd" -lname 'socket:*' | wc -l) == $(($2 + 1)) ]]; } # PID N
@test "load: who asks and never reads is left behind, and nobody waits for them" {
  local count=60 fit before after
  if sanitized; then count=5; fi
  recorded --exec head -c 1000000 /dev/zero
  PRINTED=()
  before="$(peak_memory "$LISTENER")"
  expect 0 /usr/bin/python3 "$LOAD_PY" ask "$PORT" --request "$FOLDER/message.request"
  fit=$((64 * 1024 * 1024 / stdout)) # answers
  strangers_that deaf "$PORT" "$count" --request "$FOLDER/message.request" --from 127.0.0.2
  assert_equal "$HELD" deaf
  wait_until has_connections "$LISTENER" "$((count < fit ? count : fit))"
  after="$(peak_memory "$LISTENER")"
  note "of $count answers of $stdout bytes that nobody reads $fit fit into 64 MiB, and took \
$((after - before)) KiB at most"
  # Half as much again.
  if ! sanitized; then ((after - before < 98304)) || fail "$((after - before)) KiB"; fi
  expect 0 bob send -q -m one alice
  assert_rests "$LISTENER" "beside them"
  expect 0 bob send -q -m two alice
  strangers_end
  assert_listener_ends_well
}
