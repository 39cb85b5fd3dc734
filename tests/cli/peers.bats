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
  assert_contains "$stderr" \
    "$(own alice) peers accept $(fingerprint carol) --as bob --replace --expect $(fingerprint carol)"
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
  assert_hint peers "$(own alice) peers accept $bob_id --as NAME"
  expect 64 alice peers accept bob
  assert_hint peers "$(own alice) peers accept SHA256:... --as bob"
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
  assert_contains "$(cat "$FOLDER/alice.err")" "$shown; accept with: $(own alice) peers accept $(fingerprint bob) --as NAME"
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
  assert_equal "$rest" "; accept with: $(own alice) peers accept $(fingerprint bob) --as NAME"
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

# ---- other verbs

@test "peers block: nothing is taken and nothing is sent, until unblock" {
  bob_waits
  expect 0 alice peers accept "$bob_id" --as bob
  befriend alice bob 2>/dev/null || true
  expect 0 alice peers block bob
  expect 0 alice peers block BOB
  assert_silent
  expect 0 alice peers
  assert_match "$stdout" "^bob  blocked  "
  expect 0 alice peers --names
  assert_silent
  expect 77 bob send -m hi alice
  assert_refusal send "not accepted by 'alice' yet" # a blocked one is told what a pending one is
  expect 77 alice send -m hi bob
  assert_refusal send "'bob' is blocked"
  assert_hint send "$(own alice) peers unblock bob"
  expect 0 bob register alice
  expect 0 alice peers unblock bob
  expect 0 alice peers unblock bob
  assert_silent
  expect 0 bob send -m hi alice
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
}

@test "peers block: a stranger stays one, and cannot come back as another" {
  bob_waits
  expect 0 alice peers block "$bob_id"
  befriend bob alice
  expect 0 alice peers --pending
  assert_silent
  expect 77 alice peers accept "$bob_id" --as bob
  assert_refusal peers "$bob_id is blocked"
  expect 77 alice register bob "127.0.0.1:1" --expect "$bob_id" --card <(bob keygen --card)
  assert_refusal register "$bob_id is blocked"
  expect 0 alice peers unblock "$bob_id"
  expect 0 alice peers --pending
  assert_contains "$stdout" "$bob_id"
}

@test "peers rename: messages go on under the new name, and the second time changes nothing" {
  bob_waits
  alice peers accept "$bob_id" --as bob
  expect 0 alice peers rename bob robert
  expect 0 alice peers rename bob robert
  assert_silent
  expect 0 alice peers --names
  assert_stdout robert
  befriend carol alice
  alice peers accept "$(fingerprint carol)" --as carol
  expect 73 alice peers rename robert CAROL
  assert_refusal peers "there is another peer 'CAROL': $(fingerprint carol)"
  expect 64 alice peers rename robert 4040
  expect 67 alice peers rename nobody somebody
  expect 64 alice peers rename robert
}

@test "peers export: the card of a peer, which another node can pin" {
  bob_waits
  alice peers accept "$bob_id" --as bob
  expect 0 alice peers export bob
  assert_stderr
  cp "$OUT" "$FOLDER/card"
  assert_equal "$(wc -l <"$FOLDER/card")" 1
  expect 0 carol register bob bob.example --card "$FOLDER/card"
  assert_stdout "$bob_id"
  expect 67 alice peers export nobody
}

@test "peers --names -z: for xargs -0" {
  bob_waits
  befriend carol alice
  alice peers accept "$bob_id" --as bob
  alice peers accept "$(fingerprint carol)" --as carol
  alice peers --names -z >"$FOLDER/names"
  printf 'bob\0carol\0' | cmp - "$FOLDER/names"
  assert_equal "$(xargs -0 -n 1 echo x <"$FOLDER/names")" $'x bob\nx carol'
  expect 64 alice peers -z
  assert_refusal peers "-z goes with --names, --format or --porcelain alone"
}

@test "peers --porcelain=v1: these lines, for ever" {
  alice peers >/dev/null # makes the database
  sqlite3 "$FOLDER/alice/state.db" <"$REPOSITORY/tests/cli/peers.sql"
  expect 0 alice peers --porcelain=v1
  assert_same_bytes "$OUT" "$REPOSITORY/tests/cli/peers.golden"
  alice peers --porcelain=v1 -z | tr '\0' '\n' | cmp - "$REPOSITORY/tests/cli/peers.golden"
  expect 64 alice peers --porcelain=v2
  assert_refusal peers "no porcelain 'v2'"
  expect 64 alice peers --porcelain
}

# ---- ping

layers() { printf '%s\n' "$@"; }

