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
