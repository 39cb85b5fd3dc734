#!/usr/bin/env bats
# p2pchat config: the settings in force, where each comes from, and what is refused.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() {
  strangers
  FILE="$FOLDER/alice/config"
}

# The value and the origin that `config` prints for a key.
setting() {
  sed -n "s/^${1//./\\.} *//p" "$OUT"
}
assert_setting() { assert_match "$(setting "$1")" "^$2 +$3$"; }

@test "config: every setting with its value and where it comes from" {
  expect 0 alice config
  assert_stderr
  assert_setting listen.port 4040 default
  assert_setting listen.address '\*' default
  assert_setting send.timeout auto default
  assert_setting rotate.days 7 default
  assert_setting log.keep 90d default
  assert_equal "$(wc -l <"$OUT")" 5
}

@test "config: needs no identity and makes nothing" {
  expect 0 node nobody config
  [[ ! -e "$FOLDER/nobody" ]]
}

@test "config: the file, in either way to write it" {
  printf '; mine\n[listen]\nport = 4711\naddress = 127.0.0.1\n[send]\ntimeout = 90s\n' >"$FILE"
  expect 0 alice config
  assert_setting listen.port 4711 "$FILE"
  assert_setting listen.address 127.0.0.1 "$FILE"
  assert_setting send.timeout 90s "$FILE"
  assert_setting rotate.days 7 default
  printf 'log.keep = 0\nrotate.days = 30\n' >"$FILE"
  expect 0 alice config
  assert_setting log.keep 0 "$FILE"
  assert_setting rotate.days 30 "$FILE"
}

@test "config: the environment comes before the file" {
  printf 'listen.port = 4711\n' >"$FILE"
  P2PCHAT_LISTEN_PORT=4712 P2PCHAT_LOG_KEEP=1h expect 0 alice config
  assert_setting listen.port 4712 'environment P2PCHAT_LISTEN_PORT'
  assert_setting log.keep 1h 'environment P2PCHAT_LOG_KEEP'
}

@test "config: a flag comes before the environment" {
  start_listen alice -k # on port 0, whatever the environment says
  P2PCHAT_LISTEN_PORT=$PORT expect 71 carol listen -a 127.0.0.1
  assert_refusal listen "cannot listen on '127.0.0.1:$PORT': address already in use"
  P2PCHAT_LISTEN_PORT=$PORT start_listen carol -n 1
  stop_listen 143
}

@test "config: an unknown key is 78, with file and key, for every command that reads it" {
  printf 'listen.prot = 1\n' >"$FILE"
  for command in config "send -m hi bob" "register bob 127.0.0.1:1" "listen -p 0 -W 1"; do
    read -ra words <<<"$command"
    expect 78 alice "${words[@]}"
    assert_refusal "${words[0]}" "bad config: $FILE: unknown key 'listen.prot'"
  done
}

# A key without a name was followed for ever; what stood below a known key was not looked at.
# p2pchat-config(5) "Format".
@test "config: white space, case, comments, sections that come again: port 5 and nothing else" {
  while IFS= read -r text; do
    printf %b "$text" >"$FILE"
    expect 0 alice config
    assert_setting listen.port 5 "$FILE"
    assert_equal "$(grep -c " $FILE$" "$OUT")" 1
  done <<'END'
listen.port=5
[listen]\nport = 5
 [ Listen ] \n\tPORT\t=  5 \t\n
LISTEN.Port = 5\n\n \n
[listen]\r\nport = 5\r\n
; [send]\n  ; timeout = 1\nlisten.port = 5\n
[listen] ; where\nport = 5\n
listen.port = 4\nlisten.port = 5\n
listen.port = 4\n[listen]\nport = 5\n
[listen]\nport = 4\n[send]\n[listen]\nport = 5\n
[other]\n[listen]\nport = 5\n
END
}

@test "config: what looks like a comment, a quotation or another dialect is 78" {
  while IFS= read -r text; do
    printf %b "$text" >"$FILE"
    expect 78 alice config
    assert_refusal config "bad config: $FILE: "
  done <<'END'
# mine\n
listen.port = 5 ; mine\n
listen.port = 5 # mine\n
listen.port = "5"\n
listen.port = 5\\\n6\n
listen.port : 5\n
listen.port 5\n
listen.port\n
listen.port = 05\n
listen.port = ${P}\n
[send]\nlisten.port = 5\n
send.timeout = AUTO\n
send.timeout = 30 s\n
send.timeout = 30S\n
send.timeout = 1h30m\n
send.timeout = 0.4ms\n
log.keep = 3650.1d\n
log.keep = 1w\n
listen.address = 127.0.0.1:5\n
END
}

