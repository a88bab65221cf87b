//! The tree against what going through all chains gives.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::ranking::Holder;
use super::{Chain, Kind, PrefixIndex, PrefixTree};
use crate::model::ids::{Name, SessionId};
use crate::model::kv::CacheIdentity;
use crate::model::prefix::PrefixFamily;
use crate::model::time::EventTime;

#[derive(Debug, Clone)]
enum Step {
    Place(u8, Vec<u64>, i64),
    Remove(u8),
    Touch(u8, i64),
}

/// Hashes that are not chained at all: equal ones stand behind different beginnings.
fn chain() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        4 => proptest::collection::vec(0..2u64, 0..7),
        1 => (0..40usize).prop_map(|len| vec![1; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..40u8, chain(), 0..6i64).prop_map(|(session, chain, at)| Step::Place(session, chain, at)),
        2 => (0..40u8).prop_map(Step::Remove),
        2 => (0..40u8, 0..6i64).prop_map(|(session, at)| Step::Touch(session, at)),
    ]
}

fn session(n: u8) -> SessionId {
    SessionId::new(&format!("s-{n:02}")).expect("an id")
}

fn shared(one: &[u64], other: &[u64]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// Nothing is kept that nobody holds, and nothing is parted that could be one.
fn check(tree: &PrefixTree) {
    let mut blocks = 0;
    for id in tree.used() {
        let node = tree.node(id);
        assert!(!node.keys.is_empty() && node.keys.iter().all(|key| tree.node_of(*key) == Some(id)));
        assert_eq!(tree.end(node.parent), node.start);
        let best = node.holders.best().expect("a holder");
        assert!(node.holders.len() > 1 || best.via.is_none(), "one child alone");
        let entered = Holder { rank: best.rank.clone(), via: Some(id) };
        assert!(tree.node(node.parent).holders.descending().any(|holder| *holder == entered));
        blocks += node.keys.len();
    }
    assert_eq!(blocks, tree.blocks());
}

proptest! {
    #[test]
    fn the_sharers_of_a_chain_are_those_that_going_through_all_finds(
        steps in proptest::collection::vec(step(), 1..120),
        asked in proptest::collection::vec(chain(), 4),
    ) {
        let (mut tree, mut all) = (PrefixTree::default(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Place(n, chain, at) => {
                    tree.place(&session(n), &chain, EventTime(at));
                    all.remove(&session(n));
                    if !chain.is_empty() {
                        all.insert(session(n), (chain, EventTime(at)));
                    }
                }
                Step::Remove(n) => {
                    prop_assert_eq!(tree.remove(&session(n)), all.remove(&session(n)).is_some());
                }
                Step::Touch(n, at) => {
                    tree.touch(&session(n), EventTime(at));
                    all.entry(session(n)).and_modify(|(_, held)| *held = EventTime(at));
                }
            }
            check(&tree);
            for asked in &asked {
                let sharing = all.iter().map(|(id, (chain, at))| (shared(chain, asked), *at, id.clone()));
                let mut expected: Vec<_> = sharing.filter(|(depth, ..)| *depth > 0).collect();
                expected.sort_by_key(|sharer| Reverse(sharer.clone()));
                let found: Vec<_> = tree.sharers(asked).map(|s| (s.depth, all[s.session].1, s.session.clone())).collect();
                prop_assert_eq!(&found, &expected);
                prop_assert_eq!(tree.depth(asked), expected.first().map_or(0, |(depth, ..)| *depth));
            }
        }
        for id in all.keys() {
            tree.remove(id);
        }
        check(&tree);
        prop_assert!(tree.is_empty() && tree.blocks() == 0);
    }
}

fn kind(n: u8) -> Kind {
    let name = |text: &str| Name::new(text).expect("a name");
    Kind {
        cache: CacheIdentity { namespace: name(&format!("model-{n}")), adapter: None, salt_id: None },
        family: PrefixFamily { algorithm: name("sha256"), block_tokens: 16, stride: 1 },
    }
}

/// Those that are held: of the latest as many as have no more than so many blocks together.
fn held(all: &BTreeMap<SessionId, Chain>, most: usize) -> Vec<SessionId> {
    let mut order: Vec<_> = all.iter().map(|(id, chain)| (chain.at, id)).collect();
    order.sort_by_key(|place| Reverse(*place));
    let mut blocks = BTreeSet::new();
    let fits = |(_, id): &(EventTime, &SessionId)| {
        let chain = &all[*id];
        blocks.extend((1..=chain.hashes.len()).map(|len| (format!("{:?}", chain.kind), chain.hashes[..len].to_vec())));
        blocks.len() <= most
    };
    order.into_iter().take_while(fits).map(|(_, id)| id.clone()).collect()
}

fn same_as_held(
    index: &PrefixIndex,
    all: &BTreeMap<SessionId, Chain>,
    most: usize,
    asked: &[u64],
) -> Result<(), TestCaseError> {
    prop_assert!(index.blocks() <= most);
    let held = held(all, most);
    prop_assert_eq!(index.left_out(), all.len() - held.len());
    prop_assert!(all.iter().all(|(id, chain)| index.knows(id) && index.holds(&chain.kind, id) == held.contains(id)));
    for kind in [kind(0), kind(1)] {
        let sharing = held.iter().filter(|id| all[*id].kind == kind && shared(&all[*id].hashes, asked) > 0);
        let found = index.sharers(&kind, asked).map(|sharer| (sharer.session.clone(), sharer.at));
        prop_assert_eq!(found.collect::<BTreeSet<_>>(), sharing.map(|id| (id.clone(), all[id].at)).collect());
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_held_follows_from_the_sessions_and_not_from_their_past(
        steps in proptest::collection::vec((step(), 0..2u8), 1..80),
        most in 0..24usize,
        asked in chain(),
    ) {
        let (mut index, mut all) = (PrefixIndex::default(), BTreeMap::<SessionId, Chain>::new());
        for (step, of) in steps {
            let (n, chain) = match step {
                Step::Place(n, hashes, at) => (n, Some(Chain { kind: kind(of), hashes, at: EventTime(at) })),
                Step::Remove(n) => (n, None),
                Step::Touch(n, at) => {
                    let cache = kind(of).cache;
                    let held = all.get(&session(n)).filter(|chain: &&Chain| chain.kind.cache == cache);
                    let later = held.map(|chain| Chain { at: EventTime(at), ..chain.clone() });
                    if index.touch(&session(n), &cache, EventTime(at)) {
                        prop_assert!(later.is_some());
                        all.extend(later.map(|chain| (session(n), chain)));
                        same_as_held(&index, &all, most, &asked)?;
                        continue;
                    }
                    (n, later)
                }
            };
            match chain.clone().filter(|chain| !chain.hashes.is_empty()) {
                Some(chain) => _ = all.insert(session(n), chain),
                None => _ = all.remove(&session(n)),
            }
            index.put(&session(n), chain, most, |id| all.get(id).cloned());
            same_as_held(&index, &all, most, &asked)?;
        }
        let mut anew = PrefixIndex::default();
        let each = all.iter().map(|(id, chain)| (id.clone(), chain.at, chain.kind.clone()));
        anew.refill(each, most, |id| all.get(id).cloned());
        same_as_held(&anew, &all, most, &asked)?;
        for id in all.keys() {
            index.put(id, None, most, |id| all.get(id).cloned());
        }
        prop_assert!(index.is_empty() && index.blocks() == 0);
    }
}
