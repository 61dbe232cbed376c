//! The state: what the forge knows, and what it was asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// How many old states are kept for reads that lag.
const HISTORY: usize = 4096;

/// One comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// The issue or pull request it is on.
    pub issue: u64,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub body: String,
    /// How often it was changed.
    pub edits: u32,
}

/// One pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Its source branch.
    pub branch: String,
    /// Its head commit.
    pub sha: String,
    /// `open` or `closed`.
    pub state: &'static str,
    /// Whether it was merged.
    pub merged: bool,
}

/// One workflow run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: u64,
    /// Its attempt.
    pub attempt: u64,
    /// The path of its workflow.
    pub path: String,
    /// The name of its workflow.
    pub name: String,
    /// The event.
    pub event: String,
    /// The commit.
    pub sha: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// Its jobs.
    pub jobs: Vec<RunJob>,
    /// Whether somebody asked to cancel it.
    pub cancelled: bool,
}

/// One job of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunJob {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
}

/// One commit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The commit.
    pub sha: String,
    /// Its context.
    pub context: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: String,
    /// What it says.
    pub description: String,
}

/// One request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The status it was answered with; 0 if the answer was lost.
    pub status: u16,
    /// The body of the request.
    pub body: String,
    /// The body of the answer.
    pub answer: String,
}

/// Everything the forge knows.
#[derive(Clone, Debug)]
pub struct State {
    /// `owner/name`.
    pub repository: String,
    /// The logins by token.
    pub logins: BTreeMap<String, String>,
    /// The branches.
    pub branches: BTreeSet<String>,
    /// The pull requests.
    pub pulls: Vec<Pull>,
    /// The runs.
    pub runs: Vec<Run>,
    /// The comments.
    pub comments: Vec<Comment>,
    /// The commit statuses.
    pub statuses: Vec<Status>,
    /// Every request.
    pub seen: Vec<Seen>,
    /// The budget of an hour.
    pub limit: u32,
    /// What is left of it.
    pub remaining: u32,
    /// Requests that will take effect later.
    pub in_flight: usize,
    /// The longest text of a comment, in characters.
    pub max_comment: usize,
    next_id: u64,
    past: VecDeque<(Instant, Vec<Comment>)>,
}

impl State {
    /// Makes an empty repository with one token, `token`, whose login is `interlock[bot]`.
    pub fn new(repository: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            logins: BTreeMap::from([("token".to_owned(), "interlock[bot]".to_owned())]),
            branches: BTreeSet::new(),
            pulls: Vec::new(),
            runs: Vec::new(),
            comments: Vec::new(),
            statuses: Vec::new(),
            seen: Vec::new(),
            limit: 5000,
            remaining: 5000,
            in_flight: 0,
            max_comment: 65_536,
            next_id: 1000,
            past: VecDeque::new(),
        }
    }

    /// Writes a comment. Returns its id.
    pub fn comment(&mut self, issue: u64, author: &str, body: &str) -> u64 {
        self.remember();
        self.next_id += 1;
        let (author, body) = (author.to_owned(), body.to_owned());
        self.comments.push(Comment { id: self.next_id, issue, author, body, edits: 0 });
        self.next_id
    }

    /// Changes a comment. Returns whether it is there.
    pub fn edit(&mut self, id: u64, body: &str) -> bool {
        self.remember();
        let Some(comment) = self.comments.iter_mut().find(|comment| comment.id == id) else {
            return false;
        };
        body.clone_into(&mut comment.body);
        comment.edits += 1;
        true
    }

    /// Removes a comment. Returns whether it was there.
    pub fn remove(&mut self, id: u64) -> bool {
        self.remember();
        let before = self.comments.len();
        self.comments.retain(|comment| comment.id != id);
        self.comments.len() < before
    }

    /// Counts the requests of a method to paths that contain `part`, that were answered or not.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.seen.iter().filter(|seen| seen.method == method && seen.path.contains(part)).count()
    }

    /// Returns the comments as they were a while ago.
    pub(crate) fn comments_before(&self, age: Duration) -> Vec<Comment> {
        if age.is_zero() {
            return self.comments.clone();
        }
        let then = Instant::now().checked_sub(age);
        // An entry holds what was true until its moment.
        let old = self.past.iter().find(|(until, _)| then.is_some_and(|then| *until > then));
        old.map_or_else(|| self.comments.clone(), |(_, comments)| comments.clone())
    }

    fn remember(&mut self) {
        if self.past.len() == HISTORY {
            self.past.pop_front();
        }
        self.past.push_back((Instant::now(), self.comments.clone()));
    }
}
