#!/usr/bin/env bats
# p2pchat register: two exchanges, a pin, and nothing stored unless both went well.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { strangers; }

assert_knows_nobody() {
  expect 0 "$1" peers
  assert_silent
}

@test "register: the peer's fingerprint on stdout, on stderr what the other side types" {
  start_listen alice -k
  expect 0 bob register alice "127.0.0.1:$PORT" --as bob
  assert_stdout "$(fingerprint alice)"
  assert_stderr "registered 'alice'; this node is pending there, they accept it with: p2pchat peers accept $(fingerprint bob) --as bob"
}

@test "register: the command that the listener's owner is told to type is true" {
  start_listen alice -k
  befriend bob alice
  wait_until has_line "$FOLDER/alice.err" '^pending: '
  line="$(grep '^pending: ' "$FOLDER/alice.err")"
  assert_equal "$line" "pending: $(fingerprint bob) calls itself \"bob\"; accept with: $(own alice) peers accept $(fingerprint bob) --as bob"
  read -ra words <<<"${line#*accept with: "$(own alice)" }"
  expect 0 alice "${words[@]}"
  expect 0 bob send -m hi alice
  assert_silent
}

@test "register: says so when the peer trusts this node already" {
  start_listen alice -k
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob
  expect 0 bob register alice "127.0.0.1:$PORT"
  assert_stdout "$(fingerprint alice)"
  assert_stderr "registered 'alice', which trusts this node"
}

@test "register: a stranger is named once, however often it comes" {
  start_listen alice -k
  for _ in 1 2 3; do befriend bob alice; done
  stop_listen
  assert_equal "$(grep -c '^pending: ' "$FOLDER/alice.err")" 1
}

@test "register --expect: the wrong key is 77, nothing is stored and nothing about us is sent" {
  start_listen alice -k
  start_server proxy --to "$PORT" --save "$FOLDER"
  expect 77 bob register alice "127.0.0.1:$SERVER_PORT" --expect "$(fingerprint carol)"
  assert_refusal register "the key of 'alice' is $(fingerprint alice), not the expected $(fingerprint carol)"
  assert_hint register "the owner of 'alice' reads out what they see with: p2pchat keygen --fingerprint"
  assert_knows_nobody bob
  assert_knows_nobody alice
  [[ ! -e "$FOLDER/2.request" ]]
  printf 'keys\0' | cmp - "$FOLDER/1.request"
}

@test "register --expect: the right key is pinned" {
  start_listen alice -k
  expect 0 bob register alice "127.0.0.1:$PORT" --expect "$(fingerprint alice)"
  assert_stdout "$(fingerprint alice)"
}

@test "register --expect: what is no fingerprint is 65" {
  id="$(fingerprint alice)"
  for text in '' SHA256: "${id#SHA256:}" "${id%?}" "${id}A" "sha256:${id#*:}" "$id " MD5:00 "${id%?}="; do
    expect 65 bob register alice 127.0.0.1:1 --expect "$text"
    assert_refusal register "not a fingerprint"
  done
}

@test "register: names that are none are 64" {
  long="$(printf 'a%.0s' {1..65})"
  for name in '' 1234 .a -- a/b 'a b' $'a\n' ä "$long" a:b _a; do
    expect 64 bob register "--as=bob" -- "$name" 127.0.0.1:1
    assert_refusal register
  done
  expect 64 bob register -a 127.0.0.1:1
  assert_refusal register
}

@test "register: a name of 64 characters is one" {
  long="$(printf 'a%.0s' {1..64})"
  start_listen alice -k
  expect 0 bob register "$long" "127.0.0.1:$PORT"
  expect 0 bob peers --names
  assert_stdout "$long"
}

@test "register: addresses that are none are 64" {
  for address in '' : :4040 a: a:0 a:65536 a:04040 a:x '[::1' '::1]:4040' '[::1]x' 'a b' \
    -a:1 127.0.0.1:4040:1 'a/b' '[fe80::1%eth0]:1'; do
    expect 64 bob register alice "--as=bob" -- "$address"
    assert_refusal register "not an address"
  done
}

@test "register: missing and surplus arguments are 64" {
  expect 64 bob register
  assert_refusal register "an argument is missing"
  expect 64 bob register alice a b
  assert_refusal register "too many arguments: 'b'"
  expect 64 bob register alice
  assert_refusal register "no address for 'alice'"
}

