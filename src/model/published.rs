//! A session as it is published, borrowed from where it is held: a state is written for nearly every event, and
//! [`SessionView`], which owns what it says, costs as much again.

use std::sync::Arc;

use super::event::{EndReason, TransferScope};
use super::ids::{Name, SessionId, SuggestionId, TenantId, UserId};
use super::kv::{Adapter, CacheIdentity, KvCopy, Residency};
use super::position::Position;
use super::session::{SessionView, Status};
use super::time::{EventTime, Millis};

/// The fields of [`SessionView`].
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Published<'a> {
    pub tenant: &'a TenantId,
    pub session: &'a SessionId,
    pub user: Option<&'a UserId>,
    pub status: Option<Status>,
    pub end_reason: Option<EndReason>,
    pub turn_count: u32,
    pub context_tokens: Option<u64>,
    pub started_at: Option<EventTime>,
    pub last_active: Option<EventTime>,
    pub idle_timeout: Millis,
    pub active_adapter: Option<&'a Adapter>,
    pub cache: Option<&'a CacheIdentity>,
    pub kv_copies: Vec<Arc<KvCopy>>,
    pub residency: Option<Residency>,
    pub context: Option<(&'a Name, u32)>,
    pub transfer_scope: TransferScope,
    pub parent: Option<&'a SessionId>,
    pub continues: Option<&'a SessionId>,
    pub taken_up_by: Option<&'a SessionId>,
    pub context_ref: Option<&'a Name>,
    pub metadata: Vec<(&'a Arc<str>, &'a Arc<str>)>,
    pub gapped: bool,
    pub open_suggestions: Vec<&'a SuggestionId>,
    pub as_of: Position,
}

impl From<Published<'_>> for SessionView {
    fn from(lent: Published<'_>) -> SessionView {
        SessionView {
            tenant: lent.tenant.clone(),
            session: lent.session.clone(),
            user: lent.user.cloned(),
            status: lent.status,
            end_reason: lent.end_reason,
            turn_count: lent.turn_count,
            context_tokens: lent.context_tokens,
            started_at: lent.started_at,
            last_active: lent.last_active,
            idle_timeout: lent.idle_timeout,
            active_adapter: lent.active_adapter.cloned(),
            cache: lent.cache.cloned(),
            kv_copies: lent.kv_copies,
            residency: lent.residency,
            context: lent.context.map(|(space, turn)| (space.clone(), turn)),
            transfer_scope: lent.transfer_scope,
            parent: lent.parent.cloned(),
            continues: lent.continues.cloned(),
            taken_up_by: lent.taken_up_by.cloned(),
            context_ref: lent.context_ref.cloned(),
            metadata: lent.metadata.into_iter().map(|(key, value)| (Arc::clone(key), Arc::clone(value))).collect(),
            gapped: lent.gapped,
            open_suggestions: lent.open_suggestions.into_iter().cloned().collect(),
            as_of: lent.as_of,
        }
    }
}

#[cfg(test)]
impl SessionView {
    /// The same, borrowed.
    pub fn lent(&self) -> Published<'_> {
        Published {
            tenant: &self.tenant,
            session: &self.session,
            user: self.user.as_ref(),
            status: self.status,
            end_reason: self.end_reason,
            turn_count: self.turn_count,
            context_tokens: self.context_tokens,
            started_at: self.started_at,
            last_active: self.last_active,
            idle_timeout: self.idle_timeout,
            active_adapter: self.active_adapter.as_ref(),
            cache: self.cache.as_ref(),
            kv_copies: self.kv_copies.clone(),
            residency: self.residency,
            context: self.context.as_ref().map(|(space, turn)| (space, *turn)),
            transfer_scope: self.transfer_scope,
            parent: self.parent.as_ref(),
            continues: self.continues.as_ref(),
            taken_up_by: self.taken_up_by.as_ref(),
            context_ref: self.context_ref.as_ref(),
            metadata: self.metadata.iter().map(|(key, value)| (key, value)).collect(),
            gapped: self.gapped,
            open_suggestions: self.open_suggestions.iter().collect(),
            as_of: self.as_of,
        }
    }
}
