#!/usr/bin/env bats
# A peer that was written from p2pchat-protocol(7) alone (tests/peer/p2ppeer.py) against p2pchat, in
# both directions. eve and mallory are such peers; alice and bob are p2pchat's.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

PEER=(/usr/bin/python3 "$REPOSITORY/tests/peer/p2ppeer.py")

has_jwcrypto() { /usr/bin/python3 -c 'import jwcrypto, cryptography' 2>/dev/null; }

setup_file() {
  has_jwcrypto || return 0
  "${PEER[@]}" keygen "$BATS_FILE_TMPDIR/eve" >"$BATS_FILE_TMPDIR/eve.ik"
  "${PEER[@]}" keygen "$BATS_FILE_TMPDIR/mallory" >"$BATS_FILE_TMPDIR/mallory.ik"
}

setup() {
  has_jwcrypto || skip "python3-jwcrypto is not installed"
  friends
  cp -a "$BATS_FILE_TMPDIR/." "$FOLDER"
}

# peer NAME COMMAND [KIND]...: the command on the node NAME.
peer() { within_limits "${PEER[@]}" "$2" "$FOLDER/$1" "${@:3}"; }
eve() { peer eve "$@"; }
eve_ik() { cat "$FOLDER/eve.ik"; }
# eve_sends BODY OPTIONS...: to the listener at $PORT.
eve_sends() { printf %s "$1" | eve send "127.0.0.1:$PORT" "${@:2}"; }

# alice listens on $PORT and has accepted eve, and eve has pinned alice.
alice_knows_eve() {
  start_listen alice -k --raw "$@"
  eve register "127.0.0.1:$PORT" >/dev/null 2>&1
  alice peers accept "$(eve_ik)" --as eve >/dev/null
}
# alice stops; this is all that she has written.
assert_alice_wrote() {
  stop_listen
  assert_equal "$(cat "$FOLDER/alice.out")" "$1"
}

serves_or_ended() { has_line "$2" '^[0-9]' || has_ended "$1"; }
# start_eve COMMAND...: serve or misbehave KIND, at $EVE.
start_eve() {
  local command=("$1")
  shift
  if [[ "${command[0]}" == misbehave ]]; then
    command+=("$1")
    shift
  fi
  start_command eve "${PEER[@]}" "${command[@]}" "$FOLDER/eve" 0 "$@"
  wait_until serves_or_ended "$PID" "$OUT"
  has_line "$OUT" '^[0-9]' || fail "eve does not serve:" "$(cat "$ERR")"
  EVE="127.0.0.1:$(<"$OUT")"
}
stop_eve() {
  kill -KILL "$PID"
  ended 137 "$PID"
}
# eve serves at $EVE, and bob has registered her.
bob_knows_eve() {
  start_eve serve "$@"
  bob register eve "$EVE" --as bob >/dev/null 2>&1
  : >"$FOLDER/eve/log"
}
assert_log() { assert_stream "$FOLDER/eve/log" "$@"; }
# The jti that an id of one's own becomes.
jti() { printf %s "$1" | openssl dgst -sha256 -binary | head -c 16 | base64 | tr '+/' '-_' | tr -d '='; }
later_than() { (($(date +%s) > $1)); }

# ---- registering and sending

@test "independent: it registers with p2pchat, which shows it as pending" {
  start_listen alice -k
  expect 0 eve register "127.0.0.1:$PORT" --name 'Eve, 独立' --addr :4041
  assert_stdout "$(fingerprint alice)"
  assert_stderr pending
  expect 0 alice peers show "$(eve_ik)"
  assert_contains "$stdout" '独立'
  assert_contains "$stdout" 127.0.0.1:4041
}

@test "independent: p2pchat registers with it and pins its key" {
  start_eve serve
  expect 0 bob register eve "$EVE" --as bob --expect "$(eve_ik)"
  assert_stdout "$(eve_ik)"
  refute_contains "$stderr" pending
  assert_log "statement (keys)" trusted
}

