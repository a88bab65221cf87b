//! What one partition holds in memory: tenants with their sessions and indexes, and what spans tenants.
//! Every secondary index is derived from a session's facets and kept up by [`Store::reindex`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use std::hint::black_box;

use hashbrown::HashMap;

use crate::engine::fold::active_adapter;
use crate::engine::index::{Columns, Hit, SpaceIndex, Wanted};
use crate::engine::listings::{Claims, Spanning, Users};
use crate::engine::packed::{Kept, Packed, Seen};
use crate::engine::prefix::PrefixIndex;
use crate::engine::settings::EngineSettings;
use crate::engine::tenants::Tenants;
use crate::engine::view;
use crate::model::ids::{Name, SessionId, SuggestionId, TenantId};
use crate::model::position::PartitionId;
use crate::model::session::{Book, Facets};
use crate::model::stamp::{Register, Stamp};
use crate::model::suggestion::Suggestion;
use crate::model::time::EventTime;
use crate::model::vector::UnitVector;

/// Sessions of one user that are looked up one by one for a search.
const FEW_OF_A_USER: usize = 512;

/// A session and what is derived from it.
#[derive(Debug, Default)]
pub struct Session {
    /// Joined facets.
    pub facets: Facets,
    /// What depends on order.
    pub book: Book,
    /// What is kept beside.
    pub kept: Kept,
}

/// One tenant's part.
#[derive(Debug, Default)]
pub struct Tenant {
    /// Open sessions.
    pub sessions: HashMap<SessionId, Box<Session>>,
    /// Sessions at rest.
    pub packed: HashMap<SessionId, Box<Packed>>,
    /// A user's sessions by latest sign of life.
    pub users: Users,
    /// Vectors by space.
    pub spaces: HashMap<Name, SpaceIndex>,
    /// Prefix chains of the sessions that let the whole tenant profit.
    pub prefixes: PrefixIndex,
    /// Who took up a session: by stamp, then id.
    pub claims: Claims,
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
    /// A session was idle for too long, or untouched for the retention.
    Session,
}

/// Everything of a partition but time and position.
#[derive(Debug, Default)]
pub struct Store {
    /// Tenants.
    pub tenants: Tenants,
    /// What spans tenants.
    pub spanning: Spanning,
    /// The open sessions, each with an instant of stream time before which it was looked at last. The same one may come
    /// twice.
    pub open: VecDeque<(EventTime, TenantId, SessionId)>,
}

impl Store {
    /// Empty, of one of so many partitions.
    pub fn of(partition: PartitionId, partition_count: i32) -> Store {
        Store { tenants: Tenants::of(partition, partition_count), ..Store::default() }
    }

    /// One session.
    pub fn session(&self, tenant: &TenantId, session: &SessionId) -> Option<Seen<'_>> {
        self.tenants.get(tenant)?.session(session)
    }

    /// One session, to change, opened if it is packed. [`Store::reindex`] must follow.
    pub fn session_mut(&mut self, tenant: &TenantId, session: &SessionId) -> Option<&mut Session> {
        self.wake(tenant, session);
        self.tenants.get_mut(tenant)?.sessions.get_mut(session).map(|session| &mut **session)
    }

    /// The session that took this one up first, by stamp.
    pub fn taken_up_by(&self, tenant: &TenantId, session: &SessionId) -> Option<&SessionId> {
        self.tenants.get(tenant)?.claims.get(session)?.first().map(|(_, taker)| taker)
    }

    /// Brings every index in line with a session's facets.
    pub fn reindex(&mut self, tenant_id: &TenantId, session_id: &SessionId, settings: &EngineSettings, now: EventTime) {
        self.wake(tenant_id, session_id);
        let Some(tenant) = self.tenants.get_mut(tenant_id) else { return };
        let Some(session) = tenant.sessions.get(session_id) else { return };
        if let Some(context) = &session.facets.context
            && let Some(space) = tenant.spaces.get_mut(&context.space)
        {
            space.set_columns(session_id, session.kept.slot, &columns(&session.facets, settings));
        }
        self.relist(tenant_id, session_id, settings, now);
    }

    /// Takes a session out of the partition with all its index entries. Its open suggestions stay in
    /// [`Tenant::open`].
    pub fn remove(
        &mut self,
        tenant_id: &TenantId,
        session_id: &SessionId,
        settings: &EngineSettings,
    ) -> Option<Session> {
        let tenant = self.tenants.get_mut(tenant_id)?;
        let mut session = tenant.take(session_id)?;
        if let Some(context) = &session.facets.context {
            leave(&mut tenant.spaces, &context.space, session_id);
        }
        self.unlist_session(tenant_id, session_id, &mut session.kept);
        self.withdraw_chain(tenant_id, session_id, settings);
        Some(*session)
    }
}

