//! Metadata: newest per key, removals included, the newest few keys.

use std::sync::Arc;

use crate::model::event::MetadataPatch;
use crate::model::session::{Facets, MAX_METADATA_KEYS};
use crate::model::stamp::{Register, Stamp};

/// Joins each key of a patch. Returns whether anything changed.
pub fn join_patch(facets: &mut Facets, stamp: &Arc<Stamp>, patch: &MetadataPatch) -> bool {
    if facets.metadata_cleared.as_ref().is_some_and(|cleared| stamp < cleared) {
        return false;
    }
    let mut changed = false;
    for (key, value) in patch {
        if facets.metadata.get(key).is_some_and(|held| held.stamp >= *stamp) {
            continue;
        }
        facets.metadata.insert(Arc::clone(key), Register { stamp: Arc::clone(stamp), value: value.clone() });
        changed |= !(facets.metadata.len() > MAX_METADATA_KEYS && drop_oldest(facets) == *key);
    }
    changed
}

/// Drops the key of the smallest (stamp, key) and returns it.
fn drop_oldest(facets: &mut Facets) -> Arc<str> {
    let oldest = facets.metadata.iter().min_by(|a, b| (&a.1.stamp, a.0).cmp(&(&b.1.stamp, b.0)));
    let key = oldest.map(|(key, _)| Arc::clone(key)).unwrap_or_default();
    facets.metadata.remove(&key);
    key
}

/// Joins a clearing of all metadata: what is older goes. Returns whether anything changed.
pub fn join_clear(facets: &mut Facets, stamp: &Arc<Stamp>) -> bool {
    if facets.metadata_cleared.as_ref().is_some_and(|held| held >= stamp) {
        return false;
    }
    facets.metadata_cleared = Some(Arc::clone(stamp));
    facets.metadata.retain(|_, held| held.stamp >= *stamp);
    true
}
