//! The JSON form of a state.

use serde_json::{Map, Value, json};

use super::kv::{adapter_json, copy_json};
use crate::model::session::SessionView;

/// A state as JSON; absent facets are null. Without `with_internal`, `as_of` and `open_suggestions` are left
/// out: they depend on the log, not on the events alone.
pub fn state_json(view: &SessionView, with_internal: bool) -> Value {
    let mut state = json!({
        "tenant_id": view.tenant.as_str(),
        "session_id": view.session.as_str(),
        "user_id": view.user.as_ref().map(|v| v.as_str()),
        "status": view.status.map(|v| v.label()),
        "end_reason": view.end_reason.map(|v| v.label()),
        "turn_count": view.turn_count,
        "context_tokens": view.context_tokens,
        "started_at": view.started_at.map(|v| v.0),
        "last_active": view.last_active.map(|v| v.0),
        "active_adapter": view.active_adapter.as_ref().map(adapter_json),
        "kv_cache_ref": view.kv_copies.first().map(|copy| copy_json(copy)),
        "kv_copies": view.kv_copies.iter().map(|copy| copy_json(copy)).collect::<Vec<_>>(),
        "residency": view.residency.map(|v| v.label()),
        "context": view.context.as_ref().map(|(space, turn)| json!({"space": space.as_str(), "covers_turn": turn})),
        "transfer_scope": view.transfer_scope.label(),
        "parent_session_id": view.parent.as_ref().map(|v| v.as_str()),
        "continues_session_id": view.continues.as_ref().map(|v| v.as_str()),
        "taken_up_by": view.taken_up_by.as_ref().map(|v| v.as_str()),
        "metadata": metadata(view),
        "gapped": view.gapped,
    });
    if with_internal && let Some(fields) = state.as_object_mut() {
        let open: Vec<&str> = view.open_suggestions.iter().map(|v| v.as_str()).collect();
        fields.insert("open_suggestions".to_owned(), json!(open));
        let as_of = json!({"partition": view.as_of.partition.0, "offset": view.as_of.offset.0});
        fields.insert("as_of".to_owned(), as_of);
    }
    state
}

fn metadata(view: &SessionView) -> Map<String, Value> {
    // Values were checked to be JSON when they came in; a text that is none is shown as it is.
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    view.metadata.iter().map(|(key, text)| (key.to_string(), value(text))).collect()
}
