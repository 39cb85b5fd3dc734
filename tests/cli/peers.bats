#!/usr/bin/env bats
# p2pchat peers: the list, strangers accepted or rejected, peers removed.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { strangers; }

# Bob waits at alice's to be accepted.
bob_waits() {
  start_listen alice -k
  befriend bob alice
  bob_id="$(fingerprint bob)"
}
time='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z'

@test "peers: nobody is no line" {
  for option in "" --pending --names --json; do
    expect 0 alice peers ${option:+"$option"}
    assert_silent
  done
}

@test "peers: a line a peer: name, status, address, fingerprint, last seen" {
  bob_waits
  expect 0 bob peers
  assert_match "$stdout" "^alice  trusted  127\.0\.0\.1:$PORT  $(fingerprint alice)  $time$"
  assert_stdout "$stdout"
  assert_stderr
}

@test "peers: a stranger has no name, only what it calls itself" {
  bob_waits
  expect 0 alice peers
  assert_match "$stdout" "^-  pending  -  $bob_id  $time  calls itself \"bob\"$"
  expect 0 alice peers --pending
  assert_match "$stdout" "^-  pending  -  $bob_id  $time  calls itself \"bob\"$"
  expect 0 alice peers --names
  assert_silent
}

@test "peers --pending: trusted ones are left out" {
  bob_waits
  befriend carol alice
  alice peers accept "$bob_id" --as bob
  expect 0 alice peers --pending
  assert_match "$stdout" "^-  pending  -  $(fingerprint carol)  $time  calls itself \"carol\"$"
  expect 0 alice peers --names
  assert_stdout bob
  expect 0 alice peers
  assert_equal "$(wc -l <"$OUT")" 2
}

@test "peers --json: an object a line, with these members" {
  bob_waits
  expect 0 alice peers --json
  assert_match "$stdout" "^\{\"name\":\"\",\"status\":\"pending\",\"address\":\"\",\"fingerprint\":\"$bob_id\",\"calls_itself\":\"bob\",\"first_seen\":\"$time\",\"last_seen\":\"$time\"\}$"
  assert_stdout "$stdout"
  expect 0 bob peers --json
  assert_match "$stdout" "^\{\"name\":\"alice\",\"status\":\"trusted\",\"address\":\"127\.0\.0\.1:$PORT\",\"fingerprint\":\"$(fingerprint alice)\",\"calls_itself\":\"\",\"first_seen\":\"$time\",\"last_seen\":\"$time\"\}$"
}

@test "peers show: what is known of one peer, by name or by fingerprint" {
  bob_waits
  expect 0 bob peers show alice
  assert_stderr
  assert_contains "$stdout" "$(fingerprint alice)"
  assert_contains "$stdout" "127.0.0.1:$PORT"
  by_name="$stdout"
  expect 0 bob peers show ALICE
  assert_equal "$stdout" "$by_name"
  expect 0 bob peers show "$(fingerprint alice)"
  assert_equal "$stdout" "$by_name"
  expect 0 alice peers show "${bob_id:0:15}"
  assert_contains "$stdout" pending
  expect 0 alice peers show "$bob_id" --json
  assert_contains "$stdout" "\"fingerprint\":\"$bob_id\""
  assert_equal "$(wc -l <"$OUT")" 1
}

@test "peers show: nobody by that name is 67, what is no fingerprint 65" {
  expect 67 alice peers show bob
  assert_refusal peers "unknown peer 'bob'"
  expect 67 alice peers show "$(fingerprint bob)"
  assert_refusal peers "unknown peer"
  for text in SHA256: SHA256:1234567 'SHA256:12345678!' "$(fingerprint bob)x"; do
    expect 65 alice peers show "$text"
    assert_refusal peers "not a fingerprint: '$text'"
  done
}

@test "peers accept: trusts a stranger under a name, by eight characters, prints all of them" {
  bob_waits
  expect 0 alice peers accept "${bob_id:0:15}" --as bob
  assert_stdout "$bob_id"
  assert_stderr
  expect 0 alice peers --names
  assert_stdout bob
  expect 0 bob send -m hi alice
  assert_silent
}

@test "peers accept: the second time finds the same and says the same" {
  bob_waits
  for _ in 1 2; do
    expect 0 alice peers accept "$bob_id" --as bob
    assert_stdout "$bob_id"
    assert_stderr
  done
}

@test "peers accept: a prefix of seven characters is 65, and nobody is trusted" {
  bob_waits
  expect 65 alice peers accept "${bob_id:0:14}" --as bob
  assert_refusal peers "not a fingerprint"
  expect 0 alice peers --names
  assert_silent
}

@test "peers accept: a stranger who has not come is 67" {
  expect 67 alice peers accept "$(fingerprint carol)" --as carol
  assert_refusal peers "no pending peer '$(fingerprint carol)'"
}

@test "peers accept --expect: another key is 77, and nobody is trusted" {
  bob_waits
  expect 77 alice peers accept "${bob_id:0:15}" --as bob --expect "$(fingerprint carol)"
  assert_refusal peers "the fingerprint is $bob_id, not $(fingerprint carol)"
  expect 0 alice peers --names
  assert_silent
  expect 0 alice peers accept "${bob_id:0:15}" --as bob --expect "$bob_id"
  assert_stdout "$bob_id"
}

