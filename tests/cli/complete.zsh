# complete.zsh FOLDER LINES: for each line of that file "> LINE" and what zsh offers at its end. FOLDER has
# the completions, and gets what the terminal showed meanwhile.
#   ZSH_DUMP  what zsh has found, kept from one run to the next
#
# Completion works in the line editor alone: another zsh has a terminal, and asks as the Tab key does.
if [[ $1 != inside ]]; then
  zmodload zsh/zpty
  export COMPLETIONS=$1 LINES_FILE=$2
  zpty shell zsh -f -i
  zpty -w shell "source ${(q)0:A} inside"
  while zpty -r shell shown; do print -rn -- $shown; done >$COMPLETIONS/terminal
  cat $COMPLETIONS/offered
  exit
fi

fpath=($COMPLETIONS $fpath)
autoload -Uz compinit
compinit -u -d ${ZSH_DUMP:-$COMPLETIONS/dump}
exec 8<$LINES_FILE 9>$COMPLETIONS/offered

# What a completion function adds, once for each of the ways in which it is shown.
compadd() {
  local matching=()
  builtin compadd -O matching "$@"
  print -rl -- $matching >&9
  builtin compadd "$@"
}
offered() {
  _main_complete
  compstate[insert]= compstate[list]=
}
zle -C offered complete-word offered
zle-line-init() {
  local line
  while IFS= read -r line <&8; do
    print -r -- "> $line" >&9
    BUFFER=$line CURSOR=$#line
    zle offered
  done
  exit
}
zle -N zle-line-init
