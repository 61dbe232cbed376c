//! What a later step has to show: tokens and fences, in a file that only this user can read.
//!
//! In a CI job the file is under `RUNNER_TEMP`, so it ends with the job; elsewhere it is in the state
//! directory.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// A file for one key of one kind.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
}

impl Kept {
    /// Names the file. The kind is one of our own words; the key is anybody's text.
    pub(crate) fn new(session: &Session, kind: &str, key: &[&str]) -> Result<Self, Failure> {
        let directory = match session.surroundings.get("RUNNER_TEMP") {
            Some(path) => PathBuf::from(path).join("interlock"),
            None => session.state_directory()?.join("kept"),
        };
        let mut digest = Sha256::new();
        for part in key {
            digest.update(part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        let digest = digest.finalize();
        let (name, _) = digest.split_at(12);
        Ok(Self { path: directory.join(format!("{kind}-{}.json", hex(name))) })
    }

    /// Writes it. It appears whole or not at all.
    pub(crate) fn save(&self, value: &impl Serialize) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            let what = format!("cannot write {}: {error}", self.path.display());
            Failure::new(Exit::Unavailable, what)
        };
        let text = serde_json::to_vec(value).map_err(|error| failed(error.into()))?;
        let directory = self.path.parent().expect("the name was joined to a directory");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let draft = self.path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
        file.and_then(|mut file| file.write_all(&text))
            .and_then(|()| fs::rename(&draft, &self.path))
            .map_err(failed)
    }

    /// Reads it. A file that cannot be understood is as good as none.
    pub(crate) fn load<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&fs::read(&self.path).ok()?).ok()
    }

    /// Removes it.
    pub(crate) fn remove(&self) {
        // What is left behind proves a membership that is over.
        drop(fs::remove_file(&self.path));
    }
}

/// Writes bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
    }
    text
}
