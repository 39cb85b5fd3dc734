#!/usr/bin/env bats
# p2pchat keygen: the identity, its files and what is printed of it.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { strangers; }

# A new folder for those tests that make keys.
new() { node new "$@"; }
fingerprint_form='^SHA256:[A-Za-z0-9_-]{43}$'

@test "keygen: the fingerprint on stdout, words on stderr, both once" {
  expect 0 new keygen --bits 2048
  assert_match "$stdout" "$fingerprint_form"
  assert_stdout "$stdout"
  assert_stderr "identity made in '$FOLDER/new'; its fingerprint is what others compare:"
}

@test "keygen: an identity and one encryption key, nothing else that is secret" {
  expect 0 new keygen --bits 2048
  cd "$FOLDER/new"
  files=(*.pem*)
  assert_equal "${#files[@]}" 2
  assert_match "${files[*]}" '^encryption-[0-9]+\.pem identity\.pem$'
  assert_equal "$(head -n 1 identity.pem)" "-----BEGIN PRIVATE KEY-----"
}

@test "keygen: 3072 bits unless asked otherwise" {
  expect 0 new keygen
  openssl pkey -in "$FOLDER/new/identity.pem" -noout -text >"$FOLDER/text"
  has_line "$FOLDER/text" '3072 bit'
}

@test "keygen: 4096 bits when asked" {
  expect 0 new keygen --bits 4096
  openssl pkey -in "$FOLDER/new/identity.pem" -noout -text >"$FOLDER/text"
  has_line "$FOLDER/text" '4096 bit'
}

@test "keygen: any other size is 64 and makes nothing" {
  for bits in 1024 2047 2049 3071 8192 0 -1 2048x '' 0x800 " 2048"; do
    expect 64 new keygen "--bits=$bits"
    assert_refusal keygen
    [[ ! -e "$FOLDER/new" ]]
  done
}

@test "keygen: an identity is never overwritten: 73, and it stays" {
  cp -a "$FOLDER/alice" "$FOLDER/before"
  expect 73 alice keygen --bits 2048
  assert_refusal keygen "there is an identity already"
  diff -r "$FOLDER/before" "$FOLDER/alice"
}

@test "keygen --if-missing: prints the fingerprint of what is there and says nothing" {
  expected="$(fingerprint alice)"
  expect 0 alice keygen --if-missing
  assert_stdout "$expected"
  assert_stderr
}

@test "keygen --if-missing: makes an identity where there is none" {
  expect 0 new keygen --if-missing --bits 2048
  assert_match "$stdout" "$fingerprint_form"
  assert_equal "$stdout" "$(fingerprint new)"
}

@test "keygen --force: replaces the identity and the keys that belonged to it" {
  before="$(fingerprint alice)"
  expect 0 alice keygen --force --bits 2048
  assert_match "$stdout" "$fingerprint_form"
  [[ "$stdout" != "$before" ]]
  assert_equal "$stdout" "$(fingerprint alice)"
  start_listen alice -k # the encryption key belongs to the new identity, or this fails
  stop_listen
}

@test "keygen --fingerprint: the same line every time, silent otherwise" {
  expect 0 alice keygen --fingerprint
  assert_match "$stdout" "$fingerprint_form"
  assert_stdout "$stdout"
  assert_stderr
  first="$stdout"
  expect 0 alice keygen --fingerprint
  assert_stdout "$first"
}

@test "keygen --fingerprint: is the RFC 7638 thumbprint of the public key" {
  expect 0 alice keygen --public
  modulus="$(openssl pkey -pubin -in "$OUT" -noout -text_pub 2>/dev/null |
    sed -n '/Modulus/,/Exponent/p' | sed '1d;$d' | tr -d ' :\n' | sed 's/^00//')"
  base64url() { base64 -w 0 | tr -d '=' | tr '+/' '-_'; }
  n="$(/usr/bin/python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))' \
    "$modulus" | base64url)"
  expected="$(printf '{"e":"AQAB","kty":"RSA","n":"%s"}' "$n" | openssl dgst -sha256 -binary |
    base64url)"
  assert_equal "$(fingerprint alice)" "SHA256:$expected"
}

@test "keygen --public: a PEM that other programs read, and nothing secret" {
  expect 0 alice keygen --public
  assert_stderr
  assert_equal "$(head -n 1 "$OUT")" "-----BEGIN PUBLIC KEY-----"
  refute_contains "$stdout" PRIVATE
  openssl pkey -pubin -in "$OUT" -pubcheck -noout
}

@test "keygen: --public and --fingerprint without an identity are 78 and create nothing" {
  for option in --public --fingerprint; do
    expect 78 new keygen "$option"
    assert_refusal keygen "no identity"
    [[ ! -e "$FOLDER/new" ]]
  done
}

@test "keygen: options that contradict each other are 64 and make nothing" {
  for options in "--public --fingerprint" "--public --force" "--fingerprint --bits 2048" \
    "--public --if-missing" "--if-missing --force"; do
    read -ra words <<<"$options"
    expect 64 new keygen "${words[@]}"
    assert_refusal keygen
    [[ ! -e "$FOLDER/new" ]]
  done
}

@test "keygen: an argument is 64" {
  expect 64 new keygen name
  assert_refusal keygen "too many arguments: 'name'"
  [[ ! -e "$FOLDER/new" ]]
}

