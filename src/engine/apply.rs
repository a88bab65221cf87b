//! One session event, stage by stage: fold, index, follow-ups in bookkeeping, suggestions that no longer
//! hold, triggers, and last the state record.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use smallvec::SmallVec;

use crate::engine::Notice;
use crate::engine::fold::{Change, fold, gaps};
use crate::engine::index::SpaceIndex;
use crate::engine::process::{Engine, Step};
use crate::engine::settings::EngineSettings;
use crate::engine::store::{Session, Store, Tenant, columns, leave, took_up};
use crate::engine::view::Lens;
use crate::engine::write::write_vector;
use crate::model::event::{Context, SessionBody, ValidEvent};
use crate::model::ids::{Name, SessionId, TenantId, UserId};
use crate::model::kv::KvCopy;
use crate::model::stamp::Stamp;
use crate::model::suggestion::RevokeReason;
use crate::model::topic::Topic;
use crate::model::verdict::Verdict;

/// A session before its event was folded, what changed, and how it stands now.
pub(super) struct Folded<'e> {
    pub before: Before,
    pub change: Change<'e>,
    pub told: Told,
}

/// How the session stands, and what the event's own numbers told.
pub(super) struct Told {
    /// The event had been seen before.
    repeated: bool,
    /// What is remembered of its producer changed.
    noted: bool,
    /// It comes after the session's end.
    after_end: bool,
    /// The session ended.
    pub is_over: bool,
    /// The session had open suggestions.
    pub had_open: bool,
    /// It sent a prefix chain, now or before.
    has_chain: bool,
    /// No copy was ever reported: what it holds follows from its last turn.
    has_no_copy: bool,
    /// How far its context drifted.
    pub drift: f64,
}

