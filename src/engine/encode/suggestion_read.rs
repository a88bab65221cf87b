//! The Avro body of a suggestion back to what was decided.

use std::sync::Arc;

use super::codecs::{RECOVERY, TRANSFER};
use super::kv::{read_adapter, read_cache, read_copy};
use super::read::*;
use super::suggestion::SuggestionKind;
use super::suggestion_wire::*;
use crate::model::event::TransferScope;
use crate::model::ids::{EventId, SessionId, SuggestionId, TenantId, UserId};
use crate::model::kv::{Adapter, Residency};
use crate::model::score::{FEATURES, Features};
use crate::model::session::TriggerKind;
use crate::model::suggestion::*;
use crate::model::time::EventTime;

/// Reads the Avro body of a suggestion. Errors also for the revocation of what was erased, which says too
/// little to be a suggestion again.
pub fn decode_suggestion(kind: SuggestionKind, bytes: &[u8]) -> Result<(Suggestion, Publication), DecodeError> {
    match kind {
        SuggestionKind::Recovery => {
            let (common, own) = RECOVERY.read::<RecoveryRecord<&str>>(bytes)?.split();
            let advice = Advice::Recovery(Box::new(recovery(&common, &own)?));
            joined(&common, advice)
        }
        SuggestionKind::Transfer => {
            let (common, own) = TRANSFER.read::<TransferRecord<&str>>(bytes)?.split();
            let advice = Advice::Transfer(Box::new(transfer(&common, &own)?));
            joined(&common, advice)
        }
    }
}

fn joined(common: &Common<&str>, advice: Advice) -> Read<(Suggestion, Publication)> {
    let suggestion_id = |field, text: &str| id(field, SuggestionId::new(text));
    let suggestion = Suggestion {
        id: suggestion_id("suggestion_id", present("suggestion_id", &common.suggestion_id)?)?,
        tenant: id("tenant_id", TenantId::new(common.tenant_id))?,
        session: id("session_id", SessionId::new(common.session_id))?,
        user: common.user_id.map(|v| id("user_id", UserId::new(v))).transpose()?,
        trigger: trigger(&common.trigger)?,
        advice,
        score: score(present("score", &common.score)?)?,
        valid_until: common.valid_until.map(EventTime),
        supersedes: common.supersedes.map(|v| suggestion_id("supersedes", v)).transpose()?,
        as_of: (&common.as_of).into(),
        policy: name("policy", common.policy)?,
        delivery: word("delivery", Delivery::parse(common.delivery))?,
    };
    Ok((suggestion, publication(common)?))
}

fn present<'r, T>(field: &'static str, value: &'r Option<T>) -> Read<&'r T> {
    value.as_ref().ok_or(DecodeError::Field(field))
}

fn publication(common: &Common<&str>) -> Read<Publication> {
    match common.status {
        "open" => Ok(Publication::Open),
        "revoked" => {
            let reason = optional_word("reason", common.reason, RevokeReason::parse)?;
            Ok(Publication::Revoked(word("reason", reason)?))
        }
        "closed" => {
            let outcome = optional_word("outcome", common.outcome, Outcome::parse)?;
            Ok(Publication::Closed(word("outcome", outcome)?, actual(present("actual", &common.actual)?)?))
        }
        _ => Err(DecodeError::Field("status")),
    }
}

fn actual(record: &ActualRecord<&str>) -> Read<Actual> {
    Ok(Actual {
        restored_tokens: record.restored_tokens.map(count),
        recomputed_tokens: record.recomputed_tokens.map(count),
        restore_ms: record.restore_ms,
        ttft_ms: record.ttft_ms,
        saved_ms: record.saved_ms,
        basis: word("basis", OutcomeBasis::parse(record.basis))?,
    })
}

fn trigger(record: &TriggerRecord<&str>) -> Read<Trigger> {
    Ok(Trigger {
        kind: word("trigger.kind", TriggerKind::parse(record.kind))?,
        event_id: record.event_id.map(|v| id("event_id", EventId::new(v))).transpose()?,
        occurred_at: record.occurred_at.map(EventTime),
        due_at: record.due_at.map(EventTime),
    })
}

