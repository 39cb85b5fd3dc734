#!/usr/bin/env bats
# A listener without descriptors, without memory, with its calls interrupted and its connections
# torn down in every state: it neither ends nor spins, and serves its friends afterwards.
# shellcheck source=load.bash
source "$BATS_TEST_DIRNAME/load.bash"

setup() { friends; }

@test "exhaustion: with 64 descriptors and many strangers friends are served" {
  WRAPPER=(prlimit --nofile=64:64)
  recorded
  strangers_that hold "$PORT" 300 --from 127.0.0.2 --until 16 # 48 are its own
  assert_equal "$HELD" "holding 16"
  bob_is_served one two
  assert_rests "$LISTENER" "with 64 descriptors"
  strangers_end
  bob_is_served three
  assert_listener_ends_well
}

@test "exhaustion: without a descriptor for them newcomers wait, and are served later" {
  # It opens a pipe to see whether there is memory at an address, and takes a failure for a no.
  if sanitized; then skip "a sanitizer needs descriptors"; fi
  recorded
  # Fewer than it has: no more can be opened.
  prlimit --pid "$LISTENER" --nofile=8:
  strangers_that hold "$PORT" 50
  bob send -q --id one -m one alice >"$FOLDER/bob.out" 2>&1 &
  waiting=$!
  assert_rests "$LISTENER" "without descriptors"
  kill -0 "$waiting" || fail "bob did not wait: $(<"$FOLDER/bob.out")"
  prlimit --pid "$LISTENER" --nofile=1000:
  wait "$waiting" || fail "bob ended with $?: $(<"$FOLDER/bob.out")"
  PRINTED+=(one)
  bob_is_served two
  assert_listener_ends_well
}

@test "exhaustion: goodbyes of every kind in every state of a connection" {
  # An answer that is long enough to be stuck on its way.
  recorded --exec head -c 300000 /dev/zero
  PRINTED=()
  strangers_that leave "$PORT" --request "$FOLDER/message.request"
  note "$HELD in 5 states and 4 ways"
  expect 0 bob send -q -m one alice
  assert_rests "$LISTENER" "afterwards, while half of them are still there"
  strangers_end
  expect 0 bob send -q -m two alice
  assert_rests "$LISTENER" "after all have gone"
  assert_listener_ends_well
}

@test "exhaustion: interrupted system calls on both sides change nothing" {
  recorded
  for word in one two three; do
    expect 0 within_limits /usr/bin/python3 "$LOAD_PY" storm --pid "$LISTENER" \
      "$BIN" --home "$FOLDER/bob" send -q -m "$word" alice
    assert_stdout
    note "$stderr"
    PRINTED+=("$word")
  done
  assert_rests "$LISTENER" "after the signals"
  bob_is_served four
  assert_listener_ends_well
}

# ---- memory

# Eight messages, each of which may have to be repeated under its id. Leaves in $FOLDER/acknowledged
# those that need not.
eight_messages() {
  local i status
  : >"$FOLDER/acknowledged"
  for i in {1..8}; do
    status=0
    bob send -q -W 1 --id "$1 $i" -m "$1 $i" alice >/dev/null 2>"$FOLDER/said" || status=$?
    SAID[status]=$((${SAID[status]:-0} + 1))
    case $status in
      0) echo "$1 $i" >>"$FOLDER/acknowledged" ;;
      69 | 74 | 75) ;;
      *) fail "it ended with $status: $(<"$FOLDER/said")" ;;
    esac
  done
}

@test "exhaustion: without memory, always or now and then: what it acknowledges is stored" {
  local every FAULTY="${BIN%/*}/tests/p2pchat_faulty" BIN="$BIN"
  [[ -x "$FAULTY" ]] || skip "p2pchat_faulty is not built"
  for every in 1 1000 3000; do
    SAID=()
    P2PCHAT_FAULT="memory $every $FOLDER/no-memory" start_command alice "$FAULTY" \
      --home "$FOLDER/alice" listen -k -p 0 -a 127.0.0.1
    wait_for_port
    LISTENER="$PID" PRINTED=()
    befriend bob alice
    : >"$FOLDER/no-memory"
    if ((every == 1)); then assert_rests "$LISTENER" "without any memory"; fi
    eight_messages "$every"
    kill -0 "$LISTENER" || fail "it has ended: $(<"$FOLDER/alice.err")"
    while read -r word; do
      assert_equal "$(sqlite3 -cmd '.timeout 10000' "$FOLDER/alice/state.db" \
        "SELECT count(*) FROM messages WHERE body = CAST('$word' AS BLOB)")" 1
    done <"$FOLDER/acknowledged"
    rm "$FOLDER/no-memory"
    note "one allocation in $every fails: ${SAID[0]:-0} of 8 were acknowledged at once"
    for i in {1..8}; do
      expect 0 bob send -q --id "$every $i" -m "$every $i" alice
      PRINTED+=("$every $i")
    done
    assert_rests "$LISTENER" "afterwards"
    PID="$LISTENER" OUT="$FOLDER/alice.out" ERR="$FOLDER/alice.err"
    stop_listen
    sort "$OUT" >"$FOLDER/printed"
    printf '%s\n' "${PRINTED[@]}" | sort | diff - "$FOLDER/printed" >&2 || fail "(< sent, > printed)"
  done
}
