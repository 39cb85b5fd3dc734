#!/usr/bin/env bats
# p2pchat log: what was sent and received, in every form; following it; deleting its text.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

DAY=1763856000 # 2025-11-23T00:00:00Z

setup() {
  friends
  ALICE="$(fingerprint alice)" BOB="$(fingerprint bob)"
}

sql() { sqlite3 -cmd '.timeout 60000' "$FOLDER/alice/state.db" "$@"; }
hex() { od -An -v -tx1 | tr -d ' \n'; }

# Of Alice's. received TEXT and sent TEXT: with $STATE, $RC and $REPLY, at $TIME, with $PEER. The id is
# "id-" and the number of the row, which begins with 1.
STATE="" RC=0 REPLY="" TIME=$DAY PEER=""
received() { store in "${PEER:-$BOB}" "$ALICE" "${STATE:-printed}" "$1"; }
sent() { store out "$ALICE" "${PEER:-$BOB}" "${STATE:-acked}" "$1"; }
store() {
  sql "INSERT INTO messages (direction, iss, aud, jti, hash, body, time, exp, state, reply, rc)
       SELECT '$1', '${2#SHA256:}', '${3#SHA256:}', 'id-' || (coalesce(max(id), 0) + 1), x'',
              x'$(printf '%b' "$5" | hex)', $TIME, $TIME + 604800, '$4',
              x'$(printf '%b' "$REPLY" | hex)', $RC FROM messages"
}
# received_many COUNT [BYTES]: "message 1" and so on, each with so many bytes after it.
received_many() {
  sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
       INSERT INTO messages (direction, iss, aud, jti, hash, body, time, exp, state, reply, rc)
       SELECT 'in', '${BOB#SHA256:}', '${ALICE#SHA256:}', printf('%022d', i), zeroblob(32),
              CAST(printf('message %d%.*c', i, ${2:-0}, ' ') AS BLOB), $DAY + i, $DAY, 'printed', x'', 0 FROM n"
}
# What `log` says with these options is these texts, in this order: texts OPTION... : TEXT...
texts() {
  local options=()
  while [[ "$1" != : ]]; do
    options+=("$1")
    shift
  done
  expect 0 alice log "${options[@]}" --format %b
  assert_stdout "${@:2}"
  assert_stderr
}

# start_log ARGUMENTS...: returns once it waits for news.
start_log() {
  start alice log "$@"
  wait_until follows_or_ended "$PID"
}
follows_or_ended() { grep -qs '^inotify ' "/proc/$1/fdinfo/"* || has_ended "$1"; }
has_lines() { [[ $(wc -l <"$1") -ge $2 ]]; } # FILE COUNT

@test "log: nothing yet is silence and 0" {
  expect 0 alice log
  assert_silent
  expect 0 alice log bob --json
  assert_silent
}

@test "log: both directions, the oldest first" {
  start_listen alice -k
  befriend bob alice
  expect 0 bob send -m one alice
  stop_listen
  start_listen bob -k --reply 'yes'
  befriend alice bob
  expect 0 alice send -q -m two bob
  stop_listen
  expect 0 alice log
  local time='[-0-9]{10}T[:0-9]{8}Z'
  assert_match "$stdout" "^$time <- bob: one"$'\n'"$time -> bob: two\$"
  assert_stderr
  expect 0 alice log --format '%d %p %f %s %b %r'
  assert_stdout "in bob $BOB printed one " "out bob $BOB acked two yes" ""
  expect 0 bob log --format '%d %p %b %r'
  assert_stdout "out alice one " "in alice two yes" ""
}

