#!/usr/bin/env bash
# Measures `interlock run` beside wrkflw in one go: start-up, the cost of a step, many jobs, two jobs at once.
#
# usage: bench/run.sh [ROUNDS]     needs a release build; wrkflw (`cargo install wrkflw`) where it is on the PATH
set -euo pipefail
rounds=${1:-5}
root=$(cd "$(dirname "$0")/.." && pwd)
interlock=${INTERLOCK:-$root/target/release/interlock}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export INTERLOCK_STATE_DIR=$work/state
cd "$work"

repository() { # NAME < workflow
  mkdir -p "$1/.github/workflows"
  cat > "$1/.github/workflows/ci.yml"
  git -C "$1" init -q -b main
  git -C "$1" add -A
  git -C "$1" -c user.name=a -c user.email=a@b commit -qm x
}

steps() { # COUNT
  printf 'name: steps\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'
  for _ in $(seq "$1"); do printf '      - run: "true"\n'; done
}

jobs() { # COUNT SCRIPT
  printf 'name: jobs\non: push\njobs:\n'
  for i in $(seq "$1"); do printf '  j%s:\n    runs-on: ubuntu-latest\n    steps: [{run: "%s"}]\n' "$i" "$2"; done
}

steps 1 | repository one
steps 100 | repository hundred
jobs 200 true | repository many
jobs 2 'sleep 2' | repository two

best() { # COMMAND… : the best of the rounds, in milliseconds, and the largest memory, in MiB
  local lowest=999999 memory=0
  for _ in $(seq "$rounds"); do
    local started ended kib
    started=$(date +%s%N)
    kib=$(/usr/bin/env python3 - "$@" <<'PY'
import os, subprocess, sys, resource
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PY
)
    ended=$(date +%s%N)
    local took=$(((ended - started) / 1000000))
    ((took < lowest)) && lowest=$took
    ((kib > memory)) && memory=$kib
  done
  echo "$lowest $((memory / 1024))"
}

# What the measuring itself costs.
read -r floor _ < <(best true)
row() { # NAME DIRECTORY
  local ours theirs="— —"
  ours=$(cd "$2" && best "$interlock" run --max-parallel 2)
  if command -v wrkflw > /dev/null; then
    theirs=$(cd "$2" && best wrkflw run --runtime emulation .github/workflows/ci.yml)
  fi
  read -r our_time our_memory <<< "$ours"
  read -r their_time their_memory <<< "$theirs"
  our_time=$((our_time - floor))
  local ratio=—
  if [ "$their_time" != — ]; then
    their_time=$((their_time - floor))
    ratio=$(python3 -c "print(f'{$their_time / max($our_time, 1):.1f}×')")
  fi
  printf '| %s | %s ms | %s ms | %s | %s MiB | %s MiB |\n' "$1" "$our_time" "$their_time" "$ratio" "$our_memory" "$their_memory"
}

echo "| Work | Interlock | wrkflw | ratio | memory | memory |"
echo "| --- | --- | --- | --- | --- | --- |"
row "one step" one
row "100 steps" hundred
row "200 jobs of one step, two at once" many
row "two jobs of 2 s without \`needs\`" two

bash_floor=$(best bash -c 'for i in $(seq 100); do bash -c true; done')
read -r bash_time _ <<< "$bash_floor"
echo
echo "100 × \`bash -c true\` alone: $((bash_time - floor)) ms"
echo "\`interlock eval 1\` (start-up): $(($(cd one && best "$interlock" eval 1 | cut -d' ' -f1) - floor)) ms"
