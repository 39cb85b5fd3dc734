# What may include what (tests/layers.py): a table that nothing enforces is soon a wish.

layers() { /usr/bin/python3 "$BATS_TEST_DIRNAME/../layers.py" "$@"; }

@test "layers: no file includes what its folder may not" {
  run layers
  [[ $status == 0 && -z "$output" ]]
}

@test "layers: the check finds a planted violation of every rule" {
  run layers --self-test
  [[ $status == 0 && "$output" == *" checks, 0 wrong" ]]
}

@test "layers: a violation is named by file and line, with status 1" {
  mkdir -p "$BATS_TEST_TMPDIR/pkg/frame"
  printf '#include <string>\n#include <Poco/Net/Socket.h>\n' >"$BATS_TEST_TMPDIR/pkg/frame/frame.h"
  run layers "$BATS_TEST_TMPDIR"
  [[ $status == 1 ]]
  [[ "$output" == "pkg/frame/frame.h:2: <Poco/Net/Socket.h>: only in net" ]]
}
