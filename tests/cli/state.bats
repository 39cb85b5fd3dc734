#!/usr/bin/env bats
# What lies on disk: who may read it, what is refused, and that neither a crash nor a crowd loses,
# doubles or damages anything.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

needs_root() { ((EUID == 0)) || skip "only root can give a file away"; }
needs_strace() {
  strace -D -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
  export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" # its leak check is a tracer, too
}
# Every command that uses the state, each as it would be called.
commands() {
  cat <<'END'
keygen --fingerprint
keygen --public
register alice 127.0.0.1:1
listen -p 0 -W 5
send -m hi alice
peers
peers show alice
END
}
# assert_all_refuse STATUS TEXT: each of them, on bob's state.
assert_all_refuse() {
  while read -ra words; do
    expect "$1" bob "${words[@]}"
    assert_refusal "${words[0]}" "$2"
  done < <(commands)
}
# Those that open the database.
assert_state_refused() {
  for command in "register alice 127.0.0.1:1" "listen -p 0 -W 5" "send -m hi alice" peers; do
    read -ra words <<<"$command"
    expect 71 bob "${words[@]}"
    assert_refusal "${words[0]}" "$1"
  done
}

# ---- who may read it

@test "state: with umask 000 the folder is 0700 and every file in it 0600" {
  umask 000
  node new keygen --bits 2048 >/dev/null 2>&1
  start_listen new -k
  befriend bob new
  node new peers accept "$(fingerprint bob)" --as bob >/dev/null
  bob send -m hi new
  node new register alice 127.0.0.1:1 2>/dev/null || true
  stop_listen
  assert_equal "$(stat -c '%a %F' "$FOLDER/new")" "700 directory"
  find "$FOLDER/new" -mindepth 1 -printf '%m %y\n' | sort -u >"$FOLDER/modes"
  assert_stream "$FOLDER/modes" "600 f"
}

@test "state: no file is ever open to others, not even for the moment it is made" {
  needs_strace
  umask 000
  calls="trace=open,openat,creat,mkdir,mkdirat,chmod,fchmod"
  strace -f -qq -e "$calls" -o "$FOLDER/trace.keygen" \
    "$BIN" --home "$FOLDER/new" keygen --bits 2048 >/dev/null 2>&1
  WRAPPER=(strace -D -f -qq -e "$calls" -o "$FOLDER/trace.listen")
  start_listen new -k
  befriend bob new
  stop_listen
  grep -h "$FOLDER/new" "$FOLDER"/trace.* | grep -E 'O_CREAT|creat\(|mkdir|chmod' >"$FOLDER/made"
  has_line "$FOLDER/made" 'mkdir.*/new", 0700) = 0$'
  for file in identity encryption state.db; do has_line "$FOLDER/made" "/new/$file"; done
  grep -vE 'mkdir(at)?\(.*, 0700\)' "$FOLDER/made" >"$FOLDER/files"
  if grep -vE ', 0600\) +=' "$FOLDER/files" >"$FOLDER/open"; then fail "$(<"$FOLDER/open")"; fi
}

@test "state: a folder that others can enter is 77, with the cure" {
  for mode in 701 720 755; do
    chmod "$mode" "$FOLDER/bob"
    assert_all_refuse 77 "unsafe permissions on '$FOLDER/bob': others have access"
    has_line "$ERR" "hint: chmod 700 $FOLDER/bob$"
  done
}

@test "state: an identity that others can read is 77, with the cure" {
  chmod 640 "$FOLDER/bob/identity.pem"
  for command in "keygen --fingerprint" "listen -p 0 -W 5" "send -m hi alice" \
    "register alice 127.0.0.1:1"; do
    read -ra words <<<"$command"
    expect 77 bob "${words[@]}"
    assert_refusal "${words[0]}" "unsafe permissions on '$FOLDER/bob/identity.pem': others have access"
    has_line "$ERR" "hint: chmod 600 $FOLDER/bob/identity.pem$"
  done
}

