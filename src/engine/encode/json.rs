//! States and suggestions as JSON objects, for topics configured so, for `replay` and for the API.

use serde_json::{Map, Value, json};

use super::suggestion::is_redacted;
use crate::model::kv::{Adapter, CacheIdentity, KvCopy, Location, Quantization};
use crate::model::position::Position;
use crate::model::session::SessionView;
use crate::model::suggestion::*;

/// A session's public state. Absent facets are null. `with_internal`: also `as_of` and `open_suggestions`,
/// which depend on the order of arrival.
pub fn state_json(view: &SessionView, with_internal: bool) -> Value {
    let metadata: Map<String, Value> = view
        .metadata
        .iter()
        .map(|(key, text)| (key.to_string(), serde_json::from_str(text).unwrap_or(Value::Null)))
        .collect();
    let id = |id: &Option<crate::model::ids::SessionId>| id.as_ref().map(|id| id.as_str().to_owned());
    let mut state = json!({
        "tenant_id": view.tenant.as_str(),
        "session_id": view.session.as_str(),
        "user_id": view.user.as_ref().map(|id| id.as_str()),
        "status": view.status.map(|status| status.label()),
        "end_reason": view.end_reason.map(|reason| reason.label()),
        "turn_count": view.turn_count,
        "context_tokens": view.context_tokens,
        "started_at": view.started_at.map(|at| at.0),
        "last_active": view.last_active.map(|at| at.0),
        "active_adapter": view.active_adapter.as_ref().map(adapter),
        "kv_cache_ref": view.kv_cache_ref.as_ref().map(copy),
        "kv_copies": view.kv_copies.iter().map(copy).collect::<Vec<_>>(),
        "residency": view.residency.map(|residency| residency.label()),
        "context": view.context.as_ref().map(|(space, covers)| json!({
            "space": space.as_str(), "covers_turn": covers,
        })),
        "transfer_scope": view.transfer_scope.label(),
        "parent_session_id": id(&view.parent),
        "continues_session_id": id(&view.continues),
        "taken_up_by": id(&view.taken_up_by),
        "metadata": metadata,
        "gapped": view.gapped,
    });
    if with_internal && let Value::Object(fields) = &mut state {
        let open: Vec<&str> = view.open_suggestions.iter().map(|id| id.as_str()).collect();
        fields.insert("open_suggestions".into(), json!(open));
        fields.insert("as_of".into(), position(view.as_of));
    }
    state
}

/// A suggestion at one point of its life. The revocation of what was erased repeats nothing of it.
pub fn suggestion_json(suggestion: &Suggestion, publication: &Publication) -> Value {
    let s = suggestion;
    let redacted = is_redacted(publication);
    let mut object = json!({
        "kind": s.kind(),
        "status": publication.status(),
        "delivery": s.delivery.label(),
        "suggestion_id": (s.delivery == Delivery::Stream).then(|| s.id.as_str()),
        "tenant_id": s.tenant.as_str(),
        "session_id": s.session.as_str(),
        "user_id": s.user.as_ref().filter(|_| !redacted).map(|id| id.as_str()),
        "consumer": s.consumer().label(),
        "trigger": trigger(&s.trigger, redacted),
        "plan": s.plan(),
        "score": (!redacted).then(|| score(&s.score)),
        "valid_until": s.valid_until.filter(|_| !redacted).map(|at| at.0),
        "supersedes": s.supersedes.as_ref().filter(|_| !redacted).map(|id| id.as_str()),
        "as_of": position(s.as_of),
        "policy": s.policy.as_str(),
    });
    let Value::Object(fields) = &mut object else { return object };
    match &s.advice {
        Advice::Recovery(r) if !redacted => recovery_fields(fields, r),
        Advice::Transfer(t) if !redacted => transfer_fields(fields, t),
        Advice::Recovery(_) | Advice::Transfer(_) => {
            fields.insert("source".into(), Value::Null);
        }
    }
    match publication {
        Publication::Open => {}
        Publication::Revoked(reason) => {
            fields.insert("reason".into(), json!(reason.label()));
        }
        Publication::Closed(outcome, actual) => {
            fields.insert("outcome".into(), json!(outcome.label()));
            let actual = json!({
                "restored_tokens": actual.restored_tokens,
                "recomputed_tokens": actual.recomputed_tokens,
                "restore_ms": actual.restore_ms,
                "ttft_ms": actual.ttft_ms,
                "saved_ms": actual.saved_ms,
                "basis": actual.basis.label(),
            });
            fields.insert("actual".into(), actual);
        }
    }
    object
}

