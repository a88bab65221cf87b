//! Prefix chains out of segments that may come in any order.
//!
//! Within a family, from the newest segment to the oldest, a segment counts for the blocks from its first
//! one up to the smallest first block of all newer ones; one that does not begin below that bound is
//! dropped. What is hidden once stays hidden, since the bound only sinks, so segments are trimmed at once
//! and lie side by side: ascending in first block and in stamp alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::prefix::{MAX_PREFIX_POSITIONS, PrefixFamily, PrefixUpdate};
use crate::model::session::PrefixSegment;
use crate::model::stamp::Stamp;

/// Chains by family, then by first block.
pub type Chains = BTreeMap<PrefixFamily, BTreeMap<u64, PrefixSegment>>;

/// A segment that was written or dropped: its stored record has to follow.
pub type PrefixTouch = (PrefixFamily, u64);

/// Joins a segment; `touched` gets every segment written or dropped. Returns whether old segments had to go
/// because the session holds more than [`MAX_PREFIX_POSITIONS`].
pub fn join(chains: &mut Chains, stamp: &Arc<Stamp>, update: &PrefixUpdate, touched: &mut Vec<PrefixTouch>) -> bool {
    let stride = u64::from(update.family.stride);
    let family = chains.entry(update.family.clone()).or_default();
    let from = update.from_block;
    let newer = family.iter().find(|(_, segment)| segment.stamp >= *stamp);
    let bound = newer.map_or(u64::MAX, |(block, _)| *block);
    let repeated = newer.is_some_and(|(_, segment)| segment.stamp == *stamp);
    if repeated || from >= bound {
        if family.is_empty() {
            chains.remove(&update.family);
        }
        return false;
    }
    let hidden: Vec<u64> =
        family.range(from..).filter(|(_, segment)| segment.stamp < *stamp).map(|(block, _)| *block).collect();
    for block in hidden {
        family.remove(&block);
        touched.push((update.family.clone(), block));
    }
    if let Some((block, below)) = family.range_mut(..from).next_back()
        && trim(below, *block, from, stride)
    {
        touched.push((update.family.clone(), *block));
    }
    let mut segment = PrefixSegment { stamp: Arc::clone(stamp), hashes: Arc::from(update.hashes.as_slice()) };
    trim(&mut segment, from, bound, stride);
    family.insert(from, segment);
    touched.push((update.family.clone(), from));
    make_room(chains, touched)
}

/// Cuts a segment that begins at `from` to what lies below `bound`. Returns whether anything was cut.
fn trim(segment: &mut PrefixSegment, from: u64, bound: u64, stride: u64) -> bool {
    let visible = (bound - from).div_ceil(stride).min(segment.hashes.len() as u64) as usize;
    let cut = visible < segment.hashes.len();
    if cut {
        segment.hashes = Arc::from(&segment.hashes[..visible]);
    }
    cut
}

/// A segment's share of the limit: an empty one counts too, so that truncations cannot pile up.
fn weight(segment: &PrefixSegment) -> usize {
    segment.hashes.len().max(1)
}

fn make_room(chains: &mut Chains, touched: &mut Vec<PrefixTouch>) -> bool {
    let mut positions: usize = chains.values().flat_map(BTreeMap::values).map(weight).sum();
    let overflow = positions > MAX_PREFIX_POSITIONS;
    while positions > MAX_PREFIX_POSITIONS {
        let all = chains.iter().flat_map(|(family, segments)| segments.iter().map(move |(b, s)| (s, family, *b)));
        let Some((segment, family, block)) = all.min_by(|a, b| (&a.0.stamp, a.1, a.2).cmp(&(&b.0.stamp, b.1, b.2)))
        else {
            break;
        };
        positions -= weight(segment);
        let family = family.clone();
        if let Some(segments) = chains.get_mut(&family) {
            segments.remove(&block);
            if segments.is_empty() {
                chains.remove(&family);
            }
        }
        touched.push((family, block));
    }
    overflow
}

/// The visible chain: that of the family whose segment is newest, from block 0 up to its first hole.
pub fn visible(chains: &Chains) -> Option<(&PrefixFamily, Vec<u64>)> {
    let newest = |segments: &BTreeMap<u64, PrefixSegment>| segments.values().map(|s| Arc::clone(&s.stamp)).max();
    let (family, segments) = chains.iter().max_by_key(|(family, segments)| (newest(segments), *family))?;
    let mut chain = Vec::new();
    for (block, segment) in segments {
        if *block != chain.len() as u64 * u64::from(family.stride) {
            break;
        }
        chain.extend_from_slice(&segment.hashes);
    }
    Some((family, chain))
}
