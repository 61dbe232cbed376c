//! `interlock milestone`: hands out each boundary, and accepts it as done once.

pub(crate) mod claims;
pub(crate) mod question;
