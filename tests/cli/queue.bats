#!/usr/bin/env bats
# Messages that are delivered later: what is kept, in which order it goes, when it is tried, and when
# it is given up.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

# ---- alice, whom bob has registered, is there or not

# She listened, and does so no more; her port is free.
alice_away() {
  start_listen alice -k
  befriend bob alice
  ALICE_PORT="$PORT"
  stop_listen
}
alice_back() {
  start alice listen -k -p "$ALICE_PORT" -a 127.0.0.1 "$@"
  wait_for_port
}
# What she has written, all of it, in this order.
alice_got() {
  stop_listen
  assert_stream "$FOLDER/alice.out" "$@"
}
refused="cannot connect to 'alice' \(127\.0\.0\.1:[0-9]+\): connection refused"

# keep ID [OPTION]...: bob queues the text ID under the id ID.
keep() {
  expect 75 bob send --queue --id "$1" -m "$1" "${@:2}" alice
  assert_contains "$stderr" "; queued as '$1'"
}
# Statuses of what is in the queue, oldest first.
statuses() { bob queue --format %s | tr '\n' ' '; }
errors() { bob queue --format %e; }

# Seconds from now to the time of a field, for the only message.
seconds_to() {
  local time
  time="$(bob queue --format "$1")"
  echo $(($(date -d "$time" +%s) - $(date +%s)))
}

# ---- what is kept

@test "queue: a message to who is away is 75, and says that it is queued" {
  alice_away
  expect 75 bob send --queue -m hi alice
  assert_stdout
  assert_match "$stderr" "^p2pchat send: error: $refused; queued as '[A-Za-z0-9_-]{22}'"$'\n'"p2pchat send: hint: $(own bob) queue flush$"
  assert_equal "$(statuses)" "queued "
  alice_back
  expect 0 bob queue flush
  assert_silent
  assert_equal "$(statuses)" ""
  assert_equal "$(bob log --json | grep -c '"state":"acked"')" 1
  alice_got hi
}

@test "queue: a message that is taken at once is 0, prints the reply and leaves nothing there" {
  start_listen alice -k --reply yes
  befriend bob alice
  expect 0 bob send --queue -m hi alice
  assert_stdout yes
  assert_stderr
  assert_equal "$(statuses)" ""
}

@test "queue: an answer that was lost is 75, and the message arrives once" {
  alice_away
  start_listen alice -k
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER" --cut 1
  expect 75 bob send --queue --id lost -m hi alice
  assert_match "$stderr" "the outcome of message '[^']*' is unknown; queued as 'lost'"
  assert_equal "$(bob log --format %s)" unknown
  stop_server
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER"
  expect 0 bob queue flush
  assert_silent
  alice_got hi
}

@test "queue: a peer that is busy, or has not accepted us yet, gets it later" {
  start_listen alice -k --exec sh -c 'echo run >&2; read -r line; sleep 60'
  befriend bob alice
  start_command send "$BIN" --home "$FOLDER/bob" send -m first alice
  local sending="$PID"
  wait_until has_line "$FOLDER/alice.err" run
  expect 75 bob send --queue -m second alice
  assert_contains "$stderr" "'alice' cannot take it now; queued as"
  kill -KILL "$sending"
  end_all

  start_listen carol -k
  befriend bob carol
  expect 75 bob send --queue --id early -m early carol
  assert_contains "$stderr" "not accepted by 'carol' yet; queued as 'early'"
  assert_contains "$stderr" "hint: the owner of 'carol' types: p2pchat peers accept "
  expect 75 bob queue flush carol
  assert_contains "$stderr" "not accepted by 'carol' yet; queued as '"
  carol peers accept "$(fingerprint bob)" --as bob >/dev/null
  expect 0 bob queue flush --now carol
  stop_listen
  assert_stream "$FOLDER/carol.out" early
}

