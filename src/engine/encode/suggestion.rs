//! Suggestions as Avro bodies, and their record headers. The revocation of what was erased repeats nothing
//! of it but the ids that the record's key and reader need.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::codecs::{RECOVERY, TRANSFER};
use super::copies::{adapter, cache, copy, text, texts};
use super::fold::WirePosition;
use super::suggestion_wire::*;
use crate::engine::decode::wire::Text;
use crate::model::suggestion::*;

/// Avro body of a suggestion at one point of its life, of its kind's schema.
pub fn suggestion(suggestion: &Suggestion, publication: &Publication) -> Vec<u8> {
    let redacted = is_redacted(publication);
    match &suggestion.advice {
        Advice::Recovery(r) => {
            let mut wire = recovery(suggestion, publication, r);
            if redacted {
                wire = WireRecovery {
                    user_id: None,
                    basis: None,
                    source: None,
                    estimate: None,
                    alternatives: Vec::new(),
                    rejected: Vec::new(),
                    score: None,
                    valid_until: None,
                    trigger: WireTrigger { event_id: None, occurred_at: None, due_at: None, ..wire.trigger },
                    supersedes: None,
                    ..wire
                };
            }
            RECOVERY.write_own(&wire)
        }
        Advice::Transfer(t) => {
            let mut wire = transfer(suggestion, publication, t);
            if redacted {
                wire = WireTransfer {
                    user_id: None,
                    adapter: None,
                    source: None,
                    support: None,
                    consent: None,
                    score: None,
                    valid_until: None,
                    trigger: WireTrigger { event_id: None, occurred_at: None, due_at: None, ..wire.trigger },
                    supersedes: None,
                    ..wire
                };
            }
            TRANSFER.write_own(&wire)
        }
    }
}

/// Whether a publication must not repeat what it revokes.
pub(super) fn is_redacted(publication: &Publication) -> bool {
    matches!(publication, Publication::Revoked(RevokeReason::Erased))
}

fn recovery<'a>(s: &'a Suggestion, publication: &'a Publication, r: &'a Recovery) -> WireRecovery<'a> {
    WireRecovery {
        kind: s.kind().into(),
        status: publication.status().into(),
        reason: reason(publication),
        delivery: s.delivery.label().into(),
        suggestion_id: id(s),
        tenant_id: s.tenant.as_str().into(),
        session_id: s.session.as_str().into(),
        user_id: s.user.as_ref().map(|id| id.as_str().into()),
        consumer: s.consumer().label().into(),
        trigger: trigger(&s.trigger),
        plan: r.plan.label().into(),
        basis: Some(WireMatch {
            basis: r.basis.label().into(),
            matched_tokens: r.matched_tokens.map(|tokens| tokens as i64),
            missing_tokens: r.missing_tokens.map(|tokens| tokens as i64),
        }),
        source: Some(source(&r.source)),
        estimate: r.estimate.map(|e| WireEstimate {
            restore_ms: e.restore_ms,
            recompute_ms: e.recompute_ms,
            saved_ms: e.saved_ms,
            basis: e.basis.label().into(),
        }),
        alternatives: r
            .alternatives
            .iter()
            .map(|a| WireAlternative {
                session_id: a.session.as_str().into(),
                plan: a.plan.label().into(),
                score: a.score,
            })
            .collect(),
        rejected: r
            .rejected
            .iter()
            .map(|c| WireRejected { session_id: c.session.as_str().into(), reason: c.reason.label().into() })
            .collect(),
        score: Some(score(&s.score)),
        valid_until: s.valid_until.map(|at| at.0),
        supersedes: s.supersedes.as_ref().map(|id| id.as_str().into()),
        as_of: position(s),
        policy: text(&s.policy),
        outcome: outcome(publication),
        actual: actual(publication),
    }
}

