#!/usr/bin/env bats
# The hostile corpus of requests, made by the independent peer: thousands that a listener must refuse,
# and some that it must take, with what the protocol page says of each.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() {
  /usr/bin/python3 -c 'import jwcrypto, cryptography' 2>/dev/null || skip "python3-jwcrypto is not installed"
  strangers
}

@test "corpus: every hostile request gets its reply, changes nothing and leaves the listener alive" {
  expect 0 timeout --signal=KILL 600 /usr/bin/python3 "$REPOSITORY/tests/peer/run_hostile_requests.py" "$BIN" \
    "$FOLDER/alice" "$REPOSITORY/tests/vectors/keys"
  assert_match "$stdout" '^[^;]*[0-9]{3,} .*; 0 wrong$'
  echo "# $stdout" >&3
}
