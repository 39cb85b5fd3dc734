#!/usr/bin/env bats
# What is acknowledged is stored and printed once: with connections cut after every byte, processes
# killed at any moment, a disk that is full, and many commands at once on one home.
# shellcheck source=load.bash
source "$BATS_TEST_DIRNAME/load.bash"

setup() { friends; }

crowd() { timeout --signal=KILL 600 /usr/bin/python3 "$REPOSITORY/tests/cli/crowd.py" "$@"; }

sql() { "${INSIDE[@]}" sqlite3 -cmd '.timeout 10000' "$FOLDER/$1/state.db" "$2"; }
# assert_sound HOME...: its database is whole.
assert_sound() {
  local name
  for name in "$@"; do assert_equal "$(sql "$name" 'PRAGMA integrity_check')" ok; done
}
# assert_arrived FILE [SENDER]: every line of it is one message that alice has stored, once, and
# written; and bob knows of each that it is there.
assert_arrived() {
  sort "$1" >"$FOLDER/wanted"
  sql alice "SELECT CAST(body AS TEXT) FROM messages WHERE direction = 'in'" | sort >"$FOLDER/stored"
  diff "$FOLDER/wanted" "$FOLDER/stored" >&2 || fail "(< sent, > stored)"
  assert_equal "$(sql alice "SELECT count(*) FROM messages WHERE state <> 'printed'")" 0
  sql "${2:-bob}" "SELECT CAST(body AS TEXT) FROM messages WHERE state = 'acked'" | sort >"$FOLDER/acked"
  diff "$FOLDER/wanted" "$FOLDER/acked" >&2 || fail "(< sent, > acknowledged)"
}
assert_printed_once() { diff <(sort "$1") <(sort "$2") >&2 || fail "(< sent, > printed)"; }

@test "crash: a connection cut after every byte of request and reply: 74, and the retry arrives once" {
  local step=1
  if sanitized; then step=64; fi
  start_listen alice -k --reply 'an answer'
  crowd cuts "$BIN" "$FOLDER/bob" alice "$PORT" --step "$step" >"$FOLDER/texts" 2>"$FOLDER/numbers" ||
    fail "$(<"$FOLDER/numbers")"
  stop_listen
  note "$(<"$FOLDER/numbers")"
  assert_arrived "$FOLDER/texts"
  assert_printed_once "$FOLDER/texts" "$FOLDER/alice.out"
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT"
}

# under_fire KIND COUNT: alice listens and bob sends while the listener or a sender gets a signal at
# COUNT random moments. Leaves what was sent in $FOLDER/texts, and all of it has arrived.
under_fire() {
  local seed="${P2PCHAT_TEST_SEED:-$RANDOM}" count="$2"
  if sanitized; then count=$((count / 20)); fi
  note "P2PCHAT_TEST_SEED=$seed"
  start_listen alice -k
  befriend bob alice
  stop_listen
  : >"$FOLDER/alice.out"
  : >"$FOLDER/alice.err"
  crowd "$1" "$BIN" "$FOLDER/bob" alice "$PORT" "$FOLDER/alice" --kills "$count" --seed "$seed" \
    >"$FOLDER/texts" 2>"$FOLDER/numbers" || fail "$(<"$FOLDER/numbers")"
  note "$(<"$FOLDER/numbers")"
  assert_arrived "$FOLDER/texts"
  assert_sound alice bob
  sort -u "$FOLDER/alice.err" >"$FOLDER/said"
  assert_stream "$FOLDER/said" "listening on 127.0.0.1:$PORT"
}

@test "crash: kill -9 of listener and senders at random moments: each message is stored once" {
  local twice
  under_fire kills 200
  # A crash of the listener may have one message written again, and that is all.
  sort -u "$FOLDER/alice.out" >"$FOLDER/printed"
  assert_printed_once "$FOLDER/texts" "$FOLDER/printed"
  twice=$(($(wc -l <"$FOLDER/alice.out") - $(wc -l <"$FOLDER/printed")))
  ((twice <= $(grep -c '^listening on' "$FOLDER/alice.err"))) || fail "$twice written again"
}

@test "crash: signals at random moments end listener and senders as documented, and lose nothing" {
  under_fire signals 200
  # Each of them has ended in order: nothing is written twice.
  assert_printed_once "$FOLDER/texts" "$FOLDER/alice.out"
}

# ---- a full disk