@test "log: a remark says what is not as it should be, and where the text is gone" {
  received 'read'
  STATE=print received 'not read yet'
  STATE='exec' received 'not handled yet'
  STATE=handling received 'in work'
  STATE=handled received 'handled well'
  STATE=handled RC=3 received 'handled badly'
  STATE=interrupted RC=255 received 'who knows'
  sent 'taken'
  RC=1 sent 'taken and handled badly'
  STATE=unknown sent 'perhaps taken'
  STATE=untaken sent 'not taken'
  STATE=failed sent 'failed'
  STATE=failed sent 'gone'
  sql "UPDATE messages SET body = NULL WHERE body IN (CAST('gone' AS BLOB), CAST('read' AS BLOB))"
  expect 0 alice log
  local t=2025-11-23T00:00:00Z
  assert_stdout \
    "$t <- bob [deleted]" "$t <- bob: not read yet" "$t <- bob: not handled yet" \
    "$t <- bob: in work" "$t <- bob: handled well" "$t <- bob [exit 3]: handled badly" \
    "$t <- bob [interrupted]: who knows" "$t -> bob: taken" \
    "$t -> bob [exit 1]: taken and handled badly" "$t -> bob [unknown]: perhaps taken" \
    "$t -> bob [untaken]: not taken" "$t -> bob [failed]: failed" "$t -> bob [failed, deleted]"
}

@test "log: --sent, --received, PEER and --since choose, also together" {
  PEER="SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA"
  TIME=$((DAY - 1)) received 'early from c'
  TIME=$((DAY + 1)) sent 'late to c'
  PEER=""
  TIME=$((DAY + 5)) received 'late from bob'
  TIME=$((DAY - 5)) sent 'early to bob'
  TIME=$DAY sent 'at midnight to bob'
  texts : 'early from c' 'late to c' 'late from bob' 'early to bob' 'at midnight to bob'
  texts --sent : 'late to c' 'early to bob' 'at midnight to bob'
  texts --received : 'early from c' 'late from bob'
  texts bob : 'late from bob' 'early to bob' 'at midnight to bob'
  texts BOB --received : 'late from bob'
  texts SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA : 'early from c' 'late to c'
  texts --since 2025-11-23 : 'late to c' 'late from bob' 'at midnight to bob'
  texts --since 2025-11-23T00:00:01Z : 'late to c' 'late from bob'
  texts --since 2025-11-23T00:00:06Z :
  texts --since 2025-11-23 --sent : 'late to c' 'at midnight to bob'
  texts bob --since 2025-11-23 --sent : 'at midnight to bob'
  texts -n 1 : 'at midnight to bob'
  texts -n 2 --received : 'early from c' 'late from bob'
  texts -n 9 bob --sent --since 2025-11-23 : 'at midnight to bob'
  texts -n 2 --since 2025-11-23 : 'late from bob' 'at midnight to bob'
}

@test "log --since: a duration is how long ago" {
  TIME=$(($(date +%s) - 3500)) received 'less than an hour ago'
  TIME=$(($(date +%s) - 3700)) received 'more than an hour ago'
  texts --since 1h : 'less than an hour ago'
  texts --since 2h : 'less than an hour ago' 'more than an hour ago'
  texts --since 60 :
}

@test "log: a peer is named as it is now; without a name, by its fingerprint" {
  received hi
  expect 0 alice peers rename bob robert
  expect 0 alice log --format %p
  assert_stdout robert
  expect 0 alice log "${BOB:0:15}"
  assert_stdout "2025-11-23T00:00:00Z <- robert: hi"
  expect 0 alice peers remove robert
  expect 0 alice log "$BOB"
  assert_stdout "2025-11-23T00:00:00Z <- $BOB: hi"
  expect 67 alice log robert
  assert_refusal log "unknown peer 'robert'"
  expect 67 alice log "${BOB:0:15}"
  assert_refusal log "unknown peer"
  expect 67 alice log "$(fingerprint carol)"
  expect 65 alice log SHA256:abc
}

