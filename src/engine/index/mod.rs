//! Nearest sessions by context. One index a (tenant, space), so that isolation is by construction.
//!
//! The contract: a vector is visible to the next search, is overwritten in place and gone at once when
//! removed; no ghost, no duplicate, no short answer; predicates are exact and applied while searching;
//! answers carry the true cosine; ties break by session id. An answer is a function of the stored set
//! alone, never of history, slot order or timing.
//!
//! Vectors lie in dense slots as half precision rows, and a search compares them exactly while few pass its
//! predicates. Beyond, it scans [one bit a component](codes) of every vector that passes, and compares the nearest
//! of these exactly. Both codes and rows are overwritten in place at every turn; there is no graph to repair, no
//! tombstone, and nothing that learns from what was stored before.

mod ahead;
mod chunked;
mod codes;
mod columns;
mod interner;
mod nearest;
mod query;
mod rotation;
mod select;
mod signs;
mod space;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use columns::{Columns, Consent, Wanted};
pub use nearest::Hit;
pub use space::{SlotHint, SpaceIndex};

/// Most results of one search.
pub const MAX_K: usize = 1000;

impl SpaceIndex {
    /// Sessions stored that pass. The exception counts too.
    pub fn count(&self, wanted: &Wanted<'_>) -> usize {
        self.columns.passing(wanted).iter().map(|bits| bits.count_ones() as usize).sum()
    }
}
