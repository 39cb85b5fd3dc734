#!/usr/bin/env bats
# p2pchat send: 0 only when the peer's own key has acknowledged, else the status of the table.
# Bodies are in pipe.bats, servers that misbehave in hostile.bats.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

listening() {
  start_listen alice "$@"
  befriend bob alice
}
# HOME makes its next encryption key, and no longer has the former one.
renew_encryption_key() {
  local old=("$FOLDER/$1"/encryption-*.pem) seq
  old_port="$PORT"
  seq="${old[0]##*-}"
  later_than() { (($(date +%s) > $1)); } # the number of a key is at least the time of its making
  wait_until later_than "${seq%.pem}"
  rm "${old[@]}"
  node "$1" listen -p 0 -a 127.0.0.1 -W 100ms 2>/dev/null || true
}

# What alice has been sent, once everything is in.
assert_received() {
  stop_listen
  assert_stream "$FOLDER/alice.out" "$@"
}

@test "send: a message that is acknowledged is 0 and silence" {
  listening -k
  expect 0 bob send -m hi alice
  assert_silent
  assert_received hi
}

@test "send: names are one name without regard to case" {
  listening -k
  expect 0 bob send -m hi ALICE
  assert_silent
  assert_received hi
}

@test "send: the whole of standard input is the message" {
  listening -k
  from_pipe() { printf 'one\ntwo\n' | bob send alice; }
  expect 0 from_pipe
  assert_silent
  assert_received one two
}

@test "send: with -m or -f standard input is never read" {
  listening -k
  printf 'text\n' >"$FOLDER/file"
  printf 'first\nsecond\n' >"$FOLDER/input"
  {
    expect 0 bob send -m hi alice
    expect 0 bob send -f "$FOLDER/file" alice
    read -r rest
  } <"$FOLDER/input"
  assert_equal "$rest" first
  assert_received hi text
}

@test "send: on a terminal without a message it is 64 at once, before anything is looked up" {
  for peer in alice nobody; do
    expect 64 peer_py pty --fds 0 "$BIN" --home "$FOLDER/bob" send "$peer"
    assert_refusal send "no message: standard input is a terminal"
    has_line "$ERR" "hint: echo hi | $(own bob) send $peer"
  done
}

@test "send: on a terminal the reply is escaped, and it is said that the message is delivered" {
  listening -k --reply $'\e[31mred\r\nnext \xe2\x80\xae end'
  expect 0 peer_py pty --fds 1,2 "$BIN" --home "$FOLDER/bob" send -m hi alice
  assert_stdout '\x1b[31mred\r' '  next \u{202e} end' 'delivered to alice'
}

@test "send --escape: a pipe gets what a terminal would; it goes with nothing that says otherwise" {
  listening -k --reply $'\e[31mred\r\nnext \xe2\x80\xae end'
  expect 0 bob send -m hi --escape alice
  assert_stdout '\x1b[31mred\r' '  next \u{202e} end'
  for option in --json -q --raw --binary; do
    expect 64 bob send -m hi --escape "$option" alice
    assert_refusal send "--escape and -"
  done
}

@test "send -q: the reply is not printed" {
  listening -k --reply thanks
  expect 0 bob send -q -m hi alice
  assert_silent
}

@test "send: a reply goes to stdout exactly as it was received" {
  listening -k --raw --reply $'\e[31m\tno newline'
  expect 0 bob send -m hi alice
  printf '\e[31m\tno newline' | cmp - "$OUT"
  assert_stderr
}

@test "send: a stdout that cannot be written is 71 and says that the message has arrived" {
  listening -k --reply thanks
  refused() { bob send -m one alice >/dev/full; }
  expect 71 refused
  assert_refusal send "acknowledged by 'alice', but cannot write to standard output: no space left on device"
  refused() { bob send -m two alice >&-; }
  expect 71 refused
  assert_refusal send "acknowledged by 'alice', but cannot write to standard output: bad file descriptor"
  silent() { bob send -q -m three alice >&-; }
  expect 0 silent
  assert_silent
  assert_received one two three
}

@test "send: an unknown name is 67, nobody gets anything and standard input is not read" {
  listening -k
  printf 'first\n' >"$FOLDER/input"
  {
    expect 67 bob send alicia
    read -r rest
  } <"$FOLDER/input"
  assert_stdout
  assert_stderr "p2pchat send: error: unknown peer 'alicia'" \
    "p2pchat send: hint: $(own bob) register alicia HOST[:PORT]; if it is the text: $(own bob) send -m alicia PEER"
  assert_equal "$rest" first
  assert_received
}

@test "send: a name with a space is 67 with a hint at -m" {
  expect 67 bob send "alice hello there" </dev/null
  assert_stderr "p2pchat send: error: unknown peer 'alice hello there'" \
    "p2pchat send: hint: to send text from the command line, use -m: $(own bob) send -m 'alice hello there' PEER"
}

