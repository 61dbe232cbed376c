//! GitHub's REST API, as much of it as Interlock needs: lenient in what it reads, careful in what it repeats.
//!
//! A GET may be repeated, so it is. A POST is never repeated blindly: its answer may have been lost after it
//! took effect, which is [`ErrorKind::Lost`], and the caller has a marker to search for. The same client speaks
//! to github.com, GitHub Enterprise, Forgejo and Gitea: only the base URL differs.
//!
//! **Invariant:** a token is never part of an error, a log line or a URL.

mod client;
mod comments;
mod error;
mod known;
mod pulls;
mod quota;
mod repository;
mod runs;
mod transport;

pub use client::{Client, Settings};
pub use comments::{Author, Comment};
pub use error::{Error, ErrorKind};
pub use pulls::{Branch, Head, PullRequest, PullState};
pub use quota::Quota;
pub use repository::{BadRepository, Repository};
pub use runs::{CommitState, Job, Run};
pub use transport::{Answer, Failure, Http, Method, Request, Transport};
