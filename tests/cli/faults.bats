#!/usr/bin/env bats
# A call of the system that fails, or a process that dies, at every point where either leaves a
# trace: tests/faults has the program for it. Each test goes on to the next point until one is not
# reached any more, and says how many there were.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

FAULTY="${BIN%/*}/tests/p2pchat_faulty"
HIT="$FOLDER/hit" # names the point, once it is reached
TEXT="" SENT="" ENDED="" ROWS="" STATE="" RECORDS="" OUTCOME="" QUEUE="" SAID=""
PORT=4747

setup() {
  friends
  # An address of our own, so that the port is free whoever runs beside us.
  ADDRESS="127.$((64 + (BASHPID >> 16) % 64)).$((BASHPID >> 8 & 255)).$((BASHPID & 255))"
  alice keygen --card >"$FOLDER/card"
  bob register alice "$ADDRESS:$PORT" --card "$FOLDER/card" >/dev/null 2>&1
  fill_log alice
  fill_log bob
  mkdir "$FOLDER/before"
  cp -a "$FOLDER/alice" "$FOLDER/bob" "$FOLDER/before"
  mkfifo "$FOLDER/said"
  : >"$FOLDER/bob.err"
  # A sanitizer's build takes its time.
  STEP=1
  if grep -q __asan_init "$FAULTY"; then STEP=5; fi
}

# fill_log HOME: the next commit brings the database's log to the length at which it is written back.
fill_log() {
  {
    echo '.dbconfig no_ckpt_on_close on'
    echo '.filectrl persist_wal 1'
    echo 'PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF;'
    for _ in {1..1000}; do echo "INSERT INTO marks VALUES ('log', 1) ON CONFLICT DO UPDATE SET value = value + 1;"; done
  } | sqlite3 "$FOLDER/$1/state.db" >/dev/null
  has_size "$FOLDER/$1/state.db-wal" 4000000
}

# What a test that fails is about.
teardown() {
  echo "point ${TEXT%% 0*}: $(cat "$HIT" 2>&1 || true)"
  echo "sent: $SENT, ended: $ENDED, stored: $ROWS $STATE, recorded: $RECORDS $OUTCOME"
  echo "queue: $QUEUE"
  echo "listener: $SAID"
  echo "sender: $(<"$FOLDER/bob.err")"
  end_all
}

restore() {
  rm -rf "${FOLDER:?}/$1"
  cp -a "$FOLDER/before/$1" "$FOLDER/$1"
}

BOUNDED=(timeout --signal=ABRT "$LONGEST_WAIT") # a hang ends with 134

# faulty_listen ARGUMENTS... and healthy_listen ARGUMENTS...: alice's listener; they return once it
# listens, or has ended. Sets PID, LISTENS and SAID.
faulty_listen() { P2PCHAT_FAULT="$FAULT" begin_listen "$FAULTY" "$@"; }
healthy_listen() { begin_listen "$BIN" "$@"; }
begin_listen() {
  local line="" status
  "${BOUNDED[@]}" "$1" --home "$FOLDER/alice" listen -k -a "$ADDRESS" -p "$PORT" "${@:2}" \
    >>"$FOLDER/printed" 2>"$FOLDER/said" </dev/null 3>&- &
  PID=$!
  STARTED=("$PID")
  exec 7<"$FOLDER/said"
  LISTENS=1 SAID=""
  while true; do
    status=0
    IFS= read -r -t 1 line <&7 || status=$?
    if ((status == 0)) && [[ "$line" == "listening on "* ]]; then return; fi
    if ((status == 0)); then SAID+="$line"$'\n'; fi
    # Said nothing, because it could not write that it listens.
    if ((status > 128)) && [[ -e "$HIT" ]]; then return; fi
    if ((status == 1)); then break; fi
  done
  LISTENS=0
}
# Sets ENDED, its exit status.
end_listen() {
  local rest=""
  kill -TERM "$PID" 2>/dev/null || true
  ENDED=0
  wait "$PID" || ENDED=$?
  STARTED=()
  IFS= read -r -d '' rest <&7 || true
  exec 7<&-
  SAID+="$rest"
}