@test "log: what does not go together, or is no value, is 64" {
  refused() {
    expect 64 alice log "${@:2}"
    assert_refusal log "$1"
  }
  refused "too many arguments: 'carol'" bob carol
  refused '--sent and --received exclude each other' --sent --received
  refused '--json and --format exclude each other' --json --format %b
  refused '--raw and --escape exclude each other' --raw --escape
  refused '--json and --raw exclude each other' --json --raw
  refused '--json and --escape exclude each other' --json --escape
  refused "not a count: '0'" -n 0
  refused "not a count: '-1'" -n -1
  refused "not a count: 'x'" -n x --follow
  refused '-W goes with --follow alone' -W 1
  refused "not a time: '0'" --follow -W 0
  refused "not a time: 'noon'" --since noon
  refused "not a time: '2025-02-30'" --since 2025-02-30
  refused "not a time: ''" --since ''
  refused "no field '%x' in a format" --format %x
  refused "not a time: 'x'" --before x
  refused '--sent does not go with' --forget bob --sent
  refused '--json does not go with' --before 1d --json
  refused '-n' --before 1d -n
  refused "too many arguments: 'bob'" --forget bob bob
}

@test "log: without an identity it is 78" {
  expect 78 node nobody log
  assert_refusal log 'no identity in'
  expect 78 node nobody log --forget bob
  [[ ! -e "$FOLDER/nobody" ]]
}

@test "log: in a pipe the text is what was sent, on a terminal it is escaped" {
  received 'one\n2025-11-23T00:00:00Z <- bob: \e[31mtwo\xff'
  expect 0 alice log
  printf '2025-11-23T00:00:00Z <- bob: one\n2025-11-23T00:00:00Z <- bob: \e[31mtwo\xff\n' >"$FOLDER/wanted"
  assert_same_bytes "$OUT" "$FOLDER/wanted"
  escaped=('2025-11-23T00:00:00Z <- bob: one'
    '  2025-11-23T00:00:00Z <- bob: \x1b[31mtwo\xff')
  expect 0 alice log --escape
  assert_stdout "${escaped[@]}"
  expect 0 peer_py pty --fds 1 "$BIN" --home "$FOLDER/alice" log
  assert_equal "${stdout//$'\r'/}" "$(printf '%s\n' "${escaped[@]}")"
}

@test "log --raw: the text alone, byte for byte, on a terminal too" {
  received 'one\n'
  received 'gone'
  received '\e[31mtwo\xff'
  sql "UPDATE messages SET body = NULL WHERE id = 2"
  expect 0 alice log --raw
  printf 'one\n\e[31mtwo\xff' >"$FOLDER/wanted"
  assert_same_bytes "$OUT" "$FOLDER/wanted"
  expect 0 alice log --raw --format '%b,'
  printf 'one\n,,\e[31mtwo\xff,' >"$FOLDER/wanted"
  assert_same_bytes "$OUT" "$FOLDER/wanted"
  expect 0 peer_py pty --fds 1 "$BIN" --home "$FOLDER/alice" log --raw -n 1
  printf '\e[31mtwo\xff' >"$FOLDER/wanted"
  assert_same_bytes "$OUT" "$FOLDER/wanted"
}

@test "log --format: every field, one line a message on a terminal" {
  REPLY='a\nb\xff' RC=3 sent 'x\ty\n\xff'
  STATE=interrupted received ''
  local form='%p|%f|%i|%t|%b|%d|%s|%r|%%'
  expect 0 alice log --format "$form"
  printf '%b' "bob|$BOB|id-1|2025-11-23T00:00:00Z|x\ty\n\xff|out|acked|a\nb\xff|%\n" \
    "bob|$BOB|id-2|2025-11-23T00:00:00Z||in|interrupted||%\n" >"$FOLDER/wanted"
  assert_same_bytes "$OUT" "$FOLDER/wanted"
  escaped=("bob|$BOB|id-1|2025-11-23T00:00:00Z|x\\ty\\n\\xff|out|acked|a\\nb\\xff|%"
    "bob|$BOB|id-2|2025-11-23T00:00:00Z||in|interrupted||%")
  expect 0 alice log --escape --format "$form"
  assert_stdout "${escaped[@]}"
  expect 0 peer_py pty --fds 1 "$BIN" --home "$FOLDER/alice" log --format "$form"
  assert_equal "${stdout//$'\r'/}" "$(printf '%s\n' "${escaped[@]}")"
}

