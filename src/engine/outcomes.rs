//! How what was suggested to a session went: as the session reports it, else as its next turn tells. A suggestion is closed
//! once, and its outcome is learnt from then.

use std::sync::Arc;

use crate::engine::Notice;
use crate::engine::process::{Engine, Step};
use crate::engine::suggest::cost::{Costs, round};
use crate::engine::suggest::inferred;
use crate::model::event::{ResumeOutcome, Resumed, Turn};
use crate::model::ids::{SessionId, SuggestionId, TenantId};
use crate::model::stamp::Stamp;
use crate::model::suggestion::{
    Actual, Advice, Estimate, Outcome, OutcomeBasis, Publication, RevokeReason, Suggestion,
};

impl Engine {
    /// Closes what a resumed session acted on: the suggestion it names, else its open recovery. If it names
    /// one that is not open, the open recovery no longer holds.
    pub(super) fn close_by_outcome(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        session: &SessionId,
        resumed: &Resumed,
    ) {
        let closed = match &resumed.suggestion_id {
            Some(named) => self.open_of(tenant, session, |s| s.id == *named),
            None => self.open_of(tenant, session, Suggestion::is_recovery),
        };
        for id in closed {
            let Some(suggestion) = self.open_one(tenant, &id) else { continue };
            let outcome = outcome(resumed.outcome);
            let actual = Actual {
                restored_tokens: resumed.restored_tokens,
                recomputed_tokens: resumed.recomputed_tokens,
                restore_ms: resumed.restore_ms,
                ttft_ms: resumed.ttft_ms,
                saved_ms: self.saved_as_reported(&suggestion, outcome, resumed).map(round),
                basis: OutcomeBasis::Reported,
            };
            self.close(step, &suggestion, outcome, actual);
        }
        self.revoke(step, tenant, session, RevokeReason::Resumed, Suggestion::is_recovery);
    }

    /// Closes what was suggested to a session before this turn of it: its open recovery, and what the turn names. A recovery
    /// of which the turn tells nothing no longer holds, unless a later word may tell.
    pub(super) fn close_by_turn(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        session: &SessionId,
        stamp: &Stamp,
        turn: &Turn,
    ) {
        let concerned = |s: &Suggestion| {
            let named = turn.suggestion_id.as_ref() == Some(&s.id);
            (s.is_recovery() || named) && s.trigger.at() <= stamp.at
        };
        for id in self.open_of(tenant, session, concerned) {
            let Some(suggestion) = self.open_one(tenant, &id) else { continue };
            let held = suggestion.valid_until.is_none_or(|until| stamp.at < until);
            let told = self.store.session(tenant, session).filter(|_| held);
            match told.and_then(|session| inferred::outcome(&suggestion, turn, &session.facets)) {
                Some(outcome) => {
                    let actual = Actual {
                        restored_tokens: turn.cached_tokens,
                        recomputed_tokens: turn.cached_tokens.map(|cached| turn.input_tokens.saturating_sub(cached)),
                        restore_ms: None,
                        ttft_ms: turn.ttft_ms,
                        saved_ms: self.saved_by_turn(&suggestion, outcome, turn).map(round),
                        basis: OutcomeBasis::Inferred,
                    };
                    self.close(step, &suggestion, outcome, actual);
                }
                None if suggestion.is_recovery() && (!held || !may_be_told_later(&suggestion)) => {
                    self.retire(step, tenant, &id, &Publication::Revoked(RevokeReason::Resumed));
                }
                None => {}
            }
        }
    }

    fn open_one(&self, tenant: &TenantId, id: &SuggestionId) -> Option<Arc<Suggestion>> {
        self.store.tenants.get(tenant)?.open.get(id).cloned()
    }

    fn close(&mut self, step: &mut Step<'_>, suggestion: &Suggestion, outcome: Outcome, actual: Actual) {
        if let Some((copy, _)) = suggestion.kv_copy() {
            self.learn(step, &suggestion.tenant, copy, outcome, &actual);
        }
        // What nobody could act on is no measure of what acting on it brings.
        if let Some(estimate) = estimate(suggestion).filter(|_| !suggestion.is_withheld()) {
            if actual.saved_ms.is_some() {
                step.effects.notices.push(Notice::Predicted(estimate.saved_ms, actual.basis.label()));
            }
            if let Some(took) = actual.restore_ms.filter(|_| outcome == Outcome::Restored && estimate.restore_ms > 0.0)
            {
                step.effects.notices.push(Notice::Restore(took / estimate.restore_ms));
            }
        }
        self.retire(step, &suggestion.tenant, &suggestion.id, &Publication::Closed(outcome, actual));
    }

    /// What computing the restored tokens would have taken, less the time of the restore; what was not used saves nothing.
    fn saved_as_reported(&self, suggestion: &Suggestion, outcome: Outcome, resumed: &Resumed) -> Option<f64> {
        let computed = match (outcome, resumed.restored_tokens) {
            (Outcome::Failed | Outcome::Ignored, _) => estimate(suggestion).map(|_| 0.0),
            (_, Some(restored)) => self.compute_ms(suggestion, restored),
            (Outcome::Restored, None) => estimate(suggestion).map(|estimate| estimate.recompute_ms),
            (_, None) => None,
        };
        Some(computed? - resumed.restore_ms?)
    }

    /// What computing the whole input would have taken, less the time to the first token; what was not used saves nothing
    /// that could be told.
    fn saved_by_turn(&self, suggestion: &Suggestion, outcome: Outcome, turn: &Turn) -> Option<f64> {
        let used = matches!(outcome, Outcome::Restored | Outcome::Partial) && turn.cached_tokens.is_some();
        let ttft = turn.ttft_ms.filter(|_| used)?;
        Some(self.compute_ms(suggestion, turn.input_tokens)? - ttft)
    }

    /// Time to compute the first `tokens` of a context, by the rates that the suggestion was published with.
    fn compute_ms(&self, suggestion: &Suggestion, tokens: u64) -> Option<f64> {
        let (copy, matched) = suggestion.kv_copy()?;
        let costs = Costs::configured(&self.settings, &copy.cache.namespace);
        let scale = costs.recompute_ms(0, tokens) / costs.recompute_ms(0, matched);
        estimate(suggestion).map(|estimate| estimate.recompute_ms * scale).filter(|ms| ms.is_finite())
    }
}

/// Whether a session may still say that it takes up the other one whose context it was referred to.
fn may_be_told_later(suggestion: &Suggestion) -> bool {
    suggestion.kv_copy().is_none() && *suggestion.from_session() != suggestion.session
}

fn estimate(suggestion: &Suggestion) -> Option<&Estimate> {
    match &suggestion.advice {
        Advice::Recovery(r) => r.estimate.as_ref(),
        Advice::Transfer(_) => None,
    }
}

fn outcome(reported: ResumeOutcome) -> Outcome {
    match reported {
        ResumeOutcome::Restored => Outcome::Restored,
        ResumeOutcome::Partial => Outcome::Partial,
        ResumeOutcome::Failed => Outcome::Failed,
        ResumeOutcome::Ignored => Outcome::Ignored,
    }
}
