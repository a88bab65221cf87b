//! Sessions by the chains of blocks they hold: which of them shares most of a request's chain.
//!
//! A radix tree: what several sessions share is held once, and a node is a run of blocks between two places where
//! chains part or end. A table leads from any block to its node, so that the deepest block a chain shares with any
//! other is found by bisection: where a block is held, so are all before it. Each node knows the latest of the sessions
//! below it, so that from there the best holders are found without looking at the others.

use hashbrown::{HashMap, HashTable};

use super::keys::keys;
use super::ranking::{Holder, Rank, Ranking};
use super::sharers::Sharers;
use crate::model::ids::SessionId;
use crate::model::time::EventTime;

/// A node's place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(u32);

pub(super) const ROOT: NodeId = NodeId(0);

/// A run of blocks.
#[derive(Debug)]
pub(super) struct Node {
    pub parent: NodeId,
    /// Blocks before it.
    pub start: usize,
    pub keys: Vec<u64>,
    pub holders: Ranking,
}

/// Where a session's chain ends.
#[derive(Debug, Clone, Copy)]
struct End {
    node: NodeId,
    at: EventTime,
}

/// Chains of one family and one cache identity.
#[derive(Debug)]
pub struct PrefixTree {
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    blocks: HashTable<(u64, NodeId)>,
    ends: HashMap<SessionId, End>,
}

impl Default for PrefixTree {
    fn default() -> PrefixTree {
        let root = Node { parent: ROOT, start: 0, keys: Vec::new(), holders: Ranking::default() };
        PrefixTree { nodes: vec![root], free: Vec::new(), blocks: HashTable::new(), ends: HashMap::new() }
    }
}

impl PrefixTree {
    /// The nodes that are in use, but for the root.
    #[cfg(test)]
    pub(super) fn used(&self) -> impl Iterator<Item = NodeId> {
        let free: std::collections::BTreeSet<_> = self.free.iter().copied().collect();
        (1..self.nodes.len() as u32).map(NodeId).filter(move |id| !free.contains(id))
    }

    /// Distinct blocks held.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// No session is held.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The first so many blocks of a chain are held by at least one session.
    pub fn depth(&self, chain: &[u64]) -> usize {
        self.depth_of(&keys(chain))
    }

    /// Enters a session that was last active at an instant, or moves it to another chain. One without blocks leaves.
    pub fn place(&mut self, session: &SessionId, chain: &[u64], at: EventTime) {
        if chain.is_empty() {
            self.remove(session);
            return;
        }
        let node = self.enter(session, &keys(chain), at);
        let held = self.ends.insert(session.clone(), End { node, at });
        // Only now, so that what both chains share is not taken apart in between.
        if let Some(held) = held
            && (held.node != node || held.at != at)
        {
            self.withdraw(session, held);
        }
    }

    /// Makes `at` a session's latest sign of life.
    pub fn touch(&mut self, session: &SessionId, at: EventTime) {
        let Some(end) = self.ends.get_mut(session) else { return };
        let (node, held) = (end.node, std::mem::replace(&mut end.at, at));
        let rank = |at| Some(Rank { at, session: session.clone() });
        self.rerank(node, None, rank(held), rank(at));
    }

    /// Takes a session out. Returns whether it was there.
    pub fn remove(&mut self, session: &SessionId) -> bool {
        let Some(end) = self.ends.remove(session) else { return false };
        self.withdraw(session, end);
        true
    }

