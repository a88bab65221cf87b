//! The session itself as the source: its own KV if a usable copy lives, else its own context.

use std::sync::Arc;

use super::score::{flag, recency, score, turns};
use super::{Scene, is_interrupted};
use crate::engine::fold::active_adapter;
use crate::engine::store::Session;
use crate::engine::view::{CopyFate, context_tokens, identity};
use crate::model::ids::{SessionId, TenantId};
use crate::model::kv::{CacheIdentity, KvCopy, Tier};
use crate::model::score::Features;
use crate::model::suggestion::{
    CandidateFault, Estimate, MatchBasis, Recovery, RecoveryPlan, RejectedCandidate, Score,
};
use crate::model::time::EventTime;

/// A source with everything that is published of it.
pub struct Candidate {
    /// What it would be published as, without the others.
    pub recovery: Recovery,
    /// Its score.
    pub score: Score,
    /// Until when its copy is believed in, if that is known.
    pub until: Option<EventTime>,
}

/// What a session offers itself. `None` if it holds nothing: no turn, no copy, no embedding.
/// `asked`: identity of the KV the request wants, if it says; `fits`: tokens of the session's chain that the request
/// shares, where it leaves that chain; `declared`: the session itself asked.
pub fn candidate(
    scene: &Scene<'_>,
    tenant: &TenantId,
    id: &SessionId,
    session: &Session,
    asked: Option<&CacheIdentity>,
    fits: Option<u64>,
    declared: bool,
) -> Option<Candidate> {
    let facets = &session.facets;
    let (copies, residency) = scene.copies(tenant, facets);
    if facets.turn_count == 0 && copies.is_empty() && facets.context.is_none() {
        return None;
    }
    let mut rejected = dead_copies(scene, tenant, id, session);
    let wanted = asked.or_else(|| identity(facets));
    let most = context_tokens(facets).into_iter().chain(fits).min();
    let kv = usable(scene, tenant, id, copies, wanted, most, &mut rejected);
    let tokens = kv.as_ref().map(|(copy, _)| copy.cached_tokens);
    let held = context_tokens(facets).or(tokens);
    let matched = tokens.map(|tokens| tokens.min(most.unwrap_or(tokens)));
    let estimate = kv.as_ref().map(|(_, estimate)| *estimate);
    let features = Features {
        recency: recency(&scene.settings.policy, facets.last_active, scene.now),
        interrupted: flag(is_interrupted(session)),
        turns: turns(facets.turn_count),
        own_session: flag(true),
        declared: flag(declared),
        kv_value: kv
            .as_ref()
            .map(|(copy, e)| scene.costs(tenant, &copy.cache.namespace).saved_share(held.unwrap_or(0), e)),
        ..Features::default()
    };
    let plan = match &kv {
        Some((copy, _)) => plan_of(copy),
        None if facets.turn_count == 0 && facets.context.is_none() && active_adapter(facets).is_some() => {
            RecoveryPlan::AdapterOnly
        }
        None => RecoveryPlan::ContextOnly,
    };
    let copy = kv.map(|(copy, _)| copy);
    let until = copy.as_ref().and_then(|copy| scene.believed_until(copy, residency));
    let mut source = scene.source(id, session, copy);
    source.residency = residency.filter(|_| source.kv_cache.is_some());
    let recovery = Recovery {
        plan,
        basis: if estimate.is_some() { MatchBasis::OwnKv } else { MatchBasis::OwnSession },
        matched_tokens: matched,
        missing_tokens: matched.and_then(|matched| held.map(|held| held - matched)),
        source,
        estimate,
        alternatives: Vec::new(),
        rejected,
    };
    Some(Candidate { recovery, score: score(&scene.settings.policy.weights, &features), until })
}

/// How a copy is used: where it lies if it is hot, else brought there.
pub fn plan_of(copy: &KvCopy) -> RecoveryPlan {
    match copy.tier {
        Tier::Hot if !copy.is_external() => RecoveryPlan::ResumeInPlace,
        Tier::Hot | Tier::Warm | Tier::Cold => RecoveryPlan::RestoreKv,
    }
}

/// The first copy (they come cheapest first) of the wanted identity that can be reached and saves time.
fn usable(
    scene: &Scene<'_>,
    tenant: &TenantId,
    id: &SessionId,
    copies: Vec<Arc<KvCopy>>,
    wanted: Option<&CacheIdentity>,
    most: Option<u64>,
    rejected: &mut Vec<RejectedCandidate>,
) -> Option<(Arc<KvCopy>, Estimate)> {
    for copy in copies {
        if let Some(fault) = wanted.and_then(|wanted| mismatch(wanted, &copy.cache)) {
            reject(rejected, id, fault);
            continue;
        }
        if !scene.reaches(&copy) {
            reject(rejected, id, CandidateFault::WorkerEpochDead);
            continue;
        }
        let matched = copy.cached_tokens.min(most.unwrap_or(copy.cached_tokens));
        let estimate = scene.costs(tenant, &copy.cache.namespace).estimate(&copy, matched);
        if estimate.saved_ms > 0.0 {
            return Some((copy, estimate));
        }
        reject(rejected, id, CandidateFault::BelowFloor);
    }
    None
}

/// Why KV of one identity cannot serve a request of another; `None` if they are equal.
pub fn mismatch(wanted: &CacheIdentity, held: &CacheIdentity) -> Option<CandidateFault> {
    if wanted.namespace != held.namespace || wanted.salt_id != held.salt_id {
        Some(CandidateFault::NamespaceMismatch)
    } else if wanted.adapter != held.adapter {
        Some(CandidateFault::AdapterMismatch)
    } else {
        None
    }
}

fn dead_copies(scene: &Scene<'_>, tenant: &TenantId, id: &SessionId, session: &Session) -> Vec<RejectedCandidate> {
    let mut rejected = Vec::new();
    for register in session.facets.placements.values() {
        match scene.lens(tenant).fate(&session.facets, &register.value, &register.stamp) {
            CopyFate::Alive(_) => {}
            CopyFate::Evicted => reject(&mut rejected, id, CandidateFault::Evicted),
            CopyFate::WorkerGone => reject(&mut rejected, id, CandidateFault::WorkerEpochDead),
        }
    }
    rejected
}

pub(super) fn reject(rejected: &mut Vec<RejectedCandidate>, id: &SessionId, reason: CandidateFault) {
    let fault = RejectedCandidate { session: id.clone(), reason };
    if !rejected.contains(&fault) {
        rejected.push(fault);
    }
}