# What a beginner types, and what it says then: the status, the words after `send`, the hint.
@test "send: a word that is no peer gets the command that was meant" {
  local status words hint nobody
  nobody="$(own bob) peers lists those you have"
  while IFS='|' read -r status words hint; do
    eval "words=($words)"
    expect "$status" bob send "${words[@]}" </dev/null
    assert_refusal send
    assert_hint send "$hint"
  done <<END
67|'hello there'|to send text from the command line, use -m: $(own bob) send -m 'hello there' PEER
67|alice 'hello there'|to send text from the command line, use -m: $(own bob) send -m 'hello there' alice
67|$'a \e[31mred one'|to send text from the command line, use -m: $(own bob) send -m TEXT PEER
67|-m hi hello|$(own bob) register hello HOST[:PORT]
67|-m hi localhost:4041|an address gets a name with: $(own bob) register NAME localhost:4041
67|-m hi $(fingerprint carol)|a peer is called by its name: $nobody
67|-m hi ''|$nobody
64||$(own bob) send PEER < FILE
64|-m hi|$(own bob) send -m TEXT PEER
END
}

@test "send: a stranger is no peer to send to" {
  start_listen alice -k
  befriend carol alice
  expect 67 alice send -m hi carol
  assert_refusal send "unknown peer 'carol'"
}

@test "send: empty standard input is 65" {
  listening -k
  from_nothing() { bob send alice </dev/null; }
  expect 65 from_nothing
  assert_stderr "p2pchat send: error: standard input is empty" \
    "p2pchat send: hint: -m '' sends an empty message"
  closed() { bob send alice <&-; }
  expect 66 closed
  assert_refusal send "cannot read standard input"
  assert_received
}

@test "send: more than 1 MiB, invalid UTF-8 and NUL are 65, and nothing leaves" {
  listening -k
  head -c 1048577 /dev/zero | tr '\0' a >"$FOLDER/long"
  printf 'caf\xe9' >"$FOLDER/latin1"
  printf 'a\xc0\xafb' >"$FOLDER/overlong"
  printf '\xed\xa0\x80' >"$FOLDER/surrogate"
  printf 'a\0b' >"$FOLDER/nul"
  while read -r name words; do
    from_stdin() { bob send alice <"$FOLDER/$name"; }
    for way in "bob send -f $FOLDER/$name alice" from_stdin; do
      read -ra command <<<"$way"
      expect 65 "${command[@]}"
      assert_refusal send "the message $words"
    done
  done <<'END'
long is longer than 1 MiB
latin1 is not UTF-8
overlong is not UTF-8
surrogate is not UTF-8
nul holds a NUL byte
END
  expect 65 bob send -m $'caf\xe9' alice
  assert_refusal send "the message is not UTF-8"
  expect 65 bob send --binary -f "$FOLDER/long" alice
  assert_refusal send "the message is longer than 1 MiB"
  assert_hint send "split -b 1M cuts a file into pieces that fit"
  assert_received
}

@test "send -f: a file that is missing or unreadable is 66" {
  expect 66 bob send -f "$FOLDER/missing" alice
  assert_stdout
  assert_stderr "p2pchat send: error: cannot open '$FOLDER/missing': no such file or directory"
  expect 66 bob send -f "$FOLDER" alice
  assert_refusal send "cannot read '$FOLDER': is a directory"
}

@test "send: a closed port is 69 and one line" {
  listening -k
  stop_listen
  expect 69 bob send -m hi alice
  assert_stdout
  assert_stderr "p2pchat send: error: cannot connect to 'alice' (127.0.0.1:$PORT): connection refused" \
    "p2pchat send: hint: $(unreached alice)"
}

@test "send: an address that never answers is 69 within its time" {
  # A listening socket whose queue is full drops what comes: nobody can connect, nobody is refused.
  listening -k
  stop_listen
  start_server full --port "$PORT"
  expect 69 bob send -W 1 -m hi alice
  assert_refusal send "cannot connect to 'alice' (127.0.0.1:$PORT)"
  assert_hint send "$(unreached alice)"
}

@test "send: a host that does not resolve is 68 and one line" {
  start_listen alice -k
  bob register alice "127.0.0.1:$PORT" --announce nosuch.invalid:4711 >/dev/null 2>&1
  expect 68 alice send -m hi bob
  assert_refusal send "cannot resolve the address of 'bob' (nosuch.invalid:4711)"
  assert_hint send "$(own alice) register bob HOST[:PORT] gives it another address"
}

@test "send: a peer without an address is 69 with the command that gives it one" {
  start_listen alice -k
  befriend bob alice
  expect 69 alice send -m hi bob
  assert_stdout
  assert_stderr "p2pchat send: error: no address is known for 'bob'" \
    "p2pchat send: hint: $(own alice) register bob HOST[:PORT]"
}

