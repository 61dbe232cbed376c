#!/usr/bin/env bash
# Measures `interlock parallel` beside bash's `wait`, GNU parallel, npm's concurrently and just, in one go: 3 and 200
# trivial jobs, and two jobs of 100 MiB output each. Peers are measured where they are on the PATH.
#
# usage: bench/parallel.sh [ROUNDS]     needs a release build
set -euo pipefail
rounds=${1:-10}
root=$(cd "$(dirname "$0")/.." && pwd)
interlock=${INTERLOCK:-$root/target/release/interlock}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export INTERLOCK_STATE_DIR=$work/state
cd "$work"

jobs() { # COUNT COMMAND
  printf 'max-parallel: 2\njobs:\n'
  for i in $(seq "$1"); do printf '  j%s: {run: "%s"}\n' "$i" "$2"; done
}
justfile() { # COUNT COMMAND
  printf '[parallel]\nall:'
  for i in $(seq "$1"); do printf ' j%s' "$i"; done
  printf '\n'
  for i in $(seq "$1"); do printf 'j%s:\n    @%s\n' "$i" "$2"; done
}
for count in 3 200; do
  jobs "$count" /bin/true > "jobs-$count.yml"
  justfile "$count" /bin/true > "just-$count"
  for _ in $(seq "$count"); do echo /bin/true; done > "list-$count"
done
jobs 2 'head -c 104857600 /dev/zero | tr \\\\0 x | fold -w 100' > flood.yml

best() { # COMMAND… : the best of the rounds in milliseconds, the largest process of it in MiB
  python3 - "$rounds" "$@" <<'PY'
import os, resource, subprocess, sys, time
rounds, command = int(sys.argv[1]), sys.argv[2:]
times = []
for _ in range(rounds):
    started = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times.append((time.monotonic() - started) * 1000)
print(f"{min(times):.1f} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.1f}")
PY
}
row() { # NAME COMMAND-FOR-3 COMMAND-FOR-200
  local three many
  three=$(best bash -c "$2")
  many=$(best bash -c "$3")
  printf '| %s | %s ms | %s ms | %s MiB |\n' "$1" "${three% *}" "${many% *}" "${many#* }"
}

echo "| Runner | 3 × true | 200 × true | largest process |"
echo "| --- | --- | --- | --- |"
row "interlock parallel, logs and table" "exec $interlock parallel jobs-3.yml --log-dir l3" "exec $interlock parallel jobs-200.yml --log-dir l200"
row "bash \`&\` and \`wait\`" 'for i in 1 2 3; do /bin/true & done; wait' 'for i in $(seq 200); do /bin/true & done; wait'
command -v parallel > /dev/null && row "GNU parallel, joblog and results" \
  'exec parallel -j2 --joblog j3 --results r3 < list-3' 'exec parallel -j2 --joblog j200 --results r200 < list-200'
command -v concurrently > /dev/null && row "concurrently --group" \
  "exec concurrently -m 2 --group $(printf '/bin/true %.0s' 1 2 3)" "exec concurrently -m 2 --group $(printf '/bin/true %.0s' $(seq 200))"
command -v just > /dev/null && row "just" 'exec just -f just-3 all' 'exec just -f just-200 all'

echo
flood=$(rounds=2 best "$interlock" parallel flood.yml --log-dir lf)
echo "2 × 100 MiB of output through \`interlock parallel\`: ${flood% *} ms, largest process ${flood#* } MiB"
