#!/bin/sh
# Commits what a night has brought to the repository of the data; a milestone is named in the subject.
#
# usage: commit.sh DATA [MILESTONES]    MILESTONES is a JSON list, such as [100,200]
set -eu
data=$1
milestones=${2:-[]}
cd "$data"
[ -d .git ] || git init -q -b main .
nodes=$(sed -n 's/.*"nodes": \([0-9]*\).*/\1/p' checkpoint.json)
added=$(sed -n 's/.*"nodes_added": \([0-9]*\).*/\1/p' checkpoint.json)
subject="Nightly pipeline: +$added nodes, $nodes in all"
for milestone in $(echo "$milestones" | tr -d '[]" ' | tr ',' ' '); do
  subject="$subject [Milestone $milestone]"
done
git add -A .
git -c user.name=nightly -c user.email=nightly@example.com commit -q --allow-empty -m "$subject"
git log -1 --format=%s
