//! Nearest sessions by context. One index a (tenant, space), so that isolation is by construction.
//!
//! The contract: a vector is visible to the next search, is overwritten in place and gone at once when
//! removed; no ghost, no duplicate, no short answer; predicates are exact and applied while searching;
//! answers carry the true cosine; ties break by session id. An answer is a function of the stored set
//! alone, never of history, slot order or timing.

mod space;

pub use space::{Columns, Hit, SpaceIndex};

/// Most results of one search.
pub const MAX_K: usize = 1000;