@test "independent: p2pchat is told that it is pending there" {
  start_eve serve --standing pending
  expect 0 bob register eve "$EVE" --as bob
  assert_contains "$stderr" pending
  expect 77 bob send -m hi eve
  assert_refusal send
  assert_equal "$(ls "$FOLDER/eve/inbox")" ""
}

@test "independent: a stranger gets the key statement, a pending peer pending, a trusted one ok" {
  start_listen alice -k --raw
  expect 0 eve register "127.0.0.1:$PORT"
  alice peers reject "$(eve_ik)"
  expect 0 eve_sends one --expect-st statement
  assert_stderr statement
  expect 0 eve register "127.0.0.1:$PORT" --iat 5
  expect 0 eve_sends two --expect-st pending
  alice peers accept "$(eve_ik)" --as eve >/dev/null
  expect 0 eve_sends three
  assert_alice_wrote three
}

whole_in_both_directions() {
  head -c "$1" /dev/urandom >"$FOLDER/body"
  alice_knows_eve
  from_file() { eve send "127.0.0.1:$PORT" <"$FOLDER/body"; }
  expect 0 from_file
  assert_stderr ok
  stop_listen
  assert_same_bytes "$FOLDER/body" "$FOLDER/alice.out"

  bob_knows_eve
  expect 0 bob send --binary -f "$FOLDER/body" --id whole eve
  assert_silent
  assert_log ok
  assert_same_bytes "$FOLDER/body" "$FOLDER/eve/inbox/$(jti whole)"
}

@test "independent: an empty message arrives in both directions" { whole_in_both_directions 0; }

@test "independent: a message of 1 byte arrives whole in both directions" {
  whole_in_both_directions 1
}

@test "independent: a message of 1000 bytes arrives whole in both directions" {
  whole_in_both_directions 1000
}

@test "independent: a message of 64 KiB arrives whole in both directions" {
  whole_in_both_directions 65536
}

@test "independent: a message of 1 MiB arrives whole in both directions" {
  whole_in_both_directions 1048576
}

@test "independent: the reply of p2pchat's listener comes back, the second time too" {
  alice_knows_eve --reply 'got it'
  expect 0 eve_sends hi --id one
  assert_equal "$(cat "$OUT")" 'got it'
  expect 0 eve_sends hi --id one --expect-st dup
  assert_equal "$(cat "$OUT")" 'got it'
}

@test "independent: its reply comes out of p2pchat, and its rc is 79" {
  bob_knows_eve --reply 'got it'
  expect 0 bob send -m hi eve
  assert_equal "$stdout" 'got it'
  stop_eve
  bob_knows_eve --rc 3
  expect 79 bob send -m hi eve
}

# ---- ids

@test "independent: p2pchat takes a repeated message for dup and another body for conflict" {
  alice_knows_eve
  expect 0 eve_sends hi --id one
  expect 0 eve_sends hi --id one --expect-st dup
  expect 0 eve_sends ho --id one --expect-st conflict
  expect 0 eve_sends hi --id two
  assert_alice_wrote hihi
}

@test "independent: a repeated message of p2pchat is stored once" {
  bob_knows_eve
  cp -a "$FOLDER/bob" "$FOLDER/copy" # a node that does not know what bob has sent
  expect 0 bob send -m hi --id one eve
  expect 0 node copy send -m hi --id one eve
  assert_log ok dup
  assert_equal "$(ls "$FOLDER/eve/inbox")" "$(jti one)"
}

@test "independent: its conflict is 65" {
  bob_knows_eve
  cp -a "$FOLDER/bob" "$FOLDER/copy"
  expect 0 bob send -m hi --id one eve
  expect 65 node copy send -m ho --id one eve
  assert_refusal send
  assert_log ok conflict
  assert_equal "$(cat "$FOLDER/eve/inbox/$(jti one)")" hi
}

# ---- rotation