# small_disk HOME: one of 16 MiB at $FOLDER/disk, to which that home moves. Without the right to mount
# it is in a namespace of its own, where INSIDE leads.
INSIDE=()
small_disk() {
  mkdir "$FOLDER/disk"
  if mount -t tmpfs -o size=16m,mode=700 tmpfs "$FOLDER/disk" 2>/dev/null; then
    MOUNTED=yes
  else
    # shellcheck disable=SC2016
    start_command mount unshare -rm sh -c 'mount -t tmpfs -o size=16m,mode=700 tmpfs "$1" &&
      echo mounted && exec sleep 600' - "$FOLDER/disk"
    mounted_or_ended() { has_line "$OUT" mounted || has_ended "$PID"; }
    wait_until mounted_or_ended
    has_line "$OUT" mounted || skip "no small disk can be mounted here"
    INSIDE=(nsenter --target "$PID" --user --preserve-credentials --mount)
  fi
  "${INSIDE[@]}" mv "$FOLDER/$1" "$FOLDER/disk/$1"
}
on_disk() { within_limits "${INSIDE[@]}" "$BIN" --home "$FOLDER/disk/$1" "${@:2}"; }
# fill SIZE: but for so much.
fill() {
  # shellcheck disable=SC2016
  "${INSIDE[@]}" sh -c 'cd "$1" && head -c "$2" /dev/zero >room &&
    { dd if=/dev/zero of=full bs=4k 2>/dev/null || rm room; }' - "$FOLDER/disk" "$1"
}
make_space() { "${INSIDE[@]}" rm "$FOLDER/disk/full"; }
teardown() {
  end_all
  [[ -z "${MOUNTED:-}" ]] || umount -l "$FOLDER/disk"
}
# text NUMBER: a message of 4,000 bytes that begins with it.
text() { printf '%s %04000d' "$1" 0; }

@test "crash: a hundred messages to a node whose disk is full: all arrive once after space is made" {
  local i status numbers=()
  small_disk alice
  start_command alice "${INSIDE[@]}" "$BIN" --home "$FOLDER/disk/alice" listen -k -p 0 -a 127.0.0.1
  wait_for_port
  befriend bob alice
  # Some of the messages find room, the others do not.
  fill 512k
  for i in {1..100}; do
    status=0
    text "$i" | bob send --id "$i" alice >/dev/null 2>>"$FOLDER/said" || status=$?
    ((status == 0 || status == 75)) || fail "$i ended with $status: $(tail -n 2 "$FOLDER/said")"
    numbers[status]=$((${numbers[status]:-0} + 1))
  done
  note "${numbers[0]:-0} of 100 had room, ${numbers[75]:-0} were not taken"
  ((${numbers[0]:-0} > 0 && ${numbers[75]:-0} > 0)) || fail "the disk was never full, or always"
  has_line "$FOLDER/alice.err" "error: nothing is taken now: .*disk is full"
  assert_rests "$PID" "with a full disk"
  make_space
  for i in {1..100}; do text "$i" | bob send --id "$i" alice; done
  stop_listen
  cut -d ' ' -f 1 "$FOLDER/alice.out" >"$FOLDER/printed"
  seq 100 >"$FOLDER/texts"
  assert_printed_once "$FOLDER/texts" "$FOLDER/printed"
  assert_sound disk/alice bob
}

@test "crash: a sender whose disk is full sends nothing that it has not recorded" {
  local i status arrived=0
  small_disk bob
  start_listen alice -k
  on_disk bob register alice "127.0.0.1:$PORT" --as bob >/dev/null 2>&1
  fill 256k
  for i in {1..40}; do
    status=0
    text "$i" | on_disk bob send --id "$i" alice >/dev/null 2>"$FOLDER/said" || status=$?
    ((status == 0 || status == 71)) || fail "$i ended with $status: $(<"$FOLDER/said")"
    # "acknowledged by 'alice', but": it was recorded before.
    if ((status == 71)) && has_line "$FOLDER/said" acknowledged; then status=0; fi
    ((arrived += status == 0)) || true
  done
  ((arrived > 0 && arrived < 40)) || fail "$arrived of 40 arrived"
  has_line "$FOLDER/said" 'disk is full'
  make_space
  for i in {1..40}; do text "$i" | on_disk bob send --id "$i" alice; done
  stop_listen
  cut -d ' ' -f 1 "$FOLDER/alice.out" >"$FOLDER/printed"
  seq 40 >"$FOLDER/texts"
  assert_printed_once "$FOLDER/texts" "$FOLDER/printed"
  assert_sound alice disk/bob
}

# ---- a loss of power

