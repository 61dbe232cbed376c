#!/usr/bin/env bash
# Plays deliveries into groups and measures: exact outcome, time for each delivery, memory over time.
#
# usage: bench/deliveries.sh [DELIVERIES [GROUPS]]     needs a release build and python3
set -euo pipefail
deliveries=${1:-10000}
groups=${2:-1000}
root=$(cd "$(dirname "$0")/.." && pwd)
interlock=${INTERLOCK:-$root/target/release/interlock}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export INTERLOCK_STATE_DIR=$work/state
mkdir -p "$work/repository/.github/workflows"
cd "$work/repository"
cat > .github/workflows/ci.yml <<'YAML'
name: ci
on: issues
concurrency:
  group: issue-${{ github.event.issue.number }}
  cancel-in-progress: true
jobs:
  a:
    runs-on: ubuntu-latest
    steps: [{run: 'true'}]
YAML
git init -q -b main
git add -A
git -c user.name=a -c user.email=a@b commit -qm x

python3 - "$deliveries" "$groups" > "$work/deliveries.jsonl" <<'PYTHON'
import json, random, sys
deliveries, groups = int(sys.argv[1]), int(sys.argv[2])
chance = random.Random(1)
numbers = [i % groups for i in range(deliveries)]
chance.shuffle(numbers)
for number in numbers:
    issue = {"number": number + 1, "title": "x" * 200, "labels": [], "body": "y" * 1000}
    print(json.dumps({"event": "issues", "payload": {"action": "opened", "issue": issue}}))
PYTHON

"$interlock" run --deliveries "$work/deliveries.jsonl" --format json > "$work/out.jsonl" 2> "$work/err.txt" &
front=$!
python3 - "$front" > "$work/memory.txt" <<'PYTHON' &
import os, sys, time
front = int(sys.argv[1])
def tree(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [pid] + [p for child in file.read().split() for p in tree(int(child))]
    except OSError:
        return []
def memory(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            text = file.read()
        if "Name:\tinterlock" not in text:
            return 0
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])
    except (OSError, StopIteration):
        return 0
while os.path.exists(f"/proc/{front}"):
    print(max([memory(pid) for pid in tree(front)] or [0]), flush=True)
    time.sleep(0.5)
PYTHON
watcher=$!
started=$(date +%s%N)
code=0
wait "$front" || code=$?
ended=$(date +%s%N)
kill "$watcher" 2>/dev/null || true
tail -n 5 "$work/err.txt" >&2

python3 - "$work" "$deliveries" "$groups" "$code" $(((ended - started) / 1000000)) <<'PYTHON'
import collections, json, sys
work, deliveries, groups, code, milliseconds = sys.argv[1], *map(int, sys.argv[2:])
with open(f"{work}/out.jsonl") as file:
    for line in file:
        pass
summary = json.loads(line)
last = {}
with open(f"{work}/deliveries.jsonl") as file:
    for index, delivery in enumerate(file):
        last[json.loads(delivery)["payload"]["issue"]["number"]] = index
newest = set(last.values())
counts = collections.Counter(run["conclusion"] for run in summary["runs"])
wrong = [run["id"] for run in summary["runs"] if run["delivery"] in newest and run["conclusion"] != "success"]
unsaid = [run["id"] for run in summary["runs"] if run["conclusion"] == "cancelled" and not run["reason"]]
exact = len(summary["runs"]) == deliveries and not wrong and not unsaid and set(counts) <= {"success", "cancelled"}
memory = [int(line) / 1024 for line in open(f"{work}/memory.txt") if int(line)]
tenths = [memory[min(len(memory) - 1, len(memory) * i // 10)] for i in range(11)] if memory else []
print(f"{deliveries} deliveries over {groups} groups: {milliseconds / 1000:.1f} s, "
      f"{milliseconds / deliveries:.2f} ms each, {dict(counts)}, exit {code}")
print("memory in MiB, by tenths of the time: " + " ".join(f"{value:.0f}" for value in tenths))
print("outcome: " + ("exact" if exact and code == 0 else f"WRONG {wrong[:5]} {unsaid[:5]}"))
sys.exit(0 if exact and code == 0 else 1)
PYTHON