@test "peers accept: a known name for another key is 77, with both and the one way out" {
  bob_waits
  befriend carol alice
  alice peers accept "$bob_id" --as bob
  expect 77 alice peers accept "$(fingerprint carol)" --as BOB
  assert_refusal peers "'bob' is pinned to $bob_id, not to $(fingerprint carol)"
  assert_contains "$stderr" "p2pchat register bob --replace --expect $(fingerprint carol)"
  expect 77 alice peers accept "$(fingerprint carol)" --as BOB --expect "$(fingerprint carol)"
  expect 0 alice peers --names
  assert_stdout bob
}

@test "peers accept: another name for a trusted peer is 73" {
  bob_waits
  alice peers accept "$bob_id" --as bob
  expect 73 alice peers accept "$bob_id" --as robert
  assert_refusal peers "$bob_id is accepted already, as 'bob'"
  expect 0 alice peers --names
  assert_stdout bob
}

@test "peers accept: without a name, or with one that is none, it is 64" {
  bob_waits
  expect 64 alice peers accept "$bob_id"
  assert_refusal peers "accept needs a name"
  for name in '' 12 'a b' -x; do
    expect 64 alice peers accept "$bob_id" "--as=$name"
    assert_refusal peers
  done
  expect 64 alice peers accept
  assert_refusal peers "an argument is missing"
  expect 0 alice peers --names
  assert_silent
}

@test "peers reject: forgets a stranger, silently and as often as wanted" {
  bob_waits
  for _ in 1 2; do
    expect 0 alice peers reject "$bob_id"
    assert_silent
  done
  expect 0 alice peers
  assert_silent
}

@test "peers reject: a trusted peer stays, 65" {
  bob_waits
  alice peers accept "$bob_id" --as bob
  expect 65 alice peers reject "$bob_id"
  assert_refusal peers "$bob_id is not pending but trusted, as 'bob'"
  expect 0 alice peers --names
  assert_stdout bob
}

@test "peers remove: the peer is a stranger from then on, silently and as often as wanted" {
  bob_waits
  alice peers accept "$bob_id" --as bob
  expect 0 bob send -m before alice
  for _ in 1 2; do
    expect 0 alice peers remove bob
    assert_silent
  done
  expect 77 bob send -m after alice
  assert_refusal send "'alice' does not know this node or could not open the message"
  stop_listen
  assert_stream "$FOLDER/alice.out" before
}

@test "peers remove: removing and accepting again delivers nothing twice" {
  bob_waits
  alice peers accept "$bob_id" --as bob
  expect 0 bob send --id one -m once alice
  alice peers remove bob
  befriend bob alice
  alice peers accept "$bob_id" --as bob
  expect 0 bob send --id one -m once alice
  expect 0 bob send -m more alice
  stop_listen
  assert_stream "$FOLDER/alice.out" once more
}

@test "peers: what a stranger calls itself can neither move the cursor nor forge a line" {
  start_listen alice -k
  # A right-to-left override, a zero-width space: no control characters, but not to be shown.
  expect 0 bob register alice "127.0.0.1:$PORT" --as $'\xe2\x80\xaetxt\xe2\x80\x8b'
  wait_until has_line "$FOLDER/alice.err" '^pending: '
  shown="calls itself \"\\u{202e}txt\\u{200b}\""
  assert_contains "$(cat "$FOLDER/alice.err")" "$shown; accept with: p2pchat peers accept $(fingerprint bob) --as NAME"
  expect 0 alice peers
  assert_contains "$stdout" "$shown"
  expect 0 alice peers show "$(fingerprint bob)"
  refute_contains "$stdout" $'\xe2\x80\xae'
}

@test "peers: what a stranger calls itself stays inside its quotes" {
  start_listen alice -k
  expect 0 bob register alice "127.0.0.1:$PORT" --as 'x"; accept with: p2pchat peers accept SHA256:evil --as me #'
  wait_until has_line "$FOLDER/alice.err" '^pending: '
  # Taken off from the front up to the first quote that is not escaped, the rest is ours.
  line="$(grep '^pending: ' "$FOLDER/alice.err")"
  rest="$(sed -E 's/^[^"]*"([^"\\]|\\.)*"//' <<<"$line")"
  assert_equal "$rest" "; accept with: p2pchat peers accept $(fingerprint bob) --as NAME"
}

@test "peers: options that do not go together are 64" {
  while read -ra words; do
    expect 64 alice peers "${words[@]}"
    assert_refusal peers
  done <<'END'
--pending --names
--names --json
--as bob
--expect SHA256:x
show alice --pending
show alice --as bob
reject SHA256:12345678 --json
remove alice --names
show
show alice bob
remove
reject
frobnicate
frobnicate alice
END
}

@test "peers: a node without an identity is 78" {
  expect 78 node nobody peers
  assert_refusal peers "no identity"
  [[ ! -e "$FOLDER/nobody" ]]
}

@test "peers: a stdout that cannot be written is 71" {
  bob_waits
  refused() { bob peers >/dev/full; }
  expect 71 refused
  assert_refusal peers "cannot write to standard output: no space left on device"
}
