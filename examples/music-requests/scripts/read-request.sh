#!/bin/sh
# Reads the issue form in $BODY and writes what was asked for as step outputs.
set -eu

# Prints what stands below a heading, on one line, without what shells or JSON could take for more than text.
answer() {
    printf '%s\n' "$BODY" | tr -d '\r' | awk -v wanted="### $1" '
        /^### / { inside = ($0 == wanted); next }
        inside && NF { print }
    ' | tr '\n\t' '  ' | tr -d '`"\\$\000-\037' | cut -c 1-200 | sed 's/  */ /g; s/^ //; s/ $//'
}

# Prints a number between two bounds, or a third one if it is none.
number() {
    case $1 in
        '' | *[!0-9]*) echo "$4" ;;
        *) if [ "${#1}" -le 9 ] && [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; then echo "$1"; else echo "$4"; fi ;;
    esac
}

prompt=$(answer Prompt)
case $prompt in '' | '_No response_') prompt='electronic, melodic' ;; esac
seconds=$(number "$(answer 'Duration in seconds')" 1 30 4)
case $(answer Mode) in minor) mode=minor ;; *) mode=major ;; esac
seed=$(number "$(answer Seed)" 0 999999999 '')
# Without a seed the prompt decides, so that the same wish is the same piece.
[ -n "$seed" ] || seed=$(($(printf '%s' "$prompt" | cksum | cut -d ' ' -f 1) % 1000000000))

echo "$seconds seconds in $mode, seed $seed: $prompt"
{
    echo "prompt=$prompt"
    echo "seconds=$seconds"
    echo "mode=$mode"
    echo "seed=$seed"
} >> "$GITHUB_OUTPUT"