@test "send: the typed address is tried first, the announced one next" {
  start_listen bob -k
  alice register bob "127.0.0.1:$PORT" >/dev/null 2>&1
  first_bob="$PID"
  kill -TERM "$first_bob"
  ended 0 "$first_bob"
  start_listen bob -k # elsewhere now
  bob_port="$PORT"
  start_listen alice -k
  bob register alice "127.0.0.1:$PORT" --announce ":$bob_port" >/dev/null 2>&1
  expect 0 alice send -m hi bob
  assert_silent
  wait_until has_line "$FOLDER/bob.out" '^hi$'
}

@test "send: not accepted there is 77, nothing is written there, and both sides know what to type" {
  start_listen alice -k
  befriend carol alice
  expect 77 carol send -m hi alice
  assert_stdout
  assert_stderr "p2pchat send: error: not accepted by 'alice' yet" \
    "p2pchat send: hint: the owner of 'alice' types: p2pchat peers accept $(fingerprint carol) --as NAME"
  assert_received
}

@test "send: not known there is 77 with the way back" {
  listening -k
  alice peers remove bob
  expect 77 bob send -m hi alice
  assert_stdout
  assert_stderr "p2pchat send: error: 'alice' does not know this node or could not open the message" \
    "p2pchat send: hint: $(own bob) register alice"
  assert_received
}

@test "send: a changed key is 77, with both keys and the one way to take the new one" {
  listening -k
  stop_listen
  start carol listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 77 bob send -m hi alice
  assert_stdout
  assert_stderr \
    "p2pchat send: error: the key of 'alice' has changed: pinned $(fingerprint alice), offered $(fingerprint carol)" \
    "p2pchat send: hint: if that is right: $(own bob) register alice 127.0.0.1:$PORT --replace --expect $(fingerprint carol)"
  stop_listen
  assert_stream "$FOLDER/carol.out"
}

@test "send --id: the same id and text again is one message, acknowledged each time" {
  listening -k --reply "got it"
  for _ in 1 2 3; do
    expect 0 bob send --id invoice-7 -m hi alice
    assert_stdout "got it"
    assert_stderr
  done
  assert_received hi
}

@test "send --id: an id that has carried another text is 65 before anything leaves" {
  listening -k
  expect 0 bob send --id invoice-7 -m hi alice
  expect 65 bob send --id invoice-7 -m other alice
  assert_refusal send "has carried another message to 'alice'"
  assert_received hi
}

@test "send --id: an id that has carried another text there is 65, though we forgot it" {
  listening -k
  cp -a "$FOLDER/bob" "$FOLDER/before"
  expect 0 bob send --id invoice-7 -m hi alice
  expect 65 node before send --id invoice-7 -m other alice
  assert_refusal send "this id has carried another message to 'alice'"
  assert_received hi
}

@test "send --id: our own ids are taken as they are, everything else is a name for one" {
  listening -k
  id=AAAAAAAAAAAAAAAAAAAAAA
  expect 0 bob send --id "$id" -m one alice
  expect 0 bob send --id "$id" -m one alice
  expect 0 bob send --id "${id}A" -m two alice
  expect 0 bob send --id "-$id" -m three alice
  expect 0 bob send --id "ä ö
ü" -m four alice
  assert_received one two three four
}

@test "send --id: 1 to 128 bytes, else 64" {
  listening -k
  long="$(printf 'a%.0s' {1..128})"
  expect 0 bob send --id "$long" -m hi alice
  expect 64 bob send --id "${long}a" -m hi alice
  assert_refusal send "an id has 1 to 128 bytes"
  expect 64 bob send --id= -m hi alice
  assert_refusal send "an id has 1 to 128 bytes"
  assert_received hi
}

@test "send: a lost answer is 74; the printed command sends the same message once" {
  listening -k
  alice_port="$PORT"
  stop_listen
  start_listen alice -k # elsewhere; where she was, answers get lost
  start_server proxy --port "$alice_port" --to "$PORT" --save "$FOLDER" --cut 1
  text="it's \$HOME; a \"quoted\" text"
  expect 74 bob send -m "$text" alice
  assert_stdout
  assert_match "$stderr" "^p2pchat send: error: no answer from 'alice' \(127\.0\.0\.1:$alice_port\): connection closed without an answer; the outcome of message '[A-Za-z0-9_-]{22}' is unknown"$'\n'"p2pchat send: hint: to retry safely: p2pchat --home $FOLDER/bob send --id [A-Za-z0-9_-]{22} -m "
  retry="${stderr#*to retry safely: p2pchat }"
  stop_server
  start_server proxy --port "$alice_port" --to "$PORT" --save "$FOLDER"
  eval "retry() { bob $retry; }"
  expect 0 retry
  assert_silent
  assert_received "$text"
}

# A later attempt that is not taken once made an acknowledged id one that could be sent anew.
@test "send --id: what was acknowledged stays so, whatever comes of a repetition" {
  outcome() { sqlite3 "$FOLDER/bob/state.db" "SELECT state FROM messages WHERE direction = 'out' ORDER BY id"; }
  listening -k
  expect 0 bob send --id one -m hi alice
  assert_equal "$(outcome)" acked
  stop_listen
  start_server close-after-request --port "$PORT"
  expect 74 bob send --id one -m hi alice
  assert_equal "$(outcome)" acked
  expect 74 bob send --id two -m hi alice
  assert_equal "$(outcome)" $'acked\nunknown'
  stop_server
}

@test "send: the retrying command names what standard input must be given again" {
  listening -k
  stop_listen
  start_server close-after-request --port "$PORT"
  from_pipe() { printf hi | bob send --raw alice; }
  expect 74 from_pipe
  assert_match "$stderr" "hint: to retry safely: p2pchat --home $FOLDER/bob send --id [A-Za-z0-9_-]{22} --raw alice \\(with the same input\\)$"
  expect 74 bob send --binary -f "$PEER_PY" alice
  assert_match "$stderr" "hint: to retry safely: p2pchat --home $FOLDER/bob send --id [A-Za-z0-9_-]{22} --binary -f $PEER_PY alice$"
}

@test "send -W: bounds everything; a time that is none is 64" {
  listening -k
  stop_listen
  start_server silence --port "$PORT"
  expect 74 bob send -W 1 -m hi alice
  assert_match "$stderr" "^p2pchat send: error: no answer from 'alice' \(127\.0\.0\.1:$PORT\): no answer in time; the outcome of message "
  for time in 0 -1 x 1w '' 1.2.3 .5; do
    expect 64 bob send "-W$time" -m hi alice
    assert_refusal send
  done
}

@test "send: a call that makes no sense is 64" {
  while read -ra words; do
    expect 64 bob send "${words[@]}"
    assert_refusal send
  done <<'END'
-m hi
-m hi -f file alice
-m hi -m hi --frobnicate alice carol
-m
--frobnicate -m hi alice
-x alice
END
}

@test "send: words behind the name on a terminal are 64 with a hint at -m" {
  expect 64 peer_py pty --fds 0 "$BIN" --home "$FOLDER/bob" send alice hello
  assert_stdout
  assert_stderr "p2pchat send: error: no message: standard input is a terminal" \
    "p2pchat send: hint: to send text from the command line, use -m: $(own bob) send -m TEXT alice hello"
}

# ---- several peers

# alice and carol listen and know bob, who knows both. Sets ALICE and CAROL to their processes.
three_friends() {
  start_listen alice -k "$@"
  ALICE="$PID"
  befriend bob alice
  start_listen carol -k "$@"
  CAROL="$PID"
  befriend bob carol
  carol peers accept "$(fingerprint bob)" --as bob >/dev/null
}
stop() {
  kill -TERM "$1"
  ended 0 "$1"
}
outcomes() { sqlite3 "$FOLDER/bob/state.db" "SELECT state FROM messages WHERE direction = 'out' ORDER BY id"; }

@test "send PEER...: each gets the message, and success is silence whatever they reply" {
  three_friends --reply thanks
  expect 0 bob send -m hi alice carol
  assert_silent
  from_pipe() { printf 'one\ntwo\n' | bob send carol alice; }
  expect 0 from_pipe
  assert_silent
  stop "$ALICE"
  stop "$CAROL"
  assert_stream "$FOLDER/alice.out" hi one two
  assert_stream "$FOLDER/carol.out" hi one two
}

@test "send PEER...: on a terminal each delivery is said, and no reply is shown" {
  three_friends --reply thanks
  expect 0 peer_py pty --fds 1,2 "$BIN" --home "$FOLDER/bob" send -m hi alice carol
  assert_stdout 'delivered to alice' 'delivered to carol'
}

@test "send PEER...: one unknown name is 67, nobody gets anything and standard input is not read" {
  listening -k
  printf 'first\n' >"$FOLDER/input"
  {
    expect 67 bob send alice nobody alice
    read -r rest
  } <"$FOLDER/input"
  assert_stdout
  assert_stderr "p2pchat send: error: unknown peer 'nobody'" \
    "p2pchat send: hint: $(own bob) register nobody HOST[:PORT]"
  assert_equal "$rest" first
  assert_received
}

@test "send PEER...: who is named twice, in any case, gets one message" {
  three_friends
  expect 0 bob send -m hi alice ALICE carol alice
  assert_silent
  stop "$ALICE"
  stop "$CAROL"
  assert_stream "$FOLDER/alice.out" hi
  assert_stream "$FOLDER/carol.out" hi
}

@test "send PEER...: errors name their peer and stand in the order of the arguments" {
  three_friends
  alice_port="$(bob peers show alice | grep -o '127.0.0.1:[0-9]*' | head -n 1)"
  alice peers remove bob
  stop "$CAROL"
  expect 69 bob send -m hi carol alice carol
  assert_stdout
  unreachable="p2pchat send: error: cannot connect to 'carol' (127.0.0.1:$PORT): connection refused"
  assert_stderr "$unreachable" \
    "p2pchat send: error: 'alice' does not know this node or could not open the message" \
    "p2pchat send: hint: $(own bob) register alice" \
    "$unreachable"
  expect 77 bob send -m hi alice carol
  assert_stdout
}

