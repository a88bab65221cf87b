//! Who holds the blocks of a node, latest first.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use super::tree::NodeId;
use crate::model::ids::SessionId;
use crate::model::time::EventTime;

/// Most nodes have one or two holders, and a few have very many.
const FEW: usize = 16;

/// A session by its latest sign of life; ties go to the larger id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    pub at: EventTime,
    pub session: SessionId,
}

/// A session whose chain ends in the node, or the best of those below a child.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    pub rank: Rank,
    /// The child by which it is held; `None`: its chain ends here.
    pub via: Option<NodeId>,
}

/// Holders in ascending order.
#[derive(Debug)]
pub(super) enum Ranking {
    Few(SmallVec<[Holder; 1]>),
    Many(BTreeSet<Holder>),
}

impl Default for Ranking {
    fn default() -> Ranking {
        Ranking::Few(SmallVec::new())
    }
}

impl Ranking {
    pub fn len(&self) -> usize {
        match self {
            Ranking::Few(holders) => holders.len(),
            Ranking::Many(holders) => holders.len(),
        }
    }

    /// The best, which comes last.
    pub fn best(&self) -> Option<&Holder> {
        match self {
            Ranking::Few(holders) => holders.last(),
            Ranking::Many(holders) => holders.last(),
        }
    }

    /// All, best first.
    pub fn descending(&self) -> Box<dyn Iterator<Item = &Holder> + '_> {
        match self {
            Ranking::Few(holders) => Box::new(holders.iter().rev()),
            Ranking::Many(holders) => Box::new(holders.iter().rev()),
        }
    }

    pub fn insert(&mut self, holder: Holder) {
        match self {
            Ranking::Few(holders) if holders.len() < FEW => {
                if let Err(place) = holders.binary_search(&holder) {
                    holders.insert(place, holder);
                }
            }
            Ranking::Few(holders) => *self = Ranking::Many(holders.drain(..).chain([holder]).collect()),
            Ranking::Many(holders) => _ = holders.insert(holder),
        }
    }

    pub fn remove(&mut self, holder: &Holder) {
        match self {
            Ranking::Few(holders) => holders.retain(|held| held != holder),
            Ranking::Many(holders) => {
                holders.remove(holder);
                // Not as soon as there is one too few: it may be back at once.
                if holders.len() < FEW / 2 {
                    *self = Ranking::Few(std::mem::take(holders).into_iter().collect());
                }
            }
        }
    }
}