    /// Sessions that share a beginning with a chain: those that share most first, of these the latest first.
    pub fn sharers(&self, chain: &[u64]) -> Sharers<'_> {
        let keys = keys(chain);
        let depth = self.depth_of(&keys);
        Sharers::new(self, depth, self.deepest(&keys, depth))
    }

    /// The node that holds the last of the first `depth` blocks.
    fn deepest(&self, keys: &[u64], depth: usize) -> NodeId {
        depth.checked_sub(1).and_then(|last| self.node_of(keys[last])).unwrap_or(ROOT)
    }

    fn depth_of(&self, keys: &[u64]) -> usize {
        keys.partition_point(|key| self.node_of(*key).is_some())
    }

    pub(super) fn node_of(&self, key: u64) -> Option<NodeId> {
        self.blocks.find(key, |(held, _)| *held == key).map(|(_, node)| *node)
    }

    pub(super) fn node(&self, NodeId(id): NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    fn node_mut(&mut self, NodeId(id): NodeId) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    fn make(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.free.pop() {
            *self.node_mut(id) = node;
            return id;
        }
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// Says which node holds these blocks.
    fn label(&mut self, keys: &[u64], node: NodeId) {
        for key in keys {
            let entry = self.blocks.entry(*key, |(held, _)| held == key, |(held, _)| *held);
            entry.insert((*key, node));
        }
    }

    /// Has a session's chain end where these blocks end, which is told.
    fn enter(&mut self, session: &SessionId, keys: &[u64], at: EventTime) -> NodeId {
        let depth = self.depth_of(keys);
        let mut node = self.deepest(keys, depth);
        if depth < self.end(node) {
            node = self.part(node, depth - self.node(node).start);
        }
        let rank = Rank { at, session: session.clone() };
        let rest = &keys[depth..];
        if rest.is_empty() {
            self.rerank(node, None, None, Some(rank));
            return node;
        }
        let mut holders = Ranking::default();
        holders.insert(Holder { rank: rank.clone(), via: None });
        let leaf = self.make(Node { parent: node, start: depth, keys: rest.to_vec(), holders });
        self.label(rest, leaf);
        self.rerank(node, Some(leaf), None, Some(rank));
        leaf
    }

    /// Number of blocks up to the end of a node.
    pub(super) fn end(&self, node: NodeId) -> usize {
        let Node { start, keys, .. } = self.node(node);
        start + keys.len()
    }

    /// Parts a node behind its first `len` blocks; these are in a new one, which is told.
    fn part(&mut self, lower: NodeId, len: usize) -> NodeId {
        let Node { parent, start, keys, holders } = self.node_mut(lower);
        let (parent, start) = (*parent, std::mem::replace(start, *start + len));
        let rest = keys.split_off(len);
        let first = std::mem::replace(keys, rest);
        let best = holders.best().map(|holder| holder.rank.clone());
        let mut holders = Ranking::default();
        if let Some(rank) = best.clone() {
            holders.insert(Holder { rank, via: Some(lower) });
        }
        let upper = self.make(Node { parent, start, keys: Vec::new(), holders });
        self.label(&first, upper);
        self.node_mut(upper).keys = first;
        self.node_mut(lower).parent = upper;
        // Above, the same session is held by way of another child.
        if let Some(rank) = best {
            self.reroute(parent, rank, lower, upper);
        }
        upper
    }

    /// What a node holds by way of one child it holds by way of another.
    fn reroute(&mut self, node: NodeId, rank: Rank, from: NodeId, to: NodeId) {
        let holders = &mut self.node_mut(node).holders;
        holders.remove(&Holder { rank: rank.clone(), via: Some(from) });
        holders.insert(Holder { rank, via: Some(to) });
    }

    /// What is held of a node by way of a child, or ends there, was `held` and is `next`; all above follow.
    fn rerank(&mut self, mut node: NodeId, mut via: Option<NodeId>, mut held: Option<Rank>, mut next: Option<Rank>) {
        loop {
            let Node { parent, holders, .. } = self.node_mut(node);
            let best = |holders: &Ranking| holders.best().map(|holder| holder.rank.clone());
            let before = best(holders);
            if let Some(rank) = held {
                holders.remove(&Holder { rank, via });
            }
            if let Some(rank) = next {
                holders.insert(Holder { rank, via });
            }
            let after = best(holders);
            if node == ROOT || before == after {
                return;
            }
            (via, held, next) = (Some(node), before, after);
            node = *parent;
        }
    }

    /// Takes a session's end out, and the blocks that nobody holds any more.
    fn withdraw(&mut self, session: &SessionId, End { mut node, at }: End) {
        self.rerank(node, None, Some(Rank { at, session: session.clone() }), None);
        while node != ROOT && self.node(node).holders.len() == 0 {
            let keys = std::mem::take(&mut self.node_mut(node).keys);
            for key in keys {
                if let Ok(entry) = self.blocks.find_entry(key, |(held, _)| *held == key) {
                    entry.remove();
                }
            }
            self.free.push(node);
            node = self.node(node).parent;
        }
        self.join(node);
    }

    /// Joins a node with its child if that is all it has.
    fn join(&mut self, upper: NodeId) {
        let holders = &self.node(upper).holders;
        let Some(lower) = holders.best().filter(|_| holders.len() == 1).and_then(|holder| holder.via) else { return };
        if upper == ROOT {
            return;
        }
        let below = self.node(lower);
        let parts_below = || below.holders.descending().any(|holder| holder.via.is_some());
        // Very many may end below: they are gone through only where that is the shorter way.
        if self.node(upper).keys.len() < below.keys.len() + below.holders.len() || parts_below() {
            self.join_into_lower(upper, lower);
        } else {
            self.join_into_upper(upper, lower);
        }
    }

    fn join_into_lower(&mut self, upper: NodeId, lower: NodeId) {
        let Node { parent, start, keys, holders } = self.node_mut(upper);
        let (parent, start, mut keys, holders) = (*parent, *start, std::mem::take(keys), std::mem::take(holders));
        self.label(&keys, lower);
        let below = self.node_mut(lower);
        keys.append(&mut below.keys);
        (below.parent, below.start, below.keys) = (parent, start, keys);
        if let Some(best) = holders.best() {
            self.reroute(parent, best.rank.clone(), upper, lower);
        }
        self.free.push(upper);
    }

    /// Where nothing is below the child.
    fn join_into_upper(&mut self, upper: NodeId, lower: NodeId) {
        let Node { keys, holders, .. } = self.node_mut(lower);
        let (keys, holders) = (std::mem::take(keys), std::mem::take(holders));
        self.label(&keys, upper);
        for holder in holders.descending() {
            if let Some(end) = self.ends.get_mut(&holder.rank.session) {
                end.node = upper;
            }
        }
        let above = self.node_mut(upper);
        above.keys.extend_from_slice(&keys);
        above.holders = holders;
        self.free.push(lower);
    }
}
