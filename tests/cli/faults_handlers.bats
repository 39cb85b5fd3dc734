#!/usr/bin/env bats
# Faults of a listener with a handler, at every point (faults.bash).
# shellcheck source=faults.bash
source "$BATS_TEST_DIRNAME/faults.bash"

# Sets FIRST: up to that point a listener only starts, which is the same with and without a handler.
find_first_point() {
  LISTENS=0
  for ((FIRST = 1; ; FIRST += 8)); do
    FAULT="kill $((FIRST + 7)) $HIT"
    restore alice
    faulty_listen
    end_listen
    ((LISTENS == 0)) || return 0
  done
}

# With a handler: at most once for each message, which is all of it.
handling_listener() {
  local handler=(--exec tee -a "$FOLDER/handled") state
  restore alice
  : >"$FOLDER/handled"
  faulty_listen "${handler[@]}"
  SENT=69
  if ((LISTENS)); then sent_with "$BIN"; fi
  end_listen
  look
  assert_end "$ENDED" 0 71 73
  one_of "$SENT" 0 69 74 75
  ((ROWS <= 1))
  if ((SENT == 0)); then assert_equal "$ROWS $STATE" "1 handled"; fi
  if ((ROWS == 0)); then assert_stream "$FOLDER/handled"; fi
  state="$STATE"

  healthy_listen "${handler[@]}"
  SENT=75
  while ((SENT == 75)); do sent_with "$BIN"; done # taken over from the other, it is being handled
  end_listen
  look
  assert_equal "$ENDED" 0
  assert_equal "$ROWS $RECORDS $OUTCOME" "1 1 acked"
  read_file "$FOLDER/handled"
  if [[ "$state" == handling ]]; then
    assert_equal "$SENT $STATE" "79 interrupted"
    [[ "$TEXT" == "$content"* ]]
  else
    assert_equal "$SENT $STATE" "0 handled"
    assert_equal "$content" "$TEXT"
  fi
}

@test "faults: a handling listener killed at every point: acknowledged is handled, once" {
  find_first_point
  each_point kill handling_listener "$FIRST"
  tell_points "listen --exec killed" "$FIRST"
  ((POINTS >= 60))
}

@test "faults: a handling listener with a failure at every point: acknowledged is handled, once" {
  find_first_point
  each_point fail handling_listener "$FIRST"
  tell_points "listen --exec failing" "$FIRST"
  ((POINTS >= 60))
}
