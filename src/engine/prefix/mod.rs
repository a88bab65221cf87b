//! Which session of a tenant holds the longest part of a request's prefix, under the same cache identity.
//!
//! A tenant's chains are held within a budget of blocks: of more, those of the sessions that were active latest. Which
//! they are follows from the sessions alone and not from what happened to them, so that a restart finds the same.

mod keys;
mod ranking;
mod sharers;
mod tree;

#[cfg(test)]
mod tests;

pub use sharers::{Sharer, Sharers};
pub use tree::PrefixTree;

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::model::ids::SessionId;
use crate::model::kv::CacheIdentity;
use crate::model::prefix::PrefixFamily;
use crate::model::time::EventTime;

/// What makes chains comparable, and KV that they stand for reusable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Identity of the KV.
    pub cache: CacheIdentity,
    /// How its blocks were hashed.
    pub family: PrefixFamily,
}

/// A session's chain, as it is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// What it can be compared with.
    pub kind: Kind,
    /// Its hashes from the first block on.
    pub hashes: Vec<u64>,
    /// Latest sign of life of its session.
    pub at: EventTime,
}

/// The chains of a tenant's sessions.
#[derive(Debug, Default)]
pub struct PrefixIndex {
    trees: HashMap<Kind, PrefixTree>,
    /// Every session with a chain.
    known: HashMap<SessionId, (EventTime, Kind)>,
    /// Those whose chains are in the trees, by latest sign of life. All are later than those that are left out.
    entered: BTreeSet<(EventTime, SessionId)>,
    left_out: BTreeSet<(EventTime, SessionId)>,
    blocks: usize,
}

impl PrefixIndex {
    /// Distinct blocks held.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Sessions whose chains are left out.
    pub fn left_out(&self) -> usize {
        self.left_out.len()
    }

    /// Sessions with a chain, left out or not.
    pub fn sessions(&self) -> usize {
        self.known.len()
    }

    /// Whether a session has a chain, left out or not.
    pub fn knows(&self, session: &SessionId) -> bool {
        self.known.contains_key(session)
    }

    /// Whether a session is among those of this kind that [`PrefixIndex::sharers`] goes through.
    pub fn holds(&self, kind: &Kind, session: &SessionId) -> bool {
        let known = self.known.get(session).filter(|(_, held)| held == kind);
        known.is_some_and(|(at, _)| !self.left_out.contains(&(*at, session.clone())))
    }

    /// No session has a chain.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Sessions that share a beginning with a chain: those that share most first, of these the latest first.
    pub fn sharers(&self, kind: &Kind, hashes: &[u64]) -> impl Iterator<Item = Sharer<'_>> {
        self.trees.get(kind).into_iter().flat_map(|tree| tree.sharers(hashes))
    }

    /// Makes `chain` the chain of a session; `None`, or one without blocks: it has none any more. At most `most` blocks
    /// are held then. `chain_of` tells the chain of any session that has one, of this one too.
    pub fn put(
        &mut self,
        session: &SessionId,
        chain: Option<Chain>,
        most: usize,
        chain_of: impl Fn(&SessionId) -> Option<Chain>,
    ) {
        let chain = chain.filter(|chain| !chain.hashes.is_empty());
        if let Some((at, kind)) = self.known.remove(session) {
            let place = (at, session.clone());
            let was_entered = !self.left_out.remove(&place);
            self.entered.remove(&place);
            // What stays in its tree is moved there, and not taken apart in between.
            if was_entered && !chain.as_ref().is_some_and(|chain| chain.kind == kind && self.is_late(chain.at, session))
            {
                self.change(&kind, |tree| _ = tree.remove(session));
            }
        }
        if let Some(chain) = chain {
            self.known.insert(session.clone(), (chain.at, chain.kind.clone()));
            match self.is_late(chain.at, session) {
                true => self.enter(session, &chain),
                false => _ = self.left_out.insert((chain.at, session.clone())),
            }
        }
        self.fit(most, chain_of);
    }

    /// Makes `at` the latest sign of life of a session whose chain is what it was. `false`: nothing is done, since it has
    /// none, or one of another identity, or it may be entered or left out now; it has to be [put](PrefixIndex::put).
    pub fn touch(&mut self, session: &SessionId, cache: &CacheIdentity, at: EventTime) -> bool {
        let Some((held, kind)) = self.known.get(session) else { return false };
        if kind.cache != *cache || *held != at && !self.is_late(at, session) {
            return false;
        }
        let mut place = (*held, session.clone());
        if place.0 == at {
            return true;
        }
        if !self.entered.remove(&place) {
            return false;
        }
        place.0 = at;
        self.entered.insert(place);
        if let Some(tree) = self.trees.get_mut(kind) {
            tree.touch(session, at);
        }
        if let Some((held, _)) = self.known.get_mut(session) {
            *held = at;
        }
        true
    }

    /// Holds these sessions' chains and no others: the same as if each had been [put](PrefixIndex::put).
    pub fn refill(
        &mut self,
        all: impl Iterator<Item = (SessionId, EventTime, Kind)>,
        most: usize,
        chain_of: impl Fn(&SessionId) -> Option<Chain>,
    ) {
        *self = PrefixIndex::default();
        self.known = all.map(|(session, at, kind)| (session, (at, kind))).collect();
        self.left_out = self.known.iter().map(|(session, (at, _))| (*at, session.clone())).collect();
        self.fit(most, chain_of);
    }

    /// Whether a session is later than all that are left out.
    fn is_late(&self, at: EventTime, session: &SessionId) -> bool {
        self.left_out.last().is_none_or(|(latest, id)| (*latest, id) < (at, session))
    }

    fn enter(&mut self, session: &SessionId, chain: &Chain) {
        self.change(&chain.kind, |tree| tree.place(session, &chain.hashes, chain.at));
        self.entered.insert((chain.at, session.clone()));
    }

    /// Leaves chains out until what is held fits, or enters those that fit now.
    fn fit(&mut self, most: usize, chain_of: impl Fn(&SessionId) -> Option<Chain>) {
        while self.blocks > most
            && let Some((at, session)) = self.entered.pop_first()
        {
            if let Some((_, kind)) = self.known.get(&session).cloned() {
                self.change(&kind, |tree| _ = tree.remove(&session));
            }
            self.left_out.insert((at, session));
        }
        while let Some((_, session)) = self.left_out.last().cloned() {
            let Some(chain) = chain_of(&session) else { return };
            let shared = self.trees.get(&chain.kind).map_or(0, |tree| tree.depth(&chain.hashes));
            if self.blocks + chain.hashes.len() - shared > most {
                return;
            }
            self.left_out.pop_last();
            self.enter(&session, &chain);
        }
    }

    /// Changes a tree, and drops it if nothing is left.
    fn change(&mut self, kind: &Kind, change: impl FnOnce(&mut PrefixTree)) {
        let tree = self.trees.entry_ref(kind).or_default();
        let before = tree.blocks();
        change(tree);
        self.blocks = self.blocks - before + tree.blocks();
        if tree.is_empty() {
            self.trees.remove(kind);
        }
    }
}
