#!/usr/bin/env bats
# The hostile corpus of replies, made by the independent peer: thousands that a client must not
# believe, and some that it must, with what the protocol page says of each.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() {
  /usr/bin/python3 -c 'import jwcrypto, cryptography' 2>/dev/null || skip "python3-jwcrypto is not installed"
  strangers
}

@test "corpus: every hostile reply has its exit status and state, and nothing of it is believed or shown" {
  expect 0 timeout --signal=KILL 600 /usr/bin/python3 "$REPOSITORY/tests/peer/run_hostile_replies.py" "$BIN" \
    "$FOLDER/alice" "$REPOSITORY/tests/vectors/keys"
  assert_match "$stdout" '^[^;]*[0-9]{3,} .*; 0 wrong$'
  echo "# $stdout" >&3
}
