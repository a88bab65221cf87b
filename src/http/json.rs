//! Stand-in for the engine's JSON forms.

use crate::model::session::SessionView;
use crate::model::suggestion::{Publication, Suggestion};
use serde_json::{Value, json};

pub(super) fn state_json(view: &SessionView, _with_internal: bool) -> Value {
    json!({"tenant_id": view.tenant.as_str(), "session_id": view.session.as_str()})
}

pub(super) fn suggestion_json(suggestion: &Suggestion, publication: &Publication) -> Value {
    json!({"kind": suggestion.kind(), "plan": suggestion.plan(), "status": publication.status(),
        "session_id": suggestion.session.as_str()})
}