# sent_with PROGRAM ARGUMENTS...: bob sends $TEXT under $ID. Sets SENT, its exit status.
sent_with() {
  SENT=0
  "${BOUNDED[@]}" "$1" --home "$FOLDER/bob" send -q --id "$ID" -m "$TEXT" "${@:2}" alice \
    2>"$FOLDER/bob.err" || SENT=$?
}

# What the stores hold of $TEXT. Sets ROWS and STATE of alice's, RECORDS and OUTCOME of bob's.
look() {
  local where="body = CAST('$TEXT' AS BLOB)"
  IFS='|' read -r ROWS STATE RECORDS OUTCOME < <(
    sqlite3 -readonly "$FOLDER/alice/state.db" "ATTACH '$FOLDER/bob/state.db' AS bob;
      SELECT count(*), max(state), (SELECT count(*) FROM bob.messages WHERE $where),
        (SELECT max(state) FROM bob.messages WHERE $where) FROM main.messages WHERE $where"
  )
}

# Every point there is. each_point MODE COMMAND [FIRST]: runs COMMAND with FAULT, ID and TEXT until
# the fault comes no more; sets POINTS.
each_point() {
  local n filling
  printf -v filling '%05000d' 0 # some pages of the database, some writes to standard output
  for ((n = ${3:-1}; ; n += STEP)); do
    rm -f "$HIT"
    FAULT="$1 $n $HIT" ID="$n" TEXT="$1 $n $filling"
    "$2"
    [[ -e "$HIT" ]] || break
  done
  POINTS=$((n - 1))
  if ((STEP > 1)); then echo "# every ${STEP}th of $POINTS points" >&3; fi
}

one_of() { [[ " ${*:2} " == *" $1 "* ]] || fail "$1 is none of ${*:2}"; }

# How the process with the fault has ended. assert_end STATUS ALLOWED...: with a failing call.
assert_end() {
  if [[ "$FAULT" == kill* && -e "$HIT" ]]; then
    assert_equal "$1" 137
  elif [[ "$FAULT" == kill* ]]; then
    assert_equal "$1" 0
  else
    one_of "$@"
  fi
}

# ---- listen

printing_listener() {
  local wanted="$TEXT"$'\n' before
  restore alice
  : >"$FOLDER/printed"
  faulty_listen
  SENT=69
  if ((LISTENS)); then sent_with "$BIN"; fi
  end_listen
  look
  assert_end "$ENDED" 0 71 73
  one_of "$SENT" 0 69 74 75
  if ((SENT == 0)); then assert_equal "$ROWS" 1; fi
  ((ROWS <= 1))
  read_file "$FOLDER/printed"
  before="$content"
  [[ "$wanted" == "$before"* ]] || fail "printed: $before"
  # A commit whose last sync has failed is not acknowledged, and can yet come back from the log.
  if ((ENDED == 0 && ROWS == 1 && SENT != 75)); then assert_equal "$STATE" printed; fi
  if [[ "$STATE" == printed ]]; then assert_equal "$before" "$wanted"; fi
  if [[ "$STATE" == print && -n "$before" ]]; then one_of "$ENDED" 71 137; fi
  if ((ROWS == 0)); then assert_equal "$before" ""; fi
  if [[ "$STATE" == printed ]]; then wanted=""; fi

  healthy_listen
  sent_with "$BIN"
  end_listen
  look
  assert_equal "$SENT $ENDED $SAID" "0 0 "
  assert_equal "$ROWS $STATE $RECORDS $OUTCOME" "1 printed 1 acked"
  read_file "$FOLDER/printed"
  assert_equal "$content" "$before$wanted"
}

