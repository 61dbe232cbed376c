//! `lock put` and `lock get`: a file in the store that carries a fence and refuses an older one.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use coord::{BootClock, Clock, Fence, Life, Register, Step, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use store::{Key, Store};

use super::show::is_current;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};
use crate::terminal::clean;

/// The most bytes a file may have.
const LIMIT: usize = 1 << 20;

/// The arguments of `interlock lock put`.
#[derive(Debug, Args)]
pub(super) struct Put {
    /// What is written.
    #[arg(value_name = "KEY")]
    key: String,
    /// What is to stand there; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The fence under which it is written.
    #[arg(long, env = "INTERLOCK_FENCE", value_name = "N")]
    fence: u64,
    /// The lock that the fence belongs to.
    #[arg(long, env = "INTERLOCK_LOCK_KEY", value_name = "LOCK")]
    lock: String,
    /// The store of the lock and of what is written.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// The arguments of `interlock lock get`.
#[derive(Debug, Args)]
pub(super) struct Get {
    /// What is read.
    #[arg(value_name = "KEY")]
    key: String,
    /// The store it is in.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// What stands at a key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Guarded {
    /// The largest fence it was ever written under.
    #[serde(default)]
    fence: Fence,
    /// The lock that fence belongs to.
    #[serde(default)]
    lock: String,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Content {
    /// Bytes that are text.
    Text(String),
    /// Bytes that are not, in hexadecimal digits.
    Hex(String),
}

enum Putting {
    Written,
    Stale(Fence),
    OtherLock(String),
}

impl Guarded {
    fn put(&mut self, lock: &str, fence: Fence, content: &Content) -> Putting {
        if self.content.is_some() && self.lock != lock {
            return Putting::OtherLock(self.lock.clone());
        }
        if fence < self.fence {
            return Putting::Stale(self.fence);
        }
        (self.fence, self.lock, self.content) = (fence, lock.to_owned(), Some(content.clone()));
        Putting::Written
    }
}

impl Value for Guarded {
    const LIMIT: usize = 4 * LIMIT;

    fn fence(&self) -> Fence {
        self.fence
    }

    fn raise(&mut self, above: Fence) {
        self.fence = self.fence.max(above);
    }

    fn each_life(&mut self, _: &mut dyn FnMut(&mut Life)) {}
}

impl Content {
    fn of(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Hex(crate::kept::hex(error.as_bytes())),
        }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Hex(digits) => {
                let pairs = digits.as_bytes().chunks(2);
                let byte =
                    |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                pairs.map(byte).collect()
            }
        }
    }
}

impl Put {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let content = Content::of(self.read(session)?);
        let store = session.open_store(self.store.as_deref()).await?;
        let fence = Fence(self.fence);
        if let Err(why) = is_current(Arc::clone(&store), &self.lock, fence).await? {
            return self.tell(session, "stale", &format!("fence {fence} is stale: {why}"));
        }
        let register = register(store, &self.key);
        let putting =
            register.update(|guarded, _| match guarded.put(&self.lock, fence, &content) {
                Putting::Written => Step::Write(Putting::Written),
                refused => Step::Keep(refused),
            });
        let key = clean(&self.key);
        match putting.await? {
            Putting::Written => {
                self.tell(session, "written", &format!("{key} is written, under fence {fence}"))
            }
            Putting::Stale(newer) => {
                let text =
                    format!("{key} was written under fence {newer}, which is newer than {fence}");
                self.tell(session, "stale", &text)
            }
            Putting::OtherLock(lock) => {
                let what = format!("{key} is guarded by another lock: {}", clean(&lock));
                Err(Failure::new(Exit::Usage, what)
                    .hinted("fences of two locks cannot be compared"))
            }
        }
    }

    fn read(&self, session: &Session) -> Result<Vec<u8>, Failure> {
        let path = session.directory.join(&self.file);
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Usage, format!("cannot read {}: {error}", self.file.display()))
        };
        let mut bytes = Vec::new();
        let most = LIMIT as u64 + 1;
        if self.file.as_os_str() == "-" {
            std::io::stdin().take(most).read_to_end(&mut bytes).map_err(failed)?;
        } else {
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        }
        if bytes.len() > LIMIT {
            let what = format!("{} has more than {LIMIT} bytes", self.file.display());
            return Err(Failure::new(Exit::Usage, what)
                .hinted("keep large files elsewhere and put their name"));
        }
        Ok(bytes)
    }

    fn tell(&self, session: &Session, word: &str, text: &str) -> Result<Exit, Failure> {
        let answer = json!({
            "outcome": word, "key": self.key, "lock": self.lock, "fence": self.fence, "reason": text,
        });
        session.answer(&answer, &format!("{word}: {text}"))?;
        if word == "stale" {
            session.annotate(Level::Error, &format!("lock put {}: stale", clean(&self.key)), text);
            return Ok(Exit::NotOurs);
        }
        Ok(Exit::Done)
    }
}

impl Get {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let store = session.open_store(self.store.as_deref()).await?;
        let guarded = register(store, &self.key).read().await?.value;
        let Some(content) = guarded.content.as_ref().and_then(Content::bytes) else {
            let what = format!("nothing was put at {}", clean(&self.key));
            return Err(Failure::new(Exit::NotOurs, what));
        };
        // A reader that went away is no error.
        drop(std::io::stdout().write_all(&content).and_then(|()| std::io::stdout().flush()));
        Ok(Exit::Done)
    }
}

fn register(store: Arc<dyn Store>, key: &str) -> Register<Guarded> {
    let clock: Arc<dyn Clock> = Arc::new(BootClock::of_this_machine());
    Register::new(store, clock, Key::new(["guarded", key]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_fence_and_other_lock_are_refused() {
        let mut guarded = Guarded::default();
        let content = |text: &str| Content::of(text.as_bytes().to_vec());
        assert!(matches!(guarded.put("a", Fence(2), &content("two")), Putting::Written));
        assert!(matches!(guarded.put("a", Fence(1), &content("one")), Putting::Stale(Fence(2))));
        assert!(matches!(guarded.put("b", Fence(9), &content("x")), Putting::OtherLock(_)));
        assert!(matches!(guarded.put("a", Fence(2), &content("again")), Putting::Written));
        assert_eq!(guarded.content.and_then(|it| it.bytes()), Some(b"again".to_vec()));
    }

    #[test]
    fn any_bytes_come_back() {
        for bytes in [&b""[..], b"text", &[0, 159, 146, 150]] {
            assert_eq!(Content::of(bytes.to_vec()).bytes().as_deref(), Some(bytes));
        }
    }
}
