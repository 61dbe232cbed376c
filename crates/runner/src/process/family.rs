//! Who belongs to which job, and how a family is ended to its last member.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions};

use super::Token;
use super::table::{self, Process, Table};

/// The variable that names the run.
pub(super) const RUN: &str = "INTERLOCK_RUN";
/// The variable that names the job.
pub(super) const JOB: &str = "INTERLOCK_JOB";

/// How long we try to end a family; only a process stuck in the kernel lives longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that was left behind, and that we ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stray {
    /// Its number.
    pub id: i32,
    /// Its name, as the kernel cuts it.
    pub name: String,
    /// Whether it is still there, because the kernel would not let go of it.
    pub survived: bool,
}

/// The number of a tree in this process.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct TreeId(u64);

/// What this process knows of its children.
///
/// Children belong to a process as a whole, whoever started them; that is why there is only one.
static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);

#[derive(Debug, Default)]
pub(super) struct Registry {
    last: u64,
    /// Whether this process is about to end, and must not start another.
    pub(super) closing: bool,
    /// Trees that have not ended, and their marks.
    trees: HashMap<TreeId, Mark>,
    /// Commands that tokio waits for.
    pub(super) commands: HashMap<i32, TreeId>,
    /// Process groups we made.
    groups: HashMap<i32, TreeId>,
}

/// What every process of a tree carries, whether it wants to or not.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// In its environment.
    token: Token,
    /// In its limits: [`Mark::limit`].
    pub(super) limit: u64,
}

/// How many bits of a limit tell the trees of one run apart.
const TREE_BITS: u32 = 23;

/// Runs a function on the registry, alone.
pub(super) fn with_registry<T>(work: impl FnOnce(&mut Registry) -> T) -> T {
    let mut guard: MutexGuard<'_, Option<Registry>> =
        REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    work(guard.get_or_insert_default())
}

impl Registry {
    pub(super) fn open(&mut self, run: &Token, token: Token) -> TreeId {
        self.last += 1;
        let limit = run.number() << TREE_BITS | (self.last & ((1 << TREE_BITS) - 1));
        self.trees.insert(TreeId(self.last), Mark { token, limit });
        TreeId(self.last)
    }

    /// Returns the mark of a tree that has not ended.
    pub(super) fn mark(&self, tree: TreeId) -> Option<&Mark> {
        self.trees.get(&tree)
    }

    pub(super) fn close(&mut self, tree: TreeId) {
        self.trees.remove(&tree);
        self.groups.retain(|_, owner| *owner != tree);
    }

    pub(super) fn enlist(&mut self, command: i32, tree: TreeId) {
        self.commands.insert(command, tree);
        self.groups.insert(command, tree);
    }

    /// Returns our children that nobody waits for: orphans, and what other code of ours runs.
    fn strangers(&self) -> Vec<Process> {
        let ids = table::orphans().into_iter().filter(|id| !self.commands.contains_key(id));
        ids.filter_map(Process::read).collect()
    }

