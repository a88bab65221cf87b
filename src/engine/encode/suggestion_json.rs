//! The JSON form of suggestions.

use serde_json::{Map, Value, json};

use super::kv::{adapter_json, cache_json, copy_json, name_json};
use super::suggestion::is_redacted;
use crate::model::suggestion::{
    Actual, Advice, Delivery, MatchBasis, Publication, Recovery, RecoverySource, Score, Suggestion, Transfer, Trigger,
};

/// A suggestion as JSON; what is unknown is null. In the answer to a query `suggestion_id` is null: nothing
/// was published under it. The revocation of what was erased names ids and plan alone.
pub fn suggestion_json(suggestion: &Suggestion, publication: &Publication) -> Value {
    let s = suggestion;
    let redacted = is_redacted(publication);
    let id = (s.delivery != Delivery::Query).then_some(s.id.as_str());
    let mut json = json!({
        "kind": s.kind(),
        "status": publication.status(),
        "delivery": s.delivery.label(),
        "suggestion_id": id,
        "tenant_id": s.tenant.as_str(),
        "session_id": s.session.as_str(),
        "user_id": s.user.as_ref().filter(|_| !redacted).map(|v| v.as_str()),
        "consumer": s.consumer().label(),
        "trigger": trigger(&s.trigger, redacted),
        "plan": s.plan(),
        "score": if redacted { Value::Null } else { score(&s.score) },
        "valid_until": s.valid_until.filter(|_| !redacted).map(|v| v.0),
        "supersedes": s.supersedes.as_ref().filter(|_| !redacted).map(|v| v.as_str()),
        "as_of": {"partition": s.as_of.partition.0, "offset": s.as_of.offset.0},
        "policy": s.policy.as_str(),
    });
    let mut add = |name: &str, value: Value| {
        if let Some(fields) = json.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    match &s.advice {
        Advice::Recovery(advice) => recovery(advice, redacted, &mut add),
        Advice::Transfer(advice) => transfer(advice, redacted, &mut add),
    }
    match publication {
        Publication::Open => {}
        Publication::Revoked(reason) => add("reason", reason.label().into()),
        Publication::Closed(outcome, what) => {
            add("outcome", outcome.label().into());
            add("actual", actual(what));
        }
    }
    json
}

fn trigger(trigger: &Trigger, redacted: bool) -> Value {
    let mut json = json!({
        "kind": trigger.kind.label(),
        "event_id": trigger.event_id.as_ref().filter(|_| !redacted).map(|v| v.as_str()),
        "occurred_at": trigger.occurred_at.filter(|_| !redacted).map(|v| v.0),
    });
    if let Some(due_at) = trigger.due_at.filter(|_| !redacted) {
        json["due_at"] = due_at.0.into();
    }
    json
}

fn score(score: &Score) -> Value {
    let components = score.features.list().into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
    let mut flat: Map<String, Value> = components.collect();
    flat.insert("total".to_owned(), json!(score.total));
    Value::Object(flat)
}

fn actual(actual: &Actual) -> Value {
    json!({
        "restored_tokens": actual.restored_tokens,
        "recomputed_tokens": actual.recomputed_tokens,
        "restore_ms": actual.restore_ms,
        "ttft_ms": actual.ttft_ms,
        "saved_ms": actual.saved_ms,
        "basis": actual.basis.label(),
    })
}

fn recovery(recovery: &Recovery, redacted: bool, add: &mut impl FnMut(&str, Value)) {
    if redacted {
        for name in ["match", "source", "estimate"] {
            add(name, Value::Null);
        }
        add("alternatives", json!([]));
        add("rejected", json!([]));
        return;
    }
    add(
        "match",
        json!({
            "basis": recovery.basis.label(),
            "matched_tokens": recovery.matched_tokens,
            "missing_tokens": recovery.missing_tokens,
        }),
    );
    add("source", source(&recovery.source));
    let estimate = recovery.estimate.as_ref().map(|e| {
        json!({
            "restore_ms": e.restore_ms,
            "recompute_ms": e.recompute_ms,
            "saved_ms": e.saved_ms,
            "basis": e.basis.label(),
        })
    });
    add("estimate", json!(estimate));
    let alternatives = recovery
        .alternatives
        .iter()
        .map(|a| json!({"session_id": a.session.as_str(), "plan": a.plan.label(), "score": a.score}));
    add("alternatives", alternatives.collect());
    let rejected =
        recovery.rejected.iter().map(|r| json!({"session_id": r.session.as_str(), "reason": r.reason.label()}));
    add("rejected", rejected.collect());
}

fn source(source: &RecoverySource) -> Value {
    json!({
        "session_id": source.session.as_str(),
        "kv_cache": source.kv_cache.as_deref().map(copy_json),
        "residency": source.residency.map(|v| v.label()),
        "endpoint": name_json(&source.endpoint),
        "dp_rank": source.dp_rank,
        "model": name_json(&source.model),
        "cache": source.cache.as_ref().map(cache_json),
        "adapter": source.adapter.as_ref().map(adapter_json),
        "context_ref": name_json(&source.context_ref),
        "turn_count": source.turn_count,
        "last_active": source.last_active.map(|v| v.0),
    })
}

fn transfer(transfer: &Transfer, redacted: bool, add: &mut impl FnMut(&str, Value)) {
    if redacted {
        for name in ["adapter", "source", "support", "consent", "match", "kv_cache"] {
            add(name, Value::Null);
        }
        return;
    }
    let adapter = transfer.adapter.as_ref().map(|(adapter, uri)| {
        json!({"id": adapter.id.as_str(), "version": name_json(&adapter.version), "uri": name_json(uri)})
    });
    add("adapter", json!(adapter));
    add(
        "source",
        json!({
            "session_id": transfer.source.as_str(),
            "similarity": transfer.similarity,
            "context_ref": name_json(&transfer.context_ref),
        }),
    );
    let support = transfer
        .support
        .map(|support| json!({"sessions": support.sessions, "for": support.for_it, "against": support.against}));
    add("support", json!(support));
    add("consent", transfer.consent.label().into());
    let matched = transfer.prefix.as_ref().map(|prefix| {
        json!({
            "basis": MatchBasis::Prefix.label(),
            "matched_tokens": prefix.matched_tokens,
            "missing_tokens": prefix.missing_tokens,
        })
    });
    add("match", json!(matched));
    add("kv_cache", json!(transfer.prefix.as_ref().map(|prefix| copy_json(&prefix.copy))));
}
