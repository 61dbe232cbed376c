//! Opening a store by its URL.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Error, ErrorKind, Memory, Store};

/// What a store may take from its surroundings: variables, and where to keep state.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The environment's variables: regions, endpoints, credentials.
    pub variables: BTreeMap<String, String>,
    /// The state directory, for the embedded store and for Git's scratch repositories.
    pub state: PathBuf,
}

/// Opens the store a URL names; an empty one names the embedded store in the state directory.
///
/// Nothing is proved yet: a store that cannot be reached says so when it is used.
pub async fn open(url: &str, surroundings: &Surroundings) -> Result<Arc<dyn Store>, Error> {
    let _ = surroundings;
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(Memory::default())),
        _ => Err(Error::new(ErrorKind::Unsupported, "store", "open", url, "unknown kind of URL")),
    }
}