@test "independent: it heals when the key of p2pchat is a new one" {
  alice_knows_eve
  expect 0 eve_sends one
  assert_stderr ok
  assert_alice_wrote one
  local old=("$FOLDER"/alice/encryption-*.pem) seq
  seq="${old[0]##*-}"
  wait_until later_than "${seq%.pem}" # the number of a key is at least the time of its making
  rm "${old[@]}"
  start_listen alice -k --raw
  expect 0 eve_sends two
  assert_stderr newer ok
  expect 0 eve_sends three
  assert_stderr ok
  assert_alice_wrote twothree
}

@test "independent: p2pchat's ack brings the next key while the former one still opens" {
  alice_knows_eve
  stop_listen
  peer alice age $((8 * 86400)) # rotate.days is 7: the listener makes a new one
  start_listen alice -k --raw
  local keys=("$FOLDER"/alice/encryption-*.pem)
  assert_equal "${#keys[@]}" 2
  expect 0 eve_sends one
  assert_stderr ok
  stop_listen
  rm "$(printf '%s\n' "${keys[@]}" | sort -t- -k2 | head -n 1)"
  start_listen alice -k --raw
  expect 0 eve_sends two
  assert_stderr ok # it was sealed to the new one already
}

@test "independent: p2pchat heals when its key is a new one" {
  bob_knows_eve
  eve rotate --forget
  expect 0 bob send -m two eve
  assert_silent
  assert_log "statement (header)" ok
}

@test "independent: its ack brings p2pchat the next key while the former one still opens" {
  bob_knows_eve
  eve rotate
  expect 0 bob send -m one eve
  eve rotate # the one that bob knew first is gone
  expect 0 bob send -m two eve
  assert_log ok ok
}

# ---- what is refused

@test "independent: p2pchat refuses a message to somebody else, forwarded to it" {
  alice_knows_eve
  local bob
  bob="$(fingerprint bob)"
  expect 0 eve_sends hi "--aud=${bob#SHA256:}" --expect-st statement
  assert_stderr statement
  assert_alice_wrote ""
}

@test "independent: p2pchat tells skew for what is from the future, far from it or expired" {
  alice_knows_eve
  expect 0 eve_sends one --iat 660 --expect-st skew
  expect 0 eve_sends two --iat -7200 --life 3600 --expect-st skew
  expect 0 eve_sends three --iat -7200 --life $((30 * 86400))
  expect 0 eve_sends four --life $((30 * 86400 + 1)) --expect-st statement
  assert_alice_wrote three
}

@test "independent: p2pchat answers a registration with a stale statement with its own" {
  alice_knows_eve
  eve rotate
  expect 0 eve register "127.0.0.1:$PORT" --iat 300
  assert_stderr trusted
  expect 1 eve register "127.0.0.1:$PORT" --iat 500 --old-keys
  assert_stderr statement
  expect 0 eve register "127.0.0.1:$PORT" --old-keys # overtaken: nothing is compared
  assert_stderr trusted
}

@test "independent: p2pchat takes no message of a peer that it does not know" {
  alice_knows_eve
  expect 0 peer mallory register "127.0.0.1:$PORT"
  alice peers reject "$(cat "$FOLDER/mallory.ik")"
  mallory_sends() { printf hi | peer mallory send "127.0.0.1:$PORT" --expect-st statement; }
  expect 0 mallory_sends
  assert_alice_wrote ""
}

# ---- servers that misbehave

# after COUNT STATUS COMMAND KIND...: eve answers COUNT requests (a registration is two), then
# misbehaves in each of these ways, and bob's send or register ends with STATUS.
after() {
  local kind command
  for kind in "${@:4}"; do
    start_eve misbehave "$kind" --after "$1"
    if (($1 > 1)); then bob register eve "$EVE" --as bob >/dev/null 2>&1; fi
    command=(send -m "$kind" eve)
    [[ "$3" == send ]] || command=(register eve "$EVE" --as bob)
    expect "$2" bob "${command[@]}" || fail "eve: $kind after $1"
    assert_refusal "$3"
    stop_eve
  done
}

@test "independent: send ends with the status of the page, whatever the server answers" {
  after 2 65 send other-requests-ack wrong-rk wrong-irt wrong-rh wrong-word same-seq expired
  after 2 77 send old-statement other-key newer other-pem
  after 2 76 send endless http empty pem
  after 2 74 send early-close cut
  P2PCHAT_SEND_TIMEOUT=500ms after 2 74 send silent
  assert_equal "$(ls "$FOLDER/eve/inbox")" ""
}

