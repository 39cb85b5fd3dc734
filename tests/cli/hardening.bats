#!/usr/bin/env bats
# What makes a flaw harder to exploit: how the program that ships is built, what other processes can
# learn from a running one.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { friends; }

memory_py() { within_limits /usr/bin/python3 "$REPOSITORY/tests/cli/memory.py" "$@"; }

# ---- the program

# What cmake installs, at $INSTALLED.
install_program() {
  if sanitized; then skip "a sanitizer's build is not what ships"; fi
  expect 0 cmake --install "$(dirname "$BIN")" --prefix "$FOLDER/prefix"
  INSTALLED="$FOLDER/prefix/bin/p2pchat"
}

@test "hardening: what is installed can be loaded anywhere, and nothing of it is written and run" {
  install_program
  readelf -W --file-header --segments "$INSTALLED" >"$FOLDER/segments"
  readelf -W --dynamic "$INSTALLED" >"$FOLDER/dynamic"
  has_line "$FOLDER/segments" '^ *Type: *DYN '
  has_line "$FOLDER/segments" '^ *INTERP '
  has_line "$FOLDER/dynamic" 'Flags:.* PIE'
  # All addresses of other libraries are looked up at the start and read-only from then on.
  has_line "$FOLDER/segments" '^ *GNU_RELRO '
  has_line "$FOLDER/dynamic" '(BIND_NOW)\|Flags:.* NOW'
  has_line "$FOLDER/segments" '^ *GNU_STACK .* RW '
  if grep -E '(GNU_STACK|LOAD) .* (RWE|WE) ' "$FOLDER/segments"; then fail "memory to write and run"; fi
  if grep -E '\((RPATH|RUNPATH|TEXTREL)\)' "$FOLDER/dynamic"; then fail "not wanted there"; fi
}

@test "hardening: what is installed checks its stack and the sizes of its buffers" {
  install_program
  readelf -W --dyn-syms "$INSTALLED" >"$FOLDER/symbols"
  has_line "$FOLDER/symbols" ' UND __stack_chk_fail@'
  grep -qE ' UND __[a-z]+_chk@' "$FOLDER/symbols" || fail "not one function that knows the size"
  if [[ "$(uname -m)" == x86_64 ]]; then
    objdump -d --no-show-raw-insn "$INSTALLED" >"$FOLDER/code"
    # A stack that grows by more than a page touches each of them; a jump goes to marked places only.
    has_line "$FOLDER/code" 'orq  *\$0x0,(%rsp)'
    (($(grep -c endbr64 "$FOLDER/code") > 1000)) # a few are there anyway
  fi
}

@test "hardening: what is installed loads no library without need" {
  install_program
  readelf -W --dynamic "$INSTALLED" >"$FOLDER/dynamic"
  has_line "$FOLDER/dynamic" '(NEEDED).*libPoco' || skip "all libraries but those of libc are inside"
  expect 0 ldd --unused "$INSTALLED"
  assert_silent
}

# ---- the process

# As a user without rights, where we have them all: SOMEBODY are the words before a command. $FOLDER is
# one that this user can reach.
become_somebody() {
  SOMEBODY=()
  ((EUID == 0)) || return 0
  SOMEBODY=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  ELSEWHERE="$(mktemp -d)"
  cp -a "$FOLDER/alice" "$ELSEWHERE"
  cp "$BIN" "$ELSEWHERE/p2pchat"
  chown -R 65534:65534 "$ELSEWHERE"
  FOLDER="$ELSEWHERE" BIN="$ELSEWHERE/p2pchat"
}
teardown() {
  end_all
  [[ -z "${ELSEWHERE:-}" ]] || rm -rf "$ELSEWHERE"
}
opens() { "${SOMEBODY[@]}" head -c 1 "/proc/$1/$2" >/dev/null 2>"$FOLDER/refused"; }