@test "peers ping: every layer of a peer that trusts us, and nothing changes there" {
  bob_waits
  alice peers accept "$bob_id" --as bob
  before="$(sqlite3 "$FOLDER/alice/state.db" 'SELECT * FROM peers; SELECT * FROM messages')"
  expect 0 bob peers ping alice
  assert_stderr
  assert_equal "$(awk '{print $1, $2}' "$OUT")" "$(layers 'resolve ok' 'connect ok' 'protocol ok' 'key ok' 'trust ok')"
  expect 0 bob peers ping alice --json
  assert_match "$stdout" "^\{\"peer\":\"alice\",\"address\":\"127.0.0.1:$PORT\",\"status\":0,\"failed\":null,\"error\":null,\"clock_ahead\":-?[0-9]+,\"resolve_us\":[0-9]+,\"connect_us\":[0-9]+,\"protocol_us\":[0-9]+,\"key_us\":[0-9]+,\"trust_us\":[0-9]+\}$"
  assert_equal "$(sqlite3 "$FOLDER/alice/state.db" 'SELECT * FROM peers; SELECT * FROM messages')" "$before"
}

@test "peers ping: the layer that fails is named, with its status" {
  bob_waits
  # pings STATUS LAYER ADDRESS
  pings() {
    sqlite3 "$FOLDER/bob/state.db" "UPDATE peers SET typed_address = '$3'"
    expect "$1" bob peers ping alice -W 5
    assert_equal "$(tail -n 1 "$OUT" | awk '{print $1, $2}')" "$2 failed"
    assert_match "$stderr" "^p2pchat peers: error: $2: "
    expect "$1" bob peers ping alice -W 5 --json
    assert_contains "$stdout" "\"status\":$1,\"failed\":\"$2\""
  }
  listener="$PORT"
  pings 68 resolve nosuch.invalid:1
  pings 69 connect 127.0.0.1:1
  assert_contains "$stderr" "hint: $(unreached alice)"
  start_server http
  pings 76 protocol "127.0.0.1:$SERVER_PORT"
  stop_server
  start_listen carol -k
  pings 77 key "127.0.0.1:$PORT"
  pings 77 trust "127.0.0.1:$listener"
  assert_contains "$stdout" "not accepted by 'alice' yet"
  alice peers remove "$bob_id"
  pings 77 trust "127.0.0.1:$listener"
  assert_contains "$stdout" "does not know this node"
  expect 67 bob peers ping nobody
  expect 64 bob peers ping alice -W 0
}

@test "peers: verbs work while listen runs and when it does not" {
  bob_waits
  stop_listen
  expect 0 alice peers accept "$bob_id" --as bob
  expect 0 alice peers block bob
  expect 0 alice peers unblock bob
  expect 0 alice peers rename bob robert
  expect 0 alice peers verify robert --confirm
  expect 0 alice peers show robert
  assert_contains "$stdout" "status        verified"
  expect 0 alice peers remove robert
}

@test "peers: a fingerprint whose first character is a hyphen works everywhere" {
  alice peers >/dev/null
  sqlite3 "$FOLDER/alice/state.db" <"$REPOSITORY/tests/cli/peers.sql"
  id="SHA256:-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
  for selector in "$id" "${id:0:15}"; do
    expect 0 alice peers show "$selector"
    assert_contains "$stdout" "$id"
    expect 0 alice peers verify "$selector"
    expect 0 alice peers block "$selector"
    expect 0 alice peers unblock "$selector"
  done
  expect 0 alice peers accept "${id:0:15}" --as hyphen --expect "$id"
  assert_stdout "$id"
  expect 0 alice peers remove "$id"
}

@test "peers --format: one line a peer, and what a stranger calls itself stays in its quotes" {
  strangers
  start_listen alice -k
  expect 0 bob register alice "127.0.0.1:$PORT" --as 'a"b\ %p'
  stop_listen
  expect 0 alice peers --pending --format '%s|%p|%f|%h|100%%'
  assert_stdout "pending||$(fingerprint bob)|\"a\\\"b\\\\ %p\"|100%"
  expect 0 bob peers --format '%p %s' -z
  assert_equal "$(tr '\0' , <"$OUT")" 'alice trusted,'
  expect 0 bob peers show alice --format '%p at %a'
  assert_stdout "alice at 127.0.0.1:$PORT"
}

@test "peers --format: a field that is none is 64, before anything is printed" {
  expect 64 alice peers --format '%p %x'
  assert_refusal peers "no field '%x' in a format"
  expect 64 alice peers --format '100%'
  assert_refusal peers "no field '%' in a format"
  expect 64 alice peers --format '%p' --json
  assert_refusal peers '--json and --format exclude each other'
}
