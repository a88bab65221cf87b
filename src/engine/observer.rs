//! What was weighed for each decision, for whoever wants to know why. Off unless asked for, and no decision looks at it.

use std::sync::{Mutex, PoisonError};

use crate::engine::index::Hit;
use crate::engine::process::Engine;
use crate::engine::suggest::{own, recovery, transfer};
use crate::model::ids::{SessionId, TenantId};
use crate::model::suggestion::{Estimate, MatchBasis, RejectedCandidate, Score};

/// One decision: everything that was considered, not only what is published of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighing {
    /// Tenant.
    pub tenant: TenantId,
    /// The session that it was decided for.
    pub session: SessionId,
    /// `recovery` or `transfer`.
    pub kind: &'static str,
    /// Candidates with a score, each preferred to the next; of a transfer one of each plan. Those below the floor too.
    pub candidates: Vec<Considered>,
    /// Candidates that were given none, and why.
    pub rejected: Vec<RejectedCandidate>,
    /// For a transfer: the near sessions that were asked, best first, each with the score of referring to it.
    pub asked: Vec<(Hit, Score)>,
}

/// A candidate with a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Considered {
    /// Where from.
    pub session: SessionId,
    /// The plan's word.
    pub plan: &'static str,
    /// On what ground; a transfer has none but similarity.
    pub basis: MatchBasis,
    /// How likely it is that it is taken up, and why.
    pub score: Score,
    /// What it saves, if that is known.
    pub estimate: Option<Estimate>,
}

/// Keeps what is weighed, if it is to.
#[derive(Debug, Default)]
pub struct Observer(Option<Mutex<Vec<Weighing>>>);

impl Observer {
    /// Notes what a recovery is chosen from.
    pub(super) fn recovery<'c>(
        &self,
        ask: &recovery::Ask<'_>,
        candidates: impl Iterator<Item = &'c own::Candidate>,
        rejected: &[RejectedCandidate],
    ) {
        let (Some(notes), Some(session)) = (&self.0, ask.session) else { return };
        let considered = |c: &own::Candidate| Considered {
            session: c.recovery.source.session.clone(),
            plan: c.recovery.plan.label(),
            basis: c.recovery.basis,
            score: c.score,
            estimate: c.recovery.estimate,
        };
        note(
            notes,
            Weighing {
                tenant: ask.tenant.clone(),
                session: session.clone(),
                kind: "recovery",
                candidates: candidates.map(considered).collect(),
                rejected: rejected.to_vec(),
                asked: Vec::new(),
            },
        );
    }

    /// Notes what transfers are chosen from.
    pub(super) fn transfer<'c>(
        &self,
        ask: &transfer::Ask<'_>,
        candidates: impl Iterator<Item = &'c transfer::Candidate>,
        asked: impl Iterator<Item = (&'c Hit, &'c Score)>,
    ) {
        let Some(notes) = &self.0 else { return };
        let considered = |c: &transfer::Candidate| Considered {
            session: c.transfer.source.clone(),
            plan: c.transfer.plan.label(),
            basis: MatchBasis::Similarity,
            score: c.score,
            estimate: None,
        };
        note(
            notes,
            Weighing {
                tenant: ask.tenant.clone(),
                session: ask.session.clone(),
                kind: "transfer",
                candidates: candidates.map(considered).collect(),
                rejected: Vec::new(),
                asked: asked.map(|(hit, score)| (hit.clone(), *score)).collect(),
            },
        );
    }
}

/// A panic leaves whole notes behind: each is added by one call.
fn note(notes: &Mutex<Vec<Weighing>>, weighing: Weighing) {
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(weighing);
}

impl Engine {
    /// Keeps what is weighed from now on, until it is taken; or no more, forgetting what was kept. Nothing else changes.
    pub fn observe(&mut self, on: bool) {
        self.observer = Observer(on.then(Mutex::default));
    }

    /// Takes what was weighed since the last call, in order.
    pub fn take_weighings(&mut self) -> Vec<Weighing> {
        let notes = self.observer.0.as_mut().map(Mutex::get_mut);
        notes.map(|notes| std::mem::take(notes.unwrap_or_else(PoisonError::into_inner))).unwrap_or_default()
    }
}
