//! One session event, stage by stage: fold, index, follow-ups in bookkeeping, suggestions that no longer
//! hold, triggers, and last the state record.

use std::sync::Arc;

use crate::engine::Notice;
use crate::engine::fold::{Change, fold, gaps};
use crate::engine::index::SpaceIndex;
use crate::engine::process::{Engine, Step};
use crate::engine::store::{Session, columns, took_up};
use crate::model::event::{SessionBody, ValidEvent};
use crate::model::ids::{Name, SessionId, TenantId, UserId};
use crate::model::kv::KvCopy;
use crate::model::session::Facets;
use crate::model::stamp::Stamp;
use crate::model::verdict::Verdict;

/// What later stages compare with.
pub(super) struct Before {
    /// The session was known.
    pub existed: bool,
    /// The session had an embedding.
    pub had_context: bool,
    /// Its live copies.
    pub live_copies: usize,
    space: Option<Name>,
    took_up: Vec<SessionId>,
}

impl Engine {
    pub(super) fn apply_session(
        &mut self,
        step: &mut Step<'_>,
        event: &ValidEvent,
        tenant: &TenantId,
        id: &SessionId,
        user: Option<&UserId>,
        body: &SessionBody,
    ) -> Verdict {
        self.bury(step, tenant, id);
        let before = self.before(tenant, id, body);
        let now = self.stream_time;
        let held = self.store.tenants.entry(tenant.clone()).or_default();
        let session = held.sessions.entry(id.clone()).or_default();
        let known = knows(&session.facets, &event.stamp);
        let mut change = fold(&mut session.facets, &event.stamp, user, body);
        change.any |= !before.existed;
        let is_snapshot = matches!(body, SessionBody::Snapshot(_));
        let gaps_before = session.book.producers.clone();
        let repeated =
            event.producer.as_ref().map(|p| gaps::see(&mut session.book.producers, p, is_snapshot)).unwrap_or(known);
        let noted = session.book.producers != gaps_before;
        let after_end = session.facets.end.as_ref().is_some_and(|end| end.stamp < event.stamp);
        if change.user_conflict {
            step.effects.notices.push(Notice::UserConflict);
        }
        if change.prefix_overflow {
            step.effects.notices.push(Notice::PrefixOverflow);
        }
        if change.any {
            self.index_context(step, tenant, id, &change, &before);
            for (family, block) in &change.prefix {
                self.write_prefix(step, tenant, id, family, *block);
            }
        }
        self.store.reindex(tenant, id, &self.settings, now);
        self.see_workers(step, tenant, id, &event.stamp, body);
        self.end_suggestions(step, tenant, id, &event.stamp, body, &change, &before);
        let fired = self.fire_triggers(step, tenant, id, &event.stamp, body, &change, &before);
        if !(change.any || noted || fired) {
            return if repeated { Verdict::Duplicate } else { Verdict::Stale };
        }
        self.write_session(step, tenant, id);
        match () {
            () if after_end => Verdict::AfterEnd,
            () if change.any || fired => Verdict::Applied,
            () if repeated => Verdict::Duplicate,
            () => Verdict::Stale,
        }
    }

    fn before(&self, tenant: &TenantId, id: &SessionId, body: &SessionBody) -> Before {
        let session = self.store.session(tenant, id);
        let evicts = matches!(body, SessionBody::KvEvicted(_));
        let live = |session: &Session| self.scene().lens(tenant).copies(&session.facets).0.len();
        Before {
            existed: session.is_some(),
            had_context: session.is_some_and(|s| s.facets.context.is_some()),
            live_copies: session.filter(|_| evicts).map_or(0, live),
            space: session.and_then(|s| s.facets.context.as_ref()).map(|context| context.space.clone()),
            took_up: session.into_iter().flat_map(|s| took_up(&s.facets)).map(|(source, _)| source.clone()).collect(),
        }
    }

