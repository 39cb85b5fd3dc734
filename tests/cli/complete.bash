#!/usr/bin/env bash
# complete.bash SCRIPT <LINES: for each line "> LINE" and what bash offers at its end, as readline asks.
# shellcheck source=/dev/null
source "$1"

function="$(complete -p p2pchat)" || exit
[[ "$function" =~ ^'complete -F '([a-z0-9_]+)' p2pchat'$ ]] || exit
function="${BASH_REMATCH[1]}"

while IFS= read -r COMP_LINE; do
  echo "> $COMP_LINE"
  # Words as bash cuts them, near enough: at blanks, and before and after each '=' and ':'.
  cut="${COMP_LINE//=/ = }"
  cut="${cut//:/ : }"
  read -ra COMP_WORDS <<<"$cut"
  [[ "$COMP_LINE" != *[\ =:] ]] || COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  # shellcheck disable=SC2034 # for the function
  COMP_POINT=${#COMP_LINE}
  COMPREPLY=()
  "$function" p2pchat "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" || exit
  ((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
done
