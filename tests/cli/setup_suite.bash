# Keys are slow to make: every identity of the run is made here, once, and each test works on its
# own copies (support.bash). Only the tests of keygen itself make more. They lie in
# $P2PCHAT_TEST_HOMES, when that is set, for several runs of bats that share out the files.
#   strangers/alice bob carol   three nodes that know nobody
#   friends/alice bob           the same, trusting each other: bob has registered alice, alice has
#                               accepted bob

# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup_suite() {
  export HOMES="${P2PCHAT_TEST_HOMES:-$BATS_SUITE_TMPDIR/homes}"
  mkdir -p "$HOMES"
  exec 8>"$HOMES/lock"
  flock 8
  [[ -e "$HOMES/made" ]] || make_homes
  exec 8>&-
}

make_homes() {
  local name pid made=()
  mkdir "$HOMES/strangers"
  for name in alice bob carol; do
    "$BIN" --home "$HOMES/strangers/$name" keygen --bits 2048 >/dev/null 2>&1 3>&- &
    made+=($!)
  done
  for pid in "${made[@]}"; do wait "$pid"; done

  FOLDER="$HOMES/friends"
  cp -a "$HOMES/strangers" "$FOLDER"
  start_listen alice -k
  bob register alice "127.0.0.1:$PORT" --as bob >/dev/null 2>&1
  alice peers accept "$(bob keygen --fingerprint)" --as bob >/dev/null
  stop_listen
  touch "$HOMES/made"
}
