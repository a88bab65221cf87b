//! The newest published suggestions, for the live page. Forgets the oldest; keeps nothing else.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::http::port::FeedItem;

/// Suggestions kept.
const CAPACITY: usize = 500;

/// A ring of numbered suggestions.
#[derive(Debug, Default)]
pub(super) struct Feed {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    items: VecDeque<FeedItem>,
    /// Number of the newest item; the first one is 1.
    newest: u64,
}

impl Feed {
    /// Adds the newest.
    pub fn push(&self, item: FeedItem) {
        let mut ring = self.ring.lock().unwrap_or_else(|e| e.into_inner());
        if ring.items.len() == CAPACITY {
            ring.items.pop_front();
        }
        ring.items.push_back(item);
        ring.newest += 1;
    }

    /// Those with a number above `after`, oldest first.
    pub fn after(&self, after: u64) -> Vec<(u64, FeedItem)> {
        let ring = self.ring.lock().unwrap_or_else(|e| e.into_inner());
        let first = ring.newest + 1 - ring.items.len() as u64;
        (first..).zip(ring.items.iter().cloned()).skip_while(|(number, _)| *number <= after).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_and_the_oldest_are_forgotten() {
        let feed = Feed::default();
        assert!(feed.after(0).is_empty());
        for n in 0..CAPACITY + 3 {
            feed.push(FeedItem { json: n.to_string(), latency_ms: None });
        }
        let all = feed.after(0);
        assert_eq!(all.len(), CAPACITY);
        assert_eq!((all[0].0, all[0].1.json.as_str()), (4, "3"));
        let newest = feed.after(CAPACITY as u64 + 2);
        assert_eq!(newest.len(), 1);
        assert_eq!(newest[0].1.json, (CAPACITY + 2).to_string());
        assert!(feed.after(u64::MAX).is_empty());
    }
}