@test "log --json: one object a line, whatever the bytes are" {
  received 'say "hi"\n\e[0m\xe2\x80\xae'
  STATE=handled RC=3 REPLY='\xfe' received 'a\xff'
  STATE=unknown sent ''
  REPLY='yes\n' sent 'gone'
  sql "UPDATE messages SET body = NULL WHERE id = 4"
  expect 0 alice log --json
  local peer="\"peer\":\"bob\",\"fingerprint\":\"$BOB\",\"time\":\"2025-11-23T00:00:00Z\""
  assert_stdout \
    "{\"id\":\"id-1\",$peer,\"direction\":\"in\",\"state\":\"printed\",\"exit\":0,\"text\":\"say \\\"hi\\\"\\n\\u001b[0m\\u202e\",\"reply\":\"\"}" \
    "{\"id\":\"id-2\",$peer,\"direction\":\"in\",\"state\":\"handled\",\"exit\":3,\"data\":\"Yf8=\",\"reply_data\":\"/g==\"}" \
    "{\"id\":\"id-3\",$peer,\"direction\":\"out\",\"state\":\"unknown\",\"exit\":0,\"text\":\"\",\"reply\":\"\"}" \
    "{\"id\":\"id-4\",$peer,\"direction\":\"out\",\"state\":\"acked\",\"exit\":0,\"text\":null,\"reply\":\"yes\\n\"}"
}

@test "log: it does not wait for a writer" {
  received hi
  exec 7> >(exec sqlite3 "$FOLDER/alice/state.db" >"$FOLDER/writer" 2>&1 3>&-)
  echo "BEGIN IMMEDIATE; SELECT 'locked';" >&7
  wait_until has_line "$FOLDER/writer" locked
  texts : hi
  texts bob -n 1 : hi
  exec 7>&-
}

@test "log: a failing stdout is 71" {
  received hi
  full() { alice log "$@" >/dev/full; }
  closed() { alice log "$@" >&-; }
  for kind in full closed; do
    expect 71 "$kind"
    assert_refusal log 'cannot write to standard output'
    expect 71 "$kind" --follow
    assert_refusal log 'cannot write to standard output'
  done
}

@test "log: a reader that has enough ends it" {
  received_many 50000
  head_of() { { alice log "$@" 2>"$FOLDER/said" || echo $? >"$FOLDER/status"; } | head -n 1; }
  for option in --json --follow; do
    expect 0 head_of "$option"
    assert_contains "$stdout" 'message 1'
    assert_equal "$(cat "$FOLDER/status")" 71
    has_line "$FOLDER/said" 'cannot write to standard output: broken pipe'
  done
}

@test "log: a hundred thousand messages, in little memory" {
  received_many 100000 800
  # What a sanitizer keeps of freed memory is not ours.
  export ASAN_OPTIONS="quarantine_size_mb=1:${ASAN_OPTIONS:-}"
  # The most memory that it ever has, in KiB; its stdout is in $FOLDER/shown.
  peak() {
    within_limits /usr/bin/python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)' \
      "$BIN" --home "$FOLDER/alice" log --format '%i %b' "$@" 3>&1 >"$FOLDER/shown" 2>&3 3>&-
  }
  small="$(peak -n 1)"
  all="$(peak)"
  assert_equal "$(wc -l <"$FOLDER/shown")" 100000
  assert_equal "$(sort -c "$FOLDER/shown" 2>&1)" ""
  # The texts alone are 80,000 KiB.
  ((all < small + 20000)) || fail "$all KiB, and $small for one message"
}