@test "keygen: a folder that cannot be made is 73" {
  expect 73 node missing/new keygen --bits 2048
  assert_refusal keygen "cannot create"
}

@test "keygen: a stdout that cannot be written is 71, and the identity is there" {
  refused() { node new keygen --bits 2048 >/dev/full; }
  expect 71 refused
  has_line "$ERR" 'error: cannot write to standard output: no space left on device$'
  assert_match "$(fingerprint new)" "$fingerprint_form"
}

@test "keygen: a key that is damaged is 78, with the file named" {
  printf 'no key\n' >"$FOLDER/alice/identity.pem"
  expect 78 alice keygen --fingerprint
  assert_refusal keygen "cannot use '$FOLDER/alice/identity.pem'"
}

@test "keygen: an encrypted key is 78 without a question on the terminal" {
  openssl pkey -in "$FOLDER/alice/identity.pem" -aes256 -passout pass:secret \
    -out "$FOLDER/encrypted"
  chmod 600 "$FOLDER/encrypted"
  mv "$FOLDER/encrypted" "$FOLDER/alice/identity.pem"
  expect 78 peer_py pty --fds 0 "$BIN" --home "$FOLDER/alice" keygen --fingerprint
  assert_refusal keygen "cannot use '$FOLDER/alice/identity.pem'"
}

# ---- passphrases

@test "keygen --passphrase-file: the keys are encrypted, and every command finds the passphrase" {
  (umask 077 && printf 'a phrase\n' >"$FOLDER/phrase")
  expect 0 node dave keygen --bits 2048 --passphrase-file "$FOLDER/phrase"
  for file in "$FOLDER"/dave/*.pem; do
    grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$file"
    refute_found 'BEGIN PRIVATE KEY' "$file"
    assert_equal "$(stat -c %a "$file")" 600
    openssl pkey -in "$file" -passin "file:$FOLDER/phrase" -noout
    openssl asn1parse -in "$file" | grep -q ':PBES2'
    openssl asn1parse -in "$file" | grep -q ':aes-256-cbc'
  done
  export P2PCHAT_PASSPHRASE_FILE="$FOLDER/phrase"
  start dave listen -k -p 0 -a 127.0.0.1
  wait_for_port
  unset P2PCHAT_PASSPHRASE_FILE
  expect 0 bob register dave "127.0.0.1:$PORT"
  expect 0 p2pchat --home "$FOLDER/dave" --passphrase-file "$FOLDER/phrase" peers accept \
    "$(fingerprint bob)" --as bob
  expect 0 bob send -m hi dave
  expect 0 p2pchat --home "$FOLDER/dave" --passphrase-file="$FOLDER/phrase" keygen --rotate
  grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$FOLDER"/dave/encryption-*.pem
  # What needs no private key needs no passphrase.
  expect 0 node dave peers --names
  assert_stdout bob
  expect 0 node dave keygen --card
  stop_listen
  assert_stream "$FOLDER/dave.out" hi
}

@test "keygen --passphrase-file: without it, or with another, it is 78 and nobody is asked" {
  (umask 077 && printf 'a phrase\n' >"$FOLDER/phrase" && printf 'another\n' >"$FOLDER/other" && : >"$FOLDER/empty")
  node dave keygen --bits 2048 --passphrase-file "$FOLDER/phrase" >/dev/null 2>&1
  for command in "listen -p 0 -W 1" "send -m hi nobody" "keygen --fingerprint" "keygen --rotate"; do
    # shellcheck disable=SC2086  # words
    within_limits /usr/bin/python3 "$PEER_PY" pty "$BIN" --home "$FOLDER/dave" $command >"$FOLDER/seen" || true
    refute_found hrase: "$FOLDER/seen"
  done
  expect 78 node dave keygen --fingerprint
  assert_refusal keygen "identity.pem': encrypted with a passphrase"
  assert_contains "$stderr" P2PCHAT_PASSPHRASE_FILE
  P2PCHAT_PASSPHRASE_FILE="$FOLDER/other" expect 78 node dave keygen --fingerprint
  assert_refusal keygen "encrypted with another passphrase"
  P2PCHAT_PASSPHRASE_FILE="$FOLDER/empty" expect 78 node dave keygen --fingerprint
  assert_refusal keygen "no passphrase in the first line"
  P2PCHAT_PASSPHRASE_FILE="$FOLDER/missing" expect 66 node dave keygen --fingerprint
  chmod 644 "$FOLDER/phrase"
  P2PCHAT_PASSPHRASE_FILE="$FOLDER/phrase" expect 77 node dave keygen --fingerprint
}

@test "keygen --card: a line, and nothing is created" {
  expect 0 alice keygen --card
  assert_stderr
  assert_equal "$(wc -l <"$OUT")" 1
  cp "$OUT" "$FOLDER/card"
  expect 0 alice keygen --card
  assert_same_bytes "$OUT" "$FOLDER/card"
  expect 78 node nobody keygen --card
  [[ ! -e "$FOLDER/nobody" ]]
  rm "$FOLDER"/alice/encryption-*.pem
  expect 78 alice keygen --card
  assert_refusal keygen "no encryption key in"
  expect 64 alice keygen --card --public
  expect 64 alice keygen --card --rotate
  expect 64 alice keygen --rotate --bits 2048
}