# Sets FIRST: up to that point a listener only starts, which is the same with and without a handler.
find_first_point() {
  LISTENS=0
  for ((FIRST = 1; ; FIRST += 8)); do
    FAULT="kill $((FIRST + 7)) $HIT"
    restore alice
    faulty_listen
    end_listen
    ((LISTENS == 0)) || return 0
  done
}

# With a handler: at most once for each message, which is all of it.
handling_listener() {
  local handler=(--exec tee -a "$FOLDER/handled") before state
  restore alice
  : >"$FOLDER/handled"
  faulty_listen "${handler[@]}"
  SENT=69
  if ((LISTENS)); then sent_with "$BIN"; fi
  end_listen
  look
  assert_end "$ENDED" 0 71 73
  one_of "$SENT" 0 69 74 75
  ((ROWS <= 1))
  if ((SENT == 0)); then assert_equal "$ROWS $STATE" "1 handled"; fi
  if ((ROWS == 0)); then assert_stream "$FOLDER/handled"; fi
  state="$STATE"

  healthy_listen "${handler[@]}"
  SENT=75
  while ((SENT == 75)); do sent_with "$BIN"; done # taken over from the other, it is being handled
  end_listen
  look
  assert_equal "$ENDED" 0
  assert_equal "$ROWS $RECORDS $OUTCOME" "1 1 acked"
  read_file "$FOLDER/handled"
  if [[ "$state" == handling ]]; then
    assert_equal "$SENT $STATE" "79 interrupted"
    [[ "$TEXT" == "$content"* ]]
  else
    assert_equal "$SENT $STATE" "0 handled"
    assert_equal "$content" "$TEXT"
  fi
}

# ---- send

# Beside a healthy listener of alice's. What bob has left behind is never in the way.
faulty_sender() {
  restore bob
  P2PCHAT_FAULT="$FAULT" sent_with "$FAULTY"
  look
  assert_end "$SENT" 0 69 71 73 74
  ((ROWS <= 1 && RECORDS <= 1))
  case "$SENT" in
    0) assert_equal "$ROWS $RECORDS $OUTCOME" "1 1 acked" ;;
    69 | 73) assert_equal "$ROWS" 0 ;;
    71) if ((ROWS)); then has_line "$FOLDER/bob.err" "error: acknowledged by 'alice', but "; fi ;;
    74) assert_equal "$RECORDS $OUTCOME" "1 unknown" ;;
    137) if ((ROWS)); then assert_equal "$RECORDS" 1; fi ;;
  esac
  sent_with "$BIN"
  look
  assert_equal "$SENT $ROWS $RECORDS $OUTCOME" "0 1 1 acked"
  printf '%s\n' "$TEXT" >>"$FOLDER/wanted"
}

# The messages arrive in the order in which they were sent first.
sender_at_each_point() {
  healthy_listen
  each_point "$1" faulty_sender
  end_listen
  assert_equal "$ENDED $SAID" "0 "
  assert_same_bytes "$FOLDER/printed" "$FOLDER/wanted"
}

@test "faults: a sender killed at every point: the retry arrives once" {
  sender_at_each_point kill
  echo "# send: killed at $POINTS points" >&3
  ((POINTS >= 40))
}

@test "faults: a sender with a failure at every point: 0 says stored, and the retry arrives once" {
  sender_at_each_point fail
  echo "# send: failing at $POINTS points" >&3
  ((POINTS >= 40))
}

@test "faults: a listener killed at every point: acknowledged is stored once, and printed" {
  each_point kill printing_listener
  echo "# listen: killed at $POINTS points" >&3
  ((POINTS >= 60))
}

@test "faults: a listener with a failure at every point: acknowledged is stored once, printed once" {
  each_point fail printing_listener
  echo "# listen: failing at $POINTS points" >&3
  ((POINTS >= 60))
}

@test "faults: a handling listener killed at every point: acknowledged is handled, once" {
  find_first_point
  each_point kill handling_listener "$FIRST"
  echo "# listen --exec: killed at points $FIRST to $POINTS" >&3
  ((POINTS >= 60))
}

