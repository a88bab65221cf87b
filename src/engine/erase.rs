//! Erasure: everything known of a subject goes from memory at once, and its records follow as a work list.
//! A marker with hashed ids keeps late events of the subject out.

use std::sync::Arc;

use crate::engine::Notice;
use crate::engine::encode::Row;
use crate::engine::encode::keys::BookKey;
use crate::engine::latest::Latest;
use crate::engine::process::{Engine, Step};
use crate::engine::store::Session;
use crate::model::bookkeeping::{ErasureMarker, WorkTask};
use crate::model::event::{ErasureScope, Subject, ValidEvent};
use crate::model::ids::{SessionId, SuggestionId, TenantId};
use crate::model::suggestion::{Publication, RevokeReason, Suggestion};
use crate::model::time::EventTime;
use crate::model::verdict::{RejectReason, Rejection, Verdict};

/// An erased session whose records are not tombstoned yet. No query and no decision sees it.
pub(super) struct Grave {
    /// What was known of it: which records there are.
    pub session: Session,
    /// Suggestions to it that were open.
    pub open: Vec<Arc<Suggestion>>,
}

impl Engine {
    /// Refuses events of erased subjects.
    pub(super) fn check_not_erased(&self, event: &ValidEvent) -> Result<(), Rejection> {
        let Subject::Session { tenant, session, user, .. } = &event.subject else { return Ok(()) };
        if self.markers.is_empty() {
            return Ok(());
        }
        let mut scopes = vec![ErasureScope::Tenant, ErasureScope::Session(session.clone())];
        scopes.extend(user.clone().map(ErasureScope::User));
        let bars = |scope: &ErasureScope| {
            let marker = self.markers.get(&BookKey::erased(tenant, scope));
            marker.is_some_and(|marker| marker.dead || event.occurred_at <= marker.cut)
        };
        if scopes.iter().any(bars) {
            return Err(Rejection::new(RejectReason::Erased, "the subject of this event was erased"));
        }
        Ok(())
    }

    /// Erases a subject. An erasure that an earlier one covers changes nothing.
    pub(super) fn erase(
        &mut self,
        step: &mut Step<'_>,
        occurred_at: EventTime,
        tenant: &TenantId,
        scope: &ErasureScope,
    ) -> Verdict {
        let key = BookKey::erased(tenant, scope);
        if self.markers.get(&key).is_some_and(|marker| occurred_at <= marker.cut) {
            return Verdict::Duplicate;
        }
        let victims = self.victims(tenant, scope);
        let last = victims.iter().filter_map(|id| self.store.session(tenant, id)?.facets.last_active).max();
        let cut = occurred_at.max(self.stream_time).max(last.unwrap_or(EventTime::MIN));
        let expires_at = self.stream_time.max(occurred_at).plus(self.settings.erasure_marker);
        let marker = ErasureMarker { cut, dead: matches!(scope, ErasureScope::Session(_)), expires_at };
        self.mark(step, key, marker);
        if matches!(scope, ErasureScope::User(_)) {
            for id in &victims {
                let own = BookKey::erased(tenant, &ErasureScope::Session(id.clone()));
                if !self.markers.get(&own).is_some_and(|held| held.dead) {
                    self.mark(step, own, ErasureMarker { dead: false, ..marker });
                }
            }
        }
        step.effects.notices.push(Notice::Erased(tenant.clone()));
        for id in &victims {
            self.lay_to_rest(tenant, id);
        }
        if *scope == ErasureScope::Tenant {
            self.forget_rate(step, tenant);
            for worker in self.workers.forget_tenant(tenant) {
                self.drop_row(step, &BookKey::Worker(Some(tenant.clone()), worker));
            }
            for key in self.calibrations.forget_tenant(tenant) {
                self.drop_row(step, &key);
            }
        }
        let sessions = victims.into_iter().map(|id| (tenant.clone(), id)).collect();
        self.fan_out(step, &WorkTask::Erase, sessions);
        Verdict::Applied
    }

    /// The sessions of a subject, in key order.
    fn victims(&self, tenant_id: &TenantId, scope: &ErasureScope) -> Vec<SessionId> {
        let Some(tenant) = self.store.tenants.get(tenant_id) else { return Vec::new() };
        let mut victims: Vec<SessionId> = match scope {
            ErasureScope::Session(id) => tenant.holds(id).then(|| id.clone()).into_iter().collect(),
            ErasureScope::User(user) => {
                tenant.users.get(user).into_iter().flat_map(Latest::iter).map(|(_, id)| id.clone()).collect()
            }
            ErasureScope::Tenant => tenant.ids().cloned().collect(),
        };
        victims.sort();
        victims
    }

    /// Moves a session out of sight, with its open suggestions.
    pub(super) fn lay_to_rest(&mut self, tenant_id: &TenantId, id: &SessionId) {
        let Some(session) = self.store.remove(tenant_id, id, &self.settings) else { return };
        let open = session.book.open.iter().filter_map(|open| self.store.unlist(tenant_id, open)).collect();
        self.store.tenants.drop_if_empty(tenant_id);
        self.graves.insert((tenant_id.clone(), id.clone()), Grave { session, open });
    }

    /// Tombstones the records of an erased session and revokes what was suggested to it or drawn from it.
    /// Nothing happens if it is done already, or if the session was never erased.
    pub(super) fn bury(&mut self, step: &mut Step<'_>, tenant: &TenantId, id: &SessionId) {
        if self.graves.is_empty() {
            return;
        }
        let Some(grave) = self.graves.remove(&(tenant.clone(), id.clone())) else { return };
        self.buried_at = Some(step.position.offset);
        let revoked = Publication::Revoked(RevokeReason::Erased);
        for suggestion in &grave.open {
            self.publish(step, suggestion, &revoked);
            self.drop_row(step, &BookKey::Open(tenant.clone(), id.clone(), suggestion.id.clone()));
        }
        self.bury_records(step, tenant, id, grave.session);
        let drawn = self.store.tenants.get(tenant).and_then(|t| t.sourced.get(id)).cloned();
        let drawn: Vec<SuggestionId> = drawn.into_iter().flatten().collect();
        for open in drawn {
            let held = self.store.tenants.get(tenant).and_then(|t| t.open.get(&open));
            let Some(target) = held.map(|s| s.session.clone()) else { continue };
            self.retire(step, tenant, &open, &revoked);
            self.write_session(step, tenant, &target);
        }
        self.store.tenants.drop_if_empty(tenant);
    }

    fn mark(&mut self, step: &mut Step<'_>, key: BookKey, marker: ErasureMarker) {
        self.note_marker(key.clone(), marker);
        self.write_row(step, &key, &Row::Erased(marker));
    }

    /// Enters a marker, in place of an older one.
    pub(super) fn note_marker(&mut self, key: BookKey, marker: ErasureMarker) {
        if let Some(held) = self.markers.insert(key.clone(), marker) {
            self.marker_deadlines.remove(&(held.expires_at, key.clone()));
        }
        self.marker_deadlines.insert((marker.expires_at, key));
    }

    /// Markers whose time is up go.
    pub(super) fn expire_markers(&mut self, step: &mut Step<'_>, to: EventTime) {
        while let Some((_, key)) = self.marker_deadlines.first().filter(|(at, _)| *at <= to).cloned() {
            self.marker_deadlines.pop_first();
            self.markers.remove(&key);
            self.drop_row(step, &key);
        }
    }
}
