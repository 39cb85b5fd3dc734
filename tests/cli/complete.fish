# complete.fish SCRIPT <LINES: for each line "> LINE" and what fish offers at its end.
source $argv[1]
while read --local line
    echo "> $line"
    complete --do-complete $line | string replace --regex '\t.*' ''
end
true