@test "state: an encryption key or a database that others can read is 77" {
  chmod 604 "$FOLDER"/bob/encryption-*.pem
  expect 77 bob listen -p 0 -W 5
  assert_refusal listen "unsafe permissions on '$(echo "$FOLDER"/bob/encryption-*.pem)'"
  chmod 600 "$FOLDER"/bob/encryption-*.pem
  chmod 644 "$FOLDER/bob/state.db"
  for command in peers "listen -p 0 -W 5" "send -m hi alice"; do
    read -ra words <<<"$command"
    expect 77 bob "${words[@]}"
    assert_refusal "${words[0]}" "unsafe permissions on '$FOLDER/bob/state.db'"
  done
}

@test "state: a folder or key of another user is 77" {
  needs_root
  chown 65534 "$FOLDER/bob/identity.pem"
  expect 77 bob send -m hi alice
  assert_refusal send "unsafe '$FOLDER/bob/identity.pem': it belongs to another user"
  chown 0 "$FOLDER/bob/identity.pem"
  chown 65534 "$FOLDER/bob"
  assert_all_refuse 77 "unsafe '$FOLDER/bob': it belongs to another user"
}

@test "state: an identity that is a symbolic link is 77" {
  mv "$FOLDER/bob/identity.pem" "$FOLDER/elsewhere.pem"
  ln -s "$FOLDER/elsewhere.pem" "$FOLDER/bob/identity.pem"
  expect 77 bob send -m hi alice
  assert_refusal send "unsafe '$FOLDER/bob/identity.pem': a symbolic link"
  expect 73 bob keygen --bits 2048 # and it is not overwritten either
  assert_refusal keygen "there is an identity already"
}

@test "state: an identity that is a FIFO or a folder is 77 and nobody waits for it" {
  rm "$FOLDER/bob/identity.pem"
  mkfifo -m 600 "$FOLDER/bob/identity.pem"
  expect 77 bob send -m hi alice
  assert_refusal send "unsafe '$FOLDER/bob/identity.pem': not a regular file"
  rm "$FOLDER/bob/identity.pem"
  mkdir -m 700 "$FOLDER/bob/identity.pem"
  expect 77 bob send -m hi alice
  assert_refusal send "unsafe '$FOLDER/bob/identity.pem': not a regular file"
}

@test "state: a database that is a symbolic link is 77 and what it points to stays" {
  rm "$FOLDER"/bob/state.db*
  : >"$FOLDER/elsewhere"
  ln -s "$FOLDER/elsewhere" "$FOLDER/bob/state.db"
  expect 77 bob peers
  assert_refusal peers "unsafe '$FOLDER/bob/state.db'"
  [[ ! -s "$FOLDER/elsewhere" ]]
}

@test "state: a home that is a file is refused and stays" {
  printf x >"$FOLDER/new"
  for command in "keygen --bits 2048" peers "send -m hi alice"; do
    read -ra words <<<"$command"
    expect 77 node new "${words[@]}"
    assert_refusal "${words[0]}"
  done
  printf x | cmp - "$FOLDER/new"
}

# ---- two at once

@test "state: two keygen at once make one key pair; one is 0, the other 73" {
  for name in one two; do
    start_command "$name" "$BIN" --home "$FOLDER/new" keygen --bits 2048
    pids+=("$PID")
  done
  for pid in "${pids[@]}"; do
    wait_until has_ended "$pid"
    status=0
    wait "$pid" || status=$?
    statuses+=("$status")
  done
  case "${statuses[*]}" in
    "0 73") winner=one loser=two ;;
    "73 0") winner=two loser=one ;;
    *) fail "statuses: ${statuses[*]}" ;;
  esac
  assert_stream "$FOLDER/$winner.out" "$(fingerprint new)"
  assert_stream "$FOLDER/$loser.out"
  has_line "$FOLDER/$loser.err" 'error: there is an identity already'
  cd "$FOLDER/new"
  assert_match "$(echo *.pem*)" '^encryption-[0-9]+\.pem identity\.pem$'
  start_listen new -k # the two keys belong together, or this fails
  stop_listen
}

@test "state: two keygen --if-missing at once are both 0 and name the same identity" {
  pids=()
  for name in one two; do
    start_command "$name" "$BIN" --home "$FOLDER/new" keygen --bits 2048 --if-missing
    pids+=("$PID")
  done
  for pid in "${pids[@]}"; do ended 0 "$pid"; done
  for name in one two; do assert_stream "$FOLDER/$name.out" "$(fingerprint new)"; done
}

