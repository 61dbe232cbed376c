#!/usr/bin/env bash
# Measures one comment under 4, 20 and 100 writers, beside plain get-merge-patch in the same run. Takes about two minutes.
#
# usage: bench/status.sh
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --release --quiet -p interlock-status --example measure