@test "register: names that this node cannot go by are 64" {
  long="$(printf 'a%.0s' {1..65})"
  for name in "$long" $'a\nb' $'\e[31m' $'\xff' $'\xc2\x85'; do
    expect 64 bob register alice 127.0.0.1:1 --as "$name"
    assert_refusal register "not a name to introduce us by"
  done
}

@test "register --announce: what is neither an address nor none is 64" {
  for address in x 127.0.0.1 : :0 :65536 'a b:1' '-a:1'; do
    expect 64 bob register alice 127.0.0.1:1 "--announce=$address"
    assert_refusal register "not an address to announce"
  done
}

@test "register --announce: the peer is told where we can be reached" {
  start_listen alice -k
  expect 0 bob register alice "127.0.0.1:$PORT" --announce :4711
  expect 0 alice peers
  assert_contains "$stdout" "127.0.0.1:4711"
}

@test "register: without --announce no address of ours is told, unless one is configured" {
  start_listen alice -k
  befriend bob alice
  expect 0 alice peers --json
  assert_contains "$stdout" '"address":"",'
  printf 'listen.port = 4712\n' >"$FOLDER/carol/config"
  expect 0 carol register alice "127.0.0.1:$PORT"
  expect 0 alice peers --json
  assert_contains "$stdout" '"address":"127.0.0.1:4712",'
  expect 0 bob register alice "127.0.0.1:$PORT" --announce none
}

@test "register: our own node is 64 and is not pinned" {
  start_listen alice -k
  expect 64 alice register me "127.0.0.1:$PORT"
  assert_refusal register "$(fingerprint alice) is this node itself"
  assert_hint register \
    "another node on this machine has a state folder of its own, made with: p2pchat --home FOLDER keygen"
  assert_knows_nobody alice
}

@test "register: the same key again updates the address, and no address means the known one" {
  start_listen alice -k
  befriend bob alice
  expect 0 bob peers
  assert_contains "$stdout" "127.0.0.1:$PORT"
  stop_listen
  start_listen alice -k
  befriend bob alice
  expect 0 bob peers
  assert_contains "$stdout" "127.0.0.1:$PORT"
  expect 0 bob register alice
  assert_stdout "$(fingerprint alice)"
}

@test "register: names are one name without regard to case" {
  start_listen alice -k
  befriend bob alice
  expect 0 bob register ALICE "127.0.0.1:$PORT"
  expect 0 bob peers --names
  assert_stdout alice
}

@test "register: a known key under a second name is 73" {
  start_listen alice -k
  befriend bob alice
  expect 73 bob register alicia "127.0.0.1:$PORT"
  assert_refusal register "$(fingerprint alice) is registered already, as 'alice'"
  expect 0 bob peers --names
  assert_stdout alice
}

@test "register: a pending stranger becomes trusted under the name it is given" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  start_listen bob -k
  expect 0 alice register bobby "127.0.0.1:$PORT"
  assert_stdout "$(fingerprint bob)"
  assert_stderr "registered 'bobby', which trusts this node"
  expect 0 alice peers --names
  assert_stdout bobby
  expect 0 alice peers --pending
  assert_silent
}

@test "register: another key under a known name is 77, with both and the one way out" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  start_listen carol -k
  start_server proxy --to "$PORT" --save "$FOLDER"
  expect 77 bob register alice "127.0.0.1:$SERVER_PORT"
  assert_stdout
  assert_stderr \
    "p2pchat register: error: the key of 'alice' has changed: pinned $(fingerprint alice), offered $(fingerprint carol)" \
    "p2pchat register: hint: if that is right: $(own bob) register alice 127.0.0.1:$SERVER_PORT --replace --expect $(fingerprint carol)"
  [[ ! -e "$FOLDER/2.request" ]] # we did not introduce ourselves
  expect 0 bob peers
  assert_contains "$stdout" "$(fingerprint alice)"
  refute_contains "$stdout" "$(fingerprint carol)"
}

@test "register --replace --expect: the named key takes the place of the pinned one" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  start_listen carol -k
  expect 0 bob register alice "127.0.0.1:$PORT" --replace --expect "$(fingerprint carol)"
  assert_stdout "$(fingerprint carol)"
  expect 0 bob peers
  assert_contains "$stdout" "$(fingerprint carol)"
  refute_contains "$stdout" "$(fingerprint alice)"
}

@test "register --replace: still only the named key" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  start_listen carol -k
  expect 77 bob register alice "127.0.0.1:$PORT" --replace --expect "$(fingerprint bob)"
  assert_refusal register "the key of 'alice' is $(fingerprint carol), not the expected $(fingerprint bob)"
  expect 0 bob peers
  assert_contains "$stdout" "$(fingerprint alice)"
}

