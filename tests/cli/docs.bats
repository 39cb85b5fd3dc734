#!/usr/bin/env bats
# What is written down is true of the program: each command has its help, its page and its tests,
# and the promises have the tests that they name.
# shellcheck source=support.bash
source "$BATS_TEST_DIRNAME/support.bash"

setup() { strangers; }

pages() { printf '%s\n' "$REPOSITORY"/man/*.[1-9]; }
# The commands of `p2pchat --help`, each on a line.
commands() { p2pchat --help | sed -n '/^commands:$/,/^$/s/^  \([a-z]*\) .*/\1/p'; }
needs_mandoc() { command -v mandoc >/dev/null || skip "mandoc is missing"; }

# One line, single spaces.
squeezed() { tr -s ' \n' ' ' | sed 's/^ //; s/ $//'; }
# What stands between a page's headings SYNOPSIS and DESCRIPTION, as it is read.
synopsis_of_page() {
  mandoc -T ascii -O width=1000 "$1" | col -b |
    sed -n '/^SYNOPSIS$/,/^DESCRIPTION$/p' | sed '1d;$d' | squeezed
}
synopsis_of_help() { p2pchat help "$1" | sed -n '1,/^$/p' | sed 's/^usage: //' | squeezed; }

# Rows `status<TAB>text` of an EXIT STATUS list; the page's source has a line for each half.
rows_of_page() {
  sed -n '/^\.Sh EXIT STATUS$/,/^\.Sh/p' "$1" |
    sed -n '/^\.It /{s/^\.It \(Li \)\{0,1\}//;s/"//g;N;s/\n/\t/;p;}'
}
rows_of_help() { p2pchat help exit-status | sed 's/  */\t/; s/^130,\t143 */130, 143\t/'; }

@test "docs: every command answers -h, --help and help with 0 and an empty stderr" {
  commands >"$FOLDER/commands"
  has_line "$FOLDER/commands" '^send$'
  while read -r command; do
    for words in "$command -h" "$command --help" "help $command"; do
      read -ra words <<<"$words"
      expect 0 p2pchat "${words[@]}"
      assert_stderr
      assert_match "$stdout" "^usage: p2pchat $command"
    done
  done <"$FOLDER/commands"
}

@test "docs: every command has a page and a test file" {
  while read -r command; do
    [[ -s "$REPOSITORY/man/p2pchat-$command.1" ]] || fail "no page for $command"
    [[ -s "$REPOSITORY/tests/cli/$command.bats" ]] || fail "no tests for $command"
  done < <(commands)
  [[ -s "$REPOSITORY/man/p2pchat.1" ]]
}

@test "docs: every page p2pchat-COMMAND.1 is that of a command" {
  commands >"$FOLDER/commands"
  for page in "$REPOSITORY"/man/p2pchat-*.1; do
    name="${page##*/p2pchat-}"
    has_line "$FOLDER/commands" "^${name%.1}$" || fail "$page describes no command"
  done
}

@test "docs: the synopsis of a page is that of the help" {
  needs_mandoc
  while read -r command; do
    assert_equal "$(synopsis_of_page "$REPOSITORY/man/p2pchat-$command.1")" \
      "$(synopsis_of_help "$command")"
  done < <(commands)
}

# -h and --help are explained in p2pchat(1).
@test "docs: every option of the help is explained on the page, and no other" {
  while read -r command; do
    p2pchat help "$command" | sed '1,/^$/d' | grep -oE '(^|[ ,])--?[A-Za-z][a-z-]*' |
      tr -d ' ,' | grep -vxE -- '-h|--help' | sort -u >"$FOLDER/help"
    sed -n 's/^\.It Fl/Fl/p' "$REPOSITORY/man/p2pchat-$command.1" | tr -d ',|' |
      grep -oE 'Fl [^ ]+' | sed 's/^Fl /-/' | grep -vxE -- '-h|--help' | sort -u >"$FOLDER/page"
    diff "$FOLDER/help" "$FOLDER/page" >&2 || fail "options of $command (< help, > page)"
  done < <(commands)
}

@test "docs: the exit statuses of the help are those of p2pchat(1)" {
  rows_of_help >"$FOLDER/help"
  rows_of_page "$REPOSITORY/man/p2pchat.1" >"$FOLDER/page"
  [[ -s "$FOLDER/help" ]]
  diff "$FOLDER/help" "$FOLDER/page" >&2
}

@test "docs: every page of a command lists exit statuses, in the words of the table" {
  rows_of_help >"$FOLDER/help"
  while read -r command; do
    rows_of_page "$REPOSITORY/man/p2pchat-$command.1" >"$FOLDER/page"
    [[ -s "$FOLDER/page" ]] || fail "no exit status in the page of $command"
    while read -r row; do
      grep -qxF -- "$row" "$FOLDER/help" || fail "page of $command: $row"
    done <"$FOLDER/page"
  done < <(commands)
}

@test "docs: the pages have no warning of mandoc" {
  needs_mandoc
  while read -r page; do
    expect 0 mandoc -T lint -W warning "$page"
    assert_silent
  done < <(pages)
}

@test "docs: what a page refers to is there" {
  while read -r name section; do
    [[ -e "$REPOSITORY/man/$name.$section" ]] || fail "no page $name($section)"
  done < <(pages | xargs sed -n 's/^\.Xr \(p2pchat[a-z-]*\) \([0-9]\).*/\1 \2/p' | sort -u)
}

# Rows `key default variable` of p2pchat-config(5).
settings_of_page() {
  local page="$REPOSITORY/man/p2pchat-config.5"
  sed -n '/^\.Sh SETTINGS$/,/^\.El$/p' "$page" | awk '
    /^\.It Cm / { key = $3 }
    said && sub(/^\.Cm /, "") { sub(/ \.$/, ""); print key, $0 }
    { said = /^The default is$/ }' >"$FOLDER/defaults"
  sed -n '/^\.Sh ENVIRONMENT$/,/^\.El$/p' "$page" | awk '
    /^\.It Ev / { variable = $3 }
    /^\.Cm / { print $2, variable }' >"$FOLDER/variables"
  [[ "$(grep -c '^\.It Cm ' "$page")" == "$(wc -l <"$FOLDER/defaults")" ]] || fail "a key without a default"
  diff <(cut -d ' ' -f 1 "$FOLDER/defaults") <(cut -d ' ' -f 1 "$FOLDER/variables") >&2 ||
    fail "(< SETTINGS, > ENVIRONMENT)"
  join --nocheck-order "$FOLDER/defaults" "$FOLDER/variables"
}

@test "docs: every setting that config prints stands in p2pchat-config(5) with its default, and no other" {
  settings_of_page >"$FOLDER/page"
  expect 0 alice config
  while read -r key value origin; do
    assert_equal "$origin" default
    variable="P2PCHAT_${key^^}"
    variable="${variable//./_}"
    echo "$key $value $variable"
    # It is that variable which sets it.
    has_line <(env "$variable=$value" "$BIN" --home "$FOLDER/alice" config) \
      "^${key//./\\.}  .*  environment $variable$" || fail "$variable does not set $key"
  done <"$OUT" >"$FOLDER/config"
  diff "$FOLDER/page" "$FOLDER/config" >&2 || fail "(< the page, > the program)"
}

@test "docs: the tests that promises.txt names exist" {
  local number=0 file title line promised=() untested=""
  while IFS= read -r line; do
    number=$((number + 1))
    case "$line" in
      '' | '#'*) ;;
      'promise '* | 'delivery: '* | 'security: '*)
        [[ -z "$untested" ]] || fail "promises.txt:$number: no test of: $untested"
        untested="$line"
        [[ "$line" != 'promise '* ]] || promised+=("${line%%:*}")
        ;;
      '  '*': '*)
        file="${line#  }"
        file="${file%%: *}"
        title="${line#*: }"
        case "$file" in
          cli/*.bats) grep -qxF -- "@test \"$title\" {" "$REPOSITORY/tests/$file" ;;
          unit/*.cpp) grep -qF -- "\"$title\"" "$REPOSITORY/tests/$file" ;;
          *) false ;;
        esac || fail "promises.txt:$number: no such test: $file: $title"
        untested=""
        ;;
      *) fail "promises.txt:$number: what is this: $line" ;;
    esac
  done <"$REPOSITORY/tests/promises.txt"
  [[ -z "$untested" ]] || fail "promises.txt: no test of: $untested"
  assert_equal "${promised[*]}" "promise 1 promise 2 promise 3 promise 4 promise 5 promise 6 promise 7 promise 8 promise 9"
}

@test "docs: every sentence of DELIVERY stands in promises.txt, and no other" {
  needs_mandoc
  mandoc -T ascii -O width=1000 "$REPOSITORY/man/p2pchat.1" | col -b |
    sed -n '/^DELIVERY$/,/^BACKUP$/p' | sed '1d;$d' | tr '\t' ' ' | squeezed |
    sed 's/\. /.\n/g' >"$FOLDER/page"
  (($(wc -l <"$FOLDER/page") > 20))
  sed -n 's/^delivery: //p' "$REPOSITORY/tests/promises.txt" >"$FOLDER/promised"
  # squeezed ends no line.
  diff <(cat "$FOLDER/page" && echo) "$FOLDER/promised" >&2 || fail "(< the page, > promises.txt)"
}

# Above the words of each limit stand its constants, `.\" FILE: CODE`: the code has to be there, and its
# number, as it is or in larger units, in the words.
@test "docs: every limit in SECURITY has the numbers of the code" {
  local line file code number said="" numbers=() items=0
  in_words() {
    local unit form forms=("$1")
    for unit in 60:minutes 1000:second 1024:KiB 1048576:MiB; do
      (($1 % ${unit%:*})) || forms+=("$(($1 / ${unit%:*})) ${unit#*:}")
    done
    said="${said//,/}"
    for form in "${forms[@]}"; do
      [[ ! " ${said//[$'\n'.;]/ }" =~ [^0-9]"$form"s?" " ]] || return 0
    done
    fail "none of '${forms[*]}' in: $said"
  }
  while IFS= read -r line; do
    case "$line" in
      '.\" '*': '*)
        file="${line#'.\" '}" file="${file%%: *}" code="${line#*: }"
        # To its end: 512 is not 5120.
        [[ "$code" == *'}' ]] || code+=";"
        grep -qF -- "$code" "$REPOSITORY/$file" || fail "not in $file: $code"
        [[ "$code" =~ ([0-9]+(\'[0-9]+)*)[^0-9]*$ ]]
        numbers+=("${BASH_REMATCH[1]//\'/}")
        ;;
      .It | .El)
        ((items == 0 || ${#numbers[@]} > 0)) || fail "no constant: $said"
        for number in "${numbers[@]}"; do in_words "$number"; done
        numbers=() said=""
        ((++items))
        ;;
      *) said+="$line"$'\n' ;;
    esac
  done < <(sed -n '/^\.Ss Limits$/,/^\.El$/p' "$REPOSITORY/man/p2pchat.1" | sed '1,/^\.Bl/d')
  ((items > 15))
}

@test "docs: the sentences of promises.txt about security stand in SECURITY" {
  needs_mandoc
  mandoc -T ascii -O width=1000 "$REPOSITORY/man/p2pchat.1" | col -b |
    sed -n '/^SECURITY$/,/^SEE ALSO$/p' | tr '\t' ' ' | squeezed >"$FOLDER/page"
  sed -n 's/^security: //p' "$REPOSITORY/tests/promises.txt" >"$FOLDER/promised"
  [[ -s "$FOLDER/promised" ]]
  while IFS= read -r line; do
    grep -qF -- "$line" "$FOLDER/page" || fail "not on the page: $line"
  done <"$FOLDER/promised"
}

@test "docs: the picture in the README is XML and shows what its script types" {
  local record="$REPOSITORY/scripts/session/record.py" picture
  picture="$(sed -n 's/^!\[.*\](\(.*\.svg\))$/\1/p' "$REPOSITORY/README.md")"
  expect 0 "$record" check "$REPOSITORY/$picture"
  assert_silent
  sed 's/<tspan[^>]*>//g; s|</tspan>||g' "$REPOSITORY/$picture" >"$FOLDER/plain.svg"
  expect 0 "$record" check "$FOLDER/plain.svg"
  sed 's/p2pchat keygen/p2pchat keygem/' "$FOLDER/plain.svg" >"$FOLDER/other.svg"
  expect 1 "$record" check "$FOLDER/other.svg"
  assert_contains "$stderr" "record: error: $FOLDER/other.svg: alice types"
  sed 's|</text>||' "$FOLDER/plain.svg" >"$FOLDER/broken.svg"
  expect 1 "$record" check "$FOLDER/broken.svg"
  assert_contains "$stderr" "record: error: $FOLDER/broken.svg is no XML"
}

# Names in capitals stand for others.
@test "docs: what the page for developers names is there, and every folder of pkg/ is in its picture" {
  local page="$REPOSITORY/pkg/README.md" name number=0
  while read -r name; do
    [[ "$name" =~ [A-Z]{4} ]] || [[ -e "$REPOSITORY/$name" ]] || fail "pkg/README.md: no $name"
    ((++number))
  done < <(grep -oE '\b(cmd|pkg|man|scripts|tests)/[A-Za-z0-9_./-]*[A-Za-z0-9_/]' "$page" | sort -u)
  ((number > 40)) || fail "only $number names"
  sed -n '/^```$/,/^```$/p' "$page" >"$FOLDER/picture"
  for name in "$REPOSITORY"/pkg/*/; do
    has_line "$FOLDER/picture" "pkg/$(basename "$name")/" || fail "not in the picture: $name"
  done
}

# Where the README speaks of limits, it says where they are and repeats none.
@test "docs: the README points to the limits of p2pchat(1)" {
  sed -n '/^## Limits$/,/^## /p' "$REPOSITORY/README.md" | sed '1d;$d' >"$FOLDER/limits"
  has_line "$FOLDER/limits" 'p2pchat(1), SECURITY, Limits'
  has_line "$REPOSITORY/man/p2pchat.1" '^\.Ss Limits$'
  if sed 's/p2pchat(1)//' "$FOLDER/limits" | grep '[0-9]'; then fail "a limit"; fi
}

@test "docs: titles begin with what they are about, and none is there twice" {
  cd "$REPOSITORY/tests/cli"
  for file in *.bats; do
    sed -n 's/^@test "\(.*\)" {$/\1/p' "$file" >"$FOLDER/titles"
    [[ -s "$FOLDER/titles" ]] || fail "no tests in $file"
    if grep -v "^${file%%[._]*}[: ]" "$FOLDER/titles"; then fail "$file: not about ${file%%[._]*}"; fi
    assert_equal "$(sort "$FOLDER/titles" | uniq -d)" ""
  done
}