@test "log --follow: what is there, and then every new message, once" {
  received one
  start_log --follow --format '%s %b'
  wait_until has_lines "$OUT" 1
  start_listen bob -k
  befriend alice bob
  expect 0 alice send -m two bob
  stop_listen
  OUT="$FOLDER/alice.out"
  wait_until has_lines "$OUT" 2
  received three
  wait_until has_lines "$OUT" 3
  sql "UPDATE messages SET state = 'printed'"
  received four
  wait_until has_lines "$OUT" 4
  kill -TERM "${STARTED[0]}"
  ended 143 "${STARTED[0]}"
  # Whatever its state is when it is seen first: the acknowledgement may have come by then.
  sed 's/^unknown two$/acked two/' "$OUT" >"$FOLDER/seen"
  assert_stream "$FOLDER/seen" 'printed one' 'acked two' 'printed three' 'printed four'
}

@test "log --follow: chooses as log does" {
  received one
  start_log bob --follow --sent --format %b
  sent two
  received three
  PEER="SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA" sent four
  sent five
  wait_until has_line "$OUT" five
  kill -INT "$PID"
  ended 130 "$PID"
  assert_stream "$OUT" two five
}

@test "log --follow: shows what a listen receives while it runs" {
  start_listen alice -k
  befriend bob alice
  local listener="$PID" log_out="$FOLDER/follower.out"
  start_command follower "$BIN" --home "$FOLDER/alice" log --follow
  wait_until follows_or_ended "$PID"
  expect 0 bob send -m hi alice
  wait_until has_line "$log_out" ' <- bob: hi$'
  kill -HUP "$PID"
  ended 129 "$PID"
  kill -TERM "$listener"
  ended 0 "$listener"
}

@test "log --follow -n: so many from now on, then 0" {
  received one
  start_log --follow -n 2 --format %b
  received two
  received three
  received four
  ended 0 "$PID"
  assert_stream "$OUT" two three
  assert_stream "$ERR"
}

@test "log --follow -W: 124 when the time is over first" {
  received one
  expect 124 alice log --follow -W 2 --format %b
  assert_stdout one
  assert_stderr
  expect 124 alice log --follow -n 1 -W 300ms
  assert_silent
  start_log --follow -n 1 -W 60
  received two
  ended 0 "$PID"
}

@test "log --follow: sleeps until something happens" {
  start_log --follow
  [[ "$(uname -m)" == x86_64 && -r "/proc/$PID/syscall" ]] || skip "no telling what it waits for"
  # poll(2) of three descriptors, without an end.
  sleeps_for_ever() { has_line "/proc/$PID/syscall" '^7 0x[0-9a-f]* 0x3 0x\(f\{8\}\)*ffffffff '; }
  wait_until sleeps_for_ever
}

@test "log --follow: ends when the reader of its stdout has gone, without a new message" {
  mkfifo "$FOLDER/pipe"
  exec 7<>"$FOLDER/pipe"
  start_command alice bash -c 'exec "$@" >"$0" 7>&-' "$FOLDER/pipe" "$BIN" --home "$FOLDER/alice" log --follow
  wait_until follows_or_ended "$PID"
  exec 7>&-
  ended 71 "$PID"
  assert_stream "$ERR" 'p2pchat log: error: cannot write to standard output: broken pipe'
}

@test "log --follow: a reader that has stopped reading does not hold up its end" {
  received_many 20000
  mkfifo "$FOLDER/pipe"
  exec 7<>"$FOLDER/pipe"
  stuck() {
    start_command alice bash -c 'exec "$@" >"$0" 7>&-' "$FOLDER/pipe" "$BIN" --home "$FOLDER/alice" log --follow "$@"
    wait_until follows_or_ended "$PID"
  }
  stuck
  kill -TERM "$PID"
  ended 143 "$PID"
  stuck -W 300ms
  ended 124 "$PID"
  exec 7>&-
}

