//! The questions: nearest sessions, recovery within a user, transfer between sessions, a user's history. They
//! read memory alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{FieldFault, IndexError};
use super::state::{AdapterVote, Match, SessionState, TransferAdvice, unit};
use super::tenant::Tenant;
use super::{SearchFilter, SessionIndex};
use crate::model::event::TransferScope;
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::kv::Adapter;
use crate::model::session::Status;
use crate::model::suggestion::Support;

impl SessionIndex {
    /// The tenant's sessions nearest to `embedding`, best first, ties by session id; at most `limit`, fewer only
    /// where fewer have an embedding. `embedding`: [`dim`](Self::dim) finite components of any non-zero length.
    /// Errors: [`IndexError::Invalid`].
    pub fn search_by_context(
        &self,
        tenant: &TenantId,
        embedding: &[f32],
        limit: usize,
    ) -> Result<Vec<Match>, IndexError> {
        self.search(tenant, embedding, limit, &SearchFilter::default())
    }

    /// As [`search_by_context`](Self::search_by_context), among the sessions that pass `filter` alone: a filter
    /// that few pass does not shorten the answer.
    pub fn search(
        &self,
        tenant: &TenantId,
        embedding: &[f32],
        limit: usize,
        filter: &SearchFilter,
    ) -> Result<Vec<Match>, IndexError> {
        let unit = unit("embedding", embedding, self.dim)?;
        let Some(tenant) = self.memory.tenants.get(tenant) else { return Ok(Vec::new()) };
        Ok(tenant.nearest(&unit, limit, filter.user.as_ref(), |state| passes(filter, state)))
    }

    /// What a user could take up again: the user's sessions nearest to `embedding`, ended ones included. Sessions
    /// of scope `none` are left out: they may only be taken up as themselves ([`get`](Self::get)).
    /// Errors: [`IndexError::Invalid`].
    pub fn recover(
        &self,
        tenant: &TenantId,
        user: &UserId,
        embedding: &[f32],
        limit: usize,
    ) -> Result<Vec<Match>, IndexError> {
        let scope = Some(TransferScope::User);
        self.search(tenant, embedding, limit, &SearchFilter { user: Some(user.clone()), scope, ..Default::default() })
    }

    /// What a stored session could learn from others: the `limit` nearest whose scope allows it (`tenant`, or
    /// `user` and the same user), never itself, and the adapter they speak for.
    ///
    /// Neighbours with a cosine above 0 vote with it for their adapter, half of it while they have not ended;
    /// interrupted and expired ones vote against it. The heaviest adapter is advised if more sessions speak for
    /// it than against it (for another adapter counts as against); ties by adapter id.
    ///
    /// Errors: [`IndexError::UnknownSession`]; [`IndexError::Invalid`] if the session has no embedding.
    pub fn transfer(&self, tenant: &TenantId, session: &SessionId, limit: usize) -> Result<TransferAdvice, IndexError> {
        let unknown = || IndexError::UnknownSession { tenant: tenant.clone(), session: session.clone() };
        let sessions = self.memory.tenants.get(tenant).ok_or_else(unknown)?;
        let asking = sessions.get(session).ok_or_else(unknown)?;
        let Some(embedding) = &asking.context_embedding else {
            return Err(FieldFault::new("context_embedding", "the session has none").into());
        };
        let unit = unit("context_embedding", embedding, self.dim)?;
        let allowed =
            |other: &SessionState| other.session_id != asking.session_id && other.consents(asking.user_id.as_ref());
        let nearest = sessions.nearest(&unit, limit, None, allowed);
        let adapter = vote(&nearest);
        Ok(TransferAdvice { nearest, adapter })
    }

    /// A user's sessions, latest `last_active` first, ties by session id; at most `limit`. Ended sessions and
    /// such without embedding are in it, deleted ones are not.
    pub fn user_history(&self, tenant: &TenantId, user: &UserId, limit: usize) -> Vec<Arc<SessionState>> {
        let tenant: Option<&Tenant> = self.memory.tenants.get(tenant);
        tenant.into_iter().flat_map(|t| t.history(user)).take(limit).cloned().collect()
    }
}

/// `filter.user` is met already: the search visits that user's sessions alone.
fn passes(filter: &SearchFilter, state: &SessionState) -> bool {
    (filter.statuses.is_empty() || filter.statuses.contains(&state.status))
        && filter.adapter.as_ref().is_none_or(|id| state.active_adapter.as_ref().is_some_and(|a| a.id == *id))
        && filter.active_since.is_none_or(|since| state.last_active >= since)
        && filter.scope.is_none_or(|scope| state.transfer_scope >= scope)
        && filter.except.as_ref() != Some(&state.session_id)
}

#[derive(Default)]
struct Tally {
    weight: f64,
    for_it: u32,
    against: u32,
}

fn vote(nearest: &[Match]) -> Option<AdapterVote> {
    let mut tallies: BTreeMap<&Adapter, Tally> = BTreeMap::new();
    for found in nearest.iter().filter(|found| found.similarity > 0.0) {
        let Some(adapter) = &found.state.active_adapter else { continue };
        let tally = tallies.entry(adapter).or_default();
        let share = match found.state.status {
            Status::Ended => 1.0,
            Status::Active | Status::Paused => 0.5,
            Status::Interrupted | Status::Expired => 0.0,
        };
        tally.weight += share * f64::from(found.similarity);
        *(if share > 0.0 { &mut tally.for_it } else { &mut tally.against }) += 1;
    }
    let all_for: u32 = tallies.values().map(|tally| tally.for_it).sum();
    // Of equal weights the first wins: `max_by` keeps the last, hence the reversal.
    let (adapter, tally) = tallies.into_iter().rev().max_by(|a, b| a.1.weight.total_cmp(&b.1.weight))?;
    let against = all_for - tally.for_it + tally.against;
    let support = Support { sessions: nearest.len() as u32, for_it: tally.for_it, against };
    (tally.for_it > against).then(|| AdapterVote { adapter: adapter.clone(), support })
}
