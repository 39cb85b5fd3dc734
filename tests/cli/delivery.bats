#!/usr/bin/env bats
# What is delivered once, although clocks are wrong or are set, and ids are forgotten.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() {
  friends
  needs_faketime
}

# listen_at TIME: alice does, where bob knows her to.
listen_at() {
  if [[ -z "${ALICE_PORT:-}" ]]; then
    start_listen alice -k
    befriend bob alice
    stop_listen
    ALICE_PORT="$PORT"
  fi
  start_listen_at "$1" alice -k -p "$ALICE_PORT"
}
# What alice has written since she listens.
assert_written() {
  stop_listen
  assert_stream "$FOLDER/alice.out" "$@"
}
# assert_skew DIFFERENCE: what a sender is told of the other clock, give or take a second.
assert_skew() {
  assert_stdout
  assert_match "$stderr" "^p2pchat send: error: 'alice' did not take it: by its clock, which is ([0-9]+) s $2, it is from the future or has expired"$'\n'"p2pchat send: hint: date -u tells both clocks; the wrong one has to be set$"
  local off=$((BASH_REMATCH[1] - $1))
  ((off >= -60 && off <= 60)) || fail "told: ${BASH_REMATCH[1]} s; it is $1 s"
}
# A second has passed since the last message was sent.
a_second_later() {
  local now
  now="$(date +%s)"
  has_passed() { (($(date +%s) > now)); }
  wait_until has_passed
}
ids_kept() { sqlite3 "$FOLDER/alice/state.db" "SELECT count(*) FROM messages"; }

@test "delivery: a sender whose clock is ahead is 75, told by how much, and heard once it is right" {
  listen_at +0d
  expect 75 at +1d bob send --id one -m one alice
  assert_skew 86400 "behind ours"
  expect 0 bob send --id one -m one alice
  assert_silent
  expect 0 bob send --id one -m one alice
  assert_written one
}

@test "delivery: a sender whose clock is behind is 75, told by how much, and heard once it is right" {
  listen_at +0d
  expect 75 at -8d bob send --id one -m one alice
  assert_skew $((8 * 86400)) "ahead of ours"
  expect 0 at -5d bob send --id two -m two alice # it has two days to live
  expect 0 bob send --id one -m one alice
  assert_written two one
}

# A repetition that expired later than the message was new to alice: it was delivered again.
@test "delivery: a sender whose clock is behind delivers nothing again after its id was forgotten" {
  export P2PCHAT_LOG_KEEP=0
  listen_at +0d
  expect 0 at -5d bob send --id one -m one alice
  expect 0 bob send -m two alice
  assert_written one two
  at +4d alice listen -p 0 -W 100ms 2>/dev/null || true
  assert_equal "$(ids_kept)" 1
  listen_at +4d
  expect 75 at -1d bob send --id one -m one alice
  assert_written
}

@test "delivery: a listener whose clock is ahead says so, and takes everything once it is right" {
  listen_at +30d
  expect 75 bob send --id one -m one alice
  assert_skew $((30 * 86400)) "ahead of ours"
  assert_written
  listen_at +0d
  expect 0 bob send --id one -m one alice
  assert_written one
}

@test "delivery: a listener whose clock is behind says so, and takes everything once it is right" {
  listen_at -1d
  expect 75 bob send --id one -m one alice
  assert_skew 86400 "behind ours"
  assert_written
  listen_at +0d
  expect 0 bob send --id one -m one alice
  assert_written one
}

# As above: after this the retry was delivered a second time.
@test "delivery: what was forgotten by a clock that ran ahead is not delivered twice, and all else is" {
  export P2PCHAT_LOG_KEEP=0
  listen_at +0d
  expect 0 bob send --id one -m one alice
  a_second_later
  expect 0 bob send --id two -m two alice
  assert_written one two
  at +20d alice listen -p 0 -W 100ms 2>/dev/null || true
  assert_equal "$(ids_kept)" 1 # the newest stays
  a_second_later
  listen_at +0d
  expect 75 bob send --id one -m one alice
  assert_skew 0 "behind ours"
  expect 0 bob send --id two -m two alice
  expect 0 bob send -m three alice
  assert_written three
}

# The largest expiry that was ever forgotten refused everything until that time came.
@test "delivery: two clocks that ran ahead together lock nobody out" {
  export P2PCHAT_LOG_KEEP=0
  listen_at +400d
  expect 0 at +400d bob send -m one alice
  expect 0 at +400d bob send -m two alice
  assert_written one two
  at +420d alice listen -p 0 -W 100ms 2>/dev/null || true
  assert_equal "$(ids_kept)" 1
  listen_at +0d
  expect 0 bob send -m three alice
  assert_silent
  befriend bob alice
  assert_written three
}
