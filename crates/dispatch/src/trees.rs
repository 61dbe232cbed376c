//! What the repository has of what the deliveries name: snapshots and lists of changed files.

use std::collections::HashMap;
use std::sync::Arc;

use coord::group::Position;
use serde_json::Value;
use workdir::{Mirrors, Repository, Snapshot, Want};

use crate::delivery::Delivery;
use crate::occasion::{Facts, Occasion, at};
use crate::policies::Standpoint;

/// The two ends of a comparison.
type Range = (String, String);

/// Snapshots by commit, and changes by range, found once before anything runs.
#[derive(Debug)]
pub struct Trees {
    /// For every event that names no other commit.
    default: Arc<Snapshot>,
    /// Whether the user chose it for every event.
    is_chosen: bool,
    by_commit: HashMap<String, Arc<Snapshot>>,
    changes: HashMap<Range, Vec<String>>,
    positions: HashMap<String, Position>,
    named: HashMap<Range, Vec<String>>,
}

impl Trees {
    /// Begins with the tree that is there when nothing else is named.
    pub fn new(default: Snapshot, is_chosen: bool) -> Self {
        let default = Arc::new(default);
        let (by_commit, changes, named) = (HashMap::new(), HashMap::new(), HashMap::new());
        let positions = HashMap::new();
        Self { default, is_chosen, by_commit, changes, positions, named }
    }

    /// Looks up everything that the deliveries name.
    pub async fn prepare(
        &mut self,
        deliveries: &[Delivery],
        facts: &Facts,
        repository: &Repository,
        mirrors: &Mirrors,
    ) -> Result<(), workdir::Error> {
        for delivery in deliveries {
            let occasion = Occasion::new(delivery, facts);
            self.find_tree(&occasion, facts, repository, mirrors).await?;
            self.find_changes(&occasion, repository).await?;
        }
        Ok(())
    }

    /// Returns the tree for the commit that an event names.
    pub fn tree(&self, sha: &str) -> Arc<Snapshot> {
        Arc::clone(self.by_commit.get(sha).unwrap_or(&self.default))
    }

    /// Returns the files that an event changed; none if nobody can say.
    pub fn changed(&self, occasion: &Occasion) -> Option<&[String]> {
        let range = range(occasion)?;
        self.changes.get(&range).or_else(|| self.named.get(&range)).map(Vec::as_slice)
    }

    /// Finds where each named commit stands among the commits; only rules about order need it.
    pub async fn find_positions(
        &mut self,
        deliveries: &[Delivery],
        facts: &Facts,
        repository: &Repository,
    ) -> Result<(), workdir::Error> {
        for delivery in deliveries {
            let sha = Occasion::new(delivery, facts).sha;
            if self.positions.contains_key(&sha) {
                continue;
            }
            if let Some(number) = repository.depth(&sha).await? {
                let label = sha.get(..10).unwrap_or(&sha).to_owned();
                self.positions.insert(sha, Position { number, label });
            }
        }
        Ok(())
    }

    /// Returns where the commit of an event stands.
    pub fn standpoint(&self, sha: &str) -> Standpoint {
        Standpoint { position: self.positions.get(sha).cloned() }
    }

    async fn find_tree(
        &mut self,
        occasion: &Occasion,
        facts: &Facts,
        repository: &Repository,
        mirrors: &Mirrors,
    ) -> Result<(), workdir::Error> {
        let sha = &occasion.sha;
        if self.is_chosen || *sha == facts.head || self.by_commit.contains_key(sha) {
            return Ok(());
        }
        let tree = if repository.has(sha).await? {
            let want =
                Want::Event { sha: Some(sha.clone()), reference: Some(occasion.reference.clone()) };
            repository.snapshot(mirrors, &want).await?
        } else {
            self.default.standing_for(sha)
        };
        self.by_commit.insert(sha.clone(), Arc::new(tree));
        Ok(())
    }

    async fn find_changes(
        &mut self,
        occasion: &Occasion,
        repository: &Repository,
    ) -> Result<(), workdir::Error> {
        let Some(range) = range(occasion) else { return Ok(()) };
        if let Some(files) = named_changes(&occasion.payload) {
            self.named.insert(range.clone(), files);
        }
        if self.changes.contains_key(&range) {
            return Ok(());
        }
        let (before, after) = &range;
        let files = if occasion.event == "push" {
            repository.changed(before, after).await?
        } else {
            repository.changed_since_fork(before, after).await?
        };
        if let Some(files) = files {
            self.changes.insert(range, files);
        }
        Ok(())
    }
}

/// Returns the commits between which an event's changes lie.
fn range(occasion: &Occasion) -> Option<Range> {
    let get =
        |path: &[&str]| at(&occasion.payload, path).and_then(Value::as_str).map(ToOwned::to_owned);
    match occasion.event.as_str() {
        "push" => Some((get(&["before"])?, get(&["after"])?)),
        event if event.starts_with("pull_request") => {
            Some((get(&["pull_request", "base", "sha"])?, get(&["pull_request", "head", "sha"])?))
        }
        _ => None,
    }
}

/// Collects the files that the commits of a push payload name.
fn named_changes(payload: &Value) -> Option<Vec<String>> {
    let commits = payload.get("commits")?.as_array()?;
    let mut files = Vec::new();
    for commit in commits {
        for kind in ["added", "modified", "removed"] {
            let names = commit.get(kind)?.as_array()?;
            files.extend(names.iter().filter_map(|name| name.as_str()).map(ToOwned::to_owned));
        }
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn push_payload_names_its_files() {
        let payload = json!({"commits": [
            {"added": ["a"], "modified": [], "removed": ["b"]},
            {"added": [], "modified": ["c"], "removed": []},
        ]});
        assert_eq!(named_changes(&payload).unwrap(), ["a", "b", "c"]);
        assert_eq!(named_changes(&json!({"commits": [{"id": "x"}]})), None);
    }
}
