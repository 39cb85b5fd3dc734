# Keys are slow to make: every identity of the run is made here, once, and each test works on its
# own copies (support.bash). Only the tests of keygen itself make more.
#   homes/alice bob carol     three nodes that know nobody
#   friends/alice bob         the same, trusting each other: bob has registered alice, alice has
#                             accepted bob

# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup_suite() {
  local name pid made=()
  mkdir -p "$BATS_SUITE_TMPDIR/homes" "$BATS_SUITE_TMPDIR/friends"
  for name in alice bob carol; do
    "$BIN" --home "$BATS_SUITE_TMPDIR/homes/$name" keygen --bits 2048 >/dev/null 2>&1 3>&- &
    made+=($!)
  done
  for pid in "${made[@]}"; do wait "$pid"; done

  FOLDER="$BATS_SUITE_TMPDIR/friends"
  cp -a "$BATS_SUITE_TMPDIR/homes/." "$FOLDER"
  start_listen alice -k
  bob register alice "127.0.0.1:$PORT" --as bob >/dev/null 2>&1
  alice peers accept "$(bob keygen --fingerprint)" --as bob >/dev/null
  stop_listen
}