fn score(record: &ScoreRecord<&str>) -> Read<Score> {
    if record.components.iter().any(|(name, _)| !FEATURES.contains(name)) {
        return Err(DecodeError::Field("score.components"));
    }
    let held = |wanted: &str| record.components.iter().find(|(name, _)| *name == wanted).and_then(|(_, value)| *value);
    Ok(Score { total: record.total, features: Features::of(held) })
}

fn recovery(common: &Common<&str>, own: &OwnRecovery<&str>) -> Read<Recovery> {
    let matched = present("match", &own.r#match)?;
    Ok(Recovery {
        plan: word("plan", RecoveryPlan::parse(common.plan))?,
        basis: word("match.basis", MatchBasis::parse(matched.basis))?,
        matched_tokens: matched.matched_tokens.map(count),
        missing_tokens: matched.missing_tokens.map(count),
        source: source(present("source", &own.source)?)?,
        estimate: own.estimate.as_ref().map(estimate).transpose()?,
        alternatives: own.alternatives.iter().map(alternative).collect::<Read<_>>()?,
        rejected: own.rejected.iter().map(rejected).collect::<Read<_>>()?,
    })
}

fn source(record: &RecoverySourceRecord<&str>) -> Read<RecoverySource> {
    Ok(RecoverySource {
        session: id("source.session_id", SessionId::new(record.session_id))?,
        kv_cache: record.kv_cache.as_ref().map(read_copy).transpose()?.map(Arc::new),
        residency: optional_word("residency", record.residency, Residency::parse)?,
        endpoint: optional_name("endpoint", record.endpoint)?,
        dp_rank: optional_small("dp_rank", record.dp_rank)?,
        model: optional_name("model", record.model)?,
        cache: record.cache.as_ref().map(read_cache).transpose()?,
        adapter: record.adapter.as_ref().map(read_adapter).transpose()?,
        context_ref: optional_name("context_ref", record.context_ref)?,
        turn_count: small("turn_count", record.turn_count)?,
        last_active: record.last_active.map(EventTime),
    })
}

fn estimate(record: &EstimateRecord<&str>) -> Read<Estimate> {
    Ok(Estimate {
        restore_ms: record.restore_ms,
        recompute_ms: record.recompute_ms,
        saved_ms: record.saved_ms,
        basis: word("estimate.basis", EstimateBasis::parse(record.basis))?,
    })
}

fn alternative(record: &AlternativeRecord<&str>) -> Read<Alternative> {
    Ok(Alternative {
        session: id("alternatives", SessionId::new(record.session_id))?,
        plan: word("alternatives", RecoveryPlan::parse(record.plan))?,
        score: record.score,
    })
}

fn rejected(record: &RejectedRecord<&str>) -> Read<RejectedCandidate> {
    Ok(RejectedCandidate {
        session: id("rejected", SessionId::new(record.session_id))?,
        reason: word("rejected", CandidateFault::parse(record.reason))?,
    })
}

fn transfer(common: &Common<&str>, own: &OwnTransfer<&str>) -> Read<Transfer> {
    let source = present("source", &own.source)?;
    let offer = |offer: &AdapterOffer<&str>| -> Read<_> {
        let adapter = Adapter { id: name("id", offer.id)?, version: optional_name("version", offer.version)? };
        Ok((adapter, optional_name("uri", offer.uri)?))
    };
    let prefix = |matched: &MatchRecord<&str>| -> Read<_> {
        Ok(PrefixReuse {
            matched_tokens: count(*present("match.matched_tokens", &matched.matched_tokens)?),
            missing_tokens: count(*present("match.missing_tokens", &matched.missing_tokens)?),
            copy: Arc::new(read_copy(present("kv_cache", &own.kv_cache)?)?),
        })
    };
    let support = |record: &SupportRecord| -> Read<_> {
        Ok(Support {
            sessions: small("support", record.sessions)?,
            for_it: small("support", record.r#for)?,
            against: small("support", record.against)?,
        })
    };
    Ok(Transfer {
        plan: word("plan", TransferPlan::parse(common.plan))?,
        adapter: own.adapter.as_ref().map(offer).transpose()?,
        source: id("source", SessionId::new(source.session_id))?,
        similarity: source.similarity,
        context_ref: optional_name("context_ref", source.context_ref)?,
        support: own.support.as_ref().map(support).transpose()?,
        consent: word("consent", TransferScope::parse(present("consent", &own.consent)?))?,
        prefix: own.r#match.as_ref().map(prefix).transpose()?,
    })
}
