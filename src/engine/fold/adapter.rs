//! Which adapter is in use: the newest activation, unless that adapter was deactivated later.

use std::sync::Arc;

use crate::model::kv::Adapter;
use crate::model::session::{Facets, MAX_DEACTIVATIONS};
use crate::model::stamp::{Register, Stamp};

/// Joins an activation. Returns whether anything changed.
pub fn activate(facets: &mut Facets, stamp: &Arc<Stamp>, adapter: &Adapter) -> bool {
    Register::join(&mut facets.activation, stamp, Some(adapter.clone()))
}

/// Joins a deactivation: the newest of each id, and of these the newest few.
pub fn deactivate(facets: &mut Facets, stamp: &Arc<Stamp>, adapter: &Adapter) -> bool {
    let held = facets.deactivations.get(&adapter.id);
    if held.is_some_and(|held| held >= stamp) {
        return false;
    }
    facets.deactivations.insert(adapter.id.clone(), Arc::clone(stamp));
    if facets.deactivations.len() <= MAX_DEACTIVATIONS {
        return true;
    }
    let oldest = facets.deactivations.iter().min_by_key(|(id, stamp)| (Arc::clone(stamp), (*id).clone()));
    let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { return true };
    facets.deactivations.remove(&oldest);
    oldest != adapter.id
}

/// The adapter in use.
pub fn active_adapter(facets: &Facets) -> Option<&Adapter> {
    let activation = facets.activation.as_ref()?;
    let adapter = activation.value.as_ref()?;
    let deactivated = facets.deactivations.get(&adapter.id).is_some_and(|stamp| *stamp > activation.stamp);
    (!deactivated).then_some(adapter)
}
