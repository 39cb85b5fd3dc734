#!/usr/bin/env bats
# The hostile corpus, made by the independent peer: thousands of requests that a listener must refuse,
# and of replies that a client must not believe, with what the protocol page says of each.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() {
  /usr/bin/python3 -c 'import jwcrypto, cryptography' 2>/dev/null || skip "python3-jwcrypto is not installed"
  strangers
}

# holds SCRIPT: all of its cases do; it says how many there were.
holds() {
  expect 0 timeout --signal=KILL 600 /usr/bin/python3 "$REPOSITORY/tests/peer/$1" "$BIN" "$FOLDER/alice" \
    "$REPOSITORY/tests/vectors/keys"
  assert_match "$stdout" '^[^;]*[0-9]{3,} .*; 0 wrong$'
  echo "# $stdout" >&3
}

@test "corpus: every hostile request gets its reply, changes nothing and leaves the listener alive" {
  holds run_hostile_requests.py
}

@test "corpus: every hostile reply has its exit status and state, and nothing of it is believed or shown" {
  holds run_hostile_replies.py
}
