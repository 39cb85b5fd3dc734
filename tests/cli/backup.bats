#!/usr/bin/env bats
# The recipes of BACKUP in p2pchat(1), typed as they are printed there, and what a restored node
# repeats.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

# Alice's folder is the one that the page names.
setup() {
  friends
  mv "$FOLDER/alice" "$FOLDER/.p2pchat"
  mkdir "$FOLDER/bin"
  ln -s "$BIN" "$FOLDER/bin/p2pchat"
  PATH="$FOLDER/bin:$PATH"
}

# The commands of the Nth block of the section.
recipe() {
  sed -n '/^\.Sh BACKUP$/,/^\.Sh /p' "$REPOSITORY/man/p2pchat.1" |
    awk -v wanted="$1" '/^\.Bd/ { block++ } block == wanted && sub(/^\$ /, "")'
}
# Each must succeed, silently.
follow() {
  recipe "$1" >"$FOLDER/recipe"
  [[ -s "$FOLDER/recipe" ]] || fail "no recipe"
  expect 0 within_limits bash -e "$FOLDER/recipe"
  assert_silent
}
make_backup() { follow 1; }
# The number of a key is the time of its making, or a later one if there were several in a second:
# peers know one that is still to come, perhaps.
restore() {
  local newest
  newest="$(find "$FOLDER/.p2pchat" -name 'encryption-*.pem' -printf '%f\n' | tr -cd '0-9\n' |
    sort -n | tail -n 1)"
  has_passed() { (($(date +%s) > newest)); }
  wait_until has_passed
  follow 2
}

listen_again() {
  start .p2pchat listen -k -p "$PORT" -a 127.0.0.1 "$@"
  wait_for_port
}
first_listen() {
  start_listen .p2pchat -k "$@"
  befriend bob alice
}
assert_written() {
  stop_listen
  assert_stream "$FOLDER/.p2pchat.out" "$@"
}

@test "backup: it is made while messages come in, for its owner alone, and is whole" {
  local i pids=()
  first_listen
  for i in {1..20}; do
    bob send -m "$i" alice >>"$FOLDER/said" 2>&1 &
    pids+=($!)
  done
  has_some() { [[ -s "$FOLDER/.p2pchat.out" ]]; }
  wait_until has_some
  make_backup
  for i in "${pids[@]}"; do wait "$i"; done
  assert_stream "$FOLDER/said"
  stop_listen
  assert_equal "$(find "$FOLDER/backup" -perm /077)" ""
  assert_equal "$(sqlite3 "$FOLDER/backup/state.db" 'PRAGMA integrity_check')" ok
  # What had been written by then is there, and the node that is restored says what it says.
  (($(sqlite3 "$FOLDER/backup/state.db" 'SELECT count(*) FROM messages') > 0))
  before="$(fingerprint .p2pchat)"
  restore
  assert_equal "$(fingerprint .p2pchat)" "$before"
  listen_again
  expect 0 bob send -m back alice
  stop_listen
  has_line "$FOLDER/.p2pchat.out" '^back$'
}

@test "backup: what was delivered before it is known to the restored node, what came after is not" {
  first_listen --reply 'an answer'
  expect 0 bob send --id before -m before alice
  make_backup
  expect 0 bob send --id after -m after alice
  assert_written before after
  restore
  listen_again
  expect 0 bob send --id before -m before alice
  assert_stdout 'an answer' # of then
  expect 0 bob send --id after -m after alice
  expect 0 bob send --id after -m after alice
  assert_written after
}

@test "backup: what waited then is written again by the restored node" {
  start_stuck_listen .p2pchat -k
  befriend bob alice
  expect 0 bob send -m waiting alice
  make_backup
  stop_listen
  listen_again
  wait_until has_line "$FOLDER/.p2pchat.out" waiting
  assert_written waiting
  restore
  listen_again
  wait_until has_line "$FOLDER/.p2pchat.out" waiting
  assert_written waiting
}

@test "backup: an older encryption key is refused by who knows a newer, until there is one newer still" {
  first_listen
  make_backup
  stop_listen
  p2pchat keygen --rotate
  p2pchat keygen --rotate
  listen_again
  expect 0 bob send -m known alice
  stop_listen
  mv "$FOLDER/.p2pchat" "$FOLDER/lost"
  cp -Rp "$FOLDER/backup" "$FOLDER/.p2pchat"
  listen_again
  expect 77 bob send -m lost alice
  stop_listen
  rm -r "$FOLDER/.p2pchat"
  mv "$FOLDER/lost" "$FOLDER/.p2pchat"
  restore
  listen_again
  expect 0 bob send -m back alice
  assert_written back
}

@test "backup: what was decided about peers since is as it was" {
  first_listen
  make_backup
  p2pchat peers block bob
  expect 77 bob send -m blocked alice
  assert_written
  restore
  listen_again
  expect 0 bob send -m heard alice
  assert_written heard
}

@test "backup: an id that was used since is used again, which the peer refuses for another text" {
  start_listen bob -k
  p2pchat register bob "127.0.0.1:$PORT" >/dev/null 2>&1
  bob peers accept "$(fingerprint .p2pchat)" --as alice >/dev/null 2>&1 || true
  make_backup
  expect 0 p2pchat send --id report -m one bob
  restore
  expect 65 p2pchat send --id report -m two bob
  assert_refusal send "this id has carried another message to 'bob'"
  stop_listen
  assert_stream "$FOLDER/bob.out" one
}

@test "backup: what waited then in the queue is sent again under its id, which the peer recognises" {
  start_listen bob -k
  p2pchat register bob "127.0.0.1:$PORT" >/dev/null 2>&1
  bob peers accept "$(fingerprint .p2pchat)" --as alice >/dev/null 2>&1 || true
  stop_listen
  expect 75 p2pchat send --queue -m later bob
  make_backup
  start bob listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 0 p2pchat queue flush --now
  restore
  expect 0 p2pchat queue list
  assert_contains "$stdout" " queued "
  expect 0 p2pchat queue flush --now
  expect 0 p2pchat queue list
  assert_stdout
  stop_listen
  assert_stream "$FOLDER/bob.out" later
}
