//! A suggestion at one point of its life to the Avro body of its record.

use super::codecs::{RECOVERY, TRANSFER};
use super::kv;
use super::kv::{optional_text, text};
use super::read::long;
use super::suggestion_wire::*;
use crate::engine::decode::codec::EncodeError;
use crate::model::suggestion::{
    Actual, Advice, MatchBasis, Publication, Recovery, RecoverySource, RevokeReason, Score, Suggestion, Transfer,
    Trigger,
};

/// Which topic, and so which schema, a suggestion has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SuggestionKind {
    /// `recovery-suggestions`
    Recovery,
    /// `transfer-suggestions`
    Transfer,
}

/// The Avro body of a suggestion. The revocation of what was erased names ids and plan alone: it must not
/// repeat what is being erased.
pub fn suggestion(suggestion: &Suggestion, publication: &Publication) -> Result<Vec<u8>, EncodeError> {
    let redacted = is_redacted(publication);
    let common = common(suggestion, publication, redacted);
    match &suggestion.advice {
        Advice::Recovery(_) if redacted => RECOVERY.write(&RecoveryRecord::join(common, OwnRecovery::default())),
        Advice::Recovery(advice) => RECOVERY.write(&RecoveryRecord::join(common, recovery(advice))),
        Advice::Transfer(_) if redacted => TRANSFER.write(&TransferRecord::join(common, OwnTransfer::default())),
        Advice::Transfer(advice) => TRANSFER.write(&TransferRecord::join(common, transfer(advice))),
    }
}

/// Whether a publication must not repeat what the suggestion said.
pub(super) fn is_redacted(publication: &Publication) -> bool {
    matches!(publication, Publication::Revoked(RevokeReason::Erased))
}

fn common<'a>(s: &'a Suggestion, publication: &'a Publication, redacted: bool) -> Common<&'a str> {
    let (reason, outcome, actual) = match publication {
        Publication::Open => (None, None, None),
        Publication::Revoked(reason) => (Some(reason.label()), None, None),
        Publication::Closed(outcome, what) => (None, Some(outcome.label()), Some(actual(what))),
    };
    Common {
        kind: s.kind(),
        status: publication.status(),
        reason,
        delivery: s.delivery.label(),
        suggestion_id: Some(s.id.as_str()),
        tenant_id: s.tenant.as_str(),
        session_id: s.session.as_str(),
        user_id: s.user.as_ref().filter(|_| !redacted).map(|v| v.as_str()),
        consumer: s.consumer().label(),
        trigger: trigger(&s.trigger, redacted),
        plan: s.plan(),
        score: (!redacted).then(|| score(&s.score)),
        valid_until: s.valid_until.filter(|_| !redacted).map(|v| v.0),
        supersedes: s.supersedes.as_ref().filter(|_| !redacted).map(|v| v.as_str()),
        as_of: s.as_of.into(),
        policy: text(&s.policy),
        outcome,
        actual,
    }
}

fn trigger(trigger: &Trigger, redacted: bool) -> TriggerRecord<&str> {
    TriggerRecord {
        kind: trigger.kind.label(),
        event_id: trigger.event_id.as_ref().filter(|_| !redacted).map(|v| v.as_str()),
        occurred_at: trigger.occurred_at.filter(|_| !redacted).map(|v| v.0),
        due_at: trigger.due_at.filter(|_| !redacted).map(|v| v.0),
    }
}

fn score(score: &Score) -> ScoreRecord<&str> {
    ScoreRecord { total: score.total, components: score.features.list().into() }
}

fn actual(actual: &Actual) -> ActualRecord<&str> {
    ActualRecord {
        restored_tokens: actual.restored_tokens.map(long),
        recomputed_tokens: actual.recomputed_tokens.map(long),
        restore_ms: actual.restore_ms,
        ttft_ms: actual.ttft_ms,
        saved_ms: actual.saved_ms,
        basis: actual.basis.label(),
    }
}

fn recovery(recovery: &Recovery) -> OwnRecovery<&str> {
    OwnRecovery {
        r#match: Some(MatchRecord {
            basis: recovery.basis.label(),
            matched_tokens: recovery.matched_tokens.map(long),
            missing_tokens: recovery.missing_tokens.map(long),
        }),
        source: Some(source(&recovery.source)),
        estimate: recovery.estimate.as_ref().map(|e| EstimateRecord {
            restore_ms: e.restore_ms,
            recompute_ms: e.recompute_ms,
            saved_ms: e.saved_ms,
            basis: e.basis.label(),
        }),
        alternatives: (recovery.alternatives.iter())
            .map(|a| AlternativeRecord { session_id: a.session.as_str(), plan: a.plan.label(), score: a.score })
            .collect(),
        rejected: (recovery.rejected.iter())
            .map(|r| RejectedRecord { session_id: r.session.as_str(), reason: r.reason.label() })
            .collect(),
    }
}

fn source(source: &RecoverySource) -> RecoverySourceRecord<&str> {
    RecoverySourceRecord {
        session_id: source.session.as_str(),
        kv_cache: source.kv_cache.as_deref().map(kv::copy),
        residency: source.residency.map(|v| v.label()),
        endpoint: optional_text(&source.endpoint),
        dp_rank: source.dp_rank.map(i64::from),
        model: optional_text(&source.model),
        cache: source.cache.as_ref().map(kv::cache),
        adapter: source.adapter.as_ref().map(kv::adapter),
        context_ref: optional_text(&source.context_ref),
        turn_count: source.turn_count.into(),
        last_active: source.last_active.map(|v| v.0),
    }
}

fn transfer(transfer: &Transfer) -> OwnTransfer<&str> {
    let prefix = transfer.prefix.as_ref();
    OwnTransfer {
        adapter: transfer.adapter.as_ref().map(|(adapter, uri)| AdapterOffer {
            id: text(&adapter.id),
            version: optional_text(&adapter.version),
            uri: optional_text(uri),
        }),
        source: Some(TransferSourceRecord {
            session_id: transfer.source.as_str(),
            similarity: transfer.similarity,
            context_ref: optional_text(&transfer.context_ref),
        }),
        support: transfer.support.map(|support| SupportRecord {
            sessions: support.sessions.into(),
            r#for: support.for_it.into(),
            against: support.against.into(),
        }),
        consent: Some(transfer.consent.label()),
        r#match: prefix.map(|prefix| MatchRecord {
            basis: MatchBasis::Prefix.label(),
            matched_tokens: Some(long(prefix.matched_tokens)),
            missing_tokens: Some(long(prefix.missing_tokens)),
        }),
        kv_cache: prefix.map(|prefix| kv::copy(&prefix.copy)),
    }
}
