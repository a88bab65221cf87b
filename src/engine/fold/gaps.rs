//! Which of a producer's sequence numbers a session has seen. A hole marks the session as gapped until it
//! fills, the producer begins a new epoch, or a snapshot says how things stand.

use crate::model::event::Producer;
use crate::model::session::SeenSeqs;

/// Producers remembered a session.
const MAX_PRODUCERS: usize = 4;
/// Intervals remembered a producer.
const MAX_INTERVALS: usize = 64;

/// What a sequence number told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// It had been seen before (an older epoch counts as seen).
    pub repeated: bool,
    /// What is remembered changed.
    pub changed: bool,
}

/// Notes one sequence number; the producer comes to the front.
pub fn see(seen: &mut Vec<SeenSeqs>, producer: &Producer, snapshot: bool) -> Noted {
    let mut noted = note(seen, producer);
    if snapshot {
        for producer in seen {
            let last = producer.intervals.last().map_or(0, |(_, high)| *high);
            if producer.overflowed || producer.intervals != [(1, last)] {
                producer.intervals = vec![(1, last)];
                producer.overflowed = false;
                noted.changed = true;
            }
        }
    }
    noted
}

fn note(seen: &mut Vec<SeenSeqs>, producer: &Producer) -> Noted {
    let fresh = || SeenSeqs {
        id: producer.id.clone(),
        epoch: producer.epoch,
        intervals: vec![(producer.seq, producer.seq)],
        overflowed: false,
    };
    let Some(at) = seen.iter().position(|held| held.id == producer.id) else {
        seen.truncate(MAX_PRODUCERS - 1);
        // Sessions with one producer are the rule, and there are very many.
        seen.reserve_exact(1);
        seen.insert(0, fresh());
        return Noted { repeated: false, changed: true };
    };
    seen[..=at].rotate_right(1);
    let held = &mut seen[0];
    let repeated = match producer.epoch.cmp(&held.epoch) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => {
            *held = fresh();
            false
        }
        std::cmp::Ordering::Equal => insert(held, producer.seq),
    };
    Noted { repeated, changed: at > 0 || !repeated }
}

/// Adds a number to the intervals, merging neighbours. Returns whether it was there.
fn insert(seen: &mut SeenSeqs, seq: u64) -> bool {
    let intervals = &mut seen.intervals;
    let at = intervals.partition_point(|(_, high)| *high < seq);
    if intervals.get(at).is_some_and(|(low, _)| *low <= seq) {
        return true;
    }
    let joins_left = at > 0 && intervals[at - 1].1 + 1 == seq;
    let joins_right = intervals.get(at).is_some_and(|(low, _)| *low == seq.saturating_add(1));
    match (joins_left, joins_right) {
        (true, true) => {
            intervals[at - 1].1 = intervals[at].1;
            intervals.remove(at);
        }
        (true, false) => intervals[at - 1].1 = seq,
        (false, true) => intervals[at].0 = seq,
        (false, false) => intervals.insert(at, (seq, seq)),
    }
    if intervals.len() > MAX_INTERVALS {
        let second = intervals.remove(1);
        intervals[0].1 = second.1;
        seen.overflowed = true;
    }
    false
}

/// Whether any producer's numbers have a hole, or had to be merged over one.
pub fn gapped(seen: &[SeenSeqs]) -> bool {
    seen.iter().any(|producer| producer.overflowed || !matches!(producer.intervals.as_slice(), [(1, _)]))
}
