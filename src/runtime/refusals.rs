//! Records of which nothing but a dead letter is made: those whose processing panicked, and those an operator wants
//! skipped. Never looks at a record.

use std::collections::BTreeSet;

use crate::model::position::{Offset, PartitionId, Position};
use crate::model::verdict::{RejectReason, Rejection};

/// The records of one worker that are not looked at.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Their processing panicked.
    poison: BTreeSet<Position>,
    /// As asked for at the start.
    skip: BTreeSet<Position>,
    /// Of these, those the log speaks of already.
    told: BTreeSet<Position>,
}

impl Refusals {
    /// Nothing panicked yet.
    pub fn new(skip: &BTreeSet<Position>) -> Refusals {
        Refusals { skip: skip.clone(), ..Refusals::default() }
    }

    /// Why this record is not to be looked at; `None`: it is.
    pub fn of(&mut self, at: Position) -> Option<Rejection> {
        if !self.skip.is_empty() {
            self.tell(at.partition, at.offset, "there is no record to skip");
            if self.skip.contains(&at) {
                if self.told.insert(at) {
                    tracing::warn!(position = %at, "skipping a record as asked; it goes to the dead letters");
                }
                return Some(Rejection::new(RejectReason::Skipped, "skipped by the operator"));
            }
        }
        self.poison.contains(&at).then(|| Rejection::new(RejectReason::Poison, "processing this record panicked"))
    }

    /// Processing a record panicked: it is not looked at again.
    pub fn panicked(&mut self, at: Position) {
        self.poison.insert(at);
    }

    /// A partition begins at `next`.
    pub fn begun(&mut self, partition: PartitionId, next: Offset) {
        self.tell(partition, next, "a record that was to be skipped was processed earlier");
    }

    /// A partition is not owned any more.
    pub fn forget(&mut self, partition: PartitionId) {
        self.poison.retain(|at| at.partition != partition);
    }

    /// Says of what lies below `next` that it will not be skipped, once.
    fn tell(&mut self, partition: PartitionId, next: Offset, what: &str) {
        let first = Position { partition, offset: Offset(0) };
        for at in self.skip.range(first..Position { partition, offset: next }) {
            if self.told.insert(*at) {
                tracing::warn!(position = %at, "{what}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> Position {
        Position { partition: PartitionId(partition), offset: Offset(offset) }
    }

    #[test]
    fn a_record_is_refused_for_what_is_known_of_it_and_no_other() {
        let mut refusals = Refusals::new(&BTreeSet::from([at(1, 7), at(2, 7)]));
        refusals.panicked(at(1, 5));
        refusals.panicked(at(3, 5));
        refusals.begun(PartitionId(2), Offset(9));
        let mut reason = |p, o| refusals.of(at(p, o)).map(|rejection| rejection.reason);
        assert_eq!(
            [reason(1, 5), reason(1, 6), reason(1, 7)],
            [Some(RejectReason::Poison), None, Some(RejectReason::Skipped)]
        );
        // It comes again when its batch has to be read again.
        assert_eq!([reason(1, 7), reason(2, 9), reason(0, 7)], [Some(RejectReason::Skipped), None, None]);
        refusals.forget(PartitionId(1));
        assert_eq!(refusals.of(at(1, 5)), None);
        assert_eq!(refusals.of(at(3, 5)).map(|r| r.reason), Some(RejectReason::Poison));
        assert_eq!(refusals.told, BTreeSet::from([at(1, 7), at(2, 7)]));
    }
}
