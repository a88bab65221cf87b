//! Suggestions back from their Avro bodies.

use std::collections::BTreeMap;

use super::codecs::{RECOVERY, TRANSFER};
use super::copies::{name, names, read_adapter, read_cache, read_copy};
use super::fault::{ReadFault, known};
use super::fold::WirePosition;
use super::suggestion_wire::*;
use crate::engine::decode::wire::Text;
use crate::engine::suggest::score::COMPONENTS;
use crate::model::event::TransferScope;
use crate::model::ids::{EventId, SessionId, SuggestionId, TenantId, UserId};
use crate::model::kv::{Adapter, Residency};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::session::TriggerKind;
use crate::model::suggestion::*;
use crate::model::time::EventTime;

/// Reads a published suggestion. `kind`: `recovery` or `transfer`. One that was revoked as erased holds too
/// little to be read back.
pub fn decode_suggestion(kind: &str, body: &[u8]) -> Result<(Suggestion, Publication), ReadFault> {
    match kind {
        "recovery" => recovery(RECOVERY.read(body)?),
        "transfer" => transfer(TRANSFER.read(body)?),
        _ => Err(ReadFault::Field("kind")),
    }
}

fn recovery(wire: WireRecovery<'static>) -> Result<(Suggestion, Publication), ReadFault> {
    let publication = publication(&wire.status, wire.reason.as_ref(), wire.outcome.as_ref(), wire.actual.as_ref())?;
    let basis = known(wire.basis, "match")?;
    let mut alternatives = Vec::with_capacity(wire.alternatives.len());
    for a in &wire.alternatives {
        let plan = known(RecoveryPlan::parse(&a.plan), "plan")?;
        alternatives.push(Alternative { session: SessionId::new(&a.session_id)?, plan, score: a.score });
    }
    let mut rejected = Vec::with_capacity(wire.rejected.len());
    for c in &wire.rejected {
        let reason = known(CandidateFault::parse(&c.reason), "rejected")?;
        rejected.push(RejectedCandidate { session: SessionId::new(&c.session_id)?, reason });
    }
    let recovery = Recovery {
        plan: known(RecoveryPlan::parse(&wire.plan), "plan")?,
        basis: known(MatchBasis::parse(&basis.basis), "basis")?,
        matched_tokens: basis.matched_tokens.map(|tokens| tokens as u64),
        missing_tokens: basis.missing_tokens.map(|tokens| tokens as u64),
        source: source(&known(wire.source, "source")?)?,
        estimate: wire.estimate.as_ref().map(estimate).transpose()?,
        alternatives,
        rejected,
    };
    let suggestion = Suggestion {
        id: SuggestionId::new(&known(wire.suggestion_id, "suggestion_id")?)?,
        tenant: TenantId::new(&wire.tenant_id)?,
        session: SessionId::new(&wire.session_id)?,
        user: wire.user_id.map(|id| UserId::new(&id)).transpose()?,
        trigger: trigger(&wire.trigger)?,
        advice: Advice::Recovery(Box::new(recovery)),
        score: score(&known(wire.score, "score")?)?,
        valid_until: wire.valid_until.map(EventTime),
        supersedes: wire.supersedes.map(|id| SuggestionId::new(&id)).transpose()?,
        as_of: position(&wire.as_of),
        policy: name(&wire.policy)?,
        delivery: known(Delivery::parse(&wire.delivery), "delivery")?,
    };
    Ok((suggestion, publication))
}

