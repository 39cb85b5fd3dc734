#!/usr/bin/env bats
# Faults of a sender, at every point (faults.bash); and what ships has no point.
# shellcheck source=faults.bash
source "$BATS_TEST_DIRNAME/faults.bash"

# Beside a healthy listener of alice's. What bob has left behind is never in the way.
faulty_sender() {
  restore bob
  P2PCHAT_FAULT="$FAULT" sent_with "$FAULTY"
  look
  assert_end "$SENT" 0 69 71 73 74
  ((ROWS <= 1 && RECORDS <= 1))
  case "$SENT" in
    0) assert_equal "$ROWS $RECORDS $OUTCOME" "1 1 acked" ;;
    69 | 73) assert_equal "$ROWS" 0 ;;
    71) if ((ROWS)); then has_line "$FOLDER/bob.err" "error: acknowledged by 'alice', but "; fi ;;
    74) assert_equal "$RECORDS $OUTCOME" "1 unknown" ;;
    137) if ((ROWS)); then assert_equal "$RECORDS" 1; fi ;;
  esac
  sent_with "$BIN"
  look
  assert_equal "$SENT $ROWS $RECORDS $OUTCOME" "0 1 1 acked"
  printf '%s\n' "$TEXT" >>"$FOLDER/wanted"
}

# The messages arrive in the order in which they were sent first.
sender_at_each_point() {
  fill_log bob
  healthy_listen
  each_point "$1" faulty_sender
  end_listen
  assert_equal "$ENDED $SAID" "0 "
  assert_same_bytes "$FOLDER/printed" "$FOLDER/wanted"
}

@test "faults: a sender killed at every point: the retry arrives once" {
  sender_at_each_point kill
  tell_points "send killed"
  ((POINTS >= 40))
}

@test "faults: a sender with a failure at every point: 0 says stored, and the retry arrives once" {
  sender_at_each_point fail
  tell_points "send failing"
  ((POINTS >= 40))
}

@test "faults: the program that ships has no point" {
  grep -q P2PCHAT_FAULT "$FAULTY"
  refute_found P2PCHAT_FAULT "$BIN"
}

@test "faults: every file that has points is in the program of these tests" {
  mapfile -t files < <(cd "$REPOSITORY" && grep -rl '"base/fault.h"' pkg)
  ((${#files[@]} >= 6))
  assert_equal "$(sed -n '/^set(with_fault_points$/,/^)$/s/^  //p' "$REPOSITORY/CMakeLists.txt")" \
    "$(printf '%s\n' "${files[@]}" | sort)"
}