    /// Sessions that this event says are taken up, and that were not before.
    pub(super) fn newly_taken_up(&self, tenant: &TenantId, id: &SessionId, before: &Before) -> Vec<SessionId> {
        let Some(session) = self.store.session(tenant, id) else { return Vec::new() };
        let sources = took_up(&session.facets).map(|(source, _)| source);
        sources.filter(|source| *source != id && !before.took_up.contains(source)).cloned().collect()
    }

    /// Stores a new embedding where it counts: overwritten in place, taken out of the space it left. The
    /// angle it moved by, in radians, adds to the drift, which begins at 0 with the first one of a space.
    fn index_context(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        change: &Change<'_>,
        before: &Before,
    ) {
        let Some(context) = change.context else { return };
        let settings = Arc::clone(&self.settings);
        let Some(held) = self.store.tenants.get_mut(tenant) else { return };
        if let Some(space) = before.space.as_ref().filter(|space| **space != context.space)
            && let Some(index) = held.spaces.get_mut(space)
        {
            index.remove(id);
            if index.is_empty() {
                held.spaces.remove(space);
            }
        }
        let Some(session) = held.sessions.get_mut(id) else { return };
        let dim = context.vector.dim();
        let index = held.spaces.entry(context.space.clone()).or_insert_with(|| SpaceIndex::new(dim));
        session.book.drift = match index.similarity(&context.vector, id) {
            Some(cosine) => session.book.drift + libm::acos(cosine),
            None => 0.0,
        };
        index.upsert(id, &context.vector, columns(&session.facets, &settings));
        self.write_vector(step, tenant, id, context);
    }

    /// A tenant's own events tell it of worker incarnations; older ones hold nothing of it any more.
    fn see_workers(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        stamp: &Arc<Stamp>,
        body: &SessionBody,
    ) {
        let copy = |copy: &KvCopy| copy.worker.clone().zip(copy.worker_epoch);
        let mut seen: Vec<(Name, u64)> = Vec::new();
        match body {
            SessionBody::Turn(turn) => {
                seen.extend(turn.worker.clone().zip(turn.worker_epoch));
                seen.extend(turn.kv_cache.as_ref().and_then(copy));
            }
            SessionBody::KvPlaced(placed, _) => seen.extend(copy(placed)),
            SessionBody::Snapshot(snapshot) => seen.extend(snapshot.kv_copies.iter().filter_map(copy)),
            SessionBody::KvEvicted(e) => seen.extend(e.place.worker.clone().zip(e.place.worker_epoch)),
            _ => {}
        }
        for (worker, epoch) in seen {
            self.see_epoch(step, (tenant, id), &worker, epoch, stamp);
        }
    }
}

/// Whether an event of this stamp is among those that the facets name: then it was folded before.
fn knows(facets: &Facets, stamp: &Arc<Stamp>) -> bool {
    let registers = [
        facets.status.as_ref().map(|r| &r.stamp),
        facets.end.as_ref().map(|r| &r.stamp),
        facets.last_turn.as_ref().map(|t| &t.stamp),
        facets.user.as_ref().map(|r| &r.stamp),
        facets.transfer_scope.as_ref().map(|r| &r.stamp),
        facets.idle_timeout.as_ref().map(|r| &r.stamp),
        facets.activation.as_ref().map(|r| &r.stamp),
        facets.parent.as_ref().map(|r| &r.stamp),
        facets.continues.as_ref().map(|r| &r.stamp),
        facets.resumed_from.as_ref().map(|r| &r.stamp),
        facets.context_ref.as_ref().map(|r| &r.stamp),
        facets.cache.as_ref().map(|r| &r.stamp),
        facets.metadata_cleared.as_ref(),
        facets.context.as_ref().map(|c| &c.stamp),
    ];
    let keyed = facets
        .placements
        .values()
        .map(|r| &r.stamp)
        .chain(facets.evictions.values().map(|r| &r.stamp))
        .chain(facets.deactivations.values())
        .chain(facets.metadata.values().map(|r| &r.stamp))
        .chain(facets.prefix.values().flat_map(|segments| segments.values().map(|s| &s.stamp)));
    registers.into_iter().flatten().chain(keyed).any(|held| held == stamp)
}
