//! Registers of KV placements and evictions. Whether a copy lives is decided when it is read, never here.

use std::sync::Arc;

use litemap::LiteMap;

use crate::model::event::KvEvicted;
use crate::model::kv::KvCopy;
use crate::model::session::{Evicted, Facets, MAX_KV_REGISTERS};
use crate::model::stamp::{Register, Stamp};

/// Joins a placement into the register of its place. Returns whether anything changed.
pub fn join_placement(facets: &mut Facets, stamp: &Arc<Stamp>, copy: &Arc<KvCopy>) -> bool {
    join(&mut facets.placements, copy.place(), stamp, Arc::clone(copy))
}

/// Joins an eviction into the register of what it names. Returns whether anything changed.
pub fn join_eviction(facets: &mut Facets, stamp: &Arc<Stamp>, evicted: &KvEvicted) -> bool {
    let left = Evicted { remaining_tokens: evicted.remaining_tokens, reason: evicted.reason };
    join(&mut facets.evictions, evicted.place.clone(), stamp, left)
}

/// Newest per place, and of the places the newest few by (stamp, place). A dropped place stays out unless
/// something newer comes for it, because those that pushed it out only get newer.
fn join<P: Ord + Clone, T>(places: &mut LiteMap<P, Register<T>>, place: P, stamp: &Arc<Stamp>, value: T) -> bool {
    if places.get(&place).is_some_and(|held| held.stamp >= *stamp) {
        return false;
    }
    if places.is_empty() {
        *places = LiteMap::with_capacity(1);
    }
    places.insert(place.clone(), Register { stamp: Arc::clone(stamp), value });
    if places.len() <= MAX_KV_REGISTERS {
        return true;
    }
    let oldest = places.iter().min_by(|a, b| (&a.1.stamp, a.0).cmp(&(&b.1.stamp, b.0)));
    let Some(oldest) = oldest.map(|(place, _)| place.clone()) else { return true };
    places.remove(&oldest);
    oldest != place
}
