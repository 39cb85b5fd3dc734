#!/usr/bin/env bats
# The other side lies, babbles, falls silent or goes away: send and register end with the status of
# the table, and nothing of it stops or deceives a listener.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

# ---- clients and servers that misbehave

# What a server of peer.py does, and how send and register end. -W 1 where silence must pass.
misbehaviour() {
  cat <<'END'
http                76 does not speak this protocol
banner              76 does not speak this protocol
tls                 76 does not speak this protocol
garbage             76 does not speak this protocol
base64url           76 does not speak this protocol
pem                 76 does not speak this protocol
nul                 76 does not speak this protocol
close               74 no answer from
close-after-request 74 connection closed without an answer
reset-after-request 74 connection reset by peer
silence             74 no answer in time
slow                74 no answer in time
END
}

# Bob has registered alice, who is gone now; her port is free.
alice_was_here() {
  start_listen alice -k
  befriend bob alice
  ALICE_PORT="$PORT"
  stop_listen
}
# answer_is FILE STATUS TEXT: what send makes of these bytes as the reply.
answer_is() {
  start_server file --port "$ALICE_PORT" --file "$1"
  expect "$2" bob send -W 10 -m hi alice
  assert_refusal send "$3"
  stop_server
}

@test "hostile: send ends with the status of the table, whatever the server does" {
  alice_was_here
  while read -r kind status words; do
    start_server "$kind" --port "$ALICE_PORT"
    local time=30
    [[ $kind == silence || $kind == slow ]] && time=1
    expect "$status" bob send -W "$time" -m hi alice
    assert_refusal send "$words"
    stop_server
  done < <(misbehaviour)
}

@test "hostile: register ends with the status of the table, and nothing is stored" {
  while read -r kind status words; do
    start_server "$kind"
    local time=30
    [[ $kind == silence || $kind == slow ]] && time=1
    P2PCHAT_SEND_TIMEOUT=$time expect "$status" carol register server "127.0.0.1:$SERVER_PORT"
    assert_refusal register "$words"
    stop_server
  done < <(misbehaviour)
  expect 0 carol peers
  assert_silent
}

@test "hostile: a message whose outcome is unknown is sent again under its id, and arrives once" {
  alice_was_here
  for kind in http garbage close-after-request silence; do
    start_server "$kind" --port "$ALICE_PORT"
    local status=0
    bob send --id one -W 1 -m hi alice 2>/dev/null || status=$?
    ((status == 74 || status == 76))
    stop_server
  done
  start alice listen -k -p "$ALICE_PORT" -a 127.0.0.1
  wait_for_port
  expect 0 bob send --id one -m hi alice
  expect 0 bob send --id one -m hi alice
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
}

@test "hostile: a reply cut in the middle is 74, and the message was stored once" {
  alice_was_here
  start_listen alice -k
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER" --cut 1
  for _ in 1 2; do
    expect 74 bob send --id one -m hi alice
    assert_refusal send "connection closed without an answer"
  done
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
}

@test "hostile: register cut off in its second exchange is 74, and nothing is pinned" {
  start_listen alice -k
  start_server proxy --to "$PORT" --save "$FOLDER" --cut 2
  expect 74 carol register alice "127.0.0.1:$SERVER_PORT"
  assert_refusal register "whether they have our registration is unknown, nothing is pinned here"
  expect 0 carol peers
  assert_silent
  befriend carol alice # again, and well
  expect 0 carol peers --names
  assert_stdout alice
}

@test "hostile: bytes after the reply's NUL are ignored" {
  alice_was_here
  start_listen alice -k --reply thanks
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER" --after "HTTP/1.1 200 OK"
  expect 0 bob send -m hi alice
  assert_stdout thanks
  assert_stderr
}

@test "hostile: an old acknowledgement does not count for a new message" {
  alice_was_here
  start_listen alice -k
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER"
  expect 0 bob send -m first alice
  stop_server
  answer_is "$FOLDER/1.reply" 65 "the answer of 'alice' does not verify"
}

@test "hostile: an acknowledgement with one byte changed does not count" {
  alice_was_here
  start_listen alice -k
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER" --flip 200
  expect 65 bob send -m hi alice
  assert_refusal send "the answer of 'alice' does not verify"
}

