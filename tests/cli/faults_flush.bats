#!/usr/bin/env bats
# Faults of a flush and of a new key, at every point (faults.bash).
# shellcheck source=faults.bash
source "$BATS_TEST_DIRNAME/faults.bash"

# ---- flush

# Two messages to alice wait in the queue of bob's home.
queue_two() {
  local id
  for id in first second; do expect 75 bob send --queue --id "$id" -m "$id" alice; done
  rm -r "$FOLDER/before/bob"
  cp -a "$FOLDER/bob" "$FOLDER/before"
  fill_log bob
}

# For each of the two: how often alice has it, bob's record, how often it is in the queue.
look_at_queue() {
  QUEUE="$(
    sqlite3 -readonly "$FOLDER/alice/state.db" "ATTACH '$FOLDER/bob/state.db' AS bob;
      SELECT (SELECT count(*) FROM main.messages WHERE jti = sent.jti), state,
        (SELECT count(*) FROM bob.queue WHERE message = sent.id)
        FROM bob.messages AS sent ORDER BY id"
  )"
  QUEUE="${QUEUE//$'\n'/ }"
}

flushed_with() {
  SENT=0
  "${BOUNDED[@]}" "$1" --home "$FOLDER/bob" queue flush --now 2>"$FOLDER/bob.err" || SENT=$?
}

faulty_flush() {
  local waits='0\|queued\|1' maybe='[01]\|unknown\|1' done='1\|acked\|0'
  restore alice
  restore bob
  : >"$FOLDER/printed"
  healthy_listen
  P2PCHAT_FAULT="$FAULT" flushed_with "$FAULTY"
  look_at_queue
  assert_end "$SENT" 0 71 73 75
  assert_match "$QUEUE" "^(($waits|$maybe) $waits|$done ($waits|$maybe|$done))$"
  if ((SENT == 0)); then assert_match "$QUEUE" "^$done $done$"; fi
  flushed_with "$BIN"
  look_at_queue
  assert_equal "$SENT" 0
  assert_match "$QUEUE" "^$done $done$"
  end_listen
  assert_equal "$ENDED $SAID" "0 "
  assert_stream "$FOLDER/printed" first second
}

@test "faults: a flush killed at every point loses nothing, and delivers once and in order" {
  queue_two
  each_point kill faulty_flush
  tell_points "queue flush killed"
  ((POINTS >= 40))
}

@test "faults: a flush with a failure at every point loses nothing, and delivers once and in order" {
  queue_two
  each_point fail faulty_flush
  tell_points "queue flush failing"
  ((POINTS >= 40))
}

# ---- keys

# A new encryption key of alice's, or none; and nothing half made or half destroyed.
faulty_rotation() {
  local left
  restore alice
  restore bob
  : >"$FOLDER/printed"
  ENDED=0
  P2PCHAT_FAULT="$FAULT" "${BOUNDED[@]}" "$FAULTY" --home "$FOLDER/alice" keygen --rotate \
    >/dev/null 2>"$FOLDER/alice.err" || ENDED=$?
  assert_end "$ENDED" 0 71 73
  healthy_listen
  left=("$FOLDER"/alice/*.new "$FOLDER"/alice/*.old)
  sent_with "$BIN"
  end_listen
  assert_equal "${left[*]}" "$FOLDER/alice/*.new $FOLDER/alice/*.old"
  assert_equal "$SENT $ENDED $SAID" "0 0 "
  assert_stream "$FOLDER/printed" "$TEXT"
}

@test "faults: keygen --rotate killed or failing at every point leaves a node that works" {
  for mode in kill fail; do
    each_point "$mode" faulty_rotation
    tell_points "keygen --rotate, $mode"
    ((POINTS >= 10))
  done
}
