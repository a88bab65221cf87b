//! Stream time moves on: what became due fires, in (deadline, session) order, each as of its own instant.

use std::collections::BTreeSet;

use crate::engine::Notice;
use crate::engine::packed::Kept;
use crate::engine::process::{Engine, Step};
use crate::engine::store::{Due, Store};
use crate::model::ids::{SessionId, TenantId};
use crate::model::suggestion::{Publication, RevokeReason};
use crate::model::time::EventTime;

/// One deadline: when what of whom is due.
pub type Deadline = (EventTime, TenantId, SessionId, Due);
/// Deadlines in the order they fire.
pub type Deadlines = BTreeSet<Deadline>;

impl Engine {
    /// Fires every deadline up to and including `to`, then makes `to` the stream time if it is later.
    pub(super) fn advance(&mut self, step: &mut Step<'_>, to: EventTime) {
        while let Some((at, tenant, session, due)) =
            self.store.spanning.deadlines.first().filter(|d| d.0 <= to).cloned()
        {
            self.store.spanning.deadlines.pop_first();
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

/// A session's own deadlines, each with the instant it is due at and the one it is entered at.
fn own(kept: &mut Kept) -> [(Due, Option<EventTime>, &mut Option<EventTime>); 2] {
    let (listings, entered) = (&kept.listings, &mut kept.entered);
    [(Due::Idle, listings.idle_at, &mut entered.0), (Due::Forget, listings.forget_at, &mut entered.1)]
}

/// Enters those of a session's own deadlines that are due before what is entered of them.
pub(super) fn enter_deadlines(deadlines: &mut Deadlines, tenant: &TenantId, id: &SessionId, kept: &mut Kept) {
    for (due, at, entered) in own(kept) {
        let Some(at) = at.filter(|at| entered.is_none_or(|entered| *at < entered)) else { continue };
        if let Some(earlier) = entered.replace(at) {
            deadlines.remove(&(earlier, tenant.clone(), id.clone(), due.clone()));
        }
        deadlines.insert((at, tenant.clone(), id.clone(), due));
    }
}

/// Adds the own deadlines of a session of which none is entered.
pub(super) fn first_deadlines(deadlines: &mut Vec<Deadline>, tenant: &TenantId, id: &SessionId, kept: &mut Kept) {
    for (due, at, entered) in own(kept) {
        *entered = at;
        deadlines.extend(at.map(|at| (at, tenant.clone(), id.clone(), due)));
    }
}

/// Takes a session's own deadlines out.
pub(super) fn withdraw_deadlines(deadlines: &mut Deadlines, tenant: &TenantId, id: &SessionId, kept: &mut Kept) {
    for (due, _, entered) in own(kept) {
        if let Some(at) = entered.take() {
            deadlines.remove(&(at, tenant.clone(), id.clone(), due));
        }
    }
}

impl Store {
    /// An entered deadline of a session came up. Returns whether it is due now; else it is entered again for
    /// the instant it moved to, if it has any.
    fn came_up(&mut self, tenant: &TenantId, id: &SessionId, due: &Due, at: EventTime) -> bool {
        let Some(kept) = self.tenants.get_mut(tenant).and_then(|t| t.kept_mut(id)) else { return false };
        let Some((_, due_at, entered)) = own(kept).into_iter().find(|(own, ..)| own == due) else { return false };
        *entered = None;
        if due_at.is_some_and(|due_at| due_at <= at) {
            return true;
        }
        enter_deadlines(&mut self.spanning.deadlines, tenant, id, kept);
        false
    }
}