fn recovery_fields(fields: &mut Map<String, Value>, r: &Recovery) {
    let basis = json!({
        "basis": r.basis.label(), "matched_tokens": r.matched_tokens, "missing_tokens": r.missing_tokens,
    });
    let source = json!({
        "session_id": r.source.session.as_str(),
        "kv_cache": r.source.kv_cache.as_ref().map(copy),
        "residency": r.source.residency.map(|residency| residency.label()),
        "endpoint": r.source.endpoint.as_ref().map(|name| name.as_str()),
        "dp_rank": r.source.dp_rank,
        "model": r.source.model.as_ref().map(|name| name.as_str()),
        "cache": r.source.cache.as_ref().map(cache),
        "adapter": r.source.adapter.as_ref().map(adapter),
        "context_ref": r.source.context_ref.as_ref().map(|name| name.as_str()),
        "turn_count": r.source.turn_count,
        "last_active": r.source.last_active.map(|at| at.0),
    });
    let estimate = r.estimate.map(|e| {
        json!({
            "restore_ms": e.restore_ms, "recompute_ms": e.recompute_ms, "saved_ms": e.saved_ms,
            "basis": e.basis.label(),
        })
    });
    let alternative =
        |a: &Alternative| json!({"session_id": a.session.as_str(), "plan": a.plan.label(), "score": a.score});
    let rejected = |c: &RejectedCandidate| json!({"session_id": c.session.as_str(), "reason": c.reason.label()});
    fields.insert("match".into(), basis);
    fields.insert("source".into(), source);
    fields.insert("estimate".into(), json!(estimate));
    fields.insert("alternatives".into(), r.alternatives.iter().map(alternative).collect());
    fields.insert("rejected".into(), r.rejected.iter().map(rejected).collect());
}

fn transfer_fields(fields: &mut Map<String, Value>, t: &Transfer) {
    let offer = t.adapter.as_ref().map(|(adapter, uri)| {
        json!({
            "id": adapter.id.as_str(), "version": adapter.version.as_ref().map(|name| name.as_str()),
            "uri": uri.as_ref().map(|name| name.as_str()),
        })
    });
    let source = json!({
        "session_id": t.source.as_str(), "similarity": t.similarity,
        "context_ref": t.context_ref.as_ref().map(|name| name.as_str()),
    });
    let support = t.support.map(|s| json!({"sessions": s.sessions, "for": s.for_it, "against": s.against}));
    fields.insert("adapter".into(), json!(offer));
    fields.insert("source".into(), source);
    fields.insert("support".into(), json!(support));
    fields.insert("consent".into(), json!(t.consent.label()));
}

fn trigger(trigger: &Trigger, redacted: bool) -> Value {
    if redacted {
        return json!({"kind": trigger.kind.label()});
    }
    let mut object = json!({
        "kind": trigger.kind.label(),
        "event_id": trigger.event_id.as_ref().map(|id| id.as_str()),
        "occurred_at": trigger.occurred_at.map(|at| at.0),
    });
    if let (Some(due), Value::Object(fields)) = (trigger.due_at, &mut object) {
        fields.insert("due_at".into(), json!(due.0));
    }
    object
}

fn score(score: &Score) -> Value {
    let mut flat: Map<String, Value> = Map::new();
    flat.insert("total".into(), json!(score.total));
    flat.extend(score.components.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    Value::Object(flat)
}

fn position(position: Position) -> Value {
    json!({"partition": position.partition.0, "offset": position.offset.0})
}

fn adapter(adapter: &Adapter) -> Value {
    json!({"id": adapter.id.as_str(), "version": adapter.version.as_ref().map(|name| name.as_str())})
}

fn cache(cache: &CacheIdentity) -> Value {
    json!({
        "namespace": cache.namespace.as_str(), "adapter": cache.adapter.as_ref().map(adapter),
        "salt_id": cache.salt_id.as_ref().map(|name| name.as_str()),
    })
}

fn copy(copy: &KvCopy) -> Value {
    json!({
        "tier": copy.tier.label(),
        "medium": copy.medium.as_ref().map(|name| name.as_str()),
        "location": location(&copy.location),
        "cached_tokens": copy.cached_tokens,
        "kv_bytes": copy.kv_bytes,
        "quantization": quantization(&copy.quantization),
        "created_at": copy.created_at.0,
        "worker": copy.worker.as_ref().map(|name| name.as_str()),
        "worker_epoch": copy.worker_epoch,
        "dp_rank": copy.dp_rank,
        "cache": cache(&copy.cache),
    })
}

fn location(location: &Location) -> Value {
    match location {
        Location::Memory { offset } => json!({"memory": {"offset": offset}}),
        Location::Disk { path, offset } => json!({"disk": {"path": path.as_str(), "offset": offset}}),
        Location::External { provider, instance, endpoint, handle } => json!({"external": {
            "provider": provider.as_str(), "instance": instance.as_str(),
            "endpoint": endpoint.as_ref().map(|name| name.as_str()),
            "handle": handle.as_ref().map(|name| name.as_str()),
        }}),
        Location::Evicted => json!({"evicted": {}}),
    }
}

fn quantization(quantization: &Quantization) -> Value {
    match quantization {
        Quantization::HighPrecisionTail { tail_length, precision } => {
            json!({"high_precision_tail": {"tail_length": tail_length, "precision": precision.as_str()}})
        }
        Quantization::QuantizedStore { precision, compression_ratio } => {
            json!({"quantized_store": {"precision": precision.as_str(), "compression_ratio": compression_ratio}})
        }
        Quantization::Hybrid { tail_length, tail_precision, store_precision } => json!({"hybrid": {
            "tail_length": tail_length, "tail_precision": tail_precision.as_str(),
            "store_precision": store_precision.as_str(),
        }}),
        Quantization::TurboQuantHybrid { tail_length, tail_precision, turbo_bits } => {
            json!({"turbo_quant_hybrid": {
                "tail_length": tail_length, "tail_precision": tail_precision.as_str(), "turbo_bits": turbo_bits,
            }})
        }
    }
}
