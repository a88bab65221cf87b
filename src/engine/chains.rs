//! Which sessions' prefix chains are in the index of their tenant, and how it follows them: those that let the whole tenant
//! profit and say under which cache identity. Who lets only its user profit is not in it, and is compared one by one.
//!
//! A session that never sent a chain costs nothing here, and one whose chain did not change a look and the move of its
//! latest sign of life.

use hashbrown::HashMap;

use crate::engine::fold::prefix::{Chains, visible};
use crate::engine::packed::Packed;
use crate::engine::prefix::{Chain, Kind};
use crate::engine::settings::EngineSettings;
use crate::engine::store::{Session, Store, Tenant};
use crate::engine::view::{alive_at, identity, scope};
use crate::model::event::TransferScope;
use crate::model::ids::{SessionId, TenantId};
use crate::model::prefix::PrefixFamily;
use crate::model::session::Facets;

/// Positions of a chain of this family that the session can hold KV of: those before the first segment that is newer than
/// its last turn and every copy. What it merely asked for is not computed yet.
pub(super) fn backed(facets: &Facets, family: &PrefixFamily) -> usize {
    let copies = facets.placements.values().map(|register| &register.stamp);
    let newest = copies.chain(facets.last_turn.as_ref().map(|turn| &turn.stamp)).max();
    let mut segments = facets.prefix.get(family).into_iter().flatten();
    let asked = segments.find(|(_, segment)| newest.is_none_or(|newest| segment.stamp > *newest));
    asked.map_or(usize::MAX, |(block, _)| (*block / u64::from(family.stride)) as usize)
}

/// What is listed of a session whose chain is this one; `None`: nothing is.
fn listed(facets: &Facets, chains: &Chains) -> Option<Chain> {
    let cache = identity(facets).filter(|_| scope(facets) == TransferScope::Tenant)?.clone();
    let (family, hashes) = visible(chains).filter(|(_, hashes)| !hashes.is_empty())?;
    Some(Chain { kind: Kind { cache, family: family.clone() }, hashes, at: alive_at(facets) })
}

/// The same of a session that is looked for.
fn chain_of(
    sessions: &HashMap<SessionId, Box<Session>>,
    packed: &HashMap<SessionId, Box<Packed>>,
    id: &SessionId,
) -> Option<Chain> {
    match sessions.get(id) {
        Some(session) => listed(&session.facets, &session.facets.prefix),
        None => packed.get(id).and_then(|packed| listed(&packed.read().0, packed.chains())),
    }
}

impl Store {
    /// Brings the index of chains in line with an open session. `rewritten`: its segments changed.
    pub(super) fn follow_chain(
        &mut self,
        tenant_id: &TenantId,
        id: &SessionId,
        settings: &EngineSettings,
        rewritten: bool,
    ) {
        let Some(Tenant { sessions, packed, prefixes, .. }) = self.tenants.get_mut(tenant_id) else { return };
        let Some(Session { facets, .. }) = sessions.get(id).map(|session| &**session) else { return };
        let as_it_was = !rewritten
            && match identity(facets).filter(|_| scope(facets) == TransferScope::Tenant) {
                Some(cache) => prefixes.touch(id, cache, alive_at(facets)),
                None => !prefixes.knows(id),
            };
        if !as_it_was {
            let chain_of = |id: &SessionId| chain_of(sessions, packed, id);
            prefixes.put(id, chain_of(id), settings.max_prefix_blocks, chain_of);
        }
    }

    /// Takes a session that left the store out of the index of chains.
    pub(super) fn withdraw_chain(&mut self, tenant_id: &TenantId, id: &SessionId, settings: &EngineSettings) {
        let Some(Tenant { sessions, packed, prefixes, .. }) = self.tenants.get_mut(tenant_id) else { return };
        if prefixes.knows(id) {
            prefixes.put(id, None, settings.max_prefix_blocks, |id| chain_of(sessions, packed, id));
        }
    }

    /// Lists the chains of all sessions anew.
    pub(super) fn list_chains(&mut self, settings: &EngineSettings) {
        for Tenant { sessions, packed, prefixes, .. } in self.tenants.values_mut() {
            let with_chain = |(id, chains): (&SessionId, &Chains)| (!chains.is_empty()).then(|| id.clone());
            let open = sessions.iter().map(|(id, session)| (id, &session.facets.prefix));
            let ids = open.chain(packed.iter().map(|(id, packed)| (id, packed.chains()))).filter_map(with_chain);
            let all = ids.filter_map(|id| {
                let Chain { kind, at, .. } = chain_of(sessions, packed, &id)?;
                Some((id, at, kind))
            });
            prefixes.refill(all, settings.max_prefix_blocks, |id| chain_of(sessions, packed, id));
        }
    }
}
