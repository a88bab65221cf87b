//! What the next turn of a session with an open recovery tells of it, by whether it was published: so that those who could act
//! and those who could not are compared. Notices only; nothing published depends on it.

use crate::engine::process::{Engine, Step};
use crate::engine::{Notice, TurnFigures};
use crate::model::event::Turn;
use crate::model::ids::{SessionId, TenantId};
use crate::model::stamp::Stamp;
use crate::model::suggestion::{Outcome, Publication, RevokeReason, Suggestion};
use crate::model::trial::{Group, Trial};

impl Engine {
    /// A suggestion was opened. A recovery takes the place of the one before.
    pub(super) fn begin_trial(&mut self, suggestion: &Suggestion) {
        let Some(until) = suggestion.valid_until.filter(|_| suggestion.is_recovery()) else { return };
        let trial = Trial { group: Group::of(suggestion), since: suggestion.trigger.at(), until };
        if let Some(session) = self.store.session_mut(&suggestion.tenant, &suggestion.session) {
            session.book.trial = Some(trial);
        }
    }

    /// A suggestion is not open any more. Its turn may still come after a resumption, which ends it, too.
    pub(super) fn end_trial(&mut self, suggestion: &Suggestion, publication: Option<&Publication>) {
        let resumed = matches!(
            publication,
            Some(Publication::Closed(..) | Publication::Revoked(RevokeReason::Resumed) | Publication::Open)
        );
        if resumed || !suggestion.is_recovery() {
            return;
        }
        if let Some(session) = self.store.session_mut(&suggestion.tenant, &suggestion.session) {
            session.book.trial = None;
        }
    }

    /// A turn came that is the latest of what is known of the session.
    pub(super) fn judge_trial(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        stamp: &Stamp,
        turn: &Turn,
    ) {
        let on_trial = self.store.session(tenant, id).and_then(|session| session.book.trial);
        let Some(Trial { group, until, .. }) = on_trial.filter(|trial| trial.since <= stamp.at) else { return };
        if let Some(session) = self.store.session_mut(tenant, id) {
            session.book.trial = None;
        }
        if stamp.at < until {
            let Turn { input_tokens, cached_tokens, ttft_ms, .. } = *turn;
            let figures = TurnFigures { input_tokens, cached_tokens, ttft_ms };
            step.effects.notices.push(Notice::GroupTurn(group, figures));
        }
    }
}

/// The notice that a suggestion's life ended.
pub(super) fn ended(suggestion: &Suggestion, outcome: Outcome) -> Notice {
    Notice::Outcome(Group::of(suggestion), suggestion.plan(), outcome)
}
