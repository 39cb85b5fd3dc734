#!/usr/bin/env bats
# Everything that a listener's threads do at once: senders, strangers, registrations, handlers, new
# keys, signals. scripts/check runs it on a program that is built to report every race.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

# Strangers, while the senders are at it, on the port that it listens on.
flood() {
  printf 'keys\0' >"$FOLDER/keys"
  head -c 100000 /dev/zero | tr '\0' x >"$FOLDER/junk"
  printf '\0' >>"$FOLDER/junk"
  peer_py raw "$PORT" "$FOLDER/keys" >/dev/null && peer_py raw "$PORT" "$FOLDER/junk" >/dev/null &&
    peer_py scan "$PORT"
}
# One who asks while all handlers are taken is told to come later.
sends() {
  local status=0
  bob send -W 50 -q -m "$1" alice 2>/dev/null || status=$?
  ((status == 0 || status == 75))
}

# busy ARGUMENT...: a listener with them, and all of that; it ends in order.
busy() {
  local i pids=()
  start_listen alice -k "$@"
  befriend bob alice
  flood &
  pids+=($!)
  carol register alice "127.0.0.1:$PORT" --as carol >/dev/null 2>&1 &
  pids+=($!)
  for i in {1..24}; do
    sends "message $i" &
    pids+=($!)
  done
  alice keygen --rotate &
  pids+=($!)
  alice peers --json >/dev/null &
  pids+=($!)
  alice log -n 3 >/dev/null &
  pids+=($!)
  for i in "${pids[@]}"; do wait "$i" || fail "one of them ended with $?"; done
  # Two more arrive while it ends.
  for i in 25 26; do bob send -W 5 -q -m "message $i" alice >/dev/null 2>&1 & done
  stop_listen
  wait_until no_more_senders
}
no_more_senders() { [[ -z "$(jobs -rp)" ]]; }

@test "threads: a listener that prints, under everything at once, ends in order" {
  busy --json
  (($(wc -l <"$FOLDER/alice.out") == 24 + $(grep -c 'message 2[56]' "$FOLDER/alice.out" || true)))
}

@test "threads: a listener with handlers, under everything at once, ends in order" {
  busy --jobs 4 --exec /bin/sh -c 'wc -c; echo said >&2'
  has_line "$FOLDER/alice.err" 'said$'
}
