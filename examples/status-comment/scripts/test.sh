#!/usr/bin/env bash
# Runs a suite. The one for rhythm fails, so that there is something to see.
set -euo pipefail
suite=$1
sleep "${PAUSE:-0.1}"
if [ "$suite" = rhythm ]; then
  echo "bar 3: expected 4 beats, found 5" >&2
  exit 1
fi
echo "$suite: all well"
