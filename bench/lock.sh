#!/usr/bin/env bash
# Measures locks beside flock(1) and a plain mutex on a git branch, in one run on one machine.
#
# Needs a release build: cargo build --release -p interlock-cli && cargo build --release -p interlock-coord --example lock_pairs
# Each store in INTERLOCK_BENCH_STORES (s3://… az://…, with their variables) is measured as well.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}/release
interlock=$PWD/$target/interlock
pairs=$PWD/$target/examples/lock_pairs
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export INTERLOCK_STATE_DIR=$place/state HOME=$place GIT_CONFIG_GLOBAL=/dev/null TMPDIR=$place
unset GITHUB_ACTIONS GITHUB_OUTPUT INTERLOCK_STORE
git init -q --bare "$place/store.git"
git init -q --bare "$place/mutex.git"
file=file:$place/pairs.db
git=git+file://$place/store.git

now() { date +%s%N; }
since() { echo "$(($(now) - $1))" | awk '{ printf "%.2f s", $1 / 1e9 }'; }

echo "uncontended acquire + release, median of 50"
for url in "$file" "$git" ${INTERLOCK_BENCH_STORES:-}; do
  echo "  ${url%%:*}: $("$pairs" --alone "$url")"
done

echo "pairs by processes on one key, 10 s"
for count in 1 2 8; do
  echo "  file, $count: $("$pairs" "file:$place/pairs-$count.db" "$count" 10)"
done
for url in "$git" ${INTERLOCK_BENCH_STORES:-}; do
  echo "  ${url%%:*}, 8: $("$pairs" "$url" 8 10)"
done

echo "the whole command around \`true\`, mean of 20"
began=$(now)
for _ in $(seq 20); do "$interlock" lock run one -- true; done
echo "  interlock lock run: $(since "$began") / 20"
began=$(now)
for _ in $(seq 20); do flock "$place/flock" true; done
echo "  flock: $(since "$began") / 20"

# The plain mutex: whoever can create the branch has it; everybody else tries again.
git clone -q "$place/mutex.git" "$place/clone" 2> /dev/null
(cd "$place/clone" && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x)
branch_mutex() {
  # A commit of one's own: to push what is there already succeeds for everybody.
  local commit
  commit=$(git -C "$place/clone" -c user.name=a -c user.email=a@b commit-tree -m "$BASHPID $RANDOM" 'HEAD^{tree}')
  until git -C "$place/clone" push -q --force-with-lease=refs/heads/mutex: origin "$commit:refs/heads/mutex" 2> /dev/null; do
    sleep "0.$((RANDOM % 3 + 2))"
  done
  "$@"
  git -C "$place/clone" push -q origin :refs/heads/mutex 2> /dev/null
}

# Starts twelve contenders in a known order and says how long they took and whether the order held.
contend() {
  local name=$1
  shift
  rm -f "$place/order"
  local began
  began=$(now)
  for number in $(seq 12); do
    "$@" sh -c "echo $number >> $place/order; sleep 0.5" &
    sleep 0.02
  done
  wait
  local took order
  took=$(since "$began")
  order=$(tr '\n' ' ' < "$place/order")
  if [ "$order" = "$(seq -s ' ' 12) " ]; then order="in order"; else order="order: $order"; fi
  echo "  $name: $took, $order"
}
echo "12 contenders of 0.5 s (6 s is ideal)"
contend "interlock, file" "$interlock" lock run two --
for url in "$git" ${INTERLOCK_BENCH_STORES:-}; do
  contend "interlock, ${url%%:*}" "$interlock" lock run two --store "$url" --
done
contend "flock(1)" flock "$place/flock"
contend "plain git branch" branch_mutex