@test "log --follow: a state folder that goes away ends it with 71" {
  start_log --follow
  mv "$FOLDER/alice" "$FOLDER/moved"
  ended 71 "$PID"
  has_line "$ERR" 'was taken away$'
}

# Nowhere in Alice's folder.
refute_kept() { refute_found "$1" "$FOLDER/alice/"*; }
kept() { cat "$FOLDER/alice/"* | grep -aqF -- "$1"; }

@test "log --forget: the text with a peer is gone from the disk, ids and others' text stay" {
  REPLY='my answer' received 'secret of bob'
  REPLY='secret answer' sent 'secret for bob'
  PEER="SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA" received 'text of c'
  kept 'secret of bob'
  expect 0 alice log --forget bob
  assert_silent
  refute_kept secret
  kept 'my answer' # a repetition of the message gets it again
  expect 0 alice log --format '%i %b'
  assert_stdout 'id-1 ' 'id-2 ' 'id-3 text of c'
  expect 0 alice log bob
  assert_stdout '2025-11-23T00:00:00Z <- bob [deleted]' '2025-11-23T00:00:00Z -> bob [deleted]'
  expect 0 alice log --forget bob
  assert_silent
}

@test "log --forget: a message that comes again is still not delivered twice" {
  start_listen alice -k
  befriend bob alice
  expect 0 bob send --id again -m hi alice
  wait_until has_line "$FOLDER/alice.out" hi
  expect 0 alice log --forget bob
  expect 0 bob send --id again -m hi alice
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
}

@test "log --forget: what is still to be written or handled keeps its text" {
  for STATE in print exec handling interrupted; do received "$STATE"; done
  expect 0 alice log --forget bob
  expect 0 alice log --format '%s %b'
  assert_stdout 'print print' 'exec exec' 'handling handling' 'interrupted '
}

@test "log --before: what is older, with everybody or with one peer" {
  TIME=$((DAY - 1)) received 'old from bob'
  received 'new from bob'
  PEER="SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA"
  TIME=$((DAY - 1)) sent 'old to c'
  sent 'new to c'
  expect 0 alice log --forget bob --before 2025-11-23
  assert_silent
  refute_kept 'old from bob'
  texts : '' 'new from bob' 'old to c' 'new to c'
  expect 0 alice log --before 2025-11-23T00:00:00Z
  assert_silent
  refute_kept 'old to c'
  texts : '' 'new from bob' '' 'new to c'
  expect 0 alice log --before 1d
  refute_kept 'new from bob'
  refute_kept 'new to c'
}

@test "log --forget: a peer that was removed, by its whole fingerprint; an unknown one is 67" {
  received 'secret'
  alice peers remove bob
  expect 67 alice log --forget bob
  assert_refusal log "unknown peer 'bob'"
  kept secret
  expect 0 alice log --forget "$BOB"
  assert_silent
  refute_kept secret
}

@test "log --forget: thousands of messages" {
  received_many 3000
  PEER="SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA" received 'of c'
  expect 0 alice log --forget bob
  assert_equal "$(sql 'SELECT count(*) FROM messages WHERE body IS NULL')" 3000
  refute_kept 'message 1'
  expect 0 alice log -n 1 --format %b
  assert_stdout 'of c'
}

@test "log --forget: when somebody reads on, it is said that the text is still in the log" {
  received 'secret'
  exec 7> >(exec sqlite3 "$FOLDER/alice/state.db" >"$FOLDER/reader" 2>&1 3>&-)
  echo "BEGIN; SELECT 'reads', count(*) FROM messages;" >&7
  wait_until has_line "$FOLDER/reader" reads
  expect 71 alice log --forget bob
  assert_refusal log 'the text is deleted, but still in the log of'
  exec 7>&-
  wait_until alice log --forget bob
  refute_kept secret
}
