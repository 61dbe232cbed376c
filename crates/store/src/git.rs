//! A store in a Git repository: one ref per record, and a push with a lease as the swap.
//!
//! The server moves a ref only from the commit that the push has seen there, and the lease makes Git
//! see the one we expect. Every record is a commit of its own, so *up to date* cannot mean that two
//! writers have pushed the same.

mod answer;
mod commit;
mod program;
mod remote;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;
use uuid::Uuid;

use crate::encoding::{decode, directory, encode};
use crate::error::check_size;
use crate::poll::{Pace, jittered};
use crate::{
    Error, ErrorKind, Expect, Key, Record, Store, StoreTime, Surroundings, Version, Wait, Written,
};

use answer::{Pushed, fetched, is_absent, is_object_id, pushed};
use program::{Ended, Program, Trouble};
use remote::Remote;

const NAME: &str = "git";
/// Where our refs are: in none of the places that a clone copies.
const ROOT: &str = "refs/interlock/";
/// What a fetch is told to call them here. It never does: it only reports.
const HERE: &str = "refs/scratch/";
/// How often to try one push before saying that its end is unknown.
const ATTEMPTS: u32 = 6;
/// How often to ask, or to offer, what a server did not hear of or did not answer.
const QUESTIONS: u32 = 3;
/// More than a report about one ref, less than a flood.
const REPORT: usize = 64 << 10;
/// A list of some ten thousand records.
const LIST: usize = 8 << 20;

/// A store in a Git repository.
#[derive(Debug)]
pub struct Git {
    program: Program,
    pace: Pace,
    questions: u32,
}

impl Git {
    /// Opens the repository that a URL such as `git+https://github.com/octo/repo` names.
    pub fn open(url: &str, surroundings: &Surroundings) -> Result<Self, Error> {
        let remote = Remote::parse(url, &surroundings.variables)?;
        let digest = Sha256::digest(remote.url.as_bytes());
        let name: String = digest.iter().take(8).flat_map(|byte| hexadecimal(*byte)).collect();
        let scratch = surroundings.state.join("git").join(name);
        let scratch = std::path::absolute(&scratch).unwrap_or(scratch);
        // A directory that does not answer is not there.
        let (pace, questions) =
            if remote.local { (Pace::DIRECTORY, 1) } else { (Pace::SERVER, QUESTIONS) };
        let program = Program::new(remote, scratch, &surroundings.variables);
        Ok(Self { program, pace, questions })
    }

    /// Asks where a ref is, and brings the commit here.
    async fn current(&self, action: &'static str, key: &Key) -> Result<Option<Version>, Error> {
        let path = encode(key);
        let refspec = format!("+{ROOT}{path}:{HERE}{path}");
        let mut attempt = 1;
        let ended = loop {
            let ended = self.fetch(&refspec, REPORT).await;
            let ended = ended.map_err(|trouble| stuck(action, key.as_str(), trouble))?;
            if ended.success {
                break ended;
            }
            if is_absent(&ended.message) {
                return Ok(None);
            }
            let error = failed(action, key.as_str(), ended.message);
            if error.kind != ErrorKind::Unavailable || attempt >= self.questions {
                return Err(error);
            }
            pause(attempt).await;
            attempt += 1;
        };
        let name = format!("{HERE}{path}");
        let found = fetched(&ended.output).into_iter().find(|(_, given)| *given == name);
        let Some((id, _)) = found else {
            let why = "git fetched a ref and does not say what it is";
            return Err(Error::new(ErrorKind::Unavailable, NAME, action, key.as_str(), why));
        };
        Ok(Some(Version::new(id)))
    }

    /// Fetches without giving anything a name: the report says what there is.
    async fn fetch(&self, refspec: &str, limit: usize) -> Result<Ended, Trouble> {
        let url = self.program.url();
        let arguments = [
            "fetch",
            "--dry-run",
            "--porcelain",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--",
            url,
            refspec,
        ];
        self.program.run(&arguments, b"", limit).await
    }

    async fn push(&self, key: &Key, new: &str, old: &str) -> (Pushed, String) {
        let reference = format!("{ROOT}{}", encode(key));
        let lease = format!("--force-with-lease={reference}:{old}");
        let refspec = format!("{new}:{reference}");
        let url = self.program.url();
        let arguments = ["push", "--porcelain", "--no-verify", &lease, "--", url, &refspec];
        match self.program.run(&arguments, b"", REPORT).await {
            Ok(ended) => {
                let end = pushed(ended.success, &ended.output, &ended.message, &reference);
                (end, ended.message)
            }
            Err(trouble @ (Trouble::Start(_) | Trouble::Scratch(_))) => {
                (Pushed::Fatal(ErrorKind::Unavailable), trouble.to_string())
            }
            Err(trouble) => (Pushed::Lost, trouble.to_string()),
        }
    }