@test "queue: what cannot be delivered later either is not kept, and says so by its own status" {
  alice_away
  start_server http --port "$ALICE_PORT"
  expect 76 bob send --queue -m hi alice
  stop_server
  start carol listen -k -p "$ALICE_PORT" -a 127.0.0.1
  wait_for_port
  expect 77 bob send --queue -m hi alice
  refute_contains "$stderr" queued
  stop_listen
  expect 67 bob send --queue -m hi alice nobody
  bob peers block alice
  expect 77 bob send --queue -m hi alice
  bob peers unblock alice
  expect 65 bob send --queue -m $'\xff' alice
  expect 0 bob queue
  assert_silent
}

@test "queue: an id that has carried another text is 65 before the network, one with the same text is one message" {
  alice_away
  keep one
  expect 75 bob send --queue --id one -m one alice
  expect 65 bob send --queue --id one -m two alice
  assert_contains "$stderr" "the id 'one' has carried another message to 'alice'"
  assert_equal "$(statuses)" "queued "
  alice_back
  expect 0 bob send --queue --id one -m one alice
  stop_listen
  assert_stream "$FOLDER/alice.out" one
  # Acknowledged already: nothing has to be sent.
  expect 0 bob send --queue --id one -m one alice
  assert_equal "$(statuses)" ""
}

@test "queue: send without --queue takes a message out when it is delivered under its id" {
  alice_away
  keep one
  alice_back
  expect 0 bob send --id one -m one alice
  assert_equal "$(statuses)" ""
  expect 0 bob queue flush --now
  alice_got one
}

# ---- order and company

@test "queue: what waits for a peer goes in its order, and what is queued later goes behind it" {
  alice_away
  for text in one two three; do keep "$text"; done
  alice_back
  expect 0 bob send --queue -m four alice
  assert_equal "$(statuses)" ""
  alice_got one two three four
}

@test "queue: a message behind one that waits is not tried" {
  alice_away
  for text in one two; do keep "$text"; done
  start_server silence --port "$ALICE_PORT"
  expect 75 bob queue flush -W 300ms
  assert_equal "$(grep -c request "$FOLDER/server.said")" 1
  assert_equal "$(bob queue --format %a | tr '\n' ' ')" "1 0 "
  stop_server
  alice_back
  expect 0 bob queue flush --now
  alice_got one two
}

@test "queue: a peer that hangs does not delay another, and the lock ends with the process" {
  alice_away
  keep one
  start_listen carol -k
  befriend bob carol
  carol peers accept "$(fingerprint bob)" --as bob >/dev/null
  local carol="$PID" port="$PORT"
  kill -TERM "$carol"
  ended 0 "$carol"
  expect 75 bob send --queue -m 'for carol' carol
  start carol listen -k -p "$port" -a 127.0.0.1
  wait_for_port
  start_server silence --port "$ALICE_PORT"
  start bob queue flush
  local flush="$PID"
  wait_until has_line "$FOLDER/carol.out" 'for carol'
  wait_until has_line "$FOLDER/server.said" request
  kill -0 "$flush"

  # Another one meanwhile leaves alice to it.
  expect 75 bob queue flush --now
  assert_stderr "p2pchat queue: error: another process delivers to 'alice'"
  expect 75 bob send --queue --id late -W 200ms -m late alice
  assert_contains "$stderr" "another process delivers to 'alice'; queued as 'late'"
  kill -KILL "$flush"
  ended 137 "$flush"
  stop_server
  alice_back
  expect 0 bob queue flush --now
  alice_got one late
}

@test "queue: several peers, of whom some are away: each has its own outcome" {
  alice_away
  start_listen carol -k
  befriend bob carol
  carol peers accept "$(fingerprint bob)" --as bob >/dev/null
  expect 75 bob send --queue --json --id all -m hi alice carol
  local id
  id="$(bob queue --format %i)"
  assert_stdout '{"peer":"alice","id":"'"$id"'","status":"queued","exit":75,"body":null}' \
    '{"peer":"carol","id":"'"$id"'","status":"acked","exit":0,"body":""}'
  stop_listen
  assert_stream "$FOLDER/carol.out" hi
}

