#!/usr/bin/env bats
# Two nodes, from their first key to a conversation: what the README promises, in one go.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { strangers; }

@test "chat: two nodes meet, compare keys, and talk; nobody else gets in" {
  # A listens. B asks for the wrong key first: nothing is stored, nothing about B is sent.
  start_listen alice -k
  listener="$PID"
  start_server proxy --to "$PORT" --save "$FOLDER"
  expect 77 bob register alice "127.0.0.1:$SERVER_PORT" --expect "$(fingerprint carol)"
  assert_refusal register
  expect 0 bob peers
  assert_silent
  expect 0 alice peers
  assert_silent
  printf 'keys\0' | cmp - "$FOLDER/1.request"
  [[ ! -e "$FOLDER/2.request" ]]

  # The right key: B pins A and is a stranger there.
  expect 0 bob register alice "127.0.0.1:$PORT" --expect "$(fingerprint alice)" --as bob
  assert_stdout "$(fingerprint alice)"

  # A stranger's message is not delivered, and A's owner is told what to type.
  expect 77 bob send -m "let me in" alice
  assert_refusal send "not accepted by 'alice' yet"
  assert_stream "$FOLDER/alice.out"
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT" \
    "pending: $(fingerprint bob) calls itself \"bob\"; accept with: $(own alice) peers accept $(fingerprint bob) --as bob"

  # Accepted: the pipe of the README.
  expect 0 alice peers accept "$(fingerprint bob)" --as bob
  hi() { echo hi | bob send alice; }
  expect 0 hi
  assert_silent
  wait_until has_size "$FOLDER/alice.out" 3
  printf 'hi\n' | cmp - "$FOLDER/alice.out"

  # And the other way round.
  start_listen bob -k
  expect 0 alice register bob "127.0.0.1:$PORT" --expect "$(fingerprint bob)"
  assert_stderr "registered 'bob', which trusts this node"
  expect 0 alice send -m "hi yourself" bob
  assert_silent
  wait_until has_line "$FOLDER/bob.out" '^hi yourself$'
  stop_listen
  assert_stream "$FOLDER/bob.out" "hi yourself"

  # A was there all the time.
  kill -TERM "$listener"
  ended 0 "$listener"
  assert_stream "$FOLDER/alice.out" hi
}

@test "chat: a message to one node means nothing to another" {
  start_listen alice -k
  start_server proxy --to "$PORT" --save "$FOLDER"
  PORT=$SERVER_PORT
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob
  expect 0 bob send -m "for alice" alice
  start_listen carol -k
  befriend bob carol
  carol peers accept "$(fingerprint bob)" --as bob
  peer_py raw "$PORT" "$FOLDER/3.request" >"$FOLDER/reply"
  printf 'keys\0' >"$FOLDER/keys"
  peer_py raw "$PORT" "$FOLDER/keys" >"$FOLDER/statement"
  assert_same_bytes "$FOLDER/reply" "$FOLDER/statement"
  stop_listen
  assert_stream "$FOLDER/carol.out"
}

@test "chat: three nodes, each with its own names for the others" {
  start_listen alice -k
  befriend bob Alice
  befriend carol boss
  alice peers accept "$(fingerprint bob)" --as right-hand
  alice peers accept "$(fingerprint carol)" --as left-hand
  expect 0 bob send -m "from bob" Alice
  expect 0 carol send -m "from carol" boss
  stop_listen
  assert_stream "$FOLDER/alice.out" "from bob" "from carol"
  expect 0 alice peers --names
  assert_equal "$(sort "$OUT")" $'left-hand\nright-hand'
}