    /// Moves a ref from `old` to `new` until it is known how that ended. Empty means absent.
    async fn swap(
        &self,
        action: &'static str,
        key: &Key,
        new: &str,
        old: &str,
    ) -> Result<bool, Error> {
        // Whether an answer was lost, so that the push may land at any time.
        let mut lost = None;
        let mut refusal = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                pause(attempt).await;
            }
            let (end, message) = self.push(key, new, old).await;
            match end {
                Pushed::Moved => return Ok(true),
                // Nothing was sent, and nothing was sent before.
                Pushed::Fatal(ErrorKind::Unavailable)
                    if lost.is_none() && attempt + 1 < self.questions =>
                {
                    continue;
                }
                Pushed::Fatal(kind) if lost.is_none() => {
                    return Err(Error::new(kind, NAME, action, key.as_str(), message));
                }
                Pushed::Condition => refusal = message,
                Pushed::Lost | Pushed::Fatal(_) => lost = Some(message),
            }
            let found = match self.current(action, key).await {
                Ok(found) => found,
                Err(_) if lost.is_some() => continue,
                Err(error) => return Err(error),
            };
            let found = found.as_ref().map_or("", Version::as_str);
            if found == new && (!new.is_empty() || lost.is_some()) {
                return Ok(true);
            }
            if found != old {
                match lost {
                    None => return Ok(false),
                    Some(_) => break,
                }
            }
        }
        let (kind, why) = match lost {
            Some(message) => (ErrorKind::Unknown, message),
            None => (ErrorKind::Unavailable, refusal),
        };
        Err(Error::new(kind, NAME, action, key.as_str(), why))
    }
}

#[async_trait]
impl Store for Git {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        let Some(version) = self.current("read", key).await? else { return Ok(None) };
        let corrupt = |why: &str| Error::new(ErrorKind::Corrupt, NAME, "read", key.as_str(), why);
        let show = ["cat-file", "commit", version.as_str()];
        let ended = self.program.run(&show, b"", commit::LIMIT).await;
        let ended = ended.map_err(|trouble| stuck("read", key.as_str(), trouble))?;
        if !ended.success {
            return Err(corrupt(&ended.message));
        }
        let value = commit::decode(key, &ended.output).map_err(corrupt)?;
        Ok(Some(Record::new(value, version)))
    }

    async fn write(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Written, Error> {
        check_size(NAME, key, value.len())?;
        let old = match &expect {
            Expect::Absent => "",
            Expect::At(version) if is_object_id(version.as_str()) => version.as_str(),
            // Not one of ours, and nothing unchecked may stand in a lease.
            Expect::At(_) => return Ok(Written::Conflict),
        };
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let bytes = commit::encode(key, &value, seconds);
        let make = ["hash-object", "-w", "-t", "commit", "--stdin"];
        let ended = self.program.run(&make, &bytes, REPORT).await;
        let ended = ended.map_err(|trouble| stuck("write", key.as_str(), trouble))?;
        let new = String::from_utf8_lossy(&ended.output).trim().to_owned();
        // An empty source would delete the ref.
        if !ended.success || !is_object_id(&new) {
            let kind = ErrorKind::Unavailable;
            return Err(Error::new(kind, NAME, "write", key.as_str(), ended.message));
        }
        let moved = self.swap("write", key, &new, old).await?;
        Ok(if moved { Written::Stored(Version::new(new)) } else { Written::Conflict })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, Error> {
        let below = match directory(prefix) {
            below if below.is_empty() => below,
            below => below + "/",
        };
        // A refspec, and not `ls-remote`: only then does the server send these refs alone.
        let refspec = format!("+{ROOT}{below}*:{HERE}{below}*");
        let ended = self.fetch(&refspec, LIST).await;
        let ended = ended.map_err(|trouble| stuck("list", prefix, trouble))?;
        if !ended.success {
            return Err(failed("list", prefix, ended.message));
        }
        let names = fetched(&ended.output).into_iter();
        let keys = names.filter_map(|(_, name)| decode(name.strip_prefix(HERE)?));
        let mut keys: Vec<_> = keys.filter(|key| key.as_str().starts_with(prefix)).collect();
        keys.sort();
        Ok(keys)
    }

    async fn changed(&self, key: &Key, wait: &Wait<'_>) -> Result<bool, Error> {
        let waiting = self.pace.begin(wait);
        while self.current("watch", key).await?.as_ref() == wait.since {
            if !waiting.pause().await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn remove(&self, key: &Key, at: &Version) -> Result<Written, Error> {
        // The one place where an empty source is meant.
        if !is_object_id(at.as_str()) || !self.swap("remove", key, "", at.as_str()).await? {
            return Ok(Written::Conflict);
        }
        Ok(Written::Stored(Version::new(format!("removed {}", Uuid::new_v4()))))
    }

    async fn now(&self) -> Result<Option<StoreTime>, Error> {
        // Commits carry their writers' clocks, and nobody's are compared.
        Ok(None)
    }
}

/// Waits before the next attempt.
async fn pause(attempt: u32) {
    sleep(jittered(Duration::from_millis(50) * 2u32.pow(attempt))).await;
}

fn stuck(action: &'static str, key: &str, trouble: Trouble) -> Error {
    let kind = match trouble {
        Trouble::Flooded => ErrorKind::Corrupt,
        Trouble::Start(_) | Trouble::Slow | Trouble::Scratch(_) => ErrorKind::Unavailable,
    };
    Error::new(kind, NAME, action, key, trouble)
}

fn failed(action: &'static str, key: &str, message: String) -> Error {
    // A question changes nothing, so its loss is only a failure.
    let kind = answer::kind(&message).unwrap_or(ErrorKind::Unavailable);
    let message = match kind {
        ErrorKind::Unsupported => format!("git 2.41 or newer is needed\n{message}"),
        _ => message,
    };
    Error::new(kind, NAME, action, key, message)
}

fn hexadecimal(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'))
}