@test "register --replace: without --expect it is 64" {
  expect 64 bob register alice 127.0.0.1:1 --replace
  assert_refusal register "--replace needs --expect"
}

@test "register --expect: a key that is not the pinned one is 77 before anybody is asked" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  expect 77 bob register alice --expect "$(fingerprint carol)"
  assert_refusal register "'alice' is pinned to $(fingerprint alice), not to $(fingerprint carol)"
}

@test "register: a closed port is 69, and nothing is stored" {
  start_listen alice -k
  stop_listen
  expect 69 bob register alice "127.0.0.1:$PORT"
  assert_refusal register "cannot connect to 'alice' (127.0.0.1:$PORT): connection refused"
  assert_hint register "$(unreached alice)"
  assert_knows_nobody bob
}

@test "register: a port of another program is 76, with the way to the right one" {
  start_server http
  expect 76 bob register alice "127.0.0.1:$SERVER_PORT"
  assert_refusal register "does not speak this protocol"
  assert_hint register "ask the owner of 'alice' for the port that p2pchat listen has named"
  assert_knows_nobody bob
}

@test "register: a port where nothing answers is 74, with the way to the right one" {
  start_server silence
  P2PCHAT_SEND_TIMEOUT=1 expect 74 bob register alice "127.0.0.1:$SERVER_PORT"
  assert_refusal register "no answer in time"
  assert_hint register "try again, or ask the owner of 'alice' for the port that p2pchat listen has named"
  assert_knows_nobody bob
}

@test "register: a host that does not resolve is 68, and nothing is stored" {
  expect 68 bob register alice nosuch.invalid
  assert_refusal register "cannot resolve the address of 'alice' (nosuch.invalid:4040)"
  assert_hint register "$(own bob) register alice HOST[:PORT] gives it another address"
  assert_knows_nobody bob
}

@test "register: a host name and an IPv6 address do as well" {
  start_listen alice -k
  expect 0 bob register alice "localhost:$PORT"
  assert_stdout "$(fingerprint alice)"
  stop_listen
  [[ -e /proc/net/if_inet6 ]] || skip "no IPv6 here"
  grep -q '^0\{31\}1 ' /proc/net/if_inet6 || skip "no IPv6 loopback here"
  start_listen alice -k -a ::1
  expect 0 bob register alice "[::1]:$PORT"
  assert_stdout "$(fingerprint alice)"
  expect 0 bob peers
  assert_contains "$stdout" "[::1]:$PORT"
}

@test "register: a node without an identity is 78, before the network" {
  expect 78 node nobody register alice 127.0.0.1:1
  assert_refusal register "no identity"
  [[ ! -e "$FOLDER/nobody" ]]
}

