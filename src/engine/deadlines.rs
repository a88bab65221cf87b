//! Stream time moves on: what became due fires, in (deadline, session) order, each as of its own instant.

use std::collections::BTreeSet;

use crate::engine::Notice;
use crate::engine::packed::Kept;
use crate::engine::process::{Engine, Step};
use crate::engine::store::Due;
use crate::engine::suggest::away;
use crate::engine::view;
use crate::model::ids::{SessionId, TenantId};
use crate::model::session::{Status, TriggerKind};
use crate::model::suggestion::{Publication, RevokeReason, Trigger};
use crate::model::time::EventTime;

/// When something is due: an instant, or never, which is the end of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueAt(EventTime);

/// One deadline: when what of whom is due.
pub type Deadline = (EventTime, TenantId, SessionId, Due);
/// Deadlines in the order they fire.
pub type Deadlines = BTreeSet<Deadline>;

impl DueAt {
    const NEVER: DueAt = DueAt(EventTime(i64::MAX));

    /// At an instant; `None`: never.
    pub fn at(at: Option<EventTime>) -> DueAt {
        at.map_or(DueAt::NEVER, DueAt)
    }

    fn instant(self) -> Option<EventTime> {
        (self != DueAt::NEVER).then_some(self.0)
    }
}

impl Default for DueAt {
    fn default() -> DueAt {
        DueAt::NEVER
    }
}

impl Engine {
    /// Fires every deadline up to and including `to`, then makes `to` the stream time if it is later.
    pub(super) fn advance(&mut self, step: &mut Step<'_>, to: EventTime) {
        while let Some((at, tenant, session, due)) =
            self.store.spanning.deadlines.first().filter(|d| d.0 <= to).cloned()
        {
            self.store.spanning.deadlines.pop_first();
            let Due::Suggestion(id) = due else {
                self.fire_own(step, &tenant, &session, at);
                continue;
            };
            self.stream_time = self.stream_time.max(at);
            self.expire_suggestion(step, &tenant, &id);
        }
        self.expire_markers(step, to);
        self.stream_time = self.stream_time.max(to);
    }

    /// An entered deadline of a session came up. If none is due yet, the one that is next is entered.
    fn fire_own(&mut self, step: &mut Step<'_>, tenant: &TenantId, id: &SessionId, at: EventTime) {
        let Some(kept) = self.store.tenants.get_mut(tenant).and_then(|t| t.kept_mut(id)) else { return };
        kept.entered = DueAt::NEVER;
        let is_due = |due: DueAt| due.instant().filter(|due| *due <= at);
        let (stirs, forgotten) = (is_due(kept.listings.stirs_at), is_due(kept.listings.forget_at));
        if stirs.is_none() && forgotten.is_none() {
            return enter_deadlines(&mut self.store.spanning.deadlines, tenant, id, kept);
        }
        self.stream_time = self.stream_time.max(at);
        // Both at one instant: it is looked at again as soon as it stirred.
        match stirs {
            Some(due) => self.stir(step, tenant, id, due),
            None => self.forget(step, tenant, id),
        }
    }

    /// A session went idle, or is about to return: what is to be done for it is suggested.
    fn stir(&mut self, step: &mut Step<'_>, tenant: &TenantId, id: &SessionId, due: EventTime) {
        self.store.reindex(tenant, id, &self.settings, self.stream_time);
        let Some(session) = self.store.session(tenant, id) else { return };
        let (facets, settings) = (&session.facets, &self.settings);
        let returns = away::wakes_at(facets, &settings.policy) == Some(due);
        // Whoever broke off was told of at once.
        let idle = view::expires_at(facets, settings) == Some(due)
            && view::base_status(facets).is_some_and(|status| status != Status::Interrupted);
        let kinds = [(returns, TriggerKind::SessionPaused), (idle, TriggerKind::Idle)];
        for (_, kind) in kinds.into_iter().filter(|(fires, _)| *fires) {
            self.recover(step, tenant, id, &Trigger::by_deadline(kind, due), None, None);
        }
        self.write_session(step, tenant, id);
    }

    /// A session untouched for the retention leaves without a trace.
    fn forget(&mut self, step: &mut Step<'_>, tenant: &TenantId, id: &SessionId) {
        for open in self.open_of(tenant, id, |_| true) {
            self.retire(step, tenant, &open, &Publication::Revoked(RevokeReason::Ended));
        }
        if let Some(session) = self.store.remove(tenant, id, &self.settings) {
            self.bury_records(step, tenant, id, session);
            self.store.tenants.drop_if_empty(tenant);
            step.effects.notices.push(Notice::Forgotten);
        }
    }
}

/// The earliest of a session's own deadlines.
fn earliest(kept: &Kept) -> DueAt {
    kept.listings.stirs_at.min(kept.listings.forget_at)
}

/// Enters the earliest of a session's own deadlines if it is due before what is entered.
pub(super) fn enter_deadlines(deadlines: &mut Deadlines, tenant: &TenantId, id: &SessionId, kept: &mut Kept) {
    let next = earliest(kept);
    if let Some(at) = next.instant().filter(|_| next < kept.entered) {
        withdraw_deadlines(deadlines, tenant, id, kept);
        kept.entered = next;
        deadlines.insert((at, tenant.clone(), id.clone(), Due::Session));
    }
}

/// Adds the earliest deadline of a session of which none is entered.
pub(super) fn first_deadlines(deadlines: &mut Vec<Deadline>, tenant: &TenantId, id: &SessionId, kept: &mut Kept) {
    kept.entered = earliest(kept);
    deadlines.extend(kept.entered.instant().map(|at| (at, tenant.clone(), id.clone(), Due::Session)));
}

/// Takes a session's own deadlines out.
pub(super) fn withdraw_deadlines(deadlines: &mut Deadlines, tenant: &TenantId, id: &SessionId, kept: &mut Kept) {
    if let Some(at) = std::mem::take(&mut kept.entered).instant() {
        deadlines.remove(&(at, tenant.clone(), id.clone(), Due::Session));
    }
}