@test "crash: what is acknowledged has been synced before, and what leaves has been, too" {
  local side
  strace -D -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
  export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" # its leak check is a tracer, too
  WRAPPER=(strace -D -f -qq -e "trace=fdatasync,fsync,write,sendto,sendmsg" -o "$FOLDER/listener")
  start_listen alice -k
  befriend bob alice
  : >"$FOLDER/listener"
  expect 0 strace -D -f -qq -e "trace=fdatasync,fsync,write,sendto,sendmsg" -o "$FOLDER/sender" \
    "$BIN" --home "$FOLDER/bob" send -m hi alice
  stop_listen
  # The first thing on a socket that looks like a sealed request, or an ack, comes after a sync.
  for side in listener sender; do
    awk '/fdatasync\(.* = 0$|fdatasync resumed.* = 0$/ { synced = 1 }
         /"eyJ/ { exit !synced } END { if (NR == 0) exit 1 }' "$FOLDER/$side" ||
      fail "$side:" "$(<"$FOLDER/$side")"
    has_line "$FOLDER/$side" '"eyJ'
  done
}

# ---- many at once

@test "crash: fifty senders beside a listener, the queue and decisions about peers, on one home" {
  local i pids=()
  start_listen alice -k
  befriend bob alice
  stop_listen
  for i in {1..20}; do expect 75 bob send --queue -m "queued $i" alice; done
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  alice_listener="$PID"
  # Bob's home is the one that everything happens on: it sends, listens, and its owner decides.
  start_listen bob -k
  bob_listener="$PID"
  alice register bob "127.0.0.1:$PORT" >/dev/null 2>&1
  carol register bob "127.0.0.1:$PORT" --as carol >/dev/null 2>&1
  carol_is="$(fingerprint carol)"
  queueing() {
    local status=0
    bob send --queue -W 60 -m "$1" alice || status=$?
    ((status == 0 || status == 75))
  }
  for i in {1..50}; do
    # Every other one may put its message into the queue first, behind those that wait there.
    if ((i % 2)); then
      bob send -W 60 -m "to alice $i" alice >>"$FOLDER/senders" 2>&1 &
    else
      queueing "to alice $i" >>"$FOLDER/senders" 2>&1 &
    fi
    pids+=($!)
  done
  for i in {1..10}; do
    alice send -W 60 -m "to bob $i" bob >>"$FOLDER/senders" 2>&1 &
    pids+=($!)
  done
  flushes() {
    local status
    while [[ ! -e "$FOLDER/enough" ]]; do
      status=0
      bob queue flush --now || status=$?
      ((status == 0 || status == 75)) || return
    done
  }
  flushes >>"$FOLDER/flushes" 2>&1 &
  flush=$!
  edits() {
    local round
    for round in {1..3}; do
      bob peers accept "$carol_is" --as carol &&
        bob peers rename carol "carol-$round" &&
        bob peers verify "carol-$round" --confirm &&
        bob peers block "carol-$round" &&
        bob peers unblock "carol-$round" &&
        bob peers rename "carol-$round" carol &&
        bob log -n 5 && bob peers && bob keygen --rotate || return
    done
  }
  edits >/dev/null 2>"$FOLDER/edits" || fail "$(<"$FOLDER/edits")"
  for i in "${pids[@]}"; do wait "$i" || fail "a sender ended with $?: $(<"$FOLDER/senders")"; done
  : >"$FOLDER/enough"
  wait "$flush" || fail "a flush ended with $?: $(<"$FOLDER/flushes")"
  expect 0 bob queue flush --now
  assert_stream "$FOLDER/senders"
  assert_stream "$FOLDER/edits"
  for i in "$alice_listener" "$bob_listener"; do
    kill -TERM "$i"
    ended 0 "$i"
  done
  { for i in {1..50}; do echo "to alice $i"; done && for i in {1..20}; do echo "queued $i"; done; } \
    >"$FOLDER/texts"
  assert_printed_once "$FOLDER/texts" "$FOLDER/alice.out"
  for i in {1..10}; do echo "to bob $i"; done >"$FOLDER/texts"
  assert_printed_once "$FOLDER/texts" "$FOLDER/bob.out"
  assert_equal "$(sql bob "SELECT direction, state, count(*) FROM messages GROUP BY 1, 2")" \
    $'in|printed|10\nout|acked|70'
  assert_equal "$(bob peers --names | sort | tr '\n' ' ')" "alice carol "
  assert_sound alice bob
  refute_contains "$(cat "$FOLDER"/*.err "$FOLDER/flushes")" locked
}