fn transfer<'a>(s: &'a Suggestion, publication: &'a Publication, t: &'a Transfer) -> WireTransfer<'a> {
    WireTransfer {
        kind: s.kind().into(),
        status: publication.status().into(),
        reason: reason(publication),
        delivery: s.delivery.label().into(),
        suggestion_id: id(s),
        tenant_id: s.tenant.as_str().into(),
        session_id: s.session.as_str().into(),
        user_id: s.user.as_ref().map(|id| id.as_str().into()),
        consumer: s.consumer().label().into(),
        trigger: trigger(&s.trigger),
        plan: t.plan.label().into(),
        adapter: t.adapter.as_ref().map(|(adapter, uri)| WireOffer {
            id: text(&adapter.id),
            version: texts(adapter.version.as_ref()),
            uri: texts(uri.as_ref()),
        }),
        source: Some(WireTransferSource {
            session_id: t.source.as_str().into(),
            similarity: t.similarity,
            context_ref: texts(t.context_ref.as_ref()),
        }),
        support: t.support.map(|support| WireSupport {
            sessions: support.sessions.into(),
            for_it: support.for_it.into(),
            against: support.against.into(),
        }),
        consent: Some(t.consent.label().into()),
        score: Some(score(&s.score)),
        valid_until: s.valid_until.map(|at| at.0),
        supersedes: s.supersedes.as_ref().map(|id| id.as_str().into()),
        as_of: position(s),
        policy: text(&s.policy),
        outcome: outcome(publication),
        actual: actual(publication),
    }
}

/// The answer to a query is no suggestion that anybody could close: it has no id.
fn id(s: &Suggestion) -> Option<Text<'_>> {
    (s.delivery == Delivery::Stream).then(|| s.id.as_str().into())
}

fn trigger(trigger: &Trigger) -> WireTrigger<'_> {
    WireTrigger {
        kind: trigger.kind.label().into(),
        event_id: trigger.event_id.as_ref().map(|id| id.as_str().into()),
        occurred_at: trigger.occurred_at.map(|at| at.0),
        due_at: trigger.due_at.map(|at| at.0),
    }
}

fn source(source: &RecoverySource) -> WireSource<'_> {
    WireSource {
        session_id: source.session.as_str().into(),
        kv_cache: source.kv_cache.as_ref().map(copy),
        residency: source.residency.map(|residency| residency.label().into()),
        endpoint: texts(source.endpoint.as_ref()),
        dp_rank: source.dp_rank.map(i64::from),
        model: texts(source.model.as_ref()),
        cache: source.cache.as_ref().map(cache),
        adapter: source.adapter.as_ref().map(adapter),
        context_ref: texts(source.context_ref.as_ref()),
        turn_count: source.turn_count.into(),
        last_active: source.last_active.map(|at| at.0),
    }
}

fn score(score: &Score) -> WireScore<'_> {
    let components: BTreeMap<Text<'_>, Option<f64>> =
        score.components.iter().map(|(name, value)| (Cow::Borrowed(*name), *value)).collect();
    WireScore { total: score.total, components }
}

fn position(s: &Suggestion) -> WirePosition {
    WirePosition { partition: s.as_of.partition.0, offset: s.as_of.offset.0 }
}

fn reason(publication: &Publication) -> Option<Text<'_>> {
    match publication {
        Publication::Revoked(reason) => Some(reason.label().into()),
        Publication::Open | Publication::Closed(..) => None,
    }
}

fn outcome(publication: &Publication) -> Option<Text<'_>> {
    match publication {
        Publication::Closed(outcome, _) => Some(outcome.label().into()),
        Publication::Open | Publication::Revoked(_) => None,
    }
}

fn actual(publication: &Publication) -> Option<WireActual<'_>> {
    let Publication::Closed(_, actual) = publication else { return None };
    Some(WireActual {
        restored_tokens: actual.restored_tokens.map(|tokens| tokens as i64),
        recomputed_tokens: actual.recomputed_tokens.map(|tokens| tokens as i64),
        restore_ms: actual.restore_ms,
        ttft_ms: actual.ttft_ms,
        saved_ms: actual.saved_ms,
        basis: actual.basis.label().into(),
    })
}

/// Headers by which consumers filter without decoding.
pub fn headers(
    suggestion: &Suggestion,
    publication: &Publication,
    traceparent: Option<&[u8]>,
) -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let mut headers = vec![
        ("rekindle-kind", text(suggestion.kind())),
        ("rekindle-plan", text(suggestion.plan())),
        ("rekindle-status", text(publication.status())),
        ("rekindle-consumer", text(suggestion.consumer().label())),
        ("rekindle-suggestion-id", text(suggestion.id.as_str())),
    ];
    headers.extend(traceparent.map(|value| ("traceparent", value.to_vec())));
    headers
}
