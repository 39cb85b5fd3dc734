#!/usr/bin/env bats
# The recipes of p2pchat-examples(7) do what they say: each section is typed as it stands there
# (pages.bash). Stand-ins are here for what lies outside: cron, the SSH of another machine, Tor.
# shellcheck source=pages.bash
source "$BATS_TEST_DIRNAME/pages.bash"

RECIPES="$REPOSITORY/man/p2pchat-examples.7"

# The headings of the page that are recipes.
headings() { sed -n 's/^\.Sh //p' "$RECIPES" | grep -vxE 'NAME|DESCRIPTION|SEE ALSO'; }

open_recipe() { open_page p2pchat-examples.7 "$1"; }

# The next block is a script, here in the current folder of the terminals.
script() {
  shown_file "$FOLDER/here/$1"
  chmod +x "$FOLDER/here/$1"
  sh -n "$FOLDER/here/$1"
}

# Bob has the address of alice, who listens on $PORT until she is stopped.
alice_is_known() {
  start_listen alice -k
  befriend bob alice
}

# Alice's handler, as the page has started it, but for what she says.
start_handler() {
  WRAPPER=(env -C "$FOLDER/here")
  start alice listen -k -p "$PORT" -a 127.0.0.1 --exec "$1"
  WRAPPER=()
  wait_for_port
}

# ---- the home directory of a user, whose state folder is that of one of ours

at_home() {
  mv "$FOLDER/$1" "$FOLDER/.p2pchat"
  mkdir -p "$FOLDER/bin"
}
mine() { node .p2pchat "$@"; }

# crontab -l shows the lines of the page; cron runs one of them as cron(8) does.
cron_has() {
  sed -n "/^\.Sh $1\$/,/^\.Sh /p" "$RECIPES" | grep -E '^[0-9*/]+( [0-9*/]+){4} ' >"$FOLDER/crontab"
  printf '#!/bin/sh\ncat "%s"\n' "$FOLDER/crontab" >"$FOLDER/bin/crontab"
  chmod +x "$FOLDER/bin/crontab"
}
cron_runs() {
  local command
  command="$(sed -n "$1s/^\([^ ]* \)\{5\}//p" "$FOLDER/crontab")"
  [[ "$command" ]]
  within_limits env -i -C "$FOLDER" HOME="$FOLDER" PATH="$FOLDER/bin:/usr/bin:/bin" SHELL=/bin/sh \
    /bin/sh -c "$command" </dev/null
}

@test "recipes: each of the page has a test here, and no other" {
  headings >"$FOLDER/headings"
  (($(wc -l <"$FOLDER/headings") >= 12))
  sed -n 's/^@test "recipes: \([A-Z ]*\)" {$/\1/p' "$BATS_TEST_FILENAME" >"$FOLDER/titles"
  diff "$FOLDER/headings" "$FOLDER/titles" >&2 || fail "(< the page, > the tests)"
}

@test "recipes: A REPORT EVERY NIGHT" {
  friends
  alice_is_known
  stop_listen
  at_home bob
  cron_has 'A REPORT EVERY NIGHT'
  open_recipe 'A REPORT EVERY NIGHT'
  script nightly
  mv "$FOLDER/here/nightly" "$FOLDER/bin"
  close_page

  expect 0 cron_runs 1 # she is away: queued
  assert_silent
  assert_equal "$(mine queue --format '%p %s')" 'alice queued'
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 0 cron_runs 2
  assert_silent
  wait_until has_line "$FOLDER/alice.out" '^Filesystem '
  assert_equal "$(mine queue)" ""
  expect 0 cron_runs 1
  assert_silent
  has_two() { (($(grep -c '^Filesystem ' "$FOLDER/alice.out") == 2)); }
  wait_until has_two
  mine peers remove alice
  expect 0 cron_runs 1
  assert_match "$stdout" "^p2pchat send: error: unknown peer 'alice'"
}

@test "recipes: A COMMAND ON ANOTHER MACHINE" {
  friends
  alice_is_known
  stop_listen
  default_port
  bob peers rename alice server
  mkdir "$FOLDER/here/logs"
  printf '%s\n' 'GET /old' 'GET /' 'GET /favicon.ico' >"$FOLDER/here/logs/web"
  echo secret >"$FOLDER/here/secret"
  open_recipe 'A COMMAND ON ANOTHER MACHINE'
  script remote
  ask_handler

  start_handler ./remote
  expect 0 bob send -m load server
  assert_match "$stdout" '^[0-9.]+ [0-9.]+ [0-9.]+ '
  for message in 'log ../secret' 'log web; cat secret' 'log $(cat secret)' 'log -n' 'log ' 'log' \
    $'log web\nload' '$(touch made)' '; touch made' ''; do
    expect 2 bob send --propagate -m "$message" server
    refute_contains "$stdout" secret
  done
  [[ ! -e "$FOLDER/here/made" ]]
  expect 1 bob send --propagate -m 'log none' server
}

