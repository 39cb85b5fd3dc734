#!/usr/bin/env bats
# What is installed, by cmake and as a package for Debian: every file, and nothing else.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() {
  if grep -aqE '__(asan|tsan)_init' "$BIN"; then skip "a sanitizer's build is not what ships"; fi
  friends
  umask 022
  BUILD="$(dirname "$BIN")"
}

# Below the prefix, without the pages: those are the files of man/.
installed_files() {
  cat <<'END'
bin/p2pchat
lib/sysusers.d/p2pchat.conf
share/bash-completion/completions/p2pchat
share/fish/vendor_completions.d/p2pchat.fish
END
  # Debian has a folder of its own for packages.
  local zsh=site-functions
  [[ -z "$1" ]] || zsh=vendor-completions
  echo "share/zsh/$zsh/_p2pchat"
  local manager unit page
  for manager in system user; do
    for unit in p2pchat.service p2pchat.socket p2pchat-inetd.socket p2pchat-inetd@.service \
      p2pchat-keygen.service; do
      echo "lib/systemd/$manager/$unit"
    done
  done
  for page in "$REPOSITORY"/man/*; do
    echo "share/man/man${page##*.}/${page##*/}$1"
  done
}
# assert_files FOLDER [ENDING OF A PAGE [FILE]...]: it holds them, the files besides, and nothing else.
assert_files() {
  find "$1" ! -type d -printf '%P\n' | sort >"$FOLDER/files"
  { installed_files "${2:-}" && printf '%s\n' "${@:3}"; } | sed '/^$/d' | sort >"$FOLDER/wanted"
  cmp "$FOLDER/files" "$FOLDER/wanted" || diff "$FOLDER/wanted" "$FOLDER/files" >&2
  # For everybody to read, the program alone to run.
  find "$1/bin" "$1/share" -printf '%M\n' | sort -u >"$FOLDER/modes"
  assert_stream "$FOLDER/modes" -rw-r--r-- -rwxr-xr-x drwxr-xr-x
  assert_equal "$(find "$1" -type f -perm /111 -printf '%P\n')" bin/p2pchat
}

@test "package: installed into a folder with a space in its name, the program works from there" {
  expect 0 cmake --install "$BUILD" --prefix "$FOLDER/my programs"
  assert_files "$FOLDER/my programs"
  BIN="$FOLDER/my programs/bin/p2pchat"
  start_listen alice -n 1 --reply hello
  befriend bob alice
  expect 0 bob send -m hi alice
  assert_stdout hello
  ended 0 "$PID"
  assert_stream "$FOLDER/alice.out" hi
}

@test "package: installed below DESTDIR, nothing knows of that folder" {
  DESTDIR="$FOLDER/root" expect 0 cmake --install "$BUILD" --prefix /usr
  assert_files "$FOLDER/root/usr"
  assert_equal "$(ls "$FOLDER/root")" usr
  if grep -rF "$FOLDER" "$FOLDER/root"; then fail "there it stands"; fi
}

# ---- for Debian

# The package at $PACKAGE, from what is built.
pack() {
  local tool
  for tool in dpkg-deb dpkg-shlibdeps dpkg-parsechangelog file; do
    command -v "$tool" >/dev/null || skip "$tool is missing"
  done
  expect 0 cpack --config "$BUILD/CPackConfig.cmake" -B "$FOLDER/packed"
  PACKAGE="$FOLDER/packed/p2pchat_${version}_$(dpkg --print-architecture).deb"
  assert_equal "$(echo "$FOLDER"/packed/*.deb)" "$PACKAGE"
}
get_version() {
  version="$(p2pchat --version)"
  version="${version#p2pchat }"
}
field() { dpkg-deb --field "$PACKAGE" "$1"; }
in_changelog() { dpkg-parsechangelog -l "$FOLDER/changelog" -S "$1"; }

@test "package: one for Debian holds what is installed, and the documents that its policy asks for" {
  umask 027 # who packs it does not matter
  get_version
  pack
  root="$FOLDER/root" doc=share/doc/p2pchat
  dpkg-deb --raw-extract "$PACKAGE" "$root"
  assert_files "$root/usr" .gz "$doc/changelog.gz" "$doc/copyright"
  gzip -dc "$root/usr/$doc/changelog.gz" >"$FOLDER/changelog"
  for page in "$REPOSITORY"/man/*; do
    gzip -dc "$root/usr/share/man/man${page##*.}/${page##*/}.gz" | cmp - "$page"
  done
  dpkg-deb --fsys-tarfile "$PACKAGE" | tar t --verbose --numeric-owner >"$FOLDER/list"
  if grep -v -E '^[-d]r[-w][-rwx]* 0/0 ' "$FOLDER/list"; then fail "not root's"; fi
  if grep -rF "$FOLDER" "$root/usr"; then fail "it knows where it was packed"; fi

  assert_equal "$(field Package)" p2pchat
  assert_equal "$(field Version)" "$version"
  assert_equal "$(field Version)" "$(in_changelog Version)"
  assert_equal "$(field Maintainer)" "$(in_changelog Maintainer)"
  assert_match "$(field Depends)" '(^|, )libc6 \(>= [0-9.]+\)'
  assert_match "$(field Description)" '^encrypted peer-to-peer [^.]*'$'\n'' p2pchat sends '
  find "$root/DEBIAN" -mindepth 1 -printf '%M %P\n' | sort -k 2 >"$FOLDER/control"
  assert_stream "$FOLDER/control" "-rw-r--r-- control" "-rw-r--r-- md5sums" "-rwxr-xr-x postinst" \
    "-rwxr-xr-x postrm" "-rwxr-xr-x prerm"
  (cd "$root" && expect 0 md5sum --check --strict --quiet DEBIAN/md5sums)
  assert_equal "$(wc -l <"$root/DEBIAN/md5sums")" "$(find "$root/usr" -type f | wc -l)"
  expect 0 "$root/usr/bin/p2pchat" --version
  assert_stdout "p2pchat $version"
}

@test "package: lintian has nothing to say about the one for Debian" {
  command -v lintian >/dev/null || skip "lintian is missing"
  get_version
  pack
  expect 0 lintian --allow-root --fail-on error,warning "$PACKAGE"
  assert_stdout
}
