//! Stream time moves on: what became due fires, in (deadline, session) order, each as of its own instant.

use crate::engine::Notice;
use crate::engine::process::{Engine, Step};
use crate::engine::store::{Due, Store};
use crate::model::ids::{SessionId, TenantId};
use crate::model::suggestion::{Publication, RevokeReason};
use crate::model::time::EventTime;

impl Engine {
    /// Fires every deadline up to and including `to`, then makes `to` the stream time if it is later.
    pub(super) fn advance(&mut self, step: &mut Step<'_>, to: EventTime) {
        while let Some((at, tenant, session, due)) = self.store.deadlines.first().filter(|d| d.0 <= to).cloned() {
            self.store.deadlines.pop_first();
            if !matches!(due, Due::Suggestion(_)) && !self.store.came_up(&tenant, &session, &due, at) {
                continue;
            }
            self.stream_time = self.stream_time.max(at);
            match due {
                Due::Suggestion(id) => self.expire_suggestion(step, &tenant, &id),
                Due::Idle => {
                    self.store.reindex(&tenant, &session, &self.settings, self.stream_time);
                    self.write_session(step, &tenant, &session);
                }
                Due::Forget => self.forget(step, &tenant, &session),
            }
        }
        self.expire_markers(step, to);
        self.stream_time = self.stream_time.max(to);
    }

    /// A session untouched for the retention leaves without a trace.
    fn forget(&mut self, step: &mut Step<'_>, tenant: &TenantId, id: &SessionId) {
        for open in self.open_of(tenant, id, |_| true) {
            self.retire(step, tenant, &open, &Publication::Revoked(RevokeReason::Ended));
        }
        if let Some(session) = self.store.remove(tenant, id) {
            self.bury_records(step, tenant, id, session);
            self.store.drop_if_empty(tenant);
            step.effects.notices.push(Notice::Forgotten);
        }
    }
}

impl Store {
    /// When a session's own deadline is due; `None`: it has none ahead.
    fn due_at(&self, tenant: &TenantId, session: &SessionId, due: &Due) -> Option<EventTime> {
        let keys = &self.session(tenant, session)?.keys;
        match due {
            Due::Idle => keys.idle_at,
            Due::Forget => keys.forget_at,
            Due::Suggestion(_) => None,
        }
    }

    pub(super) fn enter_deadline(&mut self, tenant_id: &TenantId, session_id: &SessionId, due: Due) {
        let Some(session) = self.tenants.get_mut(tenant_id).and_then(|t| t.sessions.get_mut(session_id)) else {
            return;
        };
        let (at, entered) = match due {
            Due::Idle => (session.keys.idle_at, &mut session.entered.0),
            Due::Forget => (session.keys.forget_at, &mut session.entered.1),
            Due::Suggestion(_) => return,
        };
        let Some(at) = at.filter(|at| entered.is_none_or(|entered| *at < entered)) else { return };
        let earlier = entered.replace(at);
        if let Some(earlier) = earlier {
            self.deadlines.remove(&(earlier, tenant_id.clone(), session_id.clone(), due.clone()));
        }
        self.deadlines.insert((at, tenant_id.clone(), session_id.clone(), due));
    }

    /// An entered deadline of a session came up. Returns whether it is due now; else it is entered again for
    /// the instant it moved to, if it has any.
    fn came_up(&mut self, tenant: &TenantId, session: &SessionId, due: &Due, at: EventTime) -> bool {
        let due_at = self.due_at(tenant, session, due);
        if let Some(held) = self.session_mut(tenant, session) {
            match due {
                Due::Idle => held.entered.0 = None,
                Due::Forget => held.entered.1 = None,
                Due::Suggestion(_) => {}
            }
        }
        if due_at.is_some_and(|due_at| due_at <= at) {
            return true;
        }
        self.enter_deadline(tenant, session, due.clone());
        false
    }
}
