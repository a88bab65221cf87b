//! What one partition holds in memory: tenants with their sessions and indexes, and what spans tenants.
//! Every secondary index is derived from a session's facets and kept up by [`Store::reindex`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::engine::fold::{active_adapter, gaps};
use crate::engine::index::{Columns, SpaceIndex};
use crate::engine::ledger::WrittenHash;
use crate::engine::settings::EngineSettings;
use crate::engine::view;
use crate::model::ids::{Name, SessionId, SuggestionId, TenantId, UserId};
use crate::model::session::{Book, Facets, Status};
use crate::model::stamp::Stamp;
use crate::model::suggestion::Suggestion;
use crate::model::time::EventTime;
use crate::model::vector::UnitVector;

/// A session and what is derived from it.
#[derive(Debug, Default)]
pub struct Session {
    /// Joined facets.
    pub facets: Facets,
    /// What depends on order.
    pub book: Book,
    /// Hash of its last state record.
    pub state_hash: WrittenHash,
    /// Hash of its last vector record.
    pub vector_hash: WrittenHash,
    pub(super) keys: IndexKeys,
    /// Instants at which its idle and forget deadlines are entered.
    pub(super) entered: (Option<EventTime>, Option<EventTime>),
}

/// The entries a session has in the indexes.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct IndexKeys {
    user: Option<(UserId, EventTime)>,
    workers: Vec<Name>,
    claims: Vec<(SessionId, Arc<Stamp>)>,
    pub(super) idle_at: Option<EventTime>,
    pub(super) forget_at: Option<EventTime>,
    status: Option<Status>,
    gapped: bool,
}

/// One tenant's part.
#[derive(Debug, Default)]
pub struct Tenant {
    /// Sessions.
    pub sessions: HashMap<SessionId, Session>,
    /// A user's sessions by latest sign of life.
    pub users: HashMap<UserId, BTreeSet<(EventTime, SessionId)>>,
    /// Vectors by space.
    pub spaces: HashMap<Name, SpaceIndex>,
    /// Who took up a session: by stamp, then id.
    pub claims: HashMap<SessionId, BTreeSet<(Arc<Stamp>, SessionId)>>,
    /// Open suggestions.
    pub open: HashMap<SuggestionId, Arc<Suggestion>>,
    /// Open suggestions by the session they draw on.
    pub sourced: HashMap<SessionId, BTreeSet<SuggestionId>>,
}

/// What becomes due at an instant. The order is the one they fire in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A suggestion is past its validity.
    Suggestion(SuggestionId),
    /// A session was idle for too long.
    Idle,
    /// A session was untouched for the retention.
    Forget,
}

/// Everything of a partition but time and position.
#[derive(Debug, Default)]
pub struct Store {
    /// Tenants.
    pub tenants: HashMap<TenantId, Tenant>,
    /// Sessions that hold, or are taken to hold, KV on a worker.
    pub holders: HashMap<Name, BTreeMap<TenantId, BTreeSet<SessionId>>>,
    /// Deadlines in the order they fire. A session's own are entered when they become earlier than what is
    /// entered, and looked at again when that comes up: a session that stays busy moves its deadlines all the
    /// time, and costs nothing here.
    pub deadlines: BTreeSet<(EventTime, TenantId, SessionId, Due)>,
    /// Sessions by status, in the order of [`Status::ALL`].
    pub by_status: [u64; 5],
    /// Sessions with a producer's events missing.
    pub gapped: u64,
}

impl Session {
    /// A session read back from its records; [`Store::reindex`] must follow.
    pub fn restored(facets: Facets, book: Book) -> Session {
        Session { facets, book, ..Session::default() }
    }
}

impl Store {
    /// One session.
    pub fn session(&self, tenant: &TenantId, session: &SessionId) -> Option<&Session> {
        self.tenants.get(tenant)?.sessions.get(session)
    }

    /// One session, to change. [`Store::reindex`] must follow.
    pub fn session_mut(&mut self, tenant: &TenantId, session: &SessionId) -> Option<&mut Session> {
        self.tenants.get_mut(tenant)?.sessions.get_mut(session)
    }

    /// The session that took this one up first, by stamp.
    pub fn taken_up_by(&self, tenant: &TenantId, session: &SessionId) -> Option<&SessionId> {
        self.tenants.get(tenant)?.claims.get(session)?.first().map(|(_, taker)| taker)
    }

    /// Brings every index in line with a session's facets.
    pub fn reindex(&mut self, tenant_id: &TenantId, session_id: &SessionId, settings: &EngineSettings, now: EventTime) {
        let Some(tenant) = self.tenants.get_mut(tenant_id) else { return };
        let Some(session) = tenant.sessions.get_mut(session_id) else { return };
        let next = index_keys(session_id, &session.facets, &session.book, settings, now);
        let held = std::mem::replace(&mut session.keys, next.clone());
        if let Some(context) = &session.facets.context
            && let Some(space) = tenant.spaces.get_mut(&context.space)
        {
            space.set_columns(session_id, columns(&session.facets, settings));
        }
        self.swap_keys(tenant_id, session_id, &held, &next);
        self.enter_deadline(tenant_id, session_id, Due::Idle);
        self.enter_deadline(tenant_id, session_id, Due::Forget);
    }

    /// Takes a session out of the partition with all its index entries. Its open suggestions stay in
    /// [`Tenant::open`].
    pub fn remove(&mut self, tenant_id: &TenantId, session_id: &SessionId) -> Option<Session> {
        let tenant = self.tenants.get_mut(tenant_id)?;
        let mut session = tenant.sessions.remove(session_id)?;
        if let Some(context) = &session.facets.context
            && let Some(space) = tenant.spaces.get_mut(&context.space)
        {
            space.remove(session_id);
            if space.is_empty() {
                tenant.spaces.remove(&context.space);
            }
        }
        let held = std::mem::take(&mut session.keys);
        self.swap_keys(tenant_id, session_id, &held, &IndexKeys::default());
        for (at, due) in [(session.entered.0, Due::Idle), (session.entered.1, Due::Forget)] {
            if let Some(at) = at {
                self.deadlines.remove(&(at, tenant_id.clone(), session_id.clone(), due));
            }
        }
        session.entered = (None, None);
        Some(session)
    }

    /// Drops a tenant that holds nothing any more.
    pub fn drop_if_empty(&mut self, tenant_id: &TenantId) {
        let empty = |tenant: &Tenant| tenant.sessions.is_empty() && tenant.open.is_empty();
        if self.tenants.get(tenant_id).is_some_and(empty) {
            self.tenants.remove(tenant_id);
        }
    }

    fn swap_keys(&mut self, tenant_id: &TenantId, session_id: &SessionId, held: &IndexKeys, next: &IndexKeys) {
        if held == next {
            return;
        }
        if let Some(tenant) = self.tenants.get_mut(tenant_id) {
            tenant.swap_keys(session_id, held, next);
        }
        if held.workers != next.workers {
            self.swap_workers(tenant_id, session_id, held, next);
        }
        let slot = |status: Status| Status::ALL.iter().position(|s| *s == status);
        if let Some(slot) = held.status.and_then(slot) {
            self.by_status[slot] -= 1;
        }
        if let Some(slot) = next.status.and_then(slot) {
            self.by_status[slot] += 1;
        }
        self.gapped = self.gapped + u64::from(next.gapped) - u64::from(held.gapped);
    }

    fn swap_workers(&mut self, tenant_id: &TenantId, session_id: &SessionId, held: &IndexKeys, next: &IndexKeys) {
        for worker in held.workers.iter().filter(|w| !next.workers.contains(w)) {
            let Some(tenants) = self.holders.get_mut(worker) else { continue };
            if let Some(sessions) = tenants.get_mut(tenant_id) {
                sessions.remove(session_id);
                if sessions.is_empty() {
                    tenants.remove(tenant_id);
                }
            }
            if tenants.is_empty() {
                self.holders.remove(worker);
            }
        }
        for worker in next.workers.iter().filter(|w| !held.workers.contains(w)) {
            let tenants = self.holders.entry(worker.clone()).or_default();
            tenants.entry(tenant_id.clone()).or_default().insert(session_id.clone());
        }
    }
}

impl Tenant {
    /// The embedding stored of a session, with its space.
    pub fn vector(&self, id: &SessionId) -> Option<(&Name, UnitVector)> {
        let space = &self.sessions.get(id)?.facets.context.as_ref()?.space;
        let bits = self.spaces.get(space)?.vector(id)?;
        Some((space, UnitVector::from_bits(bits.into()).ok()?))
    }

    fn swap_keys(&mut self, session_id: &SessionId, held: &IndexKeys, next: &IndexKeys) {
        if held.user != next.user {
            if let Some((user, at)) = &held.user
                && let Some(sessions) = self.users.get_mut(user)
            {
                sessions.remove(&(*at, session_id.clone()));
                if sessions.is_empty() {
                    self.users.remove(user);
                }
            }
            if let Some((user, at)) = &next.user {
                self.users.entry(user.clone()).or_default().insert((*at, session_id.clone()));
            }
        }
        for (source, stamp) in held.claims.iter().filter(|claim| !next.claims.contains(claim)) {
            if let Some(takers) = self.claims.get_mut(source) {
                takers.remove(&(Arc::clone(stamp), session_id.clone()));
                if takers.is_empty() {
                    self.claims.remove(source);
                }
            }
        }
        for (source, stamp) in next.claims.iter().filter(|claim| !held.claims.contains(claim)) {
            self.claims.entry(source.clone()).or_default().insert((Arc::clone(stamp), session_id.clone()));
        }
    }
}

/// The sessions a session took up, with the stamps that say so: what it declared and what it resumed from.
pub fn took_up(facets: &Facets) -> impl Iterator<Item = (&SessionId, &Arc<Stamp>)> {
    let declared = facets.continues.as_ref().and_then(|r| Some((r.value.as_ref()?, &r.stamp)));
    let resumed = facets.resumed_from.as_ref().map(|r| (&r.value, &r.stamp));
    declared.into_iter().chain(resumed)
}

fn claims(own: &SessionId, facets: &Facets) -> Vec<(SessionId, Arc<Stamp>)> {
    let others = took_up(facets).filter(|(source, _)| *source != own);
    others.map(|(source, stamp)| (source.clone(), Arc::clone(stamp))).collect()
}

fn index_keys(id: &SessionId, facets: &Facets, book: &Book, settings: &EngineSettings, now: EventTime) -> IndexKeys {
    let mut workers: Vec<Name> =
        facets.placements.values().filter(|r| !r.value.is_external()).filter_map(|r| r.value.worker.clone()).collect();
    if workers.is_empty() {
        workers.extend(facets.last_turn.as_ref().and_then(|turn| turn.worker.clone()));
    }
    workers.sort();
    workers.dedup();
    let user = facets.user.as_ref().map(|r| (r.value.clone(), facets.last_active.unwrap_or(EventTime::MIN)));
    IndexKeys {
        user,
        workers,
        claims: claims(id, facets),
        idle_at: view::expires_at(facets, settings).filter(|at| *at > now),
        forget_at: Some(facets.touched_at.plus(settings.retention)),
        status: view::status(facets, settings, now),
        gapped: gaps::gapped(&book.producers),
    }
}

/// What predicates see of a session.
pub fn columns(facets: &Facets, settings: &EngineSettings) -> Columns {
    Columns {
        user: facets.user.as_ref().map(|r| r.value.clone()),
        status: view::base_status(facets),
        expires_at: view::expires_at(facets, settings),
        adapter: active_adapter(facets).map(|a| a.id.clone()),
        scope: view::scope(facets),
        last_active: facets.last_active,
    }
}
