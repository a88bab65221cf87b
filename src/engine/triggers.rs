//! Which suggestions an event ends, and which it sets off. A trigger fires only if its stamp is above the
//! last one of its kind and, where it follows a facet, the facet changed: redelivery publishes nothing.

use std::sync::Arc;

use crate::engine::apply::{Before, Folded};
use crate::engine::process::{Engine, Step};
use crate::engine::suggest::recovery::{self, Ask};
use crate::engine::suggest::{away, identity, transfer};
use crate::engine::view::status;
use crate::model::event::{Context, SessionBody};
use crate::model::ids::{SessionId, TenantId};
use crate::model::kv::CacheIdentity;
use crate::model::session::{Status, TriggerKind};
use crate::model::stamp::Stamp;
use crate::model::suggestion::{Advice, Delivery, RevokeReason, Score, Suggestion, Trigger};
use crate::model::time::EventTime;

impl Engine {
    /// Ends the suggestions that an event makes pointless or forbidden.
    pub(super) fn end_suggestions(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        stamp: &Arc<Stamp>,
        body: &SessionBody,
        Folded { before, change, told }: &Folded<'_>,
    ) {
        if change.scope || change.user {
            self.recheck_consent(step, tenant, id);
        }
        if let SessionBody::Turn(turn) = body
            && change.status
        {
            self.judge_trial(step, tenant, id, stamp, turn);
        }
        match body {
            SessionBody::Resumed(resumed) if change.any => self.close_by_outcome(step, tenant, id, resumed),
            SessionBody::Turn(turn) if change.status && told.had_open => {
                self.close_by_turn(step, tenant, id, stamp, turn);
            }
            _ => {}
        }
        if change.ended {
            self.revoke(step, tenant, id, RevokeReason::Ended, |_| true);
        }
        for source in self.newly_taken_up(tenant, id, body, before) {
            if self.revoke(step, tenant, &source, RevokeReason::Resumed, |s| is_own(s, &source)) {
                self.write_session(step, tenant, &source);
            }
        }
    }

    /// Fires what the event sets off. Returns whether any trigger fired.
    pub(super) fn fire_triggers(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        stamp: &Arc<Stamp>,
        body: &SessionBody,
        Folded { before, change, told }: &Folded<'_>,
    ) -> bool {
        if told.is_over {
            return false;
        }
        let mut fired = false;
        let kind = match body {
            SessionBody::Started(_) if change.status => Some(TriggerKind::SessionStarted),
            SessionBody::Interrupted(..) if change.status => Some(TriggerKind::SessionInterrupted),
            SessionBody::Paused(_, Some(_)) if change.status => Some(TriggerKind::SessionPaused),
            SessionBody::ResumeRequested(_) => Some(TriggerKind::ResumeRequested),
            SessionBody::KvEvicted(_) if change.evicted => return self.evicted(step, tenant, id, stamp, before),
            _ => None,
        };
        if let Some(kind) = kind.filter(|kind| self.fire(tenant, id, *kind, stamp)) {
            fired = true;
            let (cache, context) = match body {
                SessionBody::ResumeRequested(request) => (request.cache.as_ref(), request.context.as_ref()),
                _ => (None, None),
            };
            self.recover(step, tenant, id, &Trigger::by_event(kind, stamp), cache, context);
        }
        if change.context.is_some() {
            fired |= self.context_triggers(step, tenant, id, stamp, before.had_context, told.drift);
        }
        fired
    }

    /// A first embedding nominates earlier sessions and neighbours; one that drifted far, neighbours.
    fn context_triggers(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        stamp: &Arc<Stamp>,
        had_context: bool,
        drift: f64,
    ) -> bool {
        if !had_context {
            if !self.fire(tenant, id, TriggerKind::FirstContext, stamp) {
                return false;
            }
            self.recover(step, tenant, id, &Trigger::by_event(TriggerKind::FirstContext, stamp), None, None);
            self.transfer(step, tenant, id, TriggerKind::FirstContext, stamp);
            return true;
        }
        if drift <= self.settings.policy.drift_radians || !self.fire(tenant, id, TriggerKind::ContextDrift, stamp) {
            return false;
        }
        if let Some(session) = self.store.session_mut(tenant, id) {
            session.book.drift = 0.0;
        }
        self.transfer(step, tenant, id, TriggerKind::ContextDrift, stamp);
        true
    }

    /// A copy was evicted: suggestions that rely on it go, and what is left is suggested instead.
    fn evicted(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        stamp: &Arc<Stamp>,
        before: &Before,
    ) -> bool {
        let revoked = self.revoke_dead(step, tenant, id, RevokeReason::Evicted);
        let Some(session) = self.store.session(tenant, id) else { return false };
        let died = self.scene().lens(tenant).copies(&session.facets).0.len() < before.live_copies;
        let waiting = match status(&session.facets, &self.settings, self.stream_time) {
            Some(Status::Active | Status::Paused) => died,
            Some(Status::Interrupted) => revoked,
            Some(Status::Ended | Status::Expired) | None => false,
        };
        if !waiting || !self.fire(tenant, id, TriggerKind::KvCacheEvicted, stamp) {
            return revoked;
        }
        self.recover(step, tenant, id, &Trigger::by_event(TriggerKind::KvCacheEvicted, stamp), None, None);
        true
    }