@test "queue: two hundred messages for a peer, queued and flushed by several at once, arrive once" {
  alice_away
  local i pids=()
  for i in {1..4}; do
    (for j in {1..50}; do bob send --queue --id "$i.$j" -m "$i.$j" alice 2>/dev/null || true; done) 3>&- &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i" || true; done
  assert_equal "$(bob queue | wc -l)" 200
  alice_back
  pids=()
  for _ in {1..4}; do
    bob queue flush --now 2>/dev/null 3>&- &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i" || true; done
  nothing_left() { [[ -z "$(bob queue)" ]] || ! bob queue flush --now 2>/dev/null; }
  wait_until nothing_left
  stop_listen
  assert_equal "$(sort -u "$FOLDER/alice.out" | wc -l) $(wc -l <"$FOLDER/alice.out")" "200 200"
  # Each sender's in its order.
  for i in {1..4}; do
    assert_equal "$(grep "^$i\." "$FOLDER/alice.out" | cut -d. -f2 | tr '\n' ' ')" \
      "$(seq -s ' ' 1 50) "
  done
}

# ---- when it is tried

@test "queue flush: after an attempt a peer is left alone for 60 s, twice as long after the next" {
  alice_away
  keep one
  assert_equal "$(bob queue --format '%a %n')" "0 "
  local attempt shortest=60 seconds
  for attempt in 1 2 3; do
    expect 75 bob queue flush --now
    assert_match "$stderr" "^p2pchat queue: error: $refused; queued as "
    assert_equal "$(bob queue --format %a)" "$attempt"
    seconds="$(seconds_to %n)"
    ((seconds > shortest - 20 && seconds <= shortest * 5 / 4)) || fail "$seconds s after $attempt"
    shortest=$((shortest * 2))
  done
  # Not due: nothing is tried, and nothing said.
  expect 0 bob queue flush
  assert_silent
  assert_equal "$(bob queue --format %a)" 3
}

@test "queue flush: the delay is at most a day, and a clock that was ahead stops nothing" {
  alice_away
  keep one
  sqlite3 "$FOLDER/bob/state.db" "UPDATE queue SET attempts = 1000000"
  expect 75 bob queue flush --now
  local seconds
  seconds="$(seconds_to %n)"
  ((seconds > 60000 && seconds <= 86400)) || fail "$seconds s"
  sqlite3 "$FOLDER/bob/state.db" "UPDATE queue SET next = next + 100000000"
  alice_back
  expect 0 bob queue flush
  alice_got one
}

# ---- when it is given up

@test "queue: what has expired is failed, said once, listed until dropped, and can be retried" {
  needs_faketime
  alice_away
  keep old --expire 1m
  keep new
  expect 69 at +2m bob queue flush
  local id
  id="$(bob queue --format %i | head -n 1)"
  assert_contains "$stderr" \
    "p2pchat queue: error: message '$id' to 'alice' has expired, not delivered: cannot connect to 'alice'"
  assert_contains "$stderr" "p2pchat queue: hint: $(own bob) queue retry $id"
  assert_equal "$(statuses)" "failed queued "
  assert_equal "$(bob log --sent --format %s | tail -n 2 | tr '\n' ' ')" "failed queued "
  expect 75 at +2m bob queue flush --now
  refute_contains "$stderr" expired
  alice_back
  expect 0 at +2m bob queue flush --now
  assert_equal "$(statuses)" "failed "
  expect 0 at +2m bob queue retry old
  assert_silent
  assert_equal "$(statuses)" ""
  alice_got new old
}

