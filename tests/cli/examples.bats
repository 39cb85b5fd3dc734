#!/usr/bin/env bats
# The pages do not lie: what they show under EXAMPLES is typed, and must show what the page says it
# does (pages.bash). So is the conversation in the README. Each page has its own test.
# shellcheck source=pages.bash
source "$BATS_TEST_DIRNAME/pages.bash"

@test "examples: each page that has some has a test here" {
  while read -r page; do
    page="${page##*/}"
    has_line "$BATS_TEST_FILENAME" "^@test \"examples: ${page%.*}(${page##*.})" || fail "no test of $page"
  done < <(grep -l '^\.Sh EXAMPLES$' "$REPOSITORY"/man/*)
}

@test "examples: p2pchat(1)" {
  PORT="$(peer_py free-port)"
  default_port
  replace 'alice localhost ' "alice localhost:$PORT "
  replace 'cat inbox.txt' 'wait && cat inbox.txt' # faster than anybody types
  replace /tmp/ "$FOLDER/"
  # shellcheck disable=SC2016
  printf '%s\n' '#!/bin/sh' '"$P2PCHAT_EXE" peers --names | wc -l' >"$FOLDER/bin/p2pchat-count"
  chmod +x "$FOLDER/bin/p2pchat-count"
  open_page p2pchat.1
  close_page
}

@test "examples: p2pchat-config(1)" {
  strangers
  replace /tmp/ "$FOLDER/"
  open_page p2pchat-config.1
  printf '%s\n' 'listen.port = 4041' 'send.timeout = 10s' >"$FOLDER/bob/config"
  example
  example
  finish
  printf '%s\n' '[listen]' 'prot = 4041' >"$FOLDER/bob/config"
  close_page
}

@test "examples: p2pchat-config(5)" {
  strangers
  replace /tmp/ "$FOLDER/"
  replace 4043 "$(peer_py free-port)"
  # The two ways to write a key are read as they are shown.
  open_page p2pchat-config.5 DESCRIPTION
  for _ in section whole; do
    shown_file "$FOLDER/alice/config"
    expect 0 alice config
    assert_match "$stdout" "^listen\.port +4041 +$FOLDER/alice/config"
  done
  open_page p2pchat-config.5
  shown_by_cat bob >"$FOLDER/bob/config"
  shown_by_cat carol >"$FOLDER/carol/config"
  close_page
}

# What the page of the settings shows as the file of one of them.
shown_by_cat() {
  sed -n "/^\$ cat \/tmp\/$1\/config\$/,/^\\$ p2pchat/p" "$REPOSITORY/man/p2pchat-config.5" | sed '1d;$d'
}

@test "examples: p2pchat-help(1)" {
  open_page p2pchat-help.1
  close_page
}

@test "examples: p2pchat-keygen(1)" {
  replace /tmp/ "$FOLDER/"
  replace /media/ "$FOLDER/"
  open_page p2pchat-keygen.1
  example
  example
  finish
  assert_equal "$(<"$FOLDER/here/fingerprint.txt")" "$(fingerprint alice)"
  example
  finish
  mkdir "$FOLDER/stick"
  (umask 077 && echo secret >"$FOLDER/stick/phrase")
  export P2PCHAT_PASSPHRASE_FILE="$FOLDER/stick/phrase" # for us; the terminal is open already
  close_page
}

@test "examples: p2pchat-listen(1)" {
  friends
  start_listen alice -k
  befriend bob alice
  stop_listen
  # The nearest to a line of inetd.conf: one exchange, with the words that the line ends with.
  replace '4040 stream tcp nowait alice /usr/bin/p2pchat p2pchat listen --inetd' \
    "$ socat TCP-LISTEN:$PORT,reuseaddr EXEC:'p2pchat listen --inetd'"
  default_port
  says() { bob send -m "$1" alice; }

  open_page p2pchat-listen.1
  example alice
  until_listening
  says hi
  finish
  assert_equal "$(<"$FOLDER/here/message.txt")" hi

  example
  until_listening
  says 'back at noon'
  says $'one\ntwo \e[31mred'
  interrupt

  example
  until_listening
  says 'back at noon'
  says 'or later'

  example # nobody writes
  example
  until_listening
  says hi
  example
  until_listening
  says hi
  says hi
  interrupt socat

  example
  until_listening
  assert_equal "$(says ping)" 'at lunch until one'
  interrupt

  example
  until_listening
  says 'back at noon'
  interrupt

  example
  until_listening
  says one
  wait_until test -e "$FOLDER/here/msg.1"
  until_listening
  interrupt
  close_page
  assert_equal "$(<"$FOLDER/here/msg.0")" one
}

@test "examples: p2pchat-listen(1), its handler" {
  friends
  start_listen alice -k
  befriend bob alice
  stop_listen
  default_port
  bob peers rename alice server
  open_page p2pchat-listen.1 HANDLERS
  shown_file "$FOLDER/here/bot"
  chmod +x "$FOLDER/here/bot"
  ask_handler
}

@test "examples: p2pchat-peers(1)" {
  strangers
  start_listen alice -k
  befriend bob alice
  open_page p2pchat-peers.1
  for _ in accept show verify export; do example alice; done
  finish
  [[ -s "$FOLDER/here/bob.card" ]]
  echo notes >"$FOLDER/here/notes.txt"
  start_listen bob -k
  befriend alice bob
  close_page
}

@test "examples: p2pchat-register(1)" {
  strangers
  start_listen alice -k
  replace 'alice localhost ' "alice localhost:$PORT "
  open_page p2pchat-register.1
  example bob
  finish
  bob peers remove alice
  example
  finish
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob
  example
  finish
  bob peers remove alice
  alice keygen --card >"$FOLDER/here/alice.card"
  example
  printf '#!/bin/sh\nshift 3\nP2PCHAT_HOME="%s" exec "$@"' "$FOLDER/alice" >"$FOLDER/bin/ssh"
  chmod +x "$FOLDER/bin/ssh"
  close_page
}

@test "examples: p2pchat-send(1)" {
  friends
  start_listen alice -k
  bob register alice "localhost:$PORT" --as bob
  replace 4040 "$PORT"
  carol keygen --card | bob register carol "localhost:$(peer_py free-port)" --card - 2>/dev/null
  bob peers show carol >"$FOLDER/carol.shown"
  [[ "$(<"$FOLDER/carol.shown")" =~ localhost:([0-9]+) ]]
  replace 4041 "${BASH_REMATCH[1]}"
  # A listener that is stopped does not answer in time; it goes on before the retry.
  local listener="$PID"
  replace 'echo $?' "echo \$?; kill -CONT $listener"
  echo notes | tee "$FOLDER/here/notes.txt" >"$FOLDER/here/report.txt"
  mkdir "$FOLDER/here/src"
  open_page p2pchat-send.1
  for _ in text bytes reply report; do example bob; done
  finish
  kill -STOP "$listener"
  close_page
}

@test "examples: p2pchat-log(1)" {
  friends
  start_listen bob -k
  local listener="$PID"
  alice register bob "127.0.0.1:$PORT" --as alice 2>/dev/null
  start_listen alice -k
  befriend bob alice
  bob send -m 'back at noon' alice
  alice send -m 'then let us eat' bob
  kill -STOP "$listener"
  expect 74 alice send -W 200ms --id question -m 'at one?' bob
  kill -CONT "$listener"
  replace 51K7lIOJnF2SjpJ1UAsTzg "$(alice log -n 1 --format %i)"
  open_page p2pchat-log.1
  example alice
  example
  bob send -m 'here I am' alice
  interrupt
  example
  bob_writes_until_it_ends() { bob send -m 'to be kept' alice && has_finished; }
  wait_until bob_writes_until_it_ends
  finish
  assert_equal "$(<"$FOLDER/here/message")" 'to be kept'
  close_page
  assert_equal "$(alice log --json | grep -c '"text":null')" "$(alice log | wc -l)"
}

@test "examples: p2pchat-queue(1)" {
  friends
  start_listen alice -k
  bob register alice "localhost:$PORT" --as bob
  replace 4040 "$PORT"
  stop_listen
  # The table of a user who has this line there.
  cat >"$FOLDER/bin/crontab" <<<"sed -n '/^\\* \\* \\* /p' '$REPOSITORY/man/p2pchat-queue.1'"
  chmod +x "$FOLDER/bin/crontab"
  open_page p2pchat-queue.1
  example bob
  example
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  example
  example
  finish
  sqlite3 "$FOLDER/bob/state.db" \
    "INSERT INTO queue SELECT max(id), aud, 0, 0, 1, 'expired' FROM messages GROUP BY aud"
  assert_equal "$(bob queue --format %s)" failed
  example
  close_page
}

@test "examples: the conversation in the README" {
  PORT="$(peer_py free-port)"
  default_port
  replace 'alice localhost ' "alice localhost:$PORT "
  replace /tmp/ "$FOLDER/"
  # Bob's message comes in between.
  replace 'p2pchat listen > inbox.txt' 'p2pchat listen > inbox.txt &'
  replace 'cat inbox.txt' 'wait && cat inbox.txt'
  open_page README.md
  example alice
  until_listening
  example bob
  more_shown alice
  example
  until_listening
  example bob
  more_shown alice
  example
  interrupt
  example
  until_listening
  bob send -m hi alice
  finish
  ask_handler
}