@test "register: nobody ever sees our key or name in plain text" {
  start_listen alice -k
  start_server proxy --to "$PORT" --save "$FOLDER"
  expect 0 bob register alice "127.0.0.1:$SERVER_PORT" --as my-secret-name
  bob_id="$(fingerprint bob)"
  refute_found my-secret-name "$FOLDER"/*.request
  refute_found "${bob_id#SHA256:}" "$FOLDER"/*.request "$FOLDER/2.reply"
}

# ---- cards

# altered FILE: one character of its signature is another one.
altered() { sed -E 's/\.([A-Za-z0-9_-]{9})[A-Za-z0-9_-]([^.]*)$/.\1A\2/; t; s/^/x/' "$1"; }
weak_card() { /usr/bin/python3 "$REPOSITORY/tests/peer/make_card.py" "$@"; }

@test "register --card: pins without a network, from a file or standard input" {
  expect 0 alice keygen --card
  assert_stderr
  cp "$OUT" "$FOLDER/card"
  assert_match "$(<"$FOLDER/card")" '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
  expect 0 bob register alice alice.example:1 --card "$FOLDER/card"
  assert_stdout "$(fingerprint alice)"
  assert_stderr "registered 'alice' from its card; this node has not been introduced there"
  expect 0 carol register alice --card - <"$FOLDER/card"
  assert_stdout "$(fingerprint alice)"
  expect 0 bob register alice --card "$FOLDER/card"
  expect 0 bob peers show alice
  assert_contains "$stdout" "alice.example:1"
}

@test "register --card: two nodes that have each other's cards can talk at once" {
  alice keygen --card >"$FOLDER/alice.card"
  bob keygen --card >"$FOLDER/bob.card"
  alice register bob --card "$FOLDER/bob.card" >/dev/null 2>&1
  start_listen alice -k
  bob register alice "127.0.0.1:$PORT" --card "$FOLDER/alice.card" >/dev/null 2>&1
  expect 0 bob send -m hi alice
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT"
}

@test "register --card: what was altered, is weak or of another key is refused, and nothing pinned" {
  alice keygen --card >"$FOLDER/card"
  altered "$FOLDER/card" >"$FOLDER/altered"
  if cmp -s "$FOLDER/card" "$FOLDER/altered"; then fail "it is not altered"; fi
  expect 65 bob register alice --card "$FOLDER/altered"
  assert_refusal register "cannot use the card: its signature does not verify"
  weak_card "$FOLDER/alice/identity.pem" 1024 >"$FOLDER/weak"
  expect 77 bob register alice --card "$FOLDER/weak"
  assert_refusal register "cannot use the card: encryption key: refused key: fewer than 2048 bits"
  expect 77 bob register alice --card "$FOLDER/card" --expect "$(fingerprint carol)"
  assert_refusal register "the key of 'alice' is $(fingerprint alice), not the expected $(fingerprint carol)"
  printf 'no card\n' >"$FOLDER/none"
  expect 65 bob register alice --card "$FOLDER/none"
  expect 65 bob register alice --card /dev/null
  expect 66 bob register alice --card "$FOLDER/missing"
  expect 64 alice register me --card "$FOLDER/card"
  expect 64 bob register alice --card "$FOLDER/card" --as bob
  assert_knows_nobody bob
  bob register alice --card "$FOLDER/card" >/dev/null 2>&1
  carol keygen --card >"$FOLDER/other"
  expect 77 bob register alice --card "$FOLDER/other"
  assert_refusal register "'alice' is pinned to $(fingerprint alice), not to $(fingerprint carol)"
  assert_contains "$stderr" "--replace --expect $(fingerprint carol)"
  expect 0 bob register alice --card "$FOLDER/other" --replace --expect "$(fingerprint carol)"
  assert_stdout "$(fingerprint carol)"
}

@test "register --card: an expired card pins, and its encryption key is not used" {
  weak_card "$FOLDER/alice/identity.pem" 2048 --expired >"$FOLDER/expired"
  start_listen alice -k
  start_server proxy --to "$PORT" --save "$FOLDER"
  expect 0 bob register alice "127.0.0.1:$SERVER_PORT" --card "$FOLDER/expired"
  assert_stdout "$(fingerprint alice)"
  bob keygen --card | alice register bob --card - >/dev/null 2>&1
  expect 0 bob send -m hi alice
  printf 'keys\0' | cmp - "$FOLDER/1.request"
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
}

# ---- keys that nobody may use

@test "register: a key of any size but those allowed is 77 or 65 at once, and nothing is pinned" {
  # kind, status: a million bits must cost no more than reading them
  while read -r kind status; do
    { weak_card "$FOLDER/carol/identity.pem" "$kind" | tr -d '\n' && printf '\0'; } >"$FOLDER/statement"
    start_server file --file "$FOLDER/statement"
    expect "$status" bob register carol "127.0.0.1:$SERVER_PORT"
    assert_stdout
    stop_server
  done <<'END'
1024 77
2047 77
4097 77
16384 77
1000000 77
even 77
exponent-0 77
exponent-1 77
exponent-2 77
exponent-3 77
exponent-huge 77
ec 65
private 65
END
  assert_knows_nobody bob
}

@test "register: another key for a known name without an address is 77, not the end of the program" {
  start_listen alice -k
  befriend bob alice
  alice peers accept "$(fingerprint bob)" --as bob >/dev/null
  expect 77 alice register bob --expect "$(fingerprint carol)"
  assert_refusal register "'bob' is pinned to $(fingerprint bob), not to $(fingerprint carol)"
  assert_contains "$stderr" "$(own alice) register bob --replace --expect $(fingerprint carol)"
}

@test "register --replace: without HOST the address that was typed stays" {
  start_listen alice -k
  befriend bob alice
  stop_listen
  start carol listen -k -p "$PORT" -a 127.0.0.1
  wait_for_port
  expect 0 bob register alice --replace --expect "$(fingerprint carol)"
  expect 0 bob peers show alice
  assert_contains "$stdout" "address       127.0.0.1:$PORT"
}
