#!/usr/bin/env bats
# scripts/bench says what it can do and measures what it says. Not how fast anything is: nothing here
# asserts a time.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() {
  export P2PCHAT_BIN="$BIN" P2PCHAT_RELEASE=/nonexistent P2PCHAT_RESULTS="$FOLDER/results" \
    P2PCHAT_BENCH_BITS=2048
}
bench() { within_limits "$REPOSITORY/scripts/bench" "$@"; }

@test "bench: without a name, and with one that is none, it says what there is" {
  local wanted="all counts keygen listen load oracle plot scale send"
  expect 64 bench
  assert_stdout
  assert_stderr "bench: error: no bench ''; there are: $wanted"
  expect 64 bench common
  assert_stdout
  assert_stderr "bench: error: no bench 'common'; there are: $wanted"
}

@test "bench: what it does not understand is a usage error, and nothing is measured" {
  local words
  for words in "send 0" "send --only nobody" "listen 0" "scale --state 1" "scale --state 1:-1" \
    "keygen none" "counts 1" "plot 1" "all 1"; do
    # shellcheck disable=SC2086  # words
    expect 64 bench $words
    assert_stdout
    assert_contains "$stderr" "usage: scripts/bench ${words%% *}"
  done
  [[ ! -e "$P2PCHAT_RESULTS" ]]
}

@test "bench: send measures p2pchat, names what is missing, and keeps the result" {
  expect 0 bench send 2 --only p2pchat --only release
  assert_contains "$stdout" "missing: release (/nonexistent)"
  local head row
  { read -r head && read -r row; } <"$P2PCHAT_RESULTS/send.tsv"
  assert_equal "$head" $'name\tmedian_ms\tlower_ms\tupper_ms\tleast_ms\tprocessor_ms\tratio\tknown'
  assert_match "$row" $'^p2pchat\t[0-9.]+\t[0-9.]+\t[0-9.]+\t[0-9.]+\t[0-9.]+\t1.000\tboth pinned$'
}

@test "bench: plot without a result says so" {
  expect 1 bench plot
  assert_stdout
  assert_stderr "bench: error: no results in $P2PCHAT_RESULTS" "bench: hint: scripts/bench all"
}
