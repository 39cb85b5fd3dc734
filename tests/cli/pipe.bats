#!/usr/bin/env bats
# Bytes in are bytes out, from a pipe to a pipe; on a terminal nothing but text comes out; a stdout
# that fails loses nothing.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() {
  friends
  BODY="$FOLDER/body"
  WANTED="$FOLDER/wanted"
}

# passes SENDING LISTENING: $BODY, piped into `send SENDING alice`, comes out of `listen LISTENING`
# as $WANTED. Both are lists of options.
passes() {
  local sending listening
  read -ra sending <<<"$1"
  read -ra listening <<<"$2"
  start_listen alice -n 1 "${listening[@]}"
  befriend bob alice
  expect 0 bob send "${sending[@]}" alice <"$BODY"
  assert_silent
  ended 0 "$PID"
  assert_same_bytes "$FOLDER/alice.out" "$WANTED"
}
# The body plus these bytes is what is wanted.
with_more() { { cat "$BODY" && printf '%b' "$1"; } >"$WANTED"; }

every_byte() {
  /usr/bin/python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 4)'
}
mebibyte_of_text() { yes 'sixteen bytes, :' | tr -d '\n' | head -c 1048576; }

@test "pipe: one byte" {
  printf x >"$BODY"
  with_more '\n'
  passes "" ""
  with_more ''
  passes --raw --raw
}

@test "pipe: 1 MiB of text" {
  mebibyte_of_text >"$BODY"
  with_more '\n'
  passes "" ""
}

@test "pipe: 1 MiB and its final newline" {
  mebibyte_of_text >"$BODY"
  echo >>"$BODY"
  with_more ''
  passes "" ""
}

@test "pipe: 1 MiB of any bytes" {
  head -c 1048576 /dev/urandom >"$BODY"
  with_more ''
  passes --binary --raw
}

@test "pipe: tabs, carriage returns, escape sequences, blanks at both ends" {
  printf '  \ttab\r\nCR LF\r\e[31mred\e[0m \e]0;title\a \b\v\f\x7f \xc2\x85 {{x}} %%s \\n $HOME  \r\n' \
    >"$BODY"
  with_more ''
  passes "" ""
  passes --raw --raw
}

@test "pipe: text of every script, not normalised and without a byte order mark taken off" {
  printf '\xef\xbb\xbf e\xcc\x81 \xc3\xa9 \xe2\x80\xae \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb \xf4\x8f\xbf\xbf\n' >"$BODY"
  with_more ''
  passes "" ""
}

@test "pipe: every byte value with --binary" {
  every_byte >"$BODY"
  with_more ''
  passes --binary --raw
  with_more '\n'
  passes --binary ""
}

@test "pipe: NUL bytes alone with --binary" {
  printf '\0\0\0' >"$BODY"
  with_more ''
  passes --binary --raw
}

@test "pipe: one final newline is not part of the message, and listen writes one" {
  printf 'text\n' >"$BODY"
  with_more ''
  passes "" ""
  printf text >"$WANTED"
  passes "" --raw
}

@test "pipe: only one final newline; those before it are text" {
  printf '\n\ntext\n\n\n' >"$BODY"
  with_more ''
  passes "" ""
  printf '\n\ntext\n\n' >"$WANTED"
  passes "" --raw
}

@test "pipe: a file of one newline is an empty message" {
  printf '\n' >"$BODY"
  with_more ''
  passes "" ""
  : >"$WANTED"
  passes "" --raw
}

@test "pipe: --raw takes nothing off and adds nothing" {
  printf 'text\n' >"$BODY"
  with_more ''
  passes --raw --raw
  with_more '\n'
  passes --raw ""
  passes --binary ""
}

@test "pipe: the same laws with -f" {
  printf 'text\n\n' >"$BODY"
  with_more ''
  passes "-f $BODY" ""
  passes "-f $BODY --raw" --raw
  every_byte >"$BODY"
  with_more ''
  passes "--binary -f $BODY" --raw
}

@test "pipe: -m '' and an empty file arrive as an empty message" {
  : >"$BODY"
  printf '\n' >"$WANTED"
  passes "-f $BODY" ""
  start_listen alice -n 1
  befriend bob alice
  expect 0 bob send -m '' alice
  assert_silent
  ended 0 "$PID"
  assert_same_bytes "$FOLDER/alice.out" "$WANTED"
}

@test "pipe: -m is sent as it is, a final newline included" {
  printf 'a\n\n' >"$WANTED"
  start_listen alice -n 1
  befriend bob alice
  expect 0 bob send -m $'a\n' alice
  ended 0 "$PID"
  assert_same_bytes "$FOLDER/alice.out" "$WANTED"
}

