//! Texts that come again with nearly every event, kept once: workers, models, namespaces and adapters are few,
//! and sessions name them in very many places.

use std::cell::RefCell;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

/// Texts a thread remembers.
const SLOTS: usize = 4096;
/// Longest text that is remembered, in bytes.
const MAX_BYTES: usize = 128;

thread_local! {
    /// Each text has one slot by its hash; the last one there stays. A rare text costs a frequent one its slot
    /// now and then, and no more.
    static SEEN: RefCell<Vec<Option<Arc<str>>>> = RefCell::new(vec![None; SLOTS]);
}

/// The text as a shared string: the one that this thread made before, if it remembers.
pub fn shared(text: &str) -> Arc<str> {
    if text.len() > MAX_BYTES {
        return Arc::from(text);
    }
    SEEN.with_borrow_mut(|seen| {
        let slot = &mut seen[xxh3_64(text.as_bytes()) as usize % SLOTS];
        match slot {
            Some(held) if **held == *text => Arc::clone(held),
            _ => Arc::clone(slot.insert(Arc::from(text))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_and_unequal_ones_never() {
        let texts: Vec<String> = (0..3 * SLOTS).map(|n| format!("worker-{n}")).collect();
        for text in texts.iter().chain(&texts) {
            assert_eq!(*shared(text), **text);
        }
        assert!(Arc::ptr_eq(&shared("llama-3-70b"), &shared("llama-3-70b")));
        let long = "x".repeat(MAX_BYTES + 1);
        assert_eq!(*shared(&long), *long);
    }
}