fn transfer(wire: WireTransfer<'static>) -> Result<(Suggestion, Publication), ReadFault> {
    let publication = publication(&wire.status, wire.reason.as_ref(), wire.outcome.as_ref(), wire.actual.as_ref())?;
    let source = known(wire.source, "source")?;
    let adapter = match &wire.adapter {
        Some(offer) => {
            let adapter = Adapter { id: name(&offer.id)?, version: names(offer.version.as_ref())? };
            Some((adapter, names(offer.uri.as_ref())?))
        }
        None => None,
    };
    let count = |n: i64| known(u32::try_from(n).ok(), "support");
    let support = match &wire.support {
        Some(s) => Some(Support { sessions: count(s.sessions)?, for_it: count(s.for_it)?, against: count(s.against)? }),
        None => None,
    };
    let transfer = Transfer {
        plan: known(TransferPlan::parse(&wire.plan), "plan")?,
        adapter,
        source: SessionId::new(&source.session_id)?,
        similarity: source.similarity,
        context_ref: names(source.context_ref.as_ref())?,
        support,
        consent: known(wire.consent.as_deref().and_then(TransferScope::parse), "consent")?,
    };
    let suggestion = Suggestion {
        id: SuggestionId::new(&known(wire.suggestion_id, "suggestion_id")?)?,
        tenant: TenantId::new(&wire.tenant_id)?,
        session: SessionId::new(&wire.session_id)?,
        user: wire.user_id.map(|id| UserId::new(&id)).transpose()?,
        trigger: trigger(&wire.trigger)?,
        advice: Advice::Transfer(Box::new(transfer)),
        score: score(&known(wire.score, "score")?)?,
        valid_until: wire.valid_until.map(EventTime),
        supersedes: wire.supersedes.map(|id| SuggestionId::new(&id)).transpose()?,
        as_of: position(&wire.as_of),
        policy: name(&wire.policy)?,
        delivery: known(Delivery::parse(&wire.delivery), "delivery")?,
    };
    Ok((suggestion, publication))
}

fn publication(
    status: &str,
    reason: Option<&Text<'_>>,
    outcome: Option<&Text<'_>>,
    actual: Option<&WireActual<'_>>,
) -> Result<Publication, ReadFault> {
    match (status, reason, outcome, actual) {
        ("open", ..) => Ok(Publication::Open),
        ("revoked", Some(reason), ..) => Ok(Publication::Revoked(known(RevokeReason::parse(reason), "reason")?)),
        ("closed", _, Some(outcome), Some(actual)) => {
            let actual = Actual {
                restored_tokens: actual.restored_tokens.map(|tokens| tokens as u64),
                recomputed_tokens: actual.recomputed_tokens.map(|tokens| tokens as u64),
                restore_ms: actual.restore_ms,
                ttft_ms: actual.ttft_ms,
                saved_ms: actual.saved_ms,
                basis: known(OutcomeBasis::parse(&actual.basis), "actual")?,
            };
            Ok(Publication::Closed(known(Outcome::parse(outcome), "outcome")?, actual))
        }
        _ => Err(ReadFault::Field("status")),
    }
}

fn trigger(wire: &WireTrigger<'_>) -> Result<Trigger, ReadFault> {
    Ok(Trigger {
        kind: known(TriggerKind::parse(&wire.kind), "trigger")?,
        event_id: wire.event_id.as_ref().map(|id| EventId::new(id)).transpose()?,
        occurred_at: wire.occurred_at.map(EventTime),
        due_at: wire.due_at.map(EventTime),
    })
}

fn source(wire: &WireSource<'_>) -> Result<RecoverySource, ReadFault> {
    Ok(RecoverySource {
        session: SessionId::new(&wire.session_id)?,
        kv_cache: wire.kv_cache.as_ref().map(read_copy).transpose()?,
        residency: wire.residency.as_deref().map(|r| known(Residency::parse(r), "residency")).transpose()?,
        endpoint: names(wire.endpoint.as_ref())?,
        dp_rank: wire.dp_rank.map(|rank| known(u32::try_from(rank).ok(), "dp_rank")).transpose()?,
        model: names(wire.model.as_ref())?,
        cache: wire.cache.as_ref().map(read_cache).transpose()?,
        adapter: wire.adapter.as_ref().map(read_adapter).transpose()?,
        context_ref: names(wire.context_ref.as_ref())?,
        turn_count: known(u32::try_from(wire.turn_count).ok(), "turn_count")?,
        last_active: wire.last_active.map(EventTime),
    })
}

fn estimate(wire: &WireEstimate<'_>) -> Result<Estimate, ReadFault> {
    Ok(Estimate {
        restore_ms: wire.restore_ms,
        recompute_ms: wire.recompute_ms,
        saved_ms: wire.saved_ms,
        basis: known(EstimateBasis::parse(&wire.basis), "estimate")?,
    })
}

fn score(wire: &WireScore<'_>) -> Result<Score, ReadFault> {
    let mut components = BTreeMap::new();
    for (component, value) in &wire.components {
        let name = COMPONENTS.into_iter().find(|name| *name == component);
        components.insert(known(name, "score")?, *value);
    }
    Ok(Score { total: wire.total, components })
}

fn position(wire: &WirePosition) -> Position {
    Position { partition: PartitionId(wire.partition), offset: Offset(wire.offset) }
}
