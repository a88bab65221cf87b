//! What the state topics hold, in numbers: live keys and an order-free digest of each topic, kept up with
//! every write. A restored partition whose numbers differ has lost or gained records.

use hashbrown::HashMap;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::model::bookkeeping::TopicDigest;

/// Hash of a key with its value; 0 stands for "no value" (a real hash of 0 is as unlikely as a collision).
pub type WrittenHash = u128;

/// 128-bit hash of one record.
pub fn hash(key: &[u8], value: &[u8]) -> WrittenHash {
    xxh3_128_with_seed(value, xxh3_64(key))
}

/// Adds a write to a digest: `held` is the hash of what the key held (0: nothing), and becomes `next`'s.
pub fn account(digest: &mut TopicDigest, held: &mut WrittenHash, next: WrittenHash) {
    match (*held == 0, next == 0) {
        (true, false) => digest.live_keys += 1,
        (false, true) => digest.live_keys -= 1,
        _ => {}
    }
    digest.sum = digest.sum.wrapping_sub(*held).wrapping_add(next);
    *held = next;
}

/// Digests of the three state topics.
#[derive(Debug, Default)]
pub struct Ledger {
    /// `session-states`
    pub states: TopicDigest,
    /// `session-vectors`
    pub vectors: TopicDigest,
    /// `session-bookkeeping` without its checkpoint row.
    pub rows: TopicDigest,
    row_hashes: HashMap<Vec<u8>, WrittenHash>,
}

impl Ledger {
    /// Accounts for a bookkeeping row written (`Some`) or removed (`None`). Returns whether that changes
    /// anything: removing what is not there, or writing the same again, does not.
    pub fn row(&mut self, key: &[u8], value: Option<&[u8]>) -> bool {
        let next = value.map_or(0, |value| hash(key, value));
        let mut held = self.row_hashes.get(key).copied().unwrap_or(0);
        if held == next {
            return false;
        }
        account(&mut self.rows, &mut held, next);
        if next == 0 {
            self.row_hashes.remove(key);
        } else {
            self.row_hashes.insert(key.to_vec(), next);
        }
        true
    }
}