@test "send PEER...: the status is the first that is not 0, and the others have the message" {
  three_friends
  stop "$CAROL"
  expect 69 bob send -m hi alice carol
  assert_stderr "p2pchat send: error: cannot connect to 'carol' (127.0.0.1:$PORT): connection refused"
  stop "$ALICE"
  assert_stream "$FOLDER/alice.out" hi
}

@test "send PEER...: one command repeats all whose outcome is unknown, under one id" {
  three_friends
  carol_port="$PORT"
  stop "$ALICE"
  alice_port="$(sed -n 's/.*:\([0-9]*\)$/\1/p' "$FOLDER/alice.err" | head -n 1)"
  stop "$CAROL"
  start_server close-after-request --port "$alice_port"
  start_server close-after-request --port "$carol_port"
  expect 74 bob send -m hi alice carol alice
  assert_stdout
  assert_equal "$(wc -l <"$ERR")" 4
  mapfile -t lines <"$ERR"
  [[ "${lines[0]}" =~ "of message '"([A-Za-z0-9_-]{22})"' is unknown"$ ]]
  id="${BASH_REMATCH[1]}"
  assert_contains "${lines[0]}" "no answer from 'alice' "
  assert_match "${lines[1]}" "no answer from 'carol' .* of message '$id' is unknown$"
  assert_equal "${lines[2]}" "${lines[0]}"
  assert_equal "${lines[3]}" \
    "p2pchat send: hint: to retry safely: p2pchat --home $FOLDER/bob send --id $id -m hi alice carol"
  assert_equal "$(outcomes)" $'unknown\nunknown'
}

@test "send PEER...: a signal ends all of them, says what is known, and ends it" {
  three_friends
  carol_port="$PORT"
  stop "$CAROL"
  start_server silence --port "$carol_port"
  start_command send "$BIN" --home "$FOLDER/bob" send --id all -m hi carol alice
  both_recorded() { [[ "$(outcomes | sort)" == $'acked\nunknown' ]]; }
  wait_until both_recorded
  wait_until has_line "$FOLDER/server.said" request
  kill -INT "$PID"
  ended 130 "$PID"
  read_streams
  assert_stdout
  assert_stderr \
    "p2pchat send: error: no answer from 'carol' (127.0.0.1:$carol_port): interrupted; the outcome of message 'all' is unknown" \
    "p2pchat send: hint: to retry safely: p2pchat --home $FOLDER/bob send --id all -m hi carol"
  both_recorded
  stop "$ALICE"
  assert_stream "$FOLDER/alice.out" hi
}

@test "send: ended by a signal while it connects, it has nothing to say" {
  listening -k
  stop_listen
  start_server full --port "$PORT"
  connecting() { grep -c ":$(printf %04X "$PORT") 02 " /proc/net/tcp || true; } # 02: SYN sent
  before="$(connecting)"
  connects() { (($(connecting) > before)); }
  start_command send "$BIN" --home "$FOLDER/bob" send -m hi alice
  wait_until connects
  kill -TERM "$PID"
  ended 143 "$PID"
  read_streams
  assert_silent
  assert_equal "$(outcomes)" ""
}

# ---- objects

# eve is a peer of another make (tests/peer/p2ppeer.py), whom bob knows. serve_eve OPTIONS...: how
# she answers; sets PID.
PEER=(/usr/bin/python3 "$REPOSITORY/tests/peer/p2ppeer.py")
meet_eve() {
  /usr/bin/python3 -c 'import jwcrypto' 2>/dev/null || skip "python3-jwcrypto is not installed"
  [[ -e "$BATS_FILE_TMPDIR/eve" ]] || "${PEER[@]}" keygen "$BATS_FILE_TMPDIR/eve" >/dev/null
  cp -a "$BATS_FILE_TMPDIR/eve" "$FOLDER/eve"
  serve_eve 0
  bob register eve "127.0.0.1:$EVE" --as bob >/dev/null 2>&1
  stop_eve
}
serves_or_ended() { has_line "$2" '^[0-9]' || has_ended "$1"; }
serve_eve() { # PORT OPTIONS...
  start_command eve "${PEER[@]}" serve "$FOLDER/eve" "$@"
  wait_until serves_or_ended "$PID" "$OUT"
  EVE="$(<"$OUT")"
}
stop_eve() {
  kill -KILL "$PID"
  ended 137 "$PID"
}

@test "send --json: an object for each peer, in the order of the arguments" {
  three_friends --raw --reply $'th\xc3\xa4nks \e[31m'
  stop "$CAROL"
  expect 69 bob send --json --id golden -m hi carol alice CAROL
  id="$(jti golden)"
  unreachable='{"peer":"carol","id":"'"$id"'","status":"untaken","exit":69,"body":null}'
  assert_stdout "$unreachable" \
    '{"peer":"alice","id":"'"$id"'","status":"acked","exit":0,"body":"thänks \u001b[31m"}' \
    "$unreachable"
  error="p2pchat send: error: cannot connect to 'carol' (127.0.0.1:$PORT): connection refused"
  assert_stderr "$error" "$error"
}