@test "recipes: WORD WHEN A JOB HAS ENDED" {
  friends
  alice_is_known
  open_recipe 'WORD WHEN A JOB HAS ENDED'
  script tell
  terminal bob
  close_page
  stop_listen
  assert_stream "$FOLDER/alice.out" "sh on $(uname -n) ended with 3" 'the copy ended with 0'
}

@test "recipes: A FILE THAT GROWS" {
  friends
  alice_is_known
  echo 'ERROR of yesterday' >"$FOLDER/here/app.log"
  open_recipe 'A FILE THAT GROWS'
  script follow
  example bob
  # tail watches the file once it stands at its end.
  watches() {
    [[ "$(find "/proc/$(pgrep -g "$(<"$FOLDER/bob.pid")" -x tail)/fd" -lname '*inotify' 2>/dev/null)" ]]
  }
  wait_until watches
  printf '%s\n' 'ERROR one' 'all is well' '  ERROR \n "two" $(touch made)' >>"$FOLDER/here/app.log"
  wait_until has_line "$FOLDER/alice.out" two
  echo 'ERROR three' >"$FOLDER/here/app.log.new"
  mv "$FOLDER/here/app.log.new" "$FOLDER/here/app.log"
  WANTED[bob]+="tail: 'app.log' has been replaced;  following new file"$'\n'
  wait_until has_line "$FOLDER/alice.out" three
  interrupt tail
  close_page
  stop_listen
  assert_stream "$FOLDER/alice.out" 'ERROR one' '  ERROR \n "two" $(touch made)' 'ERROR three'
  [[ ! -e "$FOLDER/here/made" ]]
}

@test "recipes: TO SEVERAL PEERS" {
  friends
  alice_is_known
  local away
  away="$(peer_py free-port)"
  carol keygen --card | bob register carol "localhost:$away" --card - 2>/dev/null
  replace 4041 "$away"
  printf '%s\n' alice carol >"$FOLDER/here/admins"
  open_recipe 'TO SEVERAL PEERS'
  terminal bob
  close_page
  stop_listen
  assert_stream "$FOLDER/alice.out" 'the mail server is down' 'it is up again'
  assert_equal "$(bob queue --format %p)" carol
  echo nobody >>"$FOLDER/here/admins"
  expect 67 bob send -m hi alice carol nobody
}

@test "recipes: A BOT" {
  friends
  alice_is_known
  stop_listen
  default_port
  bob peers rename alice server
  open_recipe 'A BOT'
  script board
  assert_equal "$(wc -l <"$FOLDER/here/board")" 5
  ask_handler

  start_handler ./board
  expect 0 bob send -m $'one\nalice: two\r\e[31m' server
  assert_stdout noted
  expect 0 bob send -m '' server
  assert_stdout 'bob: who has the key?' 'bob: one alice: two [31m'
}

@test "recipes: OVER SSH" {
  strangers
  mkdir -p "$FOLDER/.ssh"
  # What the SSH of that machine does with the line in authorized_keys.
  sed -n '/^restrict,command=/p' "$RECIPES" >"$FOLDER/.ssh/authorized_keys"
  cat >"$FOLDER/bin/ssh" <<END
#!/bin/sh
[ "\$*" = '-o BatchMode=yes alice.example p2pchat listen --inetd' ] || exit 255
P2PCHAT_HOME='$FOLDER/alice' exec sh -c "\$(sed 's/^[^"]*"\([^"]*\)".*/\1/' '$FOLDER/.ssh/authorized_keys')"
END
  chmod +x "$FOLDER/bin/ssh"
  open_recipe 'OVER SSH'
  example bob
  finish
  example alice
  finish
  example bob
  finish
  example alice
  close_page
  # No login: the request has gone to it, and no further.
  printf '#!/bin/sh\nhead -c 1 >/dev/null\nexit 255\n' >"$FOLDER/bin/ssh"
  expect 74 bob send -m hi alice
  expect 75 bob send --queue -m hi alice
}

@test "recipes: THROUGH TOR" {
  friends
  bob peers remove alice
  PORT="$(peer_py free-port)"
  export P2PCHAT_LISTEN_PORT="$PORT"
  open_recipe 'THROUGH TOR'
  example alice
  until_listening
  start_server socks --to "$PORT" --save "$FOLDER"
  replace 9050 "$SERVER_PORT"
  example bob
  finish
  # The name went to the proxy as it was, each time with the port.
  assert_equal "$(sort "$FOLDER/asked" | uniq -c | tr -s ' ')" \
    " 3 2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion:4040"
  alice peers show bob >"$FOLDER/shown"
  has_line "$FOLDER/shown" '^announced *-$'
  has_line "$FOLDER/shown" '^calls itself *"*b"*$'
  terminal alice
  interrupt
  close_page
  assert_stream "$FOLDER/here/inbox.txt" 'back at noon'
}