@test "hostile: keys instead of an acknowledgement" {
  alice_was_here
  keys_of() {
    start_listen "$1" -k
    printf '%s\0' "$2" >"$FOLDER/question"
    peer_py raw "$PORT" "$FOLDER/question" >"$FOLDER/$1.$2"
    stop_listen
  }
  for name in alice carol; do
    keys_of "$name" identify
    keys_of "$name" keys
  done
  answer_is "$FOLDER/alice.identify" 76 "does not speak this protocol"
  answer_is "$FOLDER/alice.keys" 77 "'alice' does not know this node or could not open the message"
  changed="the key of 'alice' has changed: pinned $(fingerprint alice), offered $(fingerprint carol)"
  answer_is "$FOLDER/carol.identify" 77 "$changed"
  answer_is "$FOLDER/carol.keys" 77 "$changed"

  # One letter of the signature changed, to another one.
  sed 's/-\(.\{20\}\)$/A\1/; t; s/.\(.\{20\}\)$/-\1/' "$FOLDER/alice.keys" >"$FOLDER/forged"
  answer_is "$FOLDER/forged" 65 "the answer of 'alice' does not verify"

  # A key that can be broken.
  openssl genrsa 1024 2>/dev/null | openssl pkey -pubout >"$FOLDER/weak"
  printf '\0' >>"$FOLDER/weak"
  answer_is "$FOLDER/weak" 77 "'alice' offers a key that cannot be trusted"
}

@test "hostile: text in an answer cannot move the cursor" {
  alice_was_here
  printf '\e[2J\e]0;title\a\0' >"$FOLDER/answer"
  answer_is "$FOLDER/answer" 76 "does not speak this protocol"
  refute_contains "$stderr" $'\e'
}

# ---- a listener and requests that misbehave

# Alice listens and bob's message has gone by: $FOLDER/2.request is his registration, 3.request his
# message, $FOLDER/statement what she answers to what she cannot open.
recorded() {
  start_listen alice -k
  ALICE_PORT="$PORT"
  start_server proxy --to "$PORT" --save "$FOLDER"
  PORT=$SERVER_PORT
  befriend bob alice
  bob send -m recorded alice
  ask_text keys
  cp "$FOLDER/reply" "$FOLDER/statement"
}
# ask FILE OPTIONS...: the bytes of the file to alice; the answer is left in $FOLDER/reply.
ask() { peer_py raw "$ALICE_PORT" "$@" >"$FOLDER/reply"; }
# ask_text FORMAT: a frame that printf makes.
ask_text() {
  # shellcheck disable=SC2059  # it is the format
  printf -- "$1\\0" >"$FOLDER/request"
  ask "$FOLDER/request"
}
assert_statement() { assert_same_bytes "$FOLDER/reply" "$FOLDER/statement"; }
assert_no_reply() { assert_stream "$FOLDER/reply"; }
# She is still there, and all she got is this and one last message.
assert_alive_and_received() {
  expect 0 bob send -m last alice
  assert_silent
  stop_listen
  assert_stream "$FOLDER/alice.out" "$@" last
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$ALICE_PORT"
}

@test "hostile: identify in any case is answered by exactly the PEM and a NUL" {
  recorded
  { alice keygen --public && printf '\0'; } >"$FOLDER/pem"
  for request in identify IDENTIFY Identify iDeNtIfY; do
    ask_text "$request"
    assert_same_bytes "$FOLDER/reply" "$FOLDER/pem"
  done
  assert_alive_and_received recorded
}

@test "hostile: keys, and whatever cannot be opened, get the same key statement" {
  recorded
  assert_match "$(tr -d '\0' <"$FOLDER/statement")" '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
  for request in keys KEYS '' ' ' identif identifyy 'identify ' ' identify' 'identify\n' 'keys\n' \
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n' '\377\376' '\001\002\003' . .. ... .... ..... a.b.c.d.e \
    eyJhbGciOiJSU0EtT0FFUC0yNTYifQ.a.a.a.a '{"alg":"none"}' '%%s%%n' \
    '-----BEGIN PUBLIC KEY-----\n'; do
    ask_text "$request"
    assert_statement
  done
  ask "$FOLDER/statement" # her own words
  assert_statement
  { head -c 17408 /dev/zero | tr '\0' A && printf '\0'; } >"$FOLDER/request"
  ask "$FOLDER/request"
  assert_statement
  { head -c 4194304 /dev/zero | tr '\0' A && printf '\0'; } >"$FOLDER/request"
  ask "$FOLDER/request"
  assert_statement
  assert_alive_and_received recorded
}