    /// Waits for the orphans that have ended, and returns the others.
    ///
    /// What has our own process group is not an orphan but a child of other code, which waits for it.
    fn reap(&self) -> Vec<Process> {
        let (ended, living): (Vec<_>, Vec<_>) =
            self.strangers().into_iter().partition(|process| process.ended);
        for process in ended.iter().filter(|process| process.group != table::own_group()) {
            if let Some(pid) = Pid::from_raw(process.id) {
                let _gone = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        living
    }

    /// Returns the living processes of a tree.
    fn members(&self, tree: TreeId) -> Vec<Process> {
        let commands = self.commands.iter().filter(|(_, owner)| **owner == tree);
        let mut roots: Vec<i32> = commands.map(|(id, _)| *id).collect();
        let strangers = self.reap();
        let ours = strangers.iter().filter(|process| self.owns(tree, process));
        roots.extend(ours.map(|process| process.id));
        living(&roots)
    }

    fn owns(&self, tree: TreeId, orphan: &Process) -> bool {
        let limit = orphan.limit();
        let marks = orphan.variable(JOB).unwrap_or_default();
        let marked = |mark: &Mark| {
            limit == Some(mark.limit) || marks.split('/').any(|text| text == mark.token.as_str())
        };
        let marked = self.trees.iter().find(|(_, mark)| marked(mark)).map(|(owner, _)| owner);
        match marked.or_else(|| self.groups.get(&orphan.group)) {
            Some(owner) => *owner == tree,
            // It hides well. The last tree takes it: it must come from one of ours.
            None => {
                orphan.group != table::own_group()
                    && self.trees.len() == 1
                    && self.trees.contains_key(&tree)
            }
        }
    }
}

/// Returns these processes and what stems from them, without the ended ones and without ourselves.
fn living(roots: &[i32]) -> Vec<Process> {
    if roots.is_empty() {
        return Vec::new();
    }
    let table = Table::read();
    let family = table.with_descendants(roots.iter().copied());
    let members = family.into_iter().filter_map(|id| table.get(id));
    members.filter(|process| !process.ended && process.id != table::own_id()).cloned().collect()
}

/// Refuses every further start, because this process is about to end.
pub(crate) fn start_no_more() {
    with_registry(|registry| registry.closing = true);
}

/// Makes orphans of our descendants our children.
pub(crate) fn adopt_orphans() {
    // Where the kernel cannot, marks and groups must do.
    let _older_kernel = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Returns the processes of a command that is still running.
pub(super) fn command_members(command: i32) -> Vec<Process> {
    let known = with_registry(|registry| registry.commands.contains_key(&command));
    if known { living(&[command]) } else { Vec::new() }
}

/// Tells whether a process group has a living member.
pub(super) fn group_lives(group: i32) -> bool {
    reap();
    !group_members(group).is_empty()
}

/// Returns the living processes of a group.
pub(super) fn group_members(group: i32) -> Vec<Process> {
    let Some(pid) = Pid::from_raw(group) else { return Vec::new() };
    if rustix::process::test_kill_process_group(pid).is_err() {
        return Vec::new();
    }
    // Those who ended and were not waited for by their parents count for the kernel, not for us.
    let table = Table::read();
    let members = table.iter().filter(|process| process.group == group && !process.ended);
    members.cloned().collect()
}

/// Waits for orphans that have ended, so that their numbers are free again.
pub(super) fn reap() {
    with_registry(|registry| drop(registry.reap()));
}

/// Ends every process of a tree, whatever it does.
pub(super) async fn end_tree(tree: TreeId) -> Vec<Stray> {
    let mut hunt = Hunt::new();
    while hunt.strike(with_registry(|registry| registry.members(tree))) {
        tokio::time::sleep(hunt.pause()).await;
    }
    hunt.strays()
}

/// Does the same without a runtime, for a tree that nobody ended.
pub(super) fn end_tree_now(tree: TreeId) {
    hunt_down(|| with_registry(|registry| registry.members(tree)));
}

/// Ends these processes, and those that they start meanwhile.
pub(super) async fn end_processes(processes: &[Process]) {
    let mut hunt = Hunt::new();
    let alive = || {
        let there = processes.iter().filter(|process| process.is_still_there());
        living(&there.map(|process| process.id).collect::<Vec<_>>())
    };
    while hunt.strike(alive()) {
        tokio::time::sleep(hunt.pause()).await;
        reap();
    }
}

/// Ends everything that stems from us, except these children and theirs; blocks.
pub(crate) fn end_descendants(except: &[i32]) -> Vec<Stray> {
    let spare: HashSet<i32> = except.iter().copied().collect();
    hunt_down(|| {
        let children: Vec<_> =
            table::children().into_iter().filter(|id| !spare.contains(id)).collect();
        for pid in children.iter().filter_map(|id| Pid::from_raw(*id)) {
            let _alive = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
        living(&children)
    })
}

/// Ends every process of this user that carries the mark of a run whose keeper is dead; blocks.
pub fn sweep(run: &Token) -> Vec<Stray> {
    let user = rustix::process::geteuid().as_raw();
    hunt_down(|| {
        let table = Table::read();
        let marked = table.iter().filter(|process| {
            let marks = process.variable(RUN).unwrap_or_default();
            let limited =
                || process.limit().is_some_and(|limit| limit >> TREE_BITS == run.number());
            (marks.split('/').any(|mark| mark == run.as_str()) || limited())
                && process.belongs_to(user)
        });
        living(&marked.map(|process| process.id).collect::<Vec<_>>())
    })
}

fn hunt_down(mut quarry: impl FnMut() -> Vec<Process>) -> Vec<Stray> {
    let mut hunt = Hunt::new();
    while hunt.strike(quarry()) {
        std::thread::sleep(hunt.pause());
        reap();
    }
    reap();
    hunt.strays()
}

/// One attempt to end a family.
#[derive(Debug)]
struct Hunt {
    began: Instant,
    rounds: u32,
    seen: HashMap<i32, Process>,
}

impl Hunt {
    fn new() -> Self {
        Self { began: Instant::now(), rounds: 0, seen: HashMap::new() }
    }

    /// Kills these processes; returns whether one must look again.
    fn strike(&mut self, processes: Vec<Process>) -> bool {
        if processes.is_empty() || self.began.elapsed() > PATIENCE {
            return false;
        }
        // First none may start another, then none may live: a fork bomb cannot run ahead of us.
        for signal in [Signal::STOP, Signal::KILL] {
            for process in &processes {
                process.signal(signal);
            }
        }
        self.seen.extend(processes.into_iter().map(|process| (process.id, process)));
        self.rounds += 1;
        true
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(1 << self.rounds.min(5))
    }

    fn strays(self) -> Vec<Stray> {
        let lives = |process: &Process| {
            Process::read(process.id).is_some_and(|now| !now.ended) && process.is_still_there()
        };
        let mut strays: Vec<_> = self
            .seen
            .into_values()
            .map(|process| Stray { survived: lives(&process), id: process.id, name: process.name })
            .collect();
        strays.sort_unstable_by_key(|stray| stray.id);
        strays
    }
}
