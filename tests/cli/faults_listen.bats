#!/usr/bin/env bats
# Faults of a listener that prints, at every point (faults.bash).
# shellcheck source=faults.bash
source "$BATS_TEST_DIRNAME/faults.bash"

printing_listener() {
  local wanted="$TEXT"$'\n' before
  restore alice
  : >"$FOLDER/printed"
  faulty_listen
  SENT=69
  if ((LISTENS)); then sent_with "$BIN"; fi
  end_listen
  look
  assert_end "$ENDED" 0 71 73
  one_of "$SENT" 0 69 74 75
  if ((SENT == 0)); then assert_equal "$ROWS" 1; fi
  ((ROWS <= 1))
  read_file "$FOLDER/printed"
  before="$content"
  [[ "$wanted" == "$before"* ]] || fail "printed: $before"
  # A commit whose last sync has failed is not acknowledged, and can yet come back from the log.
  if ((ENDED == 0 && ROWS == 1 && SENT != 75)); then assert_equal "$STATE" printed; fi
  if [[ "$STATE" == printed ]]; then assert_equal "$before" "$wanted"; fi
  if [[ "$STATE" == print && -n "$before" ]]; then one_of "$ENDED" 71 137; fi
  if ((ROWS == 0)); then assert_equal "$before" ""; fi
  if [[ "$STATE" == printed ]]; then wanted=""; fi

  healthy_listen
  sent_with "$BIN"
  end_listen
  look
  assert_equal "$SENT $ENDED $SAID" "0 0 "
  assert_equal "$ROWS $STATE $RECORDS $OUTCOME" "1 printed 1 acked"
  read_file "$FOLDER/printed"
  assert_equal "$content" "$before$wanted"
}

@test "faults: a listener killed at every point: acknowledged is stored once, and printed" {
  fill_log alice
  each_point kill printing_listener
  tell_points "listen killed"
  ((POINTS >= 60))
}

@test "faults: a listener with a failure at every point: acknowledged is stored once, printed once" {
  fill_log alice
  each_point fail printing_listener
  tell_points "listen failing"
  ((POINTS >= 60))
}