@test "state: a second listener on one home is 71, whichever port it wants" {
  start_listen alice -k
  for _ in 1 2; do
    expect 71 alice listen -k -p 0
    assert_refusal listen "another listen prints the messages of '$FOLDER/alice' already"
  done
  stop_listen
  start_listen alice -k # the lock dies with its process
  stop_listen
}

@test "state: a hundred senders at once: a hundred messages, fewer syncs than messages" {
  needs_strace
  # A slow disk, so that there is something to share: each sync takes 30 ms more.
  WRAPPER=(strace -D -f -qq -e "trace=fdatasync,fsync"
    -e "inject=fdatasync,fsync:delay_enter=30000" -o "$FOLDER/syncs")
  start_listen alice -k
  befriend bob alice
  before="$(grep -c sync "$FOLDER/syncs")" || true
  for i in {1..100}; do
    bob send -W 120 -m "message $i" alice >>"$FOLDER/said" 2>&1 &
    senders+=($!)
  done
  for pid in "${senders[@]}"; do wait "$pid"; done # each of them was acknowledged: 0
  assert_stream "$FOLDER/said"
  after="$(grep -c sync "$FOLDER/syncs")"
  stop_listen
  assert_equal "$(sort -u "$FOLDER/alice.out" | grep -c '^message [0-9]*$')" 100
  assert_equal "$(wc -l <"$FOLDER/alice.out")" 100
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT"
  ((after > before)) || fail "nothing was synced"
  ((after - before < 100)) || fail "$((after - before)) syncs for 100 messages"
}

@test "state: both directions at once, and every command beside them" {
  start_listen bob -k
  bob_listener="$PID"
  alice register bob "127.0.0.1:$PORT" >/dev/null 2>&1
  start_listen alice -k
  befriend bob alice
  for i in {1..10}; do
    bob send -m "to alice $i" alice >>"$FOLDER/said" 2>&1 &
    running+=($!)
    alice send -m "to bob $i" bob >>"$FOLDER/said" 2>&1 &
    running+=($!)
    alice peers >/dev/null 2>>"$FOLDER/said" &
    running+=($!)
  done
  for pid in "${running[@]}"; do wait "$pid"; done
  assert_stream "$FOLDER/said"
  stop_listen
  assert_equal "$(sort -u "$FOLDER/alice.out" | grep -c '^to alice')" 10
  kill -TERM "$bob_listener"
  ended 0 "$bob_listener"
  assert_equal "$(sort -u "$FOLDER/bob.out" | grep -c '^to bob')" 10
}

@test "state: what cannot be committed is not acknowledged: 75, and the listener lives" {
  start_listen alice -k
  befriend bob alice
  start_command lock /usr/bin/python3 "$PEER_PY" lock "$FOLDER/alice/state.db"
  lock="$PID"
  wait_until has_line "$FOLDER/lock.out" locked
  expect 75 bob send --id one -m hi alice
  assert_refusal send "'alice' cannot take it now"
  kill -KILL "$lock"
  ended 137 "$lock"
  expect 0 bob send --id one -m hi alice
  kill -TERM "${STARTED[0]}"
  ended 0 "${STARTED[0]}"
  assert_stream "$FOLDER/alice.out" hi
}

# ---- crashes

@test "state: kill -9 between commit and print: the next listen prints it, once" {
  start_stuck_listen alice -k
  befriend bob alice
  expect 0 bob send -m one alice # acknowledged: it is on the disk
  expect 0 bob send -m two alice
  kill -KILL "$PID"
  ended 137 "$PID"
  expect 0 alice listen -p 0 -n 2
  assert_stdout one two
  assert_stderr
  expect 124 alice listen -p 0 -W 100ms
  assert_stdout
}

