#!/usr/bin/env bash
# Checks one thing. The links are broken, which only warns.
set -euo pipefail
case $1 in
  links) echo "docs/score.md: a link leads nowhere" >&2; exit 2 ;;
  *) echo "$1: nothing found" ;;
esac