@test "faults: a handling listener with a failure at every point: acknowledged is handled, once" {
  find_first_point
  each_point fail handling_listener "$FIRST"
  echo "# listen --exec: failing at points $FIRST to $POINTS" >&3
  ((POINTS >= 60))
}

# ---- flush

# Two messages to alice wait in the queue of bob's home.
queue_two() {
  local id
  for id in first second; do expect 75 bob send --queue --id "$id" -m "$id" alice; done
  rm -r "$FOLDER/before/bob"
  cp -a "$FOLDER/bob" "$FOLDER/before"
}

# For each of the two: how often alice has it, bob's record, how often it is in the queue.
look_at_queue() {
  QUEUE="$(
    sqlite3 -readonly "$FOLDER/alice/state.db" "ATTACH '$FOLDER/bob/state.db' AS bob;
      SELECT (SELECT count(*) FROM main.messages WHERE jti = sent.jti), state,
        (SELECT count(*) FROM bob.queue WHERE message = sent.id)
        FROM bob.messages AS sent ORDER BY id"
  )"
  QUEUE="${QUEUE//$'\n'/ }"
}

flushed_with() {
  SENT=0
  "${BOUNDED[@]}" "$1" --home "$FOLDER/bob" queue flush --now 2>"$FOLDER/bob.err" || SENT=$?
}

faulty_flush() {
  local waits='0\|queued\|1' maybe='[01]\|unknown\|1' done='1\|acked\|0'
  restore alice
  restore bob
  : >"$FOLDER/printed"
  healthy_listen
  P2PCHAT_FAULT="$FAULT" flushed_with "$FAULTY"
  look_at_queue
  assert_end "$SENT" 0 71 73 75
  assert_match "$QUEUE" "^(($waits|$maybe) $waits|$done ($waits|$maybe|$done))$"
  if ((SENT == 0)); then assert_match "$QUEUE" "^$done $done$"; fi
  flushed_with "$BIN"
  look_at_queue
  assert_equal "$SENT" 0
  assert_match "$QUEUE" "^$done $done$"
  end_listen
  assert_equal "$ENDED $SAID" "0 "
  assert_stream "$FOLDER/printed" first second
}

@test "faults: a flush killed at every point loses nothing, and delivers once and in order" {
  queue_two
  each_point kill faulty_flush
  echo "# queue flush: killed at $POINTS points" >&3
  ((POINTS >= 40))
}

@test "faults: a flush with a failure at every point loses nothing, and delivers once and in order" {
  queue_two
  each_point fail faulty_flush
  echo "# queue flush: failing at $POINTS points" >&3
  ((POINTS >= 40))
}

# ---- keys

# A new encryption key of alice's, or none; and nothing half made or half destroyed.
faulty_rotation() {
  local left
  restore alice
  restore bob
  : >"$FOLDER/printed"
  ENDED=0
  P2PCHAT_FAULT="$FAULT" "${BOUNDED[@]}" "$FAULTY" --home "$FOLDER/alice" keygen --rotate \
    >/dev/null 2>"$FOLDER/alice.err" || ENDED=$?
  assert_end "$ENDED" 0 71 73
  healthy_listen
  left=("$FOLDER"/alice/*.new "$FOLDER"/alice/*.old)
  sent_with "$BIN"
  end_listen
  assert_equal "${left[*]}" "$FOLDER/alice/*.new $FOLDER/alice/*.old"
  assert_equal "$SENT $ENDED $SAID" "0 0 "
  assert_stream "$FOLDER/printed" "$TEXT"
}

@test "faults: keygen --rotate killed or failing at every point leaves a node that works" {
  for mode in kill fail; do
    each_point "$mode" faulty_rotation
    echo "# keygen --rotate, $mode: $POINTS points" >&3
    ((POINTS >= 10))
  done
}

# ---- what ships

@test "faults: the program that ships has no point" {
  grep -q P2PCHAT_FAULT "$FAULTY"
  refute_found P2PCHAT_FAULT "$BIN"
}
