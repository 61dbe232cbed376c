#!/usr/bin/env bash
# Builds in three steps and says how far it is.
set -euo pipefail
for step in 1 2 3; do
  echo "[$step/3] building"
  sleep "${PAUSE:-0.1}"
done