@test "state: kill -9 while a message is being written: it is written again, and nothing else" {
  start_stuck_listen alice -k
  befriend bob alice
  yes 'sixteen bytes, :' | tr -d '\n' | head -c 300000 >"$FOLDER/body"
  expect 0 bob send -f "$FOLDER/body" alice
  expect 0 bob send -m next alice
  # The filling and a part of the message go out.
  head -c 131072 <&8 >/dev/null
  kill -KILL "$PID"
  ended 137 "$PID"
  { cat "$FOLDER/body" && printf '\nnext\n'; } >"$FOLDER/wanted"
  expect 0 alice listen -p 0 -n 2
  assert_same_bytes "$OUT" "$FOLDER/wanted"
}

@test "state: SIGTERM while nobody reads, twice: it ends all the same, and nothing is lost" {
  start_stuck_listen alice -k
  befriend bob alice
  expect 0 bob send -m one alice
  kill -TERM "$PID"
  has_closed() { ! (exec 9<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }
  wait_until has_closed
  stop_listen # the second one is as orderly an end as the first, once it is on its way
  expect 0 alice listen -p 0
  assert_stdout one
}

@test "state: kill -9 at any moment loses no acknowledged message and doubles none" {
  start_listen alice -k
  befriend bob alice
  port="$PORT"
  : >"$FOLDER/acknowledged"
  : >"$FOLDER/written"
  for round in 1 2 3 4 5; do
    for i in 1 2 3 4; do
      { bob send --id "$round.$i" -m "$round.$i" alice 2>/dev/null &&
        echo "$round.$i" >>"$FOLDER/acknowledged"; } || true &
      senders+=($!)
    done
    # After the first of them, the others are anywhere between connecting and being printed.
    wait_until has_line "$FOLDER/alice.out" "^$round\\."
    kill -KILL "$PID"
    ended 137 "$PID"
    for pid in "${senders[@]}"; do wait "$pid"; done
    senders=()
    cat "$FOLDER/alice.out" >>"$FOLDER/written"
    start alice listen -k -p "$port" -a 127.0.0.1
    wait_for_port
  done
  # Everything is retried, as a script would after 69 or 74.
  for round in 1 2 3 4 5; do
    for i in 1 2 3 4; do expect 0 bob send --id "$round.$i" -m "$round.$i" alice; done
  done
  stop_listen
  cat "$FOLDER/alice.out" >>"$FOLDER/written"
  # Each crash may have made one line be written twice, no more; and all twenty are there.
  assert_equal "$(sort -u "$FOLDER/written" | wc -l)" 20
  (($(wc -l <"$FOLDER/written") <= 25))
  while read -r line; do has_line "$FOLDER/written" "^$line$"; done <"$FOLDER/acknowledged"
}

# ---- damage

@test "state: a database that is none is 71 and left untouched" {
  rm "$FOLDER"/bob/state.db*
  head -c 65536 /dev/urandom >"$FOLDER/bob/state.db"
  chmod 600 "$FOLDER/bob/state.db"
  cp -a "$FOLDER/bob" "$FOLDER/before"
  assert_state_refused "cannot use the state in '$FOLDER/bob/state.db'"
  assert_same_bytes "$FOLDER/bob/state.db" "$FOLDER/before/state.db"
}

@test "state: a damaged database is 71 and left untouched" {
  peer_py sql "$FOLDER/bob/state.db" "SELECT 1" >/dev/null # all of it into the one file
  rm -f "$FOLDER"/bob/state.db-*
  # The header stays; what follows does not.
  dd if=/dev/urandom of="$FOLDER/bob/state.db" bs=1 seek=100 count=3996 conv=notrunc status=none
  cp -a "$FOLDER/bob" "$FOLDER/before"
  assert_state_refused "cannot use the state in '$FOLDER/bob/state.db': damaged"
  assert_same_bytes "$FOLDER/bob/state.db" "$FOLDER/before/state.db"
}

@test "state: one of the first version is taken over with its peers and messages" {
  start_listen alice -k
  befriend bob alice
  bob send -m "before" alice 2>/dev/null
  stop_listen
  for name in alice bob; do
    node "$name" peers --porcelain=v1 >"$FOLDER/$name.peers"
    node "$name" log --json >"$FOLDER/$name.log"
    to_first_schema "$name"
    assert_equal "$(sqlite3 "$FOLDER/$name/state.db" 'PRAGMA user_version')" 1
  done
  # By whichever command comes first.
  expect 0 bob peers --porcelain=v1
  assert_same_bytes "$OUT" "$FOLDER/bob.peers"
  start_listen alice -k
  befriend bob alice
  expect 0 bob send -m "after" alice
  stop_listen
  assert_stream "$FOLDER/alice.out" after
  for name in alice bob; do
    node "$name" log --json | head -n 1 | cmp - "$FOLDER/$name.log"
    expect 0 node "$name" log --format %b
    assert_stdout before after
    assert_equal "$(sqlite3 "$FOLDER/$name/state.db" 'PRAGMA integrity_check')" ok
  done
}

@test "state: the database of a newer version is 71 and left untouched" {
  peer_py sql "$FOLDER/bob/state.db" "PRAGMA user_version = 4711" >/dev/null
  cp -a "$FOLDER/bob/state.db" "$FOLDER/before"
  assert_state_refused "the state in '$FOLDER/bob/state.db' was written by a newer version of p2pchat"
  assert_same_bytes "$FOLDER/bob/state.db" "$FOLDER/before"
}

@test "state: somebody else's database is 71 and left untouched" {
  rm "$FOLDER"/bob/state.db*
  peer_py sql "$FOLDER/bob/state.db" "CREATE TABLE recipes (name TEXT)" >/dev/null
  chmod 600 "$FOLDER/bob/state.db"
  cp -a "$FOLDER/bob/state.db" "$FOLDER/before"
  assert_state_refused "'$FOLDER/bob/state.db' is not a database of p2pchat"
  assert_same_bytes "$FOLDER/bob/state.db" "$FOLDER/before"
}

@test "state: a folder that cannot be written is refused, not ignored" {
  ((EUID != 0)) || skip "root can write everywhere"
  chmod 500 "$FOLDER/bob"
  status=0
  bob send -m hi alice >/dev/null 2>"$FOLDER/said" || status=$?
  chmod 700 "$FOLDER/bob"
  ((status == 71 || status == 73)) || fail "status $status"
}

# ---- ends in the middle of something

# killed_at SYSCALL N COMMAND...: alice's command, killed when it makes that call for the Nth time.
killed_at() {
  strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=SIGKILL:when=$2" \
    "$BIN" --home "$FOLDER/alice" "${@:3}" >/dev/null 2>&1 || true
}
needs_strace() { command -v strace >/dev/null || skip "strace is missing"; }

@test "state: a kill at any moment of keygen --force leaves a node that works" {
  needs_strace
  cp -a "$FOLDER/alice" "$FOLDER/before"
  for call in rename fsync unlink; do
    for n in 1 2 3 4 5; do
      rm -r "$FOLDER/alice"
      cp -a "$FOLDER/before" "$FOLDER/alice"
      killed_at "$call" "$n" keygen --force --bits 2048
      expect 124 alice listen -p 0 -W 100ms
      leftovers=("$FOLDER"/alice/*.new "$FOLDER"/alice/*.old)
      ((${#leftovers[@]} == 2)) && [[ ! -e "${leftovers[0]}" && ! -e "${leftovers[1]}" ]] ||
        fail "after $call $n: ${leftovers[*]}"
    done
  done
}

@test "state: a kill while an expired key is destroyed leaves a node that works" {
  needs_strace
  needs_faketime
  cp -a "$FOLDER/alice" "$FOLDER/before"
  for call in rename fsync unlink; do
    for n in 1 2 3; do
      rm -r "$FOLDER/alice"
      cp -a "$FOLDER/before" "$FOLDER/alice"
      at +20d killed_at "$call" "$n" listen -p 0 -W 100ms
      expect 124 alice listen -p 0 -W 100ms
    done
  done
}

@test "state: with log.keep 0 no text stays in the folder once it is handed over" {
  export P2PCHAT_LOG_KEEP=0
  start_listen alice -k --reply 'PRIVATE ANSWER'
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob >/dev/null
  expect 0 bob send -m 'PRIVATE QUESTION' alice
  wait_until has_line "$FOLDER/alice.out" PRIVATE
  gone() { ! grep -aq 'PRIVATE QUESTION' "$FOLDER"/alice/state.db*; }
  wait_until gone
  stop_listen
  refute_found 'PRIVATE QUESTION' "$FOLDER"/alice/state.db* "$FOLDER"/bob/state.db*
  refute_found 'PRIVATE ANSWER' "$FOLDER"/bob/state.db*
}

@test "state: a listener whose commits fail says so, once a minute, and goes on" {
  start_listen alice -k
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob >/dev/null
  start_command lock /usr/bin/python3 "$PEER_PY" lock "$FOLDER/alice/state.db"
  wait_until has_line "$OUT" locked
  expect 75 bob send -m hi alice
  expect 75 bob send -m hi alice
  kill -KILL "$PID"
  assert_equal "$(grep -c '^p2pchat listen: error: nothing is taken now: .*locked by another process' "$FOLDER/alice.err")" 1
  taken() { bob send -m there alice 2>/dev/null; }
  wait_until taken
}

@test "state: a listener whose state turns out to be damaged ends with 71 and says so" {
  start_listen alice -k
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob >/dev/null
  stop_listen
  peer_py sql "$FOLDER/alice/state.db" 'SELECT 1' >/dev/null # the log is in the file now
  root="$(sqlite3 "$FOLDER/alice/state.db" "SELECT rootpage FROM sqlite_master WHERE name = 'peers'")"
  head -c 4096 /dev/urandom | dd of="$FOLDER/alice/state.db" bs=4096 seek="$((root - 1))" conv=notrunc 2>/dev/null
  rm -f "$FOLDER"/alice/state.db-*
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_until listens_or_ended "$PID" "$ERR"
  bob send -W 5 -m hi alice 2>/dev/null || true
  ended 71 "$PID"
  read_streams
  assert_contains "$stderr" "damaged"
}

@test "state: a config that cannot be looked at is an error, not a default" {
  [[ $EUID == 0 ]] || skip "only root becomes another user"
  printf '[listen]\nport = 77\n' >"$FOLDER/alice/config"
  chmod 755 "$FOLDER" "$(dirname "$FOLDER")" "$(dirname "$(dirname "$FOLDER")")" 2>/dev/null || true
  expect 71 setpriv --reuid 65534 --regid 65534 --clear-groups "$BIN" --home "$FOLDER/alice" config
  assert_refusal config "cannot look at"
}

@test "state: no more threads is 71, not the end of the program" {
  [[ $EUID == 0 ]] || skip "only root becomes another user"
  cp -a "$FOLDER/alice" "$FOLDER/theirs"
  chown -R 65534:65534 "$FOLDER/theirs"
  cp "$BIN" "$FOLDER/p2pchat" # ours may lie where nobody else can go
  chmod 755 "$FOLDER" "$(dirname "$FOLDER")" "$(dirname "$(dirname "$FOLDER")")" 2>/dev/null || true
  for limit in 1 2 3; do
    status=0
    setpriv --reuid 65534 --regid 65534 --clear-groups prlimit "--nproc=$limit" \
      "$FOLDER/p2pchat" --home "$FOLDER/theirs" listen -p 0 -W 100ms >/dev/null 2>"$FOLDER/stderr" || status=$?
    ((status == 71)) || fail "status $status with $limit: $(<"$FOLDER/stderr")"
    has_line "$FOLDER/stderr" 'error: cannot start a thread: resource temporarily unavailable'
  done
}

@test "state: what is unsafe or something else beside the database is 77, and nothing follows it" {
  expect 0 bob peers
  for file in state.db-wal state.db-shm lock; do
    chmod 644 "$FOLDER/bob/$file"
    expect 77 bob listen -p 0
    assert_refusal listen "unsafe "
    chmod 600 "$FOLDER/bob/$file"
  done
  mv "$FOLDER/bob/lock" "$FOLDER/elsewhere"
  ln -s "$FOLDER/elsewhere" "$FOLDER/bob/lock"
  expect 77 bob keygen --rotate
  rm "$FOLDER/bob/lock"
  mkfifo -m 600 "$FOLDER/bob/lock"
  expect 77 bob keygen --rotate
}