@test "send --json: with one peer as well; an empty reply is an empty body" {
  listening -k
  expect 0 bob send --json --id golden -m hi alice
  assert_stdout '{"peer":"alice","id":"'"$(jti golden)"'","status":"acked","exit":0,"body":""}'
  assert_stderr
  expect 65 bob send --json --id golden -m other alice
  assert_stdout '{"peer":"alice","id":"'"$(jti golden)"'","status":"failed","exit":65,"body":null}'
  assert_stderr "p2pchat send: error: the id 'golden' has carried another message to 'alice'"
  stop_listen
  start_server close-after-request --port "$PORT"
  expect 74 bob send --json --id lost -m hi alice
  assert_stdout '{"peer":"alice","id":"'"$(jti lost)"'","status":"unknown","exit":74,"body":null}'
  assert_contains "$stderr" "send --id lost --json -m hi alice"
}

@test "send --json: a reply that is not UTF-8 is data; a handler that failed is 79" {
  meet_eve
  serve_eve "$EVE" --reply $'\xff\xfe' --rc 3
  expect 79 bob send --json --id one -m hi eve
  assert_stdout '{"peer":"eve","id":"'"$(jti one)"'","status":"acked","exit":79,"data":"//4="}'
  stop_eve
}

@test "send --json: what fails before anything is tried prints no object" {
  expect 67 bob send --json -m hi nobody
  assert_refusal send "unknown peer 'nobody'"
  expect 65 bob send --json -m $'\xff' alice
  assert_refusal send "the message is not UTF-8"
  expect 64 bob send --json -q -m hi alice
  assert_refusal send "--json and -q exclude each other"
}

@test "send --json: a stdout that cannot be written is 71 and says who has the message" {
  three_friends
  stop "$CAROL"
  why="cannot write to standard output: no space left on device"
  refused() { bob send --json -m one alice carol >/dev/full; }
  expect 71 refused
  assert_stdout
  assert_stderr "p2pchat send: error: acknowledged by 'alice', but $why" \
    "p2pchat send: error: cannot connect to 'carol' (127.0.0.1:$PORT): connection refused"
  refused() { bob send --json -m unheard carol >/dev/full; }
  expect 71 refused
  assert_stderr "p2pchat send: error: cannot connect to 'carol' (127.0.0.1:$PORT): connection refused" \
    "p2pchat send: hint: $(unreached carol)" \
    "p2pchat send: error: cannot write to standard output: no space left on device"
  refused() { bob send --json -m two alice >&-; }
  expect 71 refused
  assert_refusal send "acknowledged by 'alice', but cannot write to standard output: bad file descriptor"
  stop "$ALICE"
  assert_stream "$FOLDER/alice.out" one two
}

# ---- handlers

@test "send: how the peer's handler has failed is said, and is 79; the reply comes all the same" {
  meet_eve
  while read -r rc words; do
    serve_eve "$EVE" --rc "$rc" --reply "so far"
    expect 79 bob send -m hi eve
    assert_equal "$stdout" "so far"
    assert_stderr "p2pchat send: error: delivered, but the handler of 'eve' $words"
    stop_eve
  done <<'END'
3 failed with status 3
125 wrote too much
143 was ended by signal 15
END
}

@test "send --propagate: exits with the status of the peer's handler from 1 to 63, else 79" {
  meet_eve
  while read -r rc status words; do
    serve_eve "$EVE" --rc "$rc"
    expect "$status" bob send --propagate -m hi eve
    assert_refusal send "delivered, but the handler of 'eve' $words"
    expect "$status" bob send --propagate --json --id "$rc" -m hi eve
    assert_match "$stdout" '"status":"acked","exit":'"$status"',"body":""}$'
    stop_eve
  done <<'END'
1 1 failed with status 1
63 63 failed with status 63
64 79 failed with status 64
124 79 ran out of time
127 79 could not be run
137 79 was ended by signal 9
255 79 was interrupted
END
  serve_eve "$EVE"
  expect 0 bob send --propagate -m hi eve
  assert_silent
  stop_eve
}

@test "send --propagate: with several peers, the first status that is not 0" {
  listening -k
  meet_eve
  serve_eve "$EVE" --rc 5
  expect 5 bob send --propagate -m hi alice eve
  assert_refusal send "delivered, but the handler of 'eve' failed with status 5"
}

# many_peers COUNT: bob knows so many peers, all at $SERVER_PORT: peer1, peer2 and so on.
many_peers() {
  /usr/bin/python3 -c 'import jwcrypto' 2>/dev/null || skip "python3-jwcrypto is not installed"
  local card number=0 cards="$BATS_FILE_TMPDIR/cards"
  [[ -e "$cards" ]] || /usr/bin/python3 "$REPOSITORY/tests/peer/make_peers.py" 40 >"$cards"
  while read -r card; do
    bob register "peer$((++number))" "127.0.0.1:$SERVER_PORT" --card - <<<"$card" >/dev/null 2>&1
  done < <(head -n "$1" "$cards")
  ((number == $1))
}

