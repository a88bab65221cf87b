//! Stream time moves on: what became due fires, in (deadline, session) order, each as of its own instant.

use crate::engine::Notice;
use crate::engine::process::{Engine, Step};
use crate::engine::store::Due;
use crate::model::ids::{SessionId, TenantId};
use crate::model::suggestion::{Publication, RevokeReason};
use crate::model::time::EventTime;

impl Engine {
    /// Fires every deadline up to and including `to`, then makes `to` the stream time if it is later.
    pub(super) fn advance(&mut self, step: &mut Step<'_>, to: EventTime) {
        while let Some((at, tenant, session, due)) = self.store.deadlines.first().filter(|d| d.0 <= to).cloned() {
            self.store.deadlines.pop_first();
            self.stream_time = self.stream_time.max(at);
            match due {
                Due::Suggestion(id) => self.expire_suggestion(step, &tenant, &id),
                Due::Idle => {
                    self.store.reindex(&tenant, &session, &self.settings.clone(), self.stream_time);
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