@test "independent: the acknowledgement of an earlier message never counts for a later one" {
  start_eve misbehave other-requests-ack --after 3
  bob register eve "$EVE" --as bob >/dev/null 2>&1
  expect 0 bob send -m one eve
  expect 65 bob send -m two eve
  assert_refusal send
}

@test "independent: register ends with the status of the page, whatever answers the registration" {
  after 1 65 register other-requests-ack wrong-rk wrong-irt wrong-rh wrong-word same-seq expired
  after 1 77 register old-statement other-key newer other-pem
  after 1 76 register endless http empty pem
  after 1 74 register early-close cut
  P2PCHAT_SEND_TIMEOUT=500ms after 1 74 register silent
  expect 67 bob peers show eve # nothing was pinned
}

@test "independent: register ends with the status of the page, whatever is at the port" {
  after 0 65 register other-requests-ack wrong-rk expired
  after 0 77 register newer
  after 0 76 register endless http empty
  after 0 74 register early-close cut
  P2PCHAT_SEND_TIMEOUT=500ms after 0 74 register silent
  expect 67 bob peers show eve # nothing was pinned
}

@test "independent: register ends with the status of the page, whatever a pinned node says" {
  after 2 65 register other-requests-ack wrong-rk old-statement same-seq expired
  after 2 77 register other-key other-pem
  after 2 76 register http pem
}

@test "independent: register refuses the key of another identity than the expected one" {
  start_eve misbehave other-key
  expect 77 bob register eve "$EVE" --as bob --expect "$(eve_ik)"
  assert_refusal register
  assert_log other-key # nothing about bob has left
}

# ---- the published scenarios

@test "independent: it answers every published vector as the file says" {
  expect 0 within_limits /usr/bin/python3 "$REPOSITORY/tests/peer/check_vectors.py" \
    "$REPOSITORY/tests/vectors"
  assert_match "$stdout" '^([0-9]{3,}) of ([0-9]{3,}) hold$'
  assert_equal "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  echo "# $stdout" >&3
}

@test "independent: whatever it calls itself and writes, a record stays one and a handler gets the bytes" {
  start_listen alice -k --json
  local hint=$'"; $(touch pwned) `touch pwned` %s \u202e -rf'
  eve register "127.0.0.1:$PORT" --name "$hint" >/dev/null 2>&1
  alice peers accept "$(eve_ik)" --as eve >/dev/null
  local bodies=($'"}\n{"id":"forged"}' "\$(touch pwned)" $'\e[2J\e]0;t\a\n\u202e\u2028' '%s%n' '-rf /' $'a\xffb')
  for body in "${bodies[@]}"; do eve_sends "$body" >/dev/null; done
  stop_listen
  /usr/bin/python3 - "$FOLDER/alice.out" "${bodies[@]}" <<'END'
import base64, json, os, sys
lines = open(sys.argv[1], encoding="utf-8").read().split("\n")
assert lines.pop() == "" and all(c.isprintable() for line in lines for c in line), lines
records = [json.loads(line) for line in lines]
assert all(record["peer"] == "eve" for record in records), records
got = [base64.b64decode(r["data"]) if "data" in r else r["text"].encode() for r in records]
assert got == [os.fsencode(body) for body in sys.argv[2:]], got
END
  # shellcheck disable=SC2016
  start_listen alice -k -p "$PORT" --exec /bin/bash -c 'cat >"$0/got.$P2PCHAT_MSG_ID"; echo "$P2PCHAT_MSG_PEER"' "$FOLDER"
  for body in "${bodies[@]}"; do
    rm -f "$FOLDER"/got.*
    eve_sends "$body" >"$FOLDER/eve.said"
    printf %s "$body" | cmp - "$FOLDER"/got.*
  done
  [[ ! -e pwned && ! -e "$FOLDER/pwned" ]]
}