@test "send -W: bounds the wait for a locked state for all peers together, and each is named" {
  start_server silence
  many_peers 34
  start_command lock /usr/bin/python3 "$PEER_PY" lock "$FOLDER/bob/state.db"
  wait_until has_line "$OUT" locked
  expect 71 timeout 8 "$BIN" --home "$FOLDER/bob" send -W 1 -m hi peer{1..34}
  assert_match "$stderr" "^p2pchat send: error: sending to 'peer1': cannot use the state in '$FOLDER/bob/state.db': locked by another process for too long"
  assert_equal "$(grep -c "'peer[0-9]*'" "$ERR")" 34
}

@test "send PEER...: at most 32 exchanges at once, outcomes in the order of the names" {
  start_server gathering --together 32 --count 40 --save "$FOLDER"
  many_peers 40
  bob peers remove alice
  every_peer() { bob peers --names -z | within_limits xargs -0 "$BIN" --home "$FOLDER/bob" send -m hi; }
  expect 123 every_peer # xargs: the command has failed
  wait_until has_line "$FOLDER/most" .
  assert_equal "$(<"$FOLDER/most")" 32
  assert_stdout
  sed -n "s/.* error: .*'\(peer[0-9]*\)' .*outcome.*/\1/p" "$ERR" >"$FOLDER/told"
  bob peers --names >"$FOLDER/wanted"
  assert_same_bytes "$FOLDER/told" "$FOLDER/wanted"
  assert_equal "$(grep -c 'hint: to retry safely: ' "$ERR")" 1
}

@test "send -W: with several peers it is the time of all of them together" {
  start_server silence
  many_peers 34
  expect 74 bob send -W 1 -m hi peer{1..34}
  assert_equal "$(grep -c ": no answer in time; the outcome of message " "$ERR")" 32
  assert_equal "$(grep -c "error: not sent to 'peer3[34]': no time was left$" "$ERR")" 2
  assert_equal "$(wc -l <"$ERR")" 35
}

@test "send: a text or a file name may begin with a hyphen" {
  listening -k
  expect 0 bob send -m -hi alice
  expect 0 bob send --message=--raw alice
  assert_received -hi --raw
}

@test "send: a node without an identity is 78" {
  expect 78 node nobody send -m hi alice
  assert_refusal send "no identity"
  [[ ! -e "$FOLDER/nobody" ]]
}

@test "send: nobody on the way sees the text, the names or the fingerprints" {
  start_listen alice -k
  start_server proxy --to "$PORT" --save "$FOLDER"
  PORT=$SERVER_PORT
  befriend bob alice
  text="the quick brown fox jumps over the lazy dog"
  expect 0 bob send -m "$text" alice
  encoded="$(printf %s "$text" | base64 -w 0 | tr -d '=')"
  bob_id="$(fingerprint bob)"
  for plain in "$text" "$encoded" "${bob_id#SHA256:}"; do
    refute_found "$plain" "$FOLDER/3.request" "$FOLDER/3.reply"
  done
  tr -d '\0' <"$FOLDER/3.request" | grep -qx '[A-Za-z0-9_.-]*'
}

@test "send: the length of a short message does not show" {
  start_listen alice -k
  start_server proxy --to "$PORT" --save "$FOLDER"
  PORT=$SERVER_PORT
  befriend bob alice
  expect 0 bob send -m y alice
  expect 0 bob send -m "not yet, I am still thinking about it" alice
  assert_equal "$(stat -c %s "$FOLDER/3.request")" "$(stat -c %s "$FOLDER/4.request")"
}

@test "send: works beside a running listen of the same node" {
  start_listen bob -k
  start_listen alice -k
  befriend bob alice
  expect 0 bob send -m hi alice
  assert_silent
  wait_until has_line "$FOLDER/alice.out" '^hi$'
}

@test "send: a peer with a newer encryption key gets the message at once" {
  listening -k
  stop_listen
  renew_encryption_key alice
  start alice listen -k -p "$PORT" -a 127.0.0.1 --reply "got it"
  wait_for_port
  for text in one two; do
    expect 0 bob send -m "$text" alice
    assert_stdout "got it"
    assert_stderr
  done
  assert_received one two
}

@test "send: a peer that still has its previous encryption key opens what was sealed to it" {
  listening -k
  stop_listen
  old=("$FOLDER"/alice/encryption-*.pem)
  cp -a "${old[0]}" "$FOLDER/kept"
  renew_encryption_key alice
  cp -a "$FOLDER/kept" "${old[0]}"
  start_listen alice -k
  start_server proxy --port "$old_port" --to "$PORT" --save "$FOLDER"
  for text in one two; do
    expect 0 bob send -m "$text" alice
    assert_silent
  done
  # One exchange each: the first went to the previous key, its ack brought the new one.
  [[ -e "$FOLDER/2.request" && ! -e "$FOLDER/3.request" ]]
  recipient() { cut -d . -f 1 "$FOLDER/$1.request"; }
  [[ "$(recipient 1)" != "$(recipient 2)" ]]
  assert_received one two
}