@test "queue: an expired message that may have arrived is 74, and is not sent again" {
  needs_faketime
  alice_away
  start_server close-after-request --port "$ALICE_PORT"
  keep lost --expire 1m
  stop_server
  expect 74 at +2m bob queue flush
  assert_contains "$stderr" "has expired, and whether 'alice' has it is unknown"
  expect 65 at +2m bob queue retry lost
  assert_contains "$stderr" "whether 'alice' has the message can no longer be found out"
  assert_equal "$(statuses)" "failed "
  assert_equal "$(bob log --format %s)" unknown
  expect 0 bob queue drop lost
  assert_silent
  assert_equal "$(statuses)" ""
}

@test "queue: --expire says until when, 7 days unless it is said" {
  alice_away
  keep one
  ((($(seconds_to %x) - 604800) / 60 == 0)) || fail "$(bob queue)"
  bob queue drop one
  keep two --expire 2h
  ((($(seconds_to %x) - 7200) / 60 == 0)) || fail "$(bob queue)"
  expect 64 bob send --queue --expire 31d -m x alice
  assert_refusal send "--expire: more than 30 days"
  for time in 0 -1 x 1w ''; do
    expect 64 bob send --queue "--expire=$time" -m hi alice
    assert_refusal send
  done
}

@test "queue drop: it is gone from the queue and stays in the log" {
  alice_away
  keep one
  keep two
  expect 0 bob queue drop one
  assert_silent
  assert_equal "$(bob log --format '%b %s' | tail -n 2 | tr '\n' ' ')" "one failed two queued "
  expect 65 bob queue drop one
  assert_refusal queue "no message 'one' in the queue"
  expect 65 bob queue retry nosuch
  alice_back
  expect 0 bob queue flush --now
  alice_got two
}

@test "queue retry: a message that waits is tried at once, behind those before it" {
  alice_away
  keep one
  keep two
  expect 75 bob queue retry two
  assert_contains "$stderr" "an earlier message waits: "
  alice_back
  expect 0 bob queue retry two
  alice_got one two
}

@test "queue retry, queue drop: of a message to several peers, the one to the peer that is named" {
  alice_away
  start_listen carol -k
  befriend bob carol
  stop_listen
  expect 75 bob send --queue --id -both -m both alice carol
  expect 75 bob send --queue --id -both -m both alice carol
  expect 65 bob queue drop -- -both dave
  assert_refusal queue "no message '-both' to 'dave' in the queue"
  alice_back
  expect 0 bob queue retry -- -both alice
  assert_equal "$(bob queue --format '%s %p')" "queued carol"
  expect 0 bob queue drop -- -both "$(fingerprint carol)"
  assert_equal "$(statuses)" ""
  alice_got both
}

@test "queue: what has failed is dropped by the line of the page, and nothing that waits" {
  needs_faketime
  local line
  alice_away
  start_listen carol -k
  befriend bob carol
  stop_listen
  expect 75 bob send --queue --expire 7d --id both -m both carol
  expect 75 bob send --queue --expire 1m --id both -m both alice
  expect 69 at +2m bob queue flush alice
  assert_contains "$stderr" "p2pchat queue: hint: $(own bob) queue retry "
  hint="$(sed -n "s|^p2pchat queue: hint: $(own bob) ||p" "$ERR")"
  assert_equal "$(bob queue --format '%s %p')" "queued carol"$'\n'"failed alice"
  # The hint is about the one that has failed alone.
  read -ra words <<<"$hint"
  expect 75 bob "${words[@]}"
  assert_equal "$(bob queue --format '%s %p')" "queued carol"$'\n'"queued alice"
  sqlite3 "$FOLDER/bob/state.db" "UPDATE queue SET failed = 1 WHERE message = (SELECT max(message) FROM queue)"
  line="$(grep 'xargs' "$REPOSITORY/man/p2pchat-queue.1" | sed 's/^\$ //')"
  mkdir "$FOLDER/bin"
  ln -s "$BIN" "$FOLDER/bin/p2pchat"
  PATH="$FOLDER/bin:$PATH" P2PCHAT_HOME="$FOLDER/bob" expect 0 bash -c "$line"
  assert_silent
  assert_equal "$(bob queue --format '%s %p')" "queued carol"
}