    /// Revokes a session's open recoveries whose copy is no longer alive.
    pub(super) fn revoke_dead(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        reason: RevokeReason,
    ) -> bool {
        let Some(session) = self.store.session(tenant, id) else { return false };
        let (alive, _) = self.scene().lens(tenant).copies(&session.facets);
        let dead = |s: &Suggestion| match &s.advice {
            Advice::Recovery(r) if r.source.session == *id => {
                r.source.kv_cache.as_ref().is_some_and(|copy| !alive.contains(copy))
            }
            _ => false,
        };
        self.revoke(step, tenant, id, reason, dead)
    }

    /// Whether a trigger may fire; if so it is noted.
    pub(super) fn fire(&mut self, tenant: &TenantId, id: &SessionId, kind: TriggerKind, stamp: &Arc<Stamp>) -> bool {
        let Some(session) = self.store.session_mut(tenant, id) else { return false };
        if session.book.triggers.get(&kind).is_some_and(|last| last >= stamp) {
            return false;
        }
        session.book.triggers.insert(kind, Arc::clone(stamp));
        true
    }

    /// Decides on a recovery and opens it. A first embedding replaces only what was suggested at the start
    /// without one, and revokes it if it speaks against it: what a session asked for, or lost, weighs more
    /// than what its embedding resembles.
    #[allow(clippy::too_many_arguments)] // what is asked, and why
    pub(super) fn recover(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        trigger: &Trigger,
        cache: Option<&CacheIdentity>,
        context: Option<&Context>,
    ) {
        let Some(session) = self.store.session(tenant, id) else { return };
        let user = session.facets.user.as_ref().map(|r| r.value.clone());
        let ask = Ask {
            tenant,
            session: Some(id),
            user: user.as_ref(),
            trigger: trigger.kind,
            context: context.map(|c| (&c.space, &c.vector)),
            cache,
            prefix: None,
        };
        let found = recovery::decide(&self.scene(), &ask).ok();
        if trigger.kind == TriggerKind::FirstContext {
            let later = |s: &Suggestion| s.is_recovery() && s.trigger.kind != TriggerKind::SessionStarted;
            let settled = !self.open_of(tenant, id, later).is_empty();
            if settled || user.is_none() {
                return;
            }
            if found.is_none() {
                let early = |s: &Suggestion| s.trigger.kind == TriggerKind::SessionStarted;
                self.revoke(step, tenant, id, RevokeReason::Superseded, early);
            }
        }
        let Some(found) = found else { return };
        // A deadline tells nothing new of what is open already.
        let same = |s: &Suggestion| match &s.advice {
            Advice::Recovery(open) => {
                (open.plan, &open.source.kv_cache) == (found.recovery.plan, &found.recovery.source.kv_cache)
            }
            Advice::Transfer(_) => false,
        };
        if trigger.due_at.is_some() && !self.open_of(tenant, id, same).is_empty() {
            return;
        }
        let Some(session) = self.store.session(tenant, id) else { return };
        let until = away::holds_until(&self.settings, &session, found.recovery.plan, trigger.at());
        let until = found.until.map_or(until, |believed| believed.min(until));
        let advice = Advice::Recovery(Box::new(found.recovery));
        if let Some(suggestion) = self.compose(step, tenant, id, trigger.clone(), advice, found.score, until) {
            self.open(step, suggestion);
        }
    }

    fn transfer(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        kind: TriggerKind,
        stamp: &Arc<Stamp>,
    ) {
        let Some((space, vector)) = self.vector(tenant, id) else { return };
        let until = stamp.at.plus(self.settings.policy.valid_for);
        let recovering = self.open_of(tenant, id, Suggestion::is_recovery);
        let recovered_from = recovering.first().and_then(|open| {
            let suggestion = self.store.tenants.get(tenant)?.open.get(open)?;
            Some(suggestion.from_session().clone())
        });
        let ask =
            transfer::Ask { tenant, session: id, space: &space, vector: &vector, except: recovered_from.as_ref() };
        for found in transfer::decide(&self.scene(), &ask) {
            if self.transfer_is_open(tenant, id, &found.transfer) {
                continue;
            }
            let until = found.until.map_or(until, |believed| believed.min(until));
            let advice = Advice::Transfer(Box::new(found.transfer));
            let trigger = Trigger::by_event(kind, stamp);
            if let Some(suggestion) = self.compose(step, tenant, id, trigger, advice, found.score, until) {
                self.open(step, suggestion);
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of a suggestion
    fn compose(
        &self,
        step: &Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        trigger: Trigger,
        advice: Advice,
        score: Score,
        until: EventTime,
    ) -> Option<Suggestion> {
        let user = self.store.session(tenant, id).and_then(|s| s.facets.user.as_ref().map(|r| r.value.clone()));
        Some(Suggestion {
            id: identity::suggestion_id(tenant, id, &advice, &trigger, self.policy.as_str())?,
            tenant: tenant.clone(),
            session: id.clone(),
            user,
            trigger,
            advice,
            score,
            valid_until: Some(until),
            supersedes: None,
            as_of: step.position,
            policy: self.policy.clone(),
            delivery: Delivery::Stream,
        })
    }
}

/// A recovery of the session from itself.
fn is_own(suggestion: &Suggestion, id: &SessionId) -> bool {
    suggestion.is_recovery() && suggestion.from_session() == id
}
