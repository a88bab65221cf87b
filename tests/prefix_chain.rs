//! Prefix chains against the rule as it is written: from the newest segment to the oldest, one counts for
//! the blocks from its first one up to the smallest first block of all newer ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rekindle::engine::fold::prefix::{Chains, join, visible};
use rekindle::model::ids::{EventId, Name};
use rekindle::model::prefix::{MAX_PREFIX_POSITIONS, PrefixFamily, PrefixUpdate};
use rekindle::model::stamp::Stamp;
use rekindle::model::time::EventTime;

fn family(name: &str, stride: u32) -> PrefixFamily {
    PrefixFamily { algorithm: Name::new(name).expect("a name"), block_tokens: 16, stride }
}

fn stamp(n: usize) -> Arc<Stamp> {
    let event_id = EventId::new(&format!("e-{n:04}")).expect("an id");
    Arc::new(Stamp { at: EventTime(n as i64 / 2), seq: 0, event_id, digest: 0 })
}

/// The rule, literally, over all segments ever sent.
fn by_the_rule(updates: &[(Arc<Stamp>, PrefixUpdate)]) -> Option<(PrefixFamily, Vec<u64>)> {
    let newest = updates.iter().max_by(|a, b| a.0.cmp(&b.0))?;
    let family = newest.1.family.clone();
    let mut own: Vec<_> = updates.iter().filter(|(_, u)| u.family == family).collect();
    own.sort_by(|a, b| b.0.cmp(&a.0));
    let mut bound = u64::MAX;
    let mut blocks = BTreeMap::new();
    for (_, update) in own {
        if update.from_block >= bound {
            continue;
        }
        for (i, hash) in update.hashes.iter().enumerate() {
            let block = update.from_block + i as u64 * u64::from(family.stride);
            if block < bound {
                blocks.insert(block, *hash);
            }
        }
        bound = update.from_block;
    }
    let mut chain = Vec::new();
    while let Some(hash) = blocks.get(&(chain.len() as u64 * u64::from(family.stride))) {
        chain.push(*hash);
    }
    Some((family, chain))
}

fn update() -> impl Strategy<Value = PrefixUpdate> {
    (prop::sample::select(vec![("a", 1), ("a", 2), ("b", 1)]), 0u64..8, prop::collection::vec(any::<u64>(), 0..6))
        .prop_map(|((name, stride), from, hashes)| PrefixUpdate {
            family: family(name, stride),
            from_block: from * u64::from(stride),
            hashes,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_chain_of_the_rule(
        updates in prop::collection::vec(update(), 1..20), order in prop::collection::vec(any::<prop::sample::Index>(), 30),
    ) {
        let stamped: Vec<_> = updates.into_iter().enumerate().map(|(n, u)| (stamp(n), u)).collect();
        let mut chains = Chains::new();
        let mut touched = Vec::new();
        for index in &order {
            let (stamp, update) = &stamped[index.index(stamped.len())];
            join(&mut chains, stamp, update, &mut touched);
        }
        for (stamp, update) in stamped.iter().rev() {
            join(&mut chains, stamp, update, &mut touched);
        }
        let (family, chain) = by_the_rule(&stamped).expect("a segment");
        let found = visible(&chains).map(|(family, chain)| (family.clone(), chain));
        prop_assert_eq!(found, Some((family, chain)));
    }
}

#[test]
fn a_session_never_holds_more_positions_than_the_limit() {
    let mut chains = Chains::new();
    let mut touched = Vec::new();
    let mut overflowed = false;
    for n in 0..40 {
        let update = PrefixUpdate { family: family("a", 1), from_block: n * 1000, hashes: vec![n; 1000] };
        overflowed |= join(&mut chains, &stamp(n as usize), &update, &mut touched);
    }
    let held: usize = chains.values().flat_map(BTreeMap::values).map(|s| s.hashes.len()).sum();
    assert!(overflowed);
    assert!(held <= MAX_PREFIX_POSITIONS, "{held}");
    assert!(chains.values().next().expect("a family").contains_key(&39_000), "the newest stay");
}
