//! Partitions that the group has given to nobody. Under the classic group protocol a partition moves in two
//! rebalances: the first takes it from one member, the second gives it to another. A static member that dies between
//! the two and is back before its session ends is handed what the first one left it, without a rebalance; nobody asks
//! for the second one any more, and the partition lies idle until somebody else comes or goes. So this is watched for,
//! and one member joins anew.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::shard::Shared;
use crate::kafka::groups::{ClassicGroup, Groups, Member};
use crate::model::position::PartitionId;

/// Between two looks at the group.
const LOOK: Duration = Duration::from_secs(4);
/// Looks in a row that must find a partition without an owner: giving one away may take several seconds.
const LOOKS: usize = 3;
/// Looks after a member was asked to join anew until another may be.
const PAUSE: usize = 6;
/// How soon a request to stop is heeded.
const NAP: Duration = Duration::from_millis(100);

/// Which workers are asked to join their group anew.
pub(super) struct Asked(Vec<AtomicBool>);

impl Asked {
    /// None of so many workers.
    pub fn none(workers: usize) -> Asked {
        Asked((0..workers).map(|_| AtomicBool::new(false)).collect())
    }

    fn ask(&self, worker: usize) {
        self.0[worker].store(true, Ordering::Relaxed);
    }

    /// Whether this one is, once.
    pub fn take(&self, worker: usize) -> bool {
        self.0[worker].load(Ordering::Relaxed) && self.0[worker].swap(false, Ordering::Relaxed)
    }
}

/// Watches the process's group until it stops, and asks one of its workers where it is up to this process.
pub(super) fn watch(shared: &Arc<Shared>) {
    let settings = &shared.settings;
    let mut groups = Groups::new(&settings.kafka);
    let mut watch = Watch::default();
    while nap(shared) {
        let group = match groups.classic(&settings.kafka.group_id) {
            Ok(group) => group,
            Err(error) => {
                tracing::debug!(%error, "describing the group");
                continue;
            }
        };
        let orphans = orphans(&group, &settings.topics.events, shared.board.partition_count);
        let Some(member) = watch.next(&group, orphans) else { continue };
        let own = |number: &usize| member.is(&settings.kafka.member(*number));
        if let Some(number) = (0..shared.board.workers).find(own) {
            let partitions: Vec<i32> = watch.orphans.iter().map(|partition| partition.0).collect();
            tracing::warn!(?partitions, worker = number, "the group gave these to nobody; a worker joins it anew");
            shared.rejoin.ask(number);
        }
    }
}

/// Waits until the next look; whether there is to be one.
fn nap(shared: &Shared) -> bool {
    let until = Instant::now() + LOOK;
    while Instant::now() < until {
        if shared.stop.requested() {
            return false;
        }
        std::thread::sleep(NAP);
    }
    true
}

/// Partitions of the input that no member of a stable group is assigned.
fn orphans(group: &ClassicGroup, topic: &str, count: i32) -> BTreeSet<PartitionId> {
    if !group.stable {
        return BTreeSet::new();
    }
    let mut orphans: BTreeSet<_> = (0..count).map(PartitionId).collect();
    for (assigned, partition) in group.members.iter().flat_map(|member| &member.partitions) {
        if assigned == topic {
            orphans.remove(partition);
        }
    }
    orphans
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Watch {
    /// Without an owner since so many looks.
    orphans: BTreeSet<PartitionId>,
    looks: usize,
    pause: usize,
}

impl Watch {
    /// The member that is to join anew: the one with the fewest partitions, of these the first by id, so that all
    /// processes of a group choose the same one.
    fn next<'g>(&mut self, group: &'g ClassicGroup, orphans: BTreeSet<PartitionId>) -> Option<&'g Member> {
        let still: BTreeSet<_> = self.orphans.intersection(&orphans).copied().collect();
        match still.is_empty() {
            true => (self.orphans, self.looks) = (orphans, 1),
            false => (self.orphans, self.looks) = (still, self.looks + 1),
        }
        self.pause = self.pause.saturating_sub(1);
        if self.orphans.is_empty() || self.looks < LOOKS || self.pause > 0 {
            return None;
        }
        self.pause = PAUSE;
        group.members.iter().min_by_key(|member| (member.partitions.len(), &member.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(members: &[(&str, &[i32])]) -> ClassicGroup {
        let member = |(id, partitions): &(&str, &[i32])| Member {
            id: id.to_string(),
            partitions: partitions.iter().map(|p| ("events".to_owned(), PartitionId(*p))).collect(),
        };
        ClassicGroup { stable: true, members: members.iter().map(member).collect() }
    }

    fn ids(numbers: &[i32]) -> BTreeSet<PartitionId> {
        numbers.iter().copied().map(PartitionId).collect()
    }

    #[test]
    fn what_no_member_of_a_stable_group_has_is_an_orphan() {
        let mut group = group(&[("a", &[1, 3]), ("b", &[])]);
        assert_eq!(orphans(&group, "events", 4), ids(&[0, 2]));
        assert_eq!(orphans(&group, "other", 2), ids(&[0, 1]));
        group.stable = false;
        assert_eq!(orphans(&group, "events", 4), ids(&[]));
    }

    #[test]
    fn the_member_with_the_least_is_asked_at_the_third_look_and_then_not_for_a_while() {
        let (mut watch, group) = (Watch::default(), group(&[("a", &[1, 3]), ("c", &[4]), ("b", &[5])]));
        let mut look = |orphans: &[i32]| watch.next(&group, ids(orphans)).map(|member| member.id.clone());
        assert_eq!([look(&[0, 2]), look(&[0])], [None, None]);
        assert_eq!(look(&[0]), Some("b".to_owned()));
        assert_eq!([look(&[0]), look(&[0]), look(&[0]), look(&[0]), look(&[0])], [const { None }; 5]);
        assert_eq!(look(&[0]), Some("b".to_owned()));
    }

    #[test]
    fn partitions_that_pass_from_hand_to_hand_are_no_orphans() {
        let (mut watch, group) = (Watch::default(), group(&[("a", &[])]));
        for orphans in [&[0][..], &[0], &[], &[0], &[0], &[1], &[1], &[2]] {
            assert_eq!(watch.next(&group, ids(orphans)), None);
        }
    }
}
