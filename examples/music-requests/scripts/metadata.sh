#!/bin/sh
# Prints what is known about a piece as JSON, from the variables of the step.
set -eu

# Prints text as a JSON string. Control characters have no place in it.
text() {
    printf '%s' "$1" | tr '\n\t' '  ' | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/"/'
    # Nothing in, nothing out: sed has no line to put quotes around.
    [ -n "$1" ] || printf '""'
}

cat << EOF
{
  "id": "track_$ISSUE",
  "issue_number": $ISSUE,
  "title": $(text "$TITLE"),
  "file": "$FILE",
  "file_size": $(wc -c < "$FILE" | tr -d ' '),
  "checksum": $(cksum < "$FILE" | cut -d ' ' -f 1),
  "parameters": {
    "prompt": $(text "$PROMPT"),
    "duration": $SECONDS_WANTED,
    "mode": "$MODE",
    "seed": $SEED
  }
}
EOF
