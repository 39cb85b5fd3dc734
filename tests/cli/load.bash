# What the tests of a listener under load share: strangers (load.py), numbers of a process, and what
# is said beside the name of a test.
# shellcheck disable=SC2034  # results are for the test files
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

LOAD_PY="$REPOSITORY/tests/cli/load.py"
DESCRIPTORS="$(ulimit -Hn)"
[[ $DESCRIPTORS != unlimited ]] || DESCRIPTORS=1048576

# With a sanitizer a process takes about three times as long: a part of the work is left out then.
# note WORDS: shown beside the name of the test.
note() { printf '# %s\n' "$@" >&3; }

# Alice listens at $PORT with these options, bob is her friend, and $FOLDER/message.request and
# $FOLDER/registration.request are what he has sent.
recorded() {
  start_listen alice -k "$@"
  LISTENER="$PID"
  local port="$PORT"
  start_server proxy --to "$port" --save "$FOLDER"
  PORT=$SERVER_PORT
  befriend bob alice
  bob send -q -m recorded alice
  stop_server
  PORT="$port"
  befriend bob alice # at her own address again
  mv "$FOLDER/2.request" "$FOLDER/registration.request"
  mv "$FOLDER/3.request" "$FOLDER/message.request"
  PRINTED=(recorded)
}

# strangers_that KIND ARGUMENTS...: load.py; returns once it is where it wants to be. Sets
# STRANGERS, its process, and HELD, what it said.
strangers_that() {
  start_command strangers /usr/bin/python3 "$LOAD_PY" "$@"
  STRANGERS="$PID"
  wait_until has_said_something
  HELD="$(<"$FOLDER/strangers.out")"
}
has_said_something() { [[ -s "$FOLDER/strangers.out" ]] || has_ended "$STRANGERS"; }
# Sets HELD, what they said at last.
strangers_end() {
  kill -TERM "$STRANGERS"
  wait_until has_ended "$STRANGERS"
  HELD="$(tail -n 1 "$FOLDER/strangers.out")"
}

# bob_is_served WORDS...: bob sends each, and is acknowledged.
bob_is_served() {
  local word
  for word in "$@"; do
    expect 0 bob send -q -m "$word" alice
    assert_silent
    PRINTED+=("$word")
  done
}

# However many processors there are, what the listener's workers can do is the work of one.
workers_on_one_processor() {
  local thread processors
  processors="$(sed -n 's/^Cpus_allowed_list:[^0-9]*//p' /proc/self/status)"
  for thread in "/proc/$LISTENER/task"/*; do
    [[ ${thread##*/} == "$LISTENER" ]] || taskset -c -p "${processors%%[,-]*}" "${thread##*/}"
  done >/dev/null
}

# The listener has lived all the time, and written what came, once each.
assert_listener_ends_well() {
  PID="$LISTENER" OUT="$FOLDER/alice.out" ERR="$FOLDER/alice.err"
  stop_listen
  assert_stream "$OUT" "${PRINTED[@]}"
}

# ---- numbers of a process

# Processor time of a process so far, in ticks of 10 ms.
ticks() {
  local stat
  read -r stat <"/proc/$1/stat"
  # shellcheck disable=SC2086  # words
  set -- ${stat##*) }
  echo $((${12} + ${13}))
}
# assert_rests PID WHEN: nothing is asked of it, and it does not spin.
assert_rests() {
  local before began took passed
  before="$(ticks "$1")" began="${EPOCHREALTIME/./}"
  sleep 1 # what is measured
  took=$(($(ticks "$1") - before)) passed=$(((${EPOCHREALTIME/./} - began) / 10000))
  note "processor time at rest $2: $took of $passed ticks of 10 ms"
  ((2 * took < passed)) || fail "it took $took of $passed ticks at rest $2"
}
# peak_memory PID: in KiB.
peak_memory() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }
