//! The entries a session has in the secondary indexes, and how they follow its facets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::engine::ahead::AHEAD;
use crate::engine::deadlines::{Deadlines, DueAt, enter_deadlines, first_deadlines, withdraw_deadlines};
use crate::engine::fold::gaps;
use crate::engine::latest::Latest;
use crate::engine::packed::{Kept, Packed};
use crate::engine::settings::EngineSettings;
use crate::engine::store::{Session, Store, Tenant, columns, took_up};
use crate::engine::suggest::away;
use crate::engine::view;
use crate::model::ids::{Name, SessionId, TenantId, UserId};
use crate::model::session::{Book, Facets, Status};
use crate::model::stamp::Stamp;
use crate::model::time::EventTime;

/// A user's sessions by latest sign of life.
pub type Users = HashMap<UserId, Latest>;
/// Who took up a session: by stamp, then id.
pub type Claims = HashMap<SessionId, BTreeSet<(Arc<Stamp>, SessionId)>>;
/// Sessions that hold, or are taken to hold, KV on a worker.
pub type Holders = HashMap<Name, BTreeMap<TenantId, BTreeSet<SessionId>>>;

/// Workers that hold a session's KV: mostly one, and this is looked at for every event.
type Workers = SmallVec<[Name; 1]>;

/// The entries a session has in the indexes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Listings {
    user: Option<(UserId, EventTime)>,
    workers: Workers,
    claims: Box<[(SessionId, Arc<Stamp>)]>,
    /// The earliest of what a session does by itself: it goes idle, or is about to return.
    pub stirs_at: DueAt,
    pub forget_at: DueAt,
    status: Option<Status>,
    gapped: bool,
}

/// What spans tenants.
#[derive(Debug, Default)]
pub struct Spanning {
    /// Sessions by the worker that holds their KV.
    pub holders: Holders,
    /// Deadlines in the order they fire. Of a session's own the earliest is entered when it becomes earlier than what is
    /// entered, and looked at again when that comes up: a session that stays busy moves its deadlines all the time, and
    /// costs nothing here.
    pub deadlines: Deadlines,
    /// Sessions by status, in the order of [`Status::ALL`].
    pub by_status: [u64; 5],
    /// Sessions with a producer's events missing.
    pub gapped: u64,
}

impl Listings {
    fn of(id: &SessionId, facets: &Facets, book: &Book, settings: &EngineSettings, now: EventTime) -> Listings {
        let user = facets.user.as_ref().map(|r| (r.value.clone(), view::alive_at(facets)));
        let claims = took_up(facets).filter(|(source, _)| *source != id);
        Listings {
            user,
            workers: workers(facets),
            claims: claims.map(|(source, stamp)| (source.clone(), Arc::clone(stamp))).collect(),
            stirs_at: DueAt::at(stirs_at(facets, settings).filter(|at| *at > now).min()),
            forget_at: DueAt::at(Some(facets.touched_at.plus(settings.retention))),
            status: view::status(facets, settings, now),
            gapped: gaps::gapped(&book.producers),
        }
    }
}

/// When a session goes idle, and when it is about to return from a pause.
fn stirs_at(facets: &Facets, settings: &EngineSettings) -> impl Iterator<Item = EventTime> {
    view::expires_at(facets, settings).into_iter().chain(away::wakes_at(facets, &settings.policy))
}

fn workers(facets: &Facets) -> Workers {
    let internal = facets.placements.values().filter(|r| !r.value.is_external());
    let mut workers: Workers = internal.filter_map(|r| r.value.worker.clone()).collect();
    if workers.is_empty() {
        workers.extend(facets.last_turn.as_ref().and_then(|turn| turn.worker.clone()));
    }
    workers.sort_unstable();
    workers.dedup();
    workers
}

impl Store {
    /// Brings every index but the vectors' in line with a session's facets.
    pub fn relist(&mut self, tenant_id: &TenantId, session_id: &SessionId, settings: &EngineSettings, now: EventTime) {
        let Store { tenants, spanning, .. } = self;
        let Some(Tenant { sessions, users, claims, .. }) = tenants.get_mut(tenant_id) else { return };
        let Some(session) = sessions.get_mut(session_id) else { return };
        let Session { facets, book, kept } = &mut **session;
        let next = Listings::of(session_id, facets, book, settings, now);
        spanning.swap(users, claims, (tenant_id, session_id), kept, next);
        enter_deadlines(&mut spanning.deadlines, tenant_id, session_id, kept);
    }

    /// Brings every index in line with every session, where no deadline of theirs is entered. `read` reads those at
    /// rest; one that it does not read is passed over.
    pub(super) fn list_all(
        &mut self,
        settings: &EngineSettings,
        now: EventTime,
        mut read: impl FnMut(&TenantId, &SessionId, &Packed) -> Option<(Facets, Book)>,
    ) {
        let Store { tenants, spanning, .. } = self;
        let mut deadlines = Vec::new();
        for (tenant_id, Tenant { sessions, packed, users, claims, spaces, .. }) in tenants.iter_mut() {
            let mut list = |id: &SessionId, facets: &Facets, book: &Book, kept: &mut Kept| {
                let index = facets.context.as_ref().and_then(|context| spaces.get_mut(&context.space));
                if let Some(index) = index {
                    index.set_columns(id, kept.slot, &columns(facets, settings));
                }
                let next = Listings::of(id, facets, book, settings, now);
                spanning.swap(users, claims, (tenant_id, id), kept, next);
                first_deadlines(&mut deadlines, tenant_id, id, kept);
            };
            for (id, session) in sessions {
                let Session { facets, book, kept } = &mut **session;
                list(id, facets, book, kept);
            }
            let mut packed: Vec<_> = packed.iter_mut().collect();
            for packed in packed.chunks_mut(AHEAD) {
                packed.iter().for_each(|(_, packed)| packed.warm());
                for (id, packed) in packed {
                    if let Some((facets, book)) = read(tenant_id, id, packed) {
                        list(id, &facets, &book, &mut packed.kept);
                    }
                }
            }
        }
        // Sorted once and joined: many times cheaper than one after the other.
        spanning.deadlines.append(&mut deadlines.into_iter().collect());
    }

    /// Takes a session that left the store out of every index but the vectors'.
    pub(super) fn unlist_session(&mut self, tenant_id: &TenantId, session_id: &SessionId, kept: &mut Kept) {
        if let Some(Tenant { users, claims, .. }) = self.tenants.get_mut(tenant_id) {
            self.spanning.swap(users, claims, (tenant_id, session_id), kept, Listings::default());
            withdraw_deadlines(&mut self.spanning.deadlines, tenant_id, session_id, kept);
        }
    }
}

impl Spanning {
    /// Makes `next` the listings of a session.
    fn swap(
        &mut self,
        users: &mut Users,
        claims: &mut Claims,
        (tenant_id, session_id): (&TenantId, &SessionId),
        kept: &mut Kept,
        next: Listings,
    ) {
        if kept.listings != next {
            let held = std::mem::replace(&mut kept.listings, next);
            swap_user(users, session_id, &held, &mut kept.listings);
            let next = &kept.listings;
            swap_claims(claims, session_id, &held, next);
            swap_workers(&mut self.holders, tenant_id, session_id, &held, next);
            count(&mut self.by_status, &mut self.gapped, &held, next);
        }
    }
}

/// A user's id is held once, however many sessions name it.
fn swap_user(users: &mut Users, id: &SessionId, held: &Listings, next: &mut Listings) {
    if let (Some((held, from)), Some((user, to))) = (&held.user, &mut next.user)
        && held == user
    {
        user.clone_from(held);
        if from != to
            && let Some(sessions) = users.get_mut(user)
        {
            sessions.remove(&(*from, id.clone()));
            sessions.insert((*to, id.clone()));
        }
        return;
    }
    if let Some((user, at)) = &held.user
        && let Some(sessions) = users.get_mut(user)
    {
        sessions.remove(&(*at, id.clone()));
        if sessions.is_empty() {
            users.remove(user);
        }
    }
    if let Some((user, at)) = &mut next.user {
        users.entry_ref(&*user).or_default().insert((*at, id.clone()));
        if let Some((held, _)) = users.get_key_value(user) {
            user.clone_from(held);
        }
    }
}

fn swap_claims(claims: &mut Claims, id: &SessionId, held: &Listings, next: &Listings) {
    for (source, stamp) in held.claims.iter().filter(|claim| !next.claims.contains(claim)) {
        if let Some(takers) = claims.get_mut(source) {
            takers.remove(&(Arc::clone(stamp), id.clone()));
            if takers.is_empty() {
                claims.remove(source);
            }
        }
    }
    for (source, stamp) in next.claims.iter().filter(|claim| !held.claims.contains(claim)) {
        claims.entry_ref(source).or_default().insert((Arc::clone(stamp), id.clone()));
    }
}

fn swap_workers(holders: &mut Holders, tenant: &TenantId, id: &SessionId, held: &Listings, next: &Listings) {
    for worker in held.workers.iter().filter(|worker| !next.workers.contains(worker)) {
        let Some(tenants) = holders.get_mut(worker) else { continue };
        if let Some(sessions) = tenants.get_mut(tenant) {
            sessions.remove(id);
            if sessions.is_empty() {
                tenants.remove(tenant);
            }
        }
        if tenants.is_empty() {
            holders.remove(worker);
        }
    }
    for worker in next.workers.iter().filter(|worker| !held.workers.contains(worker)) {
        holders.entry_ref(worker).or_default().entry(tenant.clone()).or_default().insert(id.clone());
    }
}

fn count(by_status: &mut [u64; 5], gapped: &mut u64, held: &Listings, next: &Listings) {
    let slot = |status: Status| Status::ALL.iter().position(|s| *s == status);
    if let Some(slot) = held.status.and_then(slot) {
        by_status[slot] -= 1;
    }
    if let Some(slot) = next.status.and_then(slot) {
        by_status[slot] += 1;
    }
    *gapped = *gapped + u64::from(next.gapped) - u64::from(held.gapped);
}
