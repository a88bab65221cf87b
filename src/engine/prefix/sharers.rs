//! Goes through the sessions that share a beginning with a chain, best first, and looks at no more than is asked for.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::ranking::{Holder, Rank};
use super::tree::{Node, NodeId, PrefixTree, ROOT};
use crate::model::ids::SessionId;
use crate::model::time::EventTime;

/// A session that holds the first blocks of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharer<'t> {
    /// Blocks shared, > 0.
    pub depth: usize,
    /// The session.
    pub session: &'t SessionId,
    /// Its latest sign of life.
    pub at: EventTime,
}

/// See [`PrefixTree::sharers`].
pub struct Sharers<'t> {
    tree: &'t PrefixTree,
    node: NodeId,
    depth: usize,
    heap: BinaryHeap<Opened<'t>>,
}

impl<'t> Sharers<'t> {
    /// Those of a node, of which the first `depth` blocks are asked for, and of all above it.
    pub(super) fn new(tree: &'t PrefixTree, depth: usize, node: NodeId) -> Sharers<'t> {
        let mut sharers = Sharers { tree, node, depth, heap: BinaryHeap::new() };
        if node != ROOT {
            sharers.open(node, None);
        }
        sharers
    }

    /// Begins with a node, without what is below one child, where all of that was told.
    fn open(&mut self, node: NodeId, told: Option<NodeId>) {
        let holders = self.tree.node(node).holders.descending();
        self.push(Box::new(holders.filter(move |holder| told.is_none() || holder.via != told)));
    }

    fn push(&mut self, mut rest: Box<dyn Iterator<Item = &'t Holder> + 't>) {
        if let Some(best) = rest.next() {
            self.heap.push(Opened { best, rest });
        }
    }
}

impl<'t> Iterator for Sharers<'t> {
    type Item = Sharer<'t>;

    fn next(&mut self) -> Option<Sharer<'t>> {
        loop {
            let Some(Opened { best, rest }) = self.heap.pop() else {
                let Node { parent, start, .. } = self.tree.node(self.node);
                if self.node == ROOT || *parent == ROOT {
                    return None;
                }
                let told = std::mem::replace(&mut self.node, *parent);
                self.depth = *start;
                self.open(*parent, Some(told));
                continue;
            };
            self.push(rest);
            match best.via {
                None => {
                    let Rank { at, session } = &best.rank;
                    return Some(Sharer { depth: self.depth, session, at: *at });
                }
                Some(child) => self.open(child, None),
            }
        }
    }
}

/// Holders of one node, as far as they were not told.
struct Opened<'t> {
    best: &'t Holder,
    rest: Box<dyn Iterator<Item = &'t Holder> + 't>,
}

impl PartialEq for Opened<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.best.rank == other.best.rank
    }
}

impl Eq for Opened<'_> {}

impl PartialOrd for Opened<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Opened<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.best.rank.cmp(&other.best.rank)
    }
}