impl Session {
    /// Reads what the session itself holds.
    pub(super) fn warm(&self) {
        let Session { facets, book, kept } = self;
        black_box((facets.touched_at, book.as_of.offset, kept.state_hash, kept.vector_hash, kept.entered));
        black_box((facets.status.is_some(), facets.user.is_some(), facets.activation.is_some()));
        black_box((facets.parent.is_some(), facets.cache.is_some(), facets.context_ref.is_some()));
        black_box((facets.prefix.len(), facets.metadata.len(), facets.end.is_some(), facets.context.is_some()));
        black_box((facets.last_turn.as_ref().map(|t| t.dp_rank), book.drift, kept.listings.forget_at));
    }

    /// Reads what it points to.
    pub(super) fn warm_behind(&self) {
        let Session { facets, book, .. } = self;
        fn at<T>(register: &Option<Register<T>>) -> Option<EventTime> {
            register.as_ref().map(|register| register.stamp.at)
        }
        black_box((
            at(&facets.status),
            at(&facets.user),
            at(&facets.activation),
            at(&facets.cache),
            at(&facets.transfer_scope),
        ));
        black_box(facets.last_turn.as_ref().map(|turn| turn.stamp.at));
        black_box(
            facets.placements.first().map(|(place, r)| (place.tier, r.stamp.at, r.value.tier, r.value.created_at)),
        );
        black_box(facets.metadata.first().map(|(k, r)| (k.len(), r.stamp.at)));
        black_box(book.producers.first().map(|p| (p.epoch, p.intervals.first().copied())));
    }
}

impl Tenant {
    /// Reads a session's vector, and what is listed of it.
    pub(super) fn warm(&self, session: &Session, id: &str) {
        if let Some(index) = session.facets.context.as_ref().and_then(|context| self.spaces.get(&context.space)) {
            index.warm(id, session.kept.slot);
        }
        if let Some(user) = session.facets.user.as_ref().and_then(|user| self.users.get(&user.value)) {
            black_box(user.iter().next().map(|(at, id)| (*at, id.as_str().as_bytes()[0])));
        }
    }

    /// The `k` nearest sessions of a space that are wanted, best first, ties by session id.
    pub fn nearest(&self, space: &Name, query: &UnitVector, k: usize, wanted: &Wanted<'_>) -> Vec<Hit> {
        let Some(index) = self.spaces.get(space) else { return Vec::new() };
        match wanted.user.map(|user| self.users.get(user)) {
            None => index.search(query, k, wanted),
            Some(None) => Vec::new(),
            // Those of one user are mostly few, and are looked up sooner than they are found among all.
            Some(Some(sessions)) if sessions.len() <= FEW_OF_A_USER => {
                index.search_among(query, k, wanted, sessions.iter().map(|(_, session)| session))
            }
            Some(Some(_)) => index.search(query, k, wanted),
        }
    }

    /// The embedding stored of a session, with its space.
    pub fn vector(&self, id: &SessionId) -> Option<(&Name, UnitVector)> {
        let space = match self.sessions.get(id) {
            Some(session) => &session.facets.context.as_ref()?.space,
            None => self.packed.get(id)?.space.as_ref()?,
        };
        let bits = self.spaces.get(space)?.vector(id)?;
        Some((space, UnitVector::from_bits(bits).ok()?))
    }
}

/// The sessions a session took up, with the stamps that say so: what it declared and what it resumed from.
pub fn took_up(facets: &Facets) -> impl Iterator<Item = (&SessionId, &Arc<Stamp>)> {
    let declared = facets.continues.as_ref().and_then(|r| Some((r.value.as_ref()?, &r.stamp)));
    let resumed = facets.resumed_from.as_ref().map(|r| (&r.value, &r.stamp));
    declared.into_iter().chain(resumed)
}

/// Takes a session's vector out of a space, and the space with it if it was the last.
pub(super) fn leave(spaces: &mut HashMap<Name, SpaceIndex>, space: &Name, session: &SessionId) {
    let Some(index) = spaces.get_mut(space) else { return };
    index.remove(session);
    if index.is_empty() {
        spaces.remove(space);
    }
}

/// What predicates see of a session.
pub fn columns<'f>(facets: &'f Facets, settings: &EngineSettings) -> Columns<'f> {
    Columns {
        user: facets.user.as_ref().map(|r| &r.value),
        status: view::base_status(facets),
        expires_at: view::expires_at(facets, settings),
        adapter: active_adapter(facets).map(|a| &a.id),
        scope: view::scope(facets),
        last_active: facets.last_active,
    }
}
