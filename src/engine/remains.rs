//! What is left of an erased subject. Looks at each place where something could be, and concludes nothing from another.

use hashbrown::HashSet;

use crate::engine::encode::keys::BookKey;
use crate::engine::erase::Grave;
use crate::engine::index::Wanted;
use crate::engine::latest::Latest;
use crate::engine::process::Engine;
use crate::engine::store::Tenant;
use crate::model::bookkeeping::ErasureMarker;
use crate::model::event::ErasureScope;
use crate::model::ids::{SessionId, TenantId};
use crate::model::position::Offset;

/// What one partition holds of a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// Sessions in the state.
    pub sessions: usize,
    /// Embeddings that a search could find.
    pub vectors: usize,
    /// Sessions with an entry in the index of prefixes.
    pub prefixes: usize,
    /// Suggestions to it, or drawn from it, that are not revoked.
    pub open_suggestions: usize,
    /// Erased sessions whose tombstones are still to be written.
    pub unwritten: usize,
    /// The offset with which tombstones were written last, of whatever subject, since the partition is here.
    pub buried_at: Option<Offset>,
    /// The marker that keeps it erased.
    pub marker: Option<ErasureMarker>,
}

impl Remains {
    /// Nothing is held of the subject, and nothing is still to be written.
    pub fn are_none(&self) -> bool {
        self.sessions + self.vectors + self.prefixes + self.open_suggestions + self.unwritten == 0
    }
}

impl Engine {
    /// What is held of a subject. It costs about what a search does.
    pub fn remains(&self, tenant: &TenantId, scope: &ErasureScope) -> Remains {
        let graves: Vec<(&SessionId, &Grave)> = self.graves_of(tenant, scope).collect();
        let mut remains = Remains {
            open_suggestions: graves.iter().map(|(_, grave)| grave.open.len()).sum(),
            unwritten: graves.len(),
            buried_at: self.buried_at,
            marker: self.markers.get(&BookKey::erased(tenant, scope)).copied(),
            ..Remains::default()
        };
        if let Some(held) = self.store.tenants.get(tenant) {
            let ids = held.ids_of(scope, graves.iter().map(|(id, _)| *id));
            remains.sessions = held.sessions_of(scope);
            remains.vectors = held.vectors_of(scope);
            (remains.prefixes, remains.open_suggestions) = match scope {
                ErasureScope::Tenant => (held.prefixes.sessions(), remains.open_suggestions + held.open.len()),
                _ => {
                    let open = held.open.values();
                    let open = open.filter(|open| ids.contains(&open.session) || ids.contains(open.from_session()));
                    let prefixes = ids.iter().filter(|id| held.prefixes.knows(id)).count();
                    (prefixes, remains.open_suggestions + open.count())
                }
            };
        }
        remains
    }

    fn graves_of<'e>(
        &'e self,
        tenant: &'e TenantId,
        scope: &'e ErasureScope,
    ) -> impl Iterator<Item = (&'e SessionId, &'e Grave)> {
        let graves = self.graves.iter().filter(move |((of, _), _)| of == tenant);
        graves.map(|((_, id), grave)| (id, grave)).filter(move |(id, grave)| match scope {
            ErasureScope::Tenant => true,
            ErasureScope::Session(session) => *id == session,
            ErasureScope::User(user) => grave.session.facets.user.as_ref().is_some_and(|held| held.value == *user),
        })
    }
}

impl Tenant {
    fn sessions_of(&self, scope: &ErasureScope) -> usize {
        match scope {
            ErasureScope::Tenant => self.sessions.len() + self.packed.len(),
            ErasureScope::Session(session) => usize::from(self.holds(session)),
            ErasureScope::User(user) => self.users.get(user).map_or(0, Latest::len),
        }
    }

    fn vectors_of(&self, scope: &ErasureScope) -> usize {
        let spaces = self.spaces.values();
        match scope {
            ErasureScope::Tenant => spaces.map(|space| space.len()).sum(),
            ErasureScope::Session(session) => spaces.filter(|space| space.vector(session).is_some()).count(),
            ErasureScope::User(user) => {
                let wanted = Wanted { user: Some(user), ..Wanted::default() };
                spaces.map(|space| space.count(&wanted)).sum()
            }
        }
    }

    /// The ids of a session's or a user's sessions, with those that are erased and not yet tombstoned.
    fn ids_of<'i>(
        &'i self,
        scope: &'i ErasureScope,
        buried: impl Iterator<Item = &'i SessionId>,
    ) -> HashSet<&'i SessionId> {
        let (session, user) = match scope {
            ErasureScope::Tenant => (None, None),
            ErasureScope::Session(session) => (Some(session), None),
            ErasureScope::User(user) => (None, self.users.get(user)),
        };
        let listed = user.into_iter().flat_map(Latest::iter).map(|(_, id)| id);
        listed.chain(session).chain(buried).collect()
    }
}