@test "config: an address may have brackets, a time a fraction; bounds belong to what is taken" {
  while read -r key value; do
    printf '%s = %s\n' "$key" "$value" >"$FILE"
    expect 0 alice config
    assert_setting "$key" "${value//[*\[]/\\&}" "$FILE"
  done <<'END'
listen.port 0
listen.port 65535
listen.address ::1
listen.address localhost
send.timeout 1ms
send.timeout 1.5h
rotate.days 1
rotate.days 200
log.keep 0
log.keep 3650d
END
  printf 'listen.address = [::1]\n' >"$FILE"
  expect 0 alice config
  assert_contains "$stdout" "listen.address  [::1]  $FILE"
}

@test "config: what the environment replaces is not looked at, what a flag replaces is" {
  printf 'listen.port = http\n' >"$FILE"
  P2PCHAT_LISTEN_PORT=5 expect 0 alice config
  assert_setting listen.port 5 'environment P2PCHAT_LISTEN_PORT'
  expect 78 alice listen -p 0 -W 1
  assert_refusal listen "bad config: $FILE: 'listen.port' is 'http', not"
  P2PCHAT_LISTEN_PORT='' expect 78 alice config
  assert_refusal config "bad config: environment P2PCHAT_LISTEN_PORT: 'listen.port' is '', not"
}

@test "config: a key without a name, or below a known key, is 78" {
  for line in '= 5' '.port = 5' 'listen.port.x = 3'; do
    printf '%s\n' "$line" >"$FILE"
    expect 78 alice config
    assert_refusal config "bad config: $FILE: unknown key"
  done
}

@test "config: a file that is none is 78 and no hang" {
  mkdir "$FILE"
  expect 78 alice config
  assert_refusal config "bad config: $FILE: not a regular file"
  rmdir "$FILE"
  mkfifo "$FILE"
  expect 78 alice config
  assert_refusal config "bad config: $FILE: not a regular file"
}

@test "config: a bad value is 78, with file and key" {
  while read -r key value; do
    printf '%s = %s\n' "$key" "$value" >"$FILE"
    expect 78 alice config
    assert_refusal config "bad config: $FILE: '$key' is '$value', not"
  done <<'END'
listen.port 65536
listen.port -1
listen.port http
listen.port
listen.address nowhere:
send.timeout 0
send.timeout soon
send.timeout -5s
rotate.days 0
rotate.days 201
rotate.days 1d
log.keep ever
END
}

@test "config: a bad value in the environment is 78, with the variable" {
  P2PCHAT_LISTEN_PORT=x expect 78 alice config
  assert_refusal config "bad config: environment P2PCHAT_LISTEN_PORT: 'listen.port' is 'x', not"
}

@test "config: a value cannot move the cursor" {
  printf 'listen.port = \033[31m1\n' >"$FILE"
  expect 78 alice config
  assert_refusal config "'listen.port' is '\\x1b[31m1'"
}

@test "config: send.timeout bounds send" {
  start_listen alice -k
  befriend bob alice
  bob peers >/dev/null
  stop_listen
  start_server silence --port "$PORT"
  printf 'send.timeout = 1s\n' >"$FOLDER/bob/config"
  expect 74 bob send -m hi alice
  assert_refusal send "no answer in time"
}

@test "config: listen.port is where listen listens" {
  start_listen alice -k
  stop_listen
  printf 'listen.port = %s\nlisten.address = 127.0.0.1\n' "$PORT" >"$FILE"
  start alice listen -k
  wait_until has_line "$ERR" "^listening on 127\.0\.0\.1:$PORT$"
  stop_listen
}

@test "config: an argument is 64" {
  expect 64 alice config listen.port
  assert_refusal config "too many arguments: 'listen.port'"
}

@test "config: a stdout that cannot be written is 71" {
  refused() { alice config >/dev/full; }
  expect 71 refused
  assert_refusal config "cannot write to standard output: no space left on device"
}