@test "hostile: a frame of 4 MiB and one byte is closed without a reply" {
  recorded
  { head -c 4194305 /dev/zero | tr '\0' A && printf '\0'; } >"$FOLDER/request"
  ask "$FOLDER/request"
  assert_no_reply
  # Sealed to her by its header, it may be long, but not longer.
  { cut -d . -f 1 "$FOLDER/3.request" | tr -d '\n' && printf . &&
    head -c 4194305 /dev/zero | tr '\0' A && printf '\0'; } >"$FOLDER/request"
  ask "$FOLDER/request"
  assert_no_reply
  assert_alive_and_received recorded
}

@test "hostile: bytes after the NUL are closed without a reply" {
  recorded
  ask_text 'keys\0keys'
  assert_no_reply
  { cat "$FOLDER/3.request" && printf x; } >"$FOLDER/request"
  ask "$FOLDER/request"
  assert_no_reply
  assert_alive_and_received recorded
}

@test "hostile: a half-close after the NUL still gets its reply, one before it gets none" {
  recorded
  printf 'keys\0' >"$FOLDER/request"
  ask "$FOLDER/request" --half-close
  assert_statement
  ask "$FOLDER/3.request" --half-close
  assert_match "$(tr -d '\0' <"$FOLDER/reply")" '^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
  printf 'keys' >"$FOLDER/request"
  ask "$FOLDER/request" --half-close
  assert_no_reply
  : >"$FOLDER/request"
  ask "$FOLDER/request" --half-close
  assert_no_reply
  assert_alive_and_received recorded
}

@test "hostile: a request is taken however it is cut into pieces" {
  recorded
  printf 'keys\0' >"$FOLDER/request"
  ask "$FOLDER/request" --piece 1
  assert_statement
  ask "$FOLDER/3.request" --piece 7
  assert_match "$(tr -d '\0' <"$FOLDER/reply")" '^[A-Za-z0-9_-]+\.\.'
  assert_alive_and_received recorded
}

@test "hostile: a frame that does not end is closed without a reply, in time" {
  recorded
  printf 'keys' >"$FOLDER/request"
  ask "$FOLDER/request"
  assert_no_reply
  assert_alive_and_received recorded
}

@test "hostile: the same request again is acknowledged, and is one message" {
  recorded
  for _ in 1 2 3; do
    ask "$FOLDER/3.request"
    assert_match "$(tr -d '\0' <"$FOLDER/reply")" '^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
  done
  assert_alive_and_received recorded
}

@test "hostile: a registration again changes nothing" {
  recorded
  bob register alice "127.0.0.1:$ALICE_PORT" --announce 127.0.0.1:4711 >/dev/null 2>&1
  expect 0 alice peers show bob
  before="$stdout"
  ask "$FOLDER/2.request"
  assert_match "$(tr -d '\0' <"$FOLDER/reply")" '^[A-Za-z0-9_-]+\.\.'
  expect 0 alice peers show bob
  assert_equal "$stdout" "$before"
}

@test "hostile: a registration again does not bring back a peer that was removed as trusted" {
  recorded
  alice peers remove bob
  ask "$FOLDER/2.request"
  expect 0 alice peers --names
  assert_silent
  ask "$FOLDER/3.request"
  stop_listen
  assert_stream "$FOLDER/alice.out" recorded
}

@test "hostile: any byte of a message changed: the key statement, and nothing stored" {
  recorded
  expect 0 peer_py each-byte "$ALICE_PORT" "$FOLDER/3.request" "$FOLDER/statement"
  assert_silent
  assert_alive_and_received recorded
}

@test "hostile: any byte of a registration changed: the key statement, and nothing stored" {
  recorded
  alice peers remove bob
  expect 0 peer_py each-byte "$ALICE_PORT" "$FOLDER/2.request" "$FOLDER/statement"
  assert_silent
  expect 0 alice peers
  assert_silent
  kill -0 "$PID"
}

@test "hostile: port scans and connections that say nothing keep nobody else out" {
  recorded
  for _ in 1 2 3; do peer_py scan "$ALICE_PORT"; done
  for _ in {1..200}; do
    exec {idle}<>"/dev/tcp/127.0.0.1/$ALICE_PORT"
    printf 'ey' >&"$idle"
  done
  assert_alive_and_received recorded
}