@test "send: a peer that went back to an older encryption key is 77" {
  listening -k
  stop_listen
  cp -a "$FOLDER/alice" "$FOLDER/older"
  renew_encryption_key alice
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 0 bob send -m hi alice
  stop_listen
  start older listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 77 bob send -m again alice
  assert_refusal send "'alice' does not know this node or could not open the message"
  stop_listen
  assert_stream "$FOLDER/older.out"
}

@test "send: a value may be attached to its option, however long, with line breaks and all" {
  listening -k
  expect 0 bob send --message=$'one\ntwo' alice
  expect 0 bob send -m$'three\nfour' alice
  expect 0 bob send -qmfive alice
  long="$(head -c 100000 /dev/zero | tr '\0' a)"
  expect 0 bob send --message="$long" alice
  assert_received one two three four five "$long"
}

@test "send: a long word that is no option is 64, not the end of the program" {
  long="$(head -c 100000 /dev/zero | tr '\0' a)"
  for word in "-$long" "--$long" "--id=$long" "--raw=$long"; do
    expect 64 bob send "$word" alice
    assert_stdout
  done
}

# Starts a send to a server that takes the request and says nothing; returns once it has all of it.
start_unanswered() {
  start_listen alice -k
  befriend bob alice
  stop_listen
  start_server proxy --port "$PORT" --to 1 --save "$FOLDER"
  stop_server
  start_server silence --port "$PORT"
  start_command send "$BIN" --home "$FOLDER/bob" send "$@" alice
  wait_until has_line "$FOLDER/server.said" request
}

@test "send: ended by a signal, it says the id and the command that retries, and ends by it" {
  for row in "INT 130" "TERM 143" "HUP 129"; do
    read -r name status <<<"$row"
    start_unanswered -m hi
    kill "-$name" "$PID"
    ended "$status" "$PID"
    read_streams
    assert_stdout
    assert_match "$stderr" "^p2pchat send: error: no answer from 'alice' .*: interrupted; the outcome of message '[A-Za-z0-9_-]{22}' is unknown"
    assert_match "$stderr" "to retry safely: p2pchat --home $FOLDER/bob send --id [A-Za-z0-9_-]{22} -m hi alice"
    stop_server
    sqlite3 "$FOLDER/bob/state.db" 'DELETE FROM messages'
  done
}

@test "send: the retrying command names the same state, and an id that can be typed" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  start_server silence --port "$PORT"
  expect 74 bob send -W 500ms -m hi alice
  assert_contains "$stderr" "to retry safely: p2pchat --home $FOLDER/bob send --id "
  P2PCHAT_HOME="$FOLDER/bob" expect 74 p2pchat send -W 500ms -m hi alice
  assert_contains "$stderr" "to retry safely: p2pchat send --id "
  for id in $'a\x01b' $'\xff' "it's"; do
    expect 74 bob send -W 500ms --id "$id" -f <(printf hi) alice
    typed="${stderr#*to retry safely: p2pchat --home "$FOLDER/bob" send --id }"
    if [[ "$id" == "it's" ]]; then
      assert_match "$typed" "^'it'\\\\''s' "
    else
      assert_match "$typed" "^$(jti "$id") "
    fi
  done
}
jti() { printf %s "$1" | openssl dgst -sha256 -binary | head -c 16 | base64 | tr '+/' '-_' | tr -d '='; }

@test "send -W: bounds the wait for a state that another program holds, too" {
  listening -k
  start_command lock /usr/bin/python3 "$PEER_PY" lock "$FOLDER/bob/state.db"
  wait_until has_line "$OUT" locked
  expect 71 timeout 8 "$BIN" --home "$FOLDER/bob" send -W 1 -m hi alice
  assert_refusal send "locked by another process for too long"
}

@test "send --id: the same id from several at once is one message, and none of them is confused" {
  start_listen alice -k
  befriend bob alice
  local pids=() number status
  for number in 1 2 3 4 5 6 7 8; do
    bob send --id "once $((number % 4))" -m same alice 2>"$FOLDER/$number.err" 3>&- &
    pids+=($!)
  done
  for number in "${!pids[@]}"; do
    status=0
    wait "${pids[number]}" || status=$?
    ((status == 0)) || fail "status $status" "$(cat "$FOLDER/$((number + 1)).err")"
  done
  stop_listen
  assert_stream "$FOLDER/alice.out" same same same same
  assert_equal "$(sqlite3 "$FOLDER/bob/state.db" "SELECT state, count(*) FROM messages GROUP BY state")" 'acked|4'
}
