//! The system's table of processes, as `/proc` shows it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Pid, PidfdFlags, Signal};

/// A process as it was a moment ago.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) id: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// Ended, but not waited for.
    pub(crate) ended: bool,
    pub(crate) name: String,
    /// Ticks since boot; with the id it names one process for ever.
    started: u64,
}

impl Process {
    pub(crate) fn read(id: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// Reads a line of `/proc/*/stat`; a name may hold spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (head, tail) = stat.rsplit_once(')')?;
        let (id, name) = head.split_once('(')?;
        let fields: Vec<_> = tail.split_ascii_whitespace().collect();
        Some(Self {
            id: id.trim().parse().ok()?,
            name: name.to_owned(),
            ended: matches!(*fields.first()?, "Z" | "X" | "x"),
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    /// Sends a signal to this very process, never to one that took over its number.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.id) else { return };
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) if self.is_still_there() => {
                // It may have ended meanwhile, which is what we want.
                let _gone = rustix::process::pidfd_send_signal(handle, signal);
            }
            Err(rustix::io::Errno::NOSYS) if self.is_still_there() => {
                let _gone = rustix::process::kill_process(pid, signal);
            }
            Ok(_) | Err(_) => {}
        }
    }

    pub(crate) fn is_still_there(&self) -> bool {
        Self::read(self.id).is_some_and(|now| now.started == self.started)
    }

    /// Returns the value of a variable in the environment it was started with.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let environment = fs::read(format!("/proc/{}/environ", self.id)).ok()?;
        let prefix = format!("{name}=");
        let entry = environment.split(|byte| *byte == 0);
        let mut values = entry.filter_map(|entry| entry.strip_prefix(prefix.as_bytes()));
        values.next().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Returns its limit of file locks, if it has one.
    ///
    /// Linux has ignored that limit since 2.4.25, but every child inherits it, over `exec`, `setsid`
    /// and an environment that was wiped: the one mark that a process does not lose by accident.
    pub(crate) fn limit(&self) -> Option<u64> {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.id)).ok()?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    }

    pub(crate) fn belongs_to(&self, user: u32) -> bool {
        fs::metadata(format!("/proc/{}", self.id)).is_ok_and(|entry| entry.uid() == user)
    }
}

/// All processes at one moment.
#[derive(Debug)]
pub(crate) struct Table(HashMap<i32, Process>);

impl Table {
    pub(crate) fn read() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten();
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Self(ids.filter_map(Process::read).map(|process| (process.id, process)).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Process> {
        self.0.values()
    }

    /// Returns the ids of these processes and of everything that stems from them.
    pub(crate) fn with_descendants(&self, roots: impl IntoIterator<Item = i32>) -> Vec<i32> {
        let mut offspring: HashMap<i32, Vec<i32>> = HashMap::new();
        for process in self.iter() {
            offspring.entry(process.parent).or_default().push(process.id);
        }
        let mut found: Vec<i32> = roots.into_iter().collect();
        let mut next = 0;
        while next < found.len() {
            let parent = found[next];
            found.extend(offspring.remove(&parent).unwrap_or_default());
            next += 1;
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    pub(crate) fn get(&self, id: i32) -> Option<&Process> {
        self.0.get(&id)
    }
}

/// Returns our own children, adopted ones included.
pub(crate) fn children() -> Vec<i32> {
    listed_children().unwrap_or_else(counted_children)
}

/// Returns the children of our first thread: the kernel gives orphans to the first that lives, and the
/// first one lives as long as the process. There may be others of ours among them.
pub(super) fn orphans() -> Vec<i32> {
    let own = own_id();
    let list = fs::read_to_string(format!("/proc/self/task/{own}/children"));
    list.map_or_else(|_| counted_children(), |list| numbers(&list).collect())
}

/// Looks through all processes.
fn counted_children() -> Vec<i32> {
    let own = own_id();
    let table = Table::read();
    table.iter().filter(|process| process.parent == own).map(|process| process.id).collect()
}

/// Asks the kernel, where it keeps the list (`CONFIG_PROC_CHILDREN`).
fn listed_children() -> Option<Vec<i32>> {
    let mut found = Vec::new();
    for thread in fs::read_dir("/proc/self/task").ok()? {
        // A thread may just have ended; its children went to another one, maybe one we have seen.
        let list = fs::read_to_string(thread.ok()?.path().join("children")).ok()?;
        found.extend(numbers(&list));
    }
    Some(found)
}

fn numbers(list: &str) -> impl Iterator<Item = i32> {
    list.split_whitespace().filter_map(|id| id.parse().ok())
}

pub(crate) fn own_id() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

pub(crate) fn own_group() -> i32 {
    rustix::process::getpgrp().as_raw_nonzero().get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let line = "42 (a) (b c) S 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0\n";
        let process = Process::parse(line).expect("a process");
        let seen = (process.id, process.parent, process.group, process.started, process.ended);
        assert_eq!(seen, (42, 7, 8, 12345, false));
        assert_eq!(process.name, "a) (b c");
        assert!(Process::parse("42 (a) Z").is_none());
        assert!(Process::parse("").is_none());
    }

    #[test]
    fn descendants_are_found_over_generations() {
        let process = |(id, parent)| {
            (id, Process { id, parent, group: 0, ended: false, name: String::new(), started: 0 })
        };
        let table = Table([(2, 1), (3, 2), (4, 3), (5, 1), (6, 9)].map(process).into());
        assert_eq!(table.with_descendants([2]), [2, 3, 4]);
        assert_eq!(table.with_descendants([5, 9]), [5, 6, 9]);
        assert!(table.with_descendants([]).is_empty());
    }

    #[test]
    fn we_find_ourselves() {
        let table = Table::read();
        let us = table.get(own_id()).expect("our own entry");
        assert!(us.is_still_there());
        assert!(us.belongs_to(rustix::process::geteuid().as_raw()));
    }
}