/// What later stages compare with.
pub(super) struct Before {
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
        let folded = self.fold_session(step, event, tenant, id, user, body);
        let Folded { change, told, .. } = &folded;
        for (family, block) in &change.prefix {
            self.write_prefix(step, tenant, id, family, *block);
        }
        match change.context {
            Some(_) => self.store.relist(tenant, id, &self.settings, self.stream_time),
            None => self.store.reindex(tenant, id, &self.settings, self.stream_time),
        }
        if told.has_chain {
            self.store.follow_chain(tenant, id, &self.settings, !change.prefix.is_empty());
        }
        self.see_workers(step, tenant, id, &event.stamp, body);
        self.end_suggestions(step, tenant, id, &event.stamp, body, &folded);
        if change.placed || change.evicted || change.any && told.has_no_copy {
            self.revoke_drawn(step, tenant, id, RevokeReason::Evicted);
        }
        let fired = self.fire_triggers(step, tenant, id, &event.stamp, body, &folded);
        if !(change.any || told.noted || fired) {
            return if told.repeated { Verdict::Duplicate } else { Verdict::Stale };
        }
        self.write_session(step, tenant, id);
        match () {
            () if told.after_end => Verdict::AfterEnd,
            () if change.any || fired => Verdict::Applied,
            () if told.repeated => Verdict::Duplicate,
            () => Verdict::Stale,
        }
    }

    /// Folds the event, and stores its embedding if it counts.
    fn fold_session<'e>(
        &mut self,
        step: &mut Step<'_>,
        event: &ValidEvent,
        tenant: &TenantId,
        id: &SessionId,
        user: Option<&UserId>,
        body: &'e SessionBody,
    ) -> Folded<'e> {
        let lens = Lens { settings: &self.settings, workers: &self.workers, tenant, now: self.stream_time };
        let Store { tenants, open, .. } = &mut self.store;
        let Tenant { sessions, packed, spaces, .. } = tenants.hold(tenant);
        let (existed, was_open, entry) = match sessions.entry_ref(id) {
            EntryRef::Occupied(entry) => (true, true, entry),
            EntryRef::Vacant(place) => match packed.remove_entry(id) {
                Some((id, packed)) => (true, false, place.insert_entry_with_key(id, packed.open())),
                None => (false, false, place.insert_entry(Box::default())),
            },
        };
        // Of the ids that are equal one is held, here and in the index.
        let (id, session) = entry.into_entry();
        if !was_open {
            open.push_back((lens.now, tenant.clone(), id.clone()));
        }
        let before = Before::of(session, body, &lens);
        let known = event.producer.is_none() && session.facets.name_stamp(&event.stamp);
        let mut change = fold(&mut session.facets, &event.stamp, user, body);
        change.any |= !existed;
        let is_snapshot = matches!(body, SessionBody::Snapshot(_));
        let seen = event.producer.as_ref().map(|p| gaps::see(&mut session.book.producers, p, is_snapshot));
        if let Some(context) = change.context {
            index_context(spaces, id, session, context, &before, &self.settings);
            write_vector(&mut self.ledger, step, (tenant, id), session, context);
        }
        let told = Told {
            repeated: seen.map_or(known, |seen| seen.repeated),
            noted: seen.is_some_and(|seen| seen.changed),
            after_end: session.facets.end.as_ref().is_some_and(|end| end.stamp < event.stamp),
            is_over: session.facets.end.is_some(),
            had_open: !session.book.open.is_empty(),
            has_chain: !session.facets.prefix.is_empty(),
            has_no_copy: session.facets.placements.is_empty(),
            drift: session.book.drift,
        };
        if change.user_conflict {
            step.effects.notices.push(Notice::UserConflict);
        }
        if change.prefix_overflow {
            step.effects.notices.push(Notice::PrefixOverflow);
        }
        Folded { before, change, told }
    }

    /// Sessions that this event says are taken up, and that were not before.
    pub(super) fn newly_taken_up(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        body: &SessionBody,
        before: &Before,
    ) -> Vec<SessionId> {
        if !matches!(body, SessionBody::Started(_) | SessionBody::Resumed(_) | SessionBody::Snapshot(_)) {
            return Vec::new();
        }
        let Some(session) = self.store.session(tenant, id) else { return Vec::new() };
        let sources = took_up(&session.facets).map(|(source, _)| source);
        sources.filter(|source| *source != id && !before.took_up.contains(source)).cloned().collect()
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
        fn of(copy: &Arc<KvCopy>) -> Option<(&Name, u64)> {
            copy.worker.as_ref().zip(copy.worker_epoch)
        }
        let mut seen: SmallVec<[(&Name, u64); 2]> = SmallVec::new();
        match body {
            SessionBody::Turn(turn) => {
                seen.extend(turn.worker.as_ref().zip(turn.worker_epoch));
                seen.extend(turn.kv_cache.as_ref().and_then(of));
            }
            SessionBody::KvPlaced(placed, _) => seen.extend(of(placed)),
            SessionBody::Snapshot(snapshot) => seen.extend(snapshot.kv_copies.iter().filter_map(of)),
            SessionBody::KvEvicted(e) => seen.extend(e.place.worker.as_ref().zip(e.place.worker_epoch)),
            _ => {}
        }
        seen.dedup();
        for (worker, epoch) in seen {
            self.see_epoch(step, (tenant, id), worker, epoch, stamp);
        }
    }
}

impl Before {
    fn of(session: &Session, body: &SessionBody, lens: &Lens<'_>) -> Before {
        let facets = &session.facets;
        let evicts = matches!(body, SessionBody::KvEvicted(_));
        Before {
            had_context: facets.context.is_some(),
            live_copies: if evicts { lens.copies(facets).0.len() } else { 0 },
            space: facets.context.as_ref().map(|context| context.space.clone()),
            took_up: took_up(facets).map(|(source, _)| source.clone()).collect(),
        }
    }
}

/// Stores a new embedding where it counts: overwritten in place, taken out of the space it left. The angle it
/// moved by, in radians, adds to the drift; drift and topic begin anew with the first one of a space.
fn index_context(
    spaces: &mut HashMap<Name, SpaceIndex>,
    id: &SessionId,
    session: &mut Session,
    context: &Context,
    before: &Before,
    settings: &EngineSettings,
) {
    if let Some(space) = before.space.as_ref().filter(|space| **space != context.space) {
        leave(spaces, space, id);
    }
    let dim = context.vector.dim();
    let index = spaces.entry_ref(&context.space).or_insert_with(|| SpaceIndex::new(dim));
    session.book.drift =
        match index.replace(id, &mut session.kept.slot, &context.vector, &columns(&session.facets, settings)) {
            Some(cosine) => session.book.drift + libm::acos(cosine),
            None => {
                session.book.topic = Topic::default();
                0.0
            }
        };
    session.book.topic.see(context.vector.as_slice());
}
