//! A ledger of boundaries.