# ---- peers that change meanwhile

@test "queue: with a peer that was removed, blocked, or has another key, a message waits" {
  alice_away
  keep one
  bob peers block alice
  expect 77 bob queue flush --now
  assert_contains "$stderr" "'alice' is blocked; queued as "
  bob peers unblock alice
  bob peers remove alice
  expect 67 bob queue flush --now
  assert_equal "$(bob queue --format %p)" "$(fingerprint alice)"
  start carol listen -k -p "$ALICE_PORT" -a 127.0.0.1
  wait_for_port
  alice keygen --card | bob register alice "127.0.0.1:$ALICE_PORT" --card - >/dev/null 2>&1
  expect 77 bob queue flush --now
  assert_contains "$stderr" "the key of 'alice' has changed"
  stop_listen
  assert_equal "$(statuses)" "queued "
  alice_back
  expect 0 bob queue flush --now
  alice_got one
}

@test "queue: text that is still to be delivered is not forgotten" {
  alice_away
  echo 'log.keep = 0' >>"$FOLDER/bob/config"
  keep one
  bob log --forget alice
  bob log --before 0s
  alice_back
  expect 0 bob queue flush
  assert_equal "$(bob log --format %b | tail -n 1)" ""
  alice_got one
}

# ---- signals and crashes

@test "queue flush: a signal ends it, and nothing is lost" {
  alice_away
  keep one
  start_server silence --port "$ALICE_PORT"
  start bob queue flush
  wait_until has_line "$FOLDER/server.said" request
  kill -INT "$PID"
  ended 130 "$PID"
  assert_equal "$(statuses)$(bob queue --format %a)" "queued 0"
  stop_server
  alice_back
  expect 0 bob queue flush
  alice_got one
}

@test "queue flush: kill -9 while a message is under way loses nothing and doubles nothing" {
  alice_away
  keep one
  start_listen alice -k
  # The message is taken, and its answer held back.
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER" --keep
  local listener="$PID"
  start bob queue flush
  wait_until has_line "$FOLDER/alice.out" one
  kill -KILL "$PID"
  ended 137 "$PID"
  PID="$listener"
  OUT="$FOLDER/alice.out" ERR="$FOLDER/alice.err"
  stop_server
  start_server proxy --port "$ALICE_PORT" --to "$PORT" --save "$FOLDER"
  expect 0 bob queue flush
  alice_got one
}

# ---- what it prints

@test "queue list: the columns, and nothing for an empty queue" {
  alice_away
  expect 0 bob queue
  assert_silent
  keep one
  expect 0 bob queue list
  assert_stderr
  assert_match "$stdout" "^[A-Za-z0-9_-]{22}  alice  queued  now  [0-9TZ:-]{20}  $refused$"
  expect 0 bob queue -z
  assert_match "$(tr '\0' '\n' <"$OUT")" "^[A-Za-z0-9_-]{22}  alice  queued  now  [0-9TZ:-]{20}  $refused$"
  assert_equal "$(tr -dc '\0' <"$OUT" | wc -c)" 1
}

@test "queue list: --json and --format" {
  alice_away
  keep one
  local id time expires
  id="$(bob log --sent -n 1 --format %i)"
  time="$(bob log --sent -n 1 --format %t)"
  expires="$(bob queue --format %x)"
  local error="cannot connect to 'alice' (127.0.0.1:$ALICE_PORT): connection refused"
  expect 0 bob queue --json
  assert_stdout '{"id":"'"$id"'","peer":"alice","fingerprint":"'"$(fingerprint alice)"'","status":"queued","time":"'"$time"'","expires":"'"$expires"'","attempts":0,"next":null,"bytes":3,"error":"'"$error"'"}'
  expect 0 bob queue list --format '%i|%p|%f|%s|%t|%x|%a|%n|%b|%e|%%'
  assert_stdout "$id|alice|$(fingerprint alice)|queued|$time|$expires|0||3|$error|%"
  bob queue --format %i -z | xargs -0 -n 1 "$BIN" --home "$FOLDER/bob" queue drop
  assert_equal "$(statuses)" ""
}

