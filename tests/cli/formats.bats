#!/usr/bin/env bats
# What listen writes: for a terminal, for a pipe, as JSON, and as --format says.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

ID=AAAAAAAAAAAAAAAAAAAAAA

# received OPTION...: what alice's listener writes of the message in $FOLDER/body, to $OUT. WRAPPER
# may put it on a terminal.
received() {
  start_listen alice -n 1 "$@"
  befriend bob alice
  expect 0 bob send --binary --id "$ID" -f "$FOLDER/body" alice
  ended 0 "$PID"
  OUT="$FOLDER/alice.out"
  sqlite3 "$FOLDER/alice/state.db" 'DELETE FROM messages'
  sqlite3 "$FOLDER/bob/state.db" 'DELETE FROM messages'
}
on_terminal() {
  local WRAPPER=(/usr/bin/python3 "$PEER_PY" pty --fds 1)
  received "$@"
}
without_time() { sed -E 's/20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/TIME/' "$OUT"; }
# shellcheck disable=SC2059  # a format for printf
body() { printf "$1" >"$FOLDER/body"; }

@test "formats: --json is one object a line, with these members in this order" {
  body 'one\ntwo "quoted" \\ \xc3\xa9 \x1b[31m \x7f \x00'
  received --json
  assert_equal "$(without_time)" \
    '{"id":"'$ID'","peer":"bob","fingerprint":"'"$(fingerprint bob)"'","time":"TIME","text":"one\ntwo \"quoted\" \\ é \u001b[31m \u007f \u0000"}'
}

@test "formats: --json gives what is not UTF-8 in base64" {
  body 'a\xff\n'
  received --json
  assert_equal "$(without_time)" \
    '{"id":"'$ID'","peer":"bob","fingerprint":"'"$(fingerprint bob)"'","time":"TIME","data":"Yf8K"}'
}

@test "formats: --json is valid, one line and the message, whatever it holds, on a terminal too" {
  body '"}\n{"id":"forged"}\r\n\xe2\x80\xa8\xe2\x80\xae\xc2\x9b\xf3\xa0\x81\x81\xf0\x9f\x98\x80'
  for receive in received on_terminal; do
    "$receive" --json
    /usr/bin/python3 - "$OUT" "$FOLDER/body" <<'END'
import json, sys
text = open(sys.argv[1], "rb").read().decode("utf-8").replace("\r\n", "\n")
assert text.endswith("\n") and all(c.isprintable() for c in text[:-1]), text
assert json.loads(text)["text"].encode() == open(sys.argv[2], "rb").read(), text
END
  done
}

@test "formats: --format says what a line is made of" {
  body 'two\nlines'
  received --format '100%% %i|%p|%f|%t|%b'
  assert_equal "$(without_time)" "100% $ID|bob|$(fingerprint bob)|TIME|two"$'\n''lines'
}

@test "formats: --format is byte-exact in a pipe, with a newline after it unless it is raw" {
  body '\x1b[31m\xff%%b\n'
  received --format '%b%b'
  printf '\x1b[31m\xff%%b\n\x1b[31m\xff%%b\n\n' | cmp - "$OUT"
  received --format '%b' --raw
  assert_same_bytes "$FOLDER/body" "$OUT"
  received --format ''
  assert_stream "$OUT" ""
}

@test "formats: --format on a terminal stays one line, as with --escape in a pipe" {
  body 'a\nb\x1b[2J\xe2\x80\xae\xff'
  received --format '%p:%b' --escape
  cp "$OUT" "$FOLDER/pipe"
  assert_stream "$OUT" 'bob:a\nb\x1b[2J\u{202e}\xff'
  on_terminal --format '%p:%b'
  assert_equal "$(tr -d '\r' <"$OUT")" "$(<"$FOLDER/pipe")"
}

@test "formats: a pipe gets the message byte for byte; --escape makes it fit for a terminal" {
  body 'a\tb\n\x1b[2J\xff'
  received
  printf 'a\tb\n\x1b[2J\xff\n' | cmp - "$OUT"
  received --escape
  assert_stream "$OUT" 'a\tb' '  \x1b[2J\xff'
}

@test "formats: a terminal gets the same, escaped, after time and name; --raw gives it the bytes" {
  body 'a\tb\n\x1b[2J'
  on_terminal
  assert_equal "$(without_time | tr -d '\r')" 'TIME bob: a\tb'$'\n''  \x1b[2J'
  on_terminal --raw
  assert_equal "$(tr -d '\r' <"$OUT" | od -An -c | tr -d ' \n')" 'a\tb\n033[2J'
}

@test "formats: what excludes each other, and fields that are none, are 64" {
  for pair in '--json --format=%b' '--raw --escape' '--json --raw' '--json --escape'; do
    read -ra words <<<"$pair"
    expect 64 alice listen "${words[@]}"
    assert_refusal listen " exclude each other"
  done
  for format in %x 'a%' '%%%' '% p'; do
    expect 64 alice listen --format "$format"
    assert_refusal listen "no field "
  done
}