@test "recipes: A LARGE FILE" {
  friends
  alice_is_known
  head -c 2600000 /dev/urandom >"$FOLDER/film.mkv"
  # A piece that is text goes another way through JSON.
  { head -c 1048576 "$FOLDER/film.mkv" && yes $'caf\u00e9 \e "\\' | head -c 1048576 &&
    tail -c 500000 "$FOLDER/film.mkv"; } >"$FOLDER/here/film.mkv"
  cp "$FOLDER/here/film.mkv" "$FOLDER/film.mkv"
  open_recipe 'A LARGE FILE'
  example bob
  finish
  rm "$FOLDER/here/film.mkv"
  script join
  example alice
  finish
  assert_same_bytes "$FOLDER/here/film.mkv" "$FOLDER/film.mkv"
  assert_equal "$(alice log bob --json | jq -c .text | sort -u)" null
  close_page
}

@test "recipes: A LARGE FILE that is sent again arrives once" {
  friends
  alice_is_known
  head -c 2600000 /dev/urandom >"$FOLDER/here/film.mkv"
  local digest line
  digest="$(sha256sum <"$FOLDER/here/film.mkv" | cut -c 1-64)"
  line="$(sed -n 's/^\$ \(split .*\)/\1/p' "$RECIPES")"
  again() { env -C "$FOLDER/here" P2PCHAT_HOME="$FOLDER/bob" digest="$digest" start="${digest:0:16}" bash -c "$line"; }
  expect 0 again
  expect 0 again
  assert_equal "$(alice log bob --received --format %i | tr '\n' ' ')" \
    "${digest:0:16}00000A ${digest:0:16}00001A ${digest:0:16}00002A "
  stop_listen
  expect 69 again
  assert_contains "$stderr" "exit 69 from command"
}

@test "recipes: A NODE THAT ONLY SENDS" {
  strangers
  start_listen alice -k --reply 600
  replace 'server localhost ' "server localhost:$PORT "
  replace /home/sensor "$FOLDER"
  OWNERS[SHA256:IcBydOoZ0O7bxgsSv0xPte-UpF0zMyolz6O_CmdR8Uc]=.p2pchat
  open_recipe 'A NODE THAT ONLY SENDS'
  example .p2pchat
  finish
  example alice
  finish
  terminal .p2pchat
  close_page
  expect 0 alice peers show sensor
  assert_contains "$stdout" "address       -"
  stop_listen
  assert_stream "$FOLDER/alice.out" '21.5 degrees' 'how long?'
  # Nothing of what has arrived is kept, and what has not is.
  expect 75 mine send --queue -m '22 degrees' server
  assert_equal "$(mine log --json | jq -c .text | tr '\n' ' ')" 'null null "22 degrees" '
  alice peers block sensor
  start alice listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 77 mine send -m '23 degrees' server
}

@test "recipes: BACKUP" {
  friends
  alice_is_known
  at_home bob
  printf '[send]\ntimeout = 10s\n' >"$FOLDER/.p2pchat/config"
  mine send -m before alice
  cron_has BACKUP
  replace 2026-11-26 "$(date +%F)"
  open_recipe BACKUP
  script backup
  mv "$FOLDER/here/backup" "$FOLDER/bin"
  example .p2pchat
  expect 0 cron_runs 1
  assert_silent
  mine send -m after alice
  expect 1 cron_runs 1 # there is one of this day
  example
  close_page
  expect 0 mine log --sent --format %b
  assert_stdout before
  expect 0 mine config
  assert_contains "$stdout" "send.timeout    10s"
  assert_equal "$(find "$FOLDER/backup" -perm /077)" ""
  expect 0 mine send -m again alice
}

@test "recipes: TWO IDENTITIES" {
  strangers
  PORT="$(peer_py free-port)"
  printf 'listen.port = %s\n' "$PORT" >"$FOLDER/alice/config"
  local other
  other="$(peer_py free-port)"
  replace 4041 "$other"
  replace /home/alice "$FOLDER"
  OWNERS[SHA256:TCbZB0wn2J7eWScMCsFLceBxsVI5UZ91R0svO6Y0gfU]=.p2pchat-work
  open_recipe 'TWO IDENTITIES'
  terminal alice
  close_page
  expect 0 node .p2pchat-work peers --pending
  assert_contains "$stdout" "$(fingerprint alice)"
  expect 0 alice peers --names
  assert_stdout myself
}
