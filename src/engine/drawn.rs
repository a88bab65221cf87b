//! What other sessions were told to reuse of a session's KV, and what becomes of it when that is gone.

use crate::engine::process::{Engine, Step};
use crate::model::ids::{SessionId, SuggestionId, TenantId};
use crate::model::suggestion::{Publication, RevokeReason, Suggestion};

impl Engine {
    /// Revokes the open suggestions to other sessions that draw on a copy of this one which no longer holds what they
    /// promised.
    pub(super) fn revoke_drawn(
        &mut self,
        step: &mut Step<'_>,
        tenant_id: &TenantId,
        id: &SessionId,
        reason: RevokeReason,
    ) {
        let Some(tenant) = self.store.tenants.get(tenant_id) else { return };
        let Some(drawn) = tenant.sourced.get(id) else { return };
        let open = drawn.iter().filter_map(|drawn| tenant.open.get(drawn));
        let mut open = open.filter(|s| s.session != *id && s.kv_copy().is_some()).peekable();
        if open.peek().is_none() {
            return;
        }
        let Some(session) = tenant.session(id) else { return };
        let (alive, _) = self.scene().lens(tenant_id).copies(&session.facets);
        let holds = |s: &Suggestion| {
            s.kv_copy().is_none_or(|(promised, tokens)| {
                alive.iter().any(|copy| {
                    copy.place() == promised.place() && copy.cache == promised.cache && copy.cached_tokens >= tokens
                })
            })
        };
        let dead: Vec<(SuggestionId, SessionId)> =
            open.filter(|s| !holds(s)).map(|s| (s.id.clone(), s.session.clone())).collect();
        for (suggestion, target) in dead {
            self.retire(step, tenant_id, &suggestion, &Publication::Revoked(reason));
            self.write_session(step, tenant_id, &target);
        }
    }
}