@test "hardening: no process of the same user looks into one that has a private key" {
  become_somebody
  start_command other "${SOMEBODY[@]}" sleep 600
  wait_until opens "$PID" environ # others let it
  WRAPPER=("${SOMEBODY[@]}")
  start_listen alice -k
  for file in environ maps mem; do
    if opens "$PID" "$file"; then fail "$file can be read"; fi
    assert_contains "$(<"$FOLDER/refused")" "Permission denied"
  done
}

@test "hardening: one that has a private key leaves no core when it dies" {
  [[ "$(ulimit -H -c)" != 0 ]] || skip "no program may leave a core here"
  # shellcheck disable=SC2016
  WRAPPER=(bash -c 'cd "$0" && ulimit -c "$(ulimit -H -c)" && "$@"; exit' "$FOLDER")
  start_listen alice -k
  kill -QUIT "$(pgrep -P "$PID")"
  ended 131 "$PID"
  has_line "$FOLDER/alice.err" ' Quit '
  refute_contains "$(<"$FOLDER/alice.err")" "core dumped"
  assert_equal "$(find "$FOLDER" -maxdepth 1 -name 'core*')" ""
}

# Only root may, since these processes keep everybody else out.
needs_memory() {
  if sanitized; then skip "a sanitizer keeps what is freed"; fi
  head -c 1 "/proc/$1/mem" 2>&1 >/dev/null | grep -q 'Permission denied' && skip "only root may look"
  return 0
}
key_in_memory() { memory_py key "$PID" "$1"; }

@test "hardening: keys are in memory as the numbers to compute with, until they are gone; nothing else" {
  mkdir "$FOLDER/save"
  key="$FOLDER/key.pem"
  cp "$FOLDER"/alice/encryption-*.pem "$key"
  start_listen alice -k
  needs_memory "$PID"
  assert_equal "$(key_in_memory "$FOLDER/alice/identity.pem")" numbers
  assert_equal "$(key_in_memory "$key")" numbers
  start_server proxy --to "$PORT" --save "$FOLDER/save"
  bob register alice "127.0.0.1:$SERVER_PORT" --as bob >/dev/null 2>&1
  for i in {1..5}; do bob send -m "message $i" alice; done
  expect 0 memory_py content-key "$PID" "$key" "$FOLDER"/save/[2-7].request
  assert_stdout ""
  alice keygen --rotate
  alice keygen --rotate
  gone() {
    expect 0 key_in_memory "$key"
    [[ -z "$stdout" ]]
  }
  wait_until gone
  stop_listen
}

# ---- memory errors

# In both processes of an exchange; a sanitizer sees neither what libraries do nor values never set.
@test "hardening: a message from one to the other under valgrind: no error, and nothing is lost track of" {
  if sanitized; then skip "a sanitizer does not run in it"; fi
  command -v valgrind >/dev/null || skip "valgrind is missing"
  WRAPPER=(valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite)
  start_listen alice -n 1
  befriend bob alice
  expect 0 within_limits "${WRAPPER[@]}" "$BIN" --home "$FOLDER/bob" send -m hi alice
  assert_silent
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out" hi
  assert_stream "$FOLDER/alice.err" "listening on 127.0.0.1:$PORT"
}

@test "hardening: a configuration of OpenSSL changes nothing" {
  # It leaves no implementation of anything.
  printf '%s\n' 'openssl_conf = all' '[all]' 'providers = some' '[some]' 'null = this' '[this]' \
    'activate = 1' >"$FOLDER/openssl.cnf"
  export OPENSSL_CONF="$FOLDER/openssl.cnf"
  if openssl dgst -sha256 "$OPENSSL_CONF" >/dev/null 2>&1; then fail "it does leave some"; fi
  start_listen alice -k
  befriend bob alice
  expect 0 bob send -m hi alice
  assert_silent
  stop_listen
  assert_stream "$FOLDER/alice.out" hi
}
