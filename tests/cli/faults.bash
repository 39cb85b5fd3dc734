# A call of the system that fails, or a process that dies, at every point where either leaves a
# trace: tests/faults has the program for it. Each test goes on to the next point until one is not
# reached any more, and says how many there were. The tests are in several files, because each takes
# long.
# shellcheck disable=SC2034  # results are for the test files
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
  mkdir "$FOLDER/before"
  cp -a "$FOLDER/alice" "$FOLDER/bob" "$FOLDER/before"
  mkfifo "$FOLDER/said"
  : >"$FOLDER/bob.err"
  # A sanitizer's build takes its time.
  STEP=1
  if grep -q __asan_init "$FAULTY"; then STEP=25; fi
}

# fill_log HOME: the next commit brings the database's log to the length at which it is written back.
fill_log() {
  {
    echo '.dbconfig no_ckpt_on_close on'
    echo '.filectrl persist_wal 1'
    echo 'PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF;'
    for _ in {1..1000}; do
      echo "INSERT INTO marks VALUES ('log', 1) ON CONFLICT DO UPDATE SET value = value + 1;"
    done
  } | sqlite3 "$FOLDER/before/$1/state.db" >/dev/null
  has_size "$FOLDER/before/$1/state.db-wal" 4000000
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
}

# tell_points WHAT [FIRST]: in the output of the tests, passed or not.
tell_points() {
  local which="all"
  if ((STEP > 1)); then which="one in $STEP"; fi
  echo "# faults: $1 at points ${2:-1} to $POINTS, $which of them" >&3
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