@test "pipe: a body that comes in pieces and slowly is whole" {
  start_listen alice -n 1
  befriend bob alice
  slowly() {
    for word in one two three; do
      printf '%s ' "$word"
      sleep 0.1
    done | bob send alice
  }
  expect 0 slowly
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out" "one two three "
}

@test "pipe: on a terminal nothing but printable text and line breaks comes out" {
  {
    every_byte
    printf '\e[2J\e[H\e]0;title\a\xc2\x9b31m\xe2\x80\xae\xe2\x80\xa8\xef\xbb\xbf\xf3\xa0\x81\x81'
    printf '\n2026-01-01T00:00:00Z carol: forged\r2026-01-01T00:00:00Z carol: forged\n'
  } >"$BODY"
  start_command alice /usr/bin/python3 "$PEER_PY" pty --fds 1 \
    "$BIN" --home "$FOLDER/alice" listen -p 0 -a 127.0.0.1 -n 1
  wait_for_port
  befriend bob alice
  expect 0 bob send --binary -f "$BODY" alice
  ended 0 "$PID"
  /usr/bin/python3 - "$FOLDER/alice.out" <<'END'
import re, sys
text = open(sys.argv[1], "rb").read().decode("utf-8")  # or it fails here
assert text.endswith("\n")
lines = text[:-1].split("\n")
assert all(character.isprintable() for line in lines for character in line), text
assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ bob: ", lines[0]), lines[0]
assert len(lines) > 2 and all(line.startswith("  ") for line in lines[1:]), lines
END
}

# assert_kept WHY: the listener just started cannot write: the sender is acknowledged all the same,
# it ends with 71, and the next listen writes the message, once.
assert_kept() {
  wait_for_port
  befriend bob alice
  expect 0 bob send -m "not lost" alice
  ended 71 "$PID"
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT" \
    "p2pchat listen: error: cannot write to standard output: $1" \
    "p2pchat listen: hint: the message is kept and written by the next listen"
  expect 0 alice listen -p 0 -n 1
  assert_stdout "not lost"
  assert_stderr
  expect 124 alice listen -p 0 -W 100ms
  assert_stdout
}

@test "pipe: listen with a closed stdout ends with 71, and the next listen writes the message" {
  WRAPPER=(bash -c 'exec "$@" >&-' -)
  start alice listen -k -p 0 -a 127.0.0.1
  assert_kept "bad file descriptor"
}

@test "pipe: listen with a full disk ends with 71, and the next listen writes the message" {
  WRAPPER=(bash -c 'exec "$@" >/dev/full' -)
  start alice listen -k -p 0 -a 127.0.0.1
  assert_kept "no space left on device"
}

@test "pipe: listen whose reader has gone ends with 71, and the next listen writes the message" {
  start_stuck_listen alice -k
  befriend bob alice
  expect 0 bob send -m "not lost" alice
  stop_listen
  unread() { within_limits /usr/bin/python3 "$PEER_PY" unread "$BIN" --home "$FOLDER/alice" "$@"; }
  expect 71 unread listen -k -p 0 -a 127.0.0.1
  assert_contains "$stderr" "p2pchat listen: error: cannot write to standard output: broken pipe
p2pchat listen: hint: the message is kept and written by the next listen"
  expect 0 alice listen -n 1
  assert_stdout "not lost"
  # With nothing to write as well.
  expect 71 unread listen -k -p 0 -a 127.0.0.1
  assert_contains "$stderr" "p2pchat listen: error: cannot write to standard output: broken pipe"
}

@test "pipe: listen | head -n 1 ends with 71 once head has gone" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  WRAPPER=(bash -c '"$@" | head -n 1; exit "${PIPESTATUS[0]}"' -)
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 0 bob send -m one alice
  # No other message is needed to find out that head has gone.
  ended 71 "$PID"
  assert_stream "$FOLDER/alice.out" one
  assert_equal "$(sqlite3 "$FOLDER/alice/state.db" "SELECT state FROM messages WHERE direction = 'in'")" printed
}

@test "pipe: a slow reader of listen delays neither the sender nor the order" {
  start_stuck_listen alice -k
  befriend bob alice
  mebibyte_of_text >"$BODY"
  expect 0 bob send -f "$BODY" alice
  expect 0 bob send -m two alice
  expect 0 bob send -m three alice
  dd of="$FOLDER/read" <&8 iflag=fullblock bs=4096 count=16 status=none # what filled the pipe
  { cat "$BODY" && printf '\ntwo\nthree\n'; } >"$WANTED"
  head -c "$(stat -c %s "$WANTED")" <&8 >"$FOLDER/read"
  assert_same_bytes "$FOLDER/read" "$WANTED"
  stop_listen
}
