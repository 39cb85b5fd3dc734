#!/usr/bin/env bats
# scripts/soak, for a few seconds: that it works, not that the program does.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

soak() { P2PCHAT_BIN="$BIN" within_limits "$REPOSITORY/scripts/soak" "$@"; }

@test "soak: a few seconds with real processes, and each message is there once" {
  export TMPDIR="$FOLDER"
  expect 0 soak 5 1
  assert_match "$stdout" "soak: 5 s, seed 1"
  assert_match "$stdout" "soak: [1-9][0-9]* messages, each there once; [0-9]+ kills"
  assert_stderr
  assert_equal "$(find "$FOLDER" -name 'tmp.*')" ""
}

@test "soak: a call that is wrong is 64, and an interrupt leaves nothing behind" {
  export TMPDIR="$FOLDER"
  expect 64 soak
  expect 64 soak soon
  P2PCHAT_BIN="$BIN" start_command soak "$REPOSITORY/scripts/soak" 60 1
  wait_until has_line "$FOLDER/soak.out" "soak: 60 s, seed 1"
  kill -INT "$PID"
  ended 130 "$PID"
  assert_equal "$(find "$FOLDER" -name 'tmp.*')" ""
}
