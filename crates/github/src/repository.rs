//! The name of a repository, checked once.

use std::fmt;
use std::str::FromStr;

/// Names a repository as `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    owner: String,
    name: String,
}

/// Says that a text does not name a repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a repository: write owner/name")]
pub struct BadRepository(pub String);

impl Repository {
    /// Returns the owner.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Returns the name without the owner.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Repository {
    type Err = BadRepository;

    fn from_str(text: &str) -> Result<Self, BadRepository> {
        let legal = |part: &str| {
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            (1..=100).contains(&part.len())
                && part.bytes().all(plain)
                && part != "."
                && part != ".."
        };
        match text.split_once('/') {
            Some((owner, name)) if legal(owner) && legal(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(BadRepository(text.to_owned())),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_cannot_leave_its_place_in_a_url() {
        assert_eq!("octo/tones".parse::<Repository>().unwrap().to_string(), "octo/tones");
        for hostile in ["octo", "octo/", "/x", "a/b/c", "../x", "a/..", "a/b?c", "a b/c", "a/%2e"] {
            assert!(hostile.parse::<Repository>().is_err(), "{hostile}");
        }
    }
}