@test "queue flush --json: an object for each message that was tried" {
  alice_away
  keep one
  keep two
  local id
  id="$(bob queue --format %i | head -n 1)"
  expect 75 bob queue flush --json
  assert_stdout '{"peer":"alice","id":"'"$id"'","status":"queued","exit":75,"body":null}'
  alice_back --reply yes
  expect 0 bob queue flush --now --json -z
  assert_equal "$(tr '\0' '\n' <"$OUT" | sed -E 's/"id":"[^"]*"/ID/')" \
    '{"peer":"alice",ID,"status":"acked","exit":0,"body":"yes\n"}'$'\n''{"peer":"alice",ID,"status":"acked","exit":0,"body":"yes\n"}'
}

@test "queue flush: a handler that fails is 79, and the message is delivered" {
  alice_away
  keep one
  id="$(bob queue --format %i)"
  alice_back --exec false
  expect 79 bob queue flush
  assert_stderr "p2pchat queue: error: message '$id': delivered, but the handler of 'alice' failed with status 1"
  assert_equal "$(statuses)" ""
}

@test "queue flush: on a terminal it shows how far it has come, and what came of it" {
  alice_away
  keep one
  keep two
  alice_back
  expect 0 peer_py pty --fds 2 "$BIN" --home "$FOLDER/bob" queue flush
  tr '\r' '\n' <"$OUT" >"$FOLDER/shown"
  for line in '^0 of 2' '^1 of 2: alice' '^2 of 2: alice' '^2 delivered, 0 waiting, 0 failed'; do
    has_line "$FOLDER/shown" "$line" || fail "not shown: $line" "$(cat -v "$OUT")"
  done
}

@test "queue: a stdout that cannot be written is 71, and the messages are delivered all the same" {
  alice_away
  keep one
  keep two
  bob_to_full() { bob "$@" >/dev/full; }
  expect 71 bob_to_full queue
  expect 71 bob_to_full queue --json
  alice_back
  expect 71 bob_to_full queue flush --json
  assert_equal "$(statuses)" ""
  alice_got one two
}

# ---- calls

@test "queue: verbs and options that are none are 64" {
  while read -ra words; do
    expect 64 bob queue "${words[@]}"
    assert_refusal queue
  done <<'END'
nosuch
list extra
flush alice extra
retry
drop
drop a b c
retry a b c
--now
list --timeout 1
drop x --json
flush --format %i
flush -z
--json --format %i
--format %y
flush -W 0
END
  expect 67 bob queue flush nobody
  assert_refusal queue "unknown peer 'nobody'"
  assert_hint queue "$(own bob) peers lists those you have"
  expect 78 node nobody queue
  assert_refusal queue "no identity"
}

@test "queue: the line for cron, as the page has it, in the surroundings of cron" {
  alice_away
  keep one
  local line
  line="$(sed -n 's/^\* \* \* \* \* //p' "$REPOSITORY/man/p2pchat-queue.1")"
  assert_equal "$line" "p2pchat queue flush"
  mkdir "$FOLDER/bin"
  ln -s "$BIN" "$FOLDER/bin/p2pchat"
  mv "$FOLDER/bob" "$FOLDER/.p2pchat" # of the user whose table it is
  cron() { env -i HOME="$FOLDER" LOGNAME=bob SHELL=/bin/sh PATH="$FOLDER/bin:/usr/bin:/bin" /bin/sh -c "$line" </dev/null; }
  expect 75 cron
  assert_match "$stderr" "^p2pchat queue: error: $refused; queued as"
  expect 0 cron
  assert_silent
  sqlite3 "$FOLDER/.p2pchat/state.db" "UPDATE queue SET next = 0" # later
  alice_back
  expect 0 cron
  assert_silent
  alice_got one
}
