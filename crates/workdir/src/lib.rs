//! Directories of jobs, and what a checkout puts into them.
//!
//! **Invariant:** two jobs never share a directory, and nobody else's directory is ever removed: only
//! what carries our record, whose lock is free, and whose time has come.
//! **Invariant:** alive is what the kernel says. The lock of a directory is inherited by every process
//! of its job.
//! **Invariant:** the user's repository is read and never written.
//! **Invariant:** no path that a workflow names leaves the job's workspace, and no link is followed out.

mod checkout;
mod copy;
mod error;
mod git;
mod hash_files;
mod identity;
mod job_directory;
mod lock;
mod mirror;
mod mounts;
mod origin;
mod overlay;
mod owner;
mod regular;
mod removal;
mod repository;
mod request;
mod segment_glob;
mod snapshot;
mod sweep;
mod usage;
mod workdirs;
mod working_tree;

#[cfg(test)]
mod tests;

pub use checkout::{CheckedOut, Method, checkout, forget_credentials};
pub use error::Error;
pub use hash_files::{Links, hash_files};
pub use identity::Identity;
pub use job_directory::{Finished, JobDir, Keep};
pub use mirror::Mirrors;
pub use origin::Origin;
pub use owner::{Ended, Outcome, Owner, Process};
pub use repository::Repository;
pub use request::{CheckoutRequest, Credentials, Surroundings};
pub use snapshot::{Content, Snapshot, Want};
pub use sweep::{Entry, Policy, State, Swept, Verdict};
pub use workdirs::Workdirs;
