//! Sessions for the page to show: what befell them, and addresses of their views.

use std::sync::Arc;

use rekindle::http::HttpServer;
use serde_json::{Value, json};

use crate::http_double::get;
use crate::living::{DIM, Living, event};

/// Characters as they stand in an address.
pub fn escaped(id: &str) -> String {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    id.bytes().map(|b| if kept(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A session of a tenant with two turns, KV and an embedding.
pub fn session(tenant: &str, session: &str, user: &str, at: i64, lean: usize) -> Vec<Value> {
    let cache = json!({"namespace": "llama-3-70b/fp8"});
    let mut vector = vec![0.2; DIM];
    vector[lean % DIM] = 1.0;
    let turn = |turn: i64| {
        let copy = json!({"tier": "warm", "location": {"memory": {"offset": 0}}, "cached_tokens": 3000 * turn,
            "created_at": crate::living::BASE + at + turn, "worker": "gpu-1", "cache": cache,
            "quantization": {"quantized_store": {"precision": "Q8", "compression_ratio": 2.0}}});
        json!({"type": "turn_completed", "turn": turn, "input_tokens": 3000, "output_tokens": 90, "cache": cache,
            "kv_cache": copy, "context": {"space": "default", "vector": vector, "covers_turn": turn}})
    };
    let start = json!({"type": "session_started", "user_id": user, "transfer_scope": "tenant", "cache": cache,
        "context_ref": "conversations/1", "metadata": {"client": "api"}});
    vec![
        event(tenant, session, at, start),
        event(tenant, session, at + 1, turn(1)),
        event(tenant, session, at + 2, turn(2)),
    ]
}

/// It breaks off.
pub fn broken_off(tenant: &str, session: &str, at: i64) -> Value {
    event(tenant, session, at, json!({"type": "session_interrupted", "reason": "client_disconnect"}))
}

/// It goes on with what was suggested.
pub fn restored(tenant: &str, session: &str, suggestion: &str, at: i64) -> Value {
    let resumed = json!({"type": "session_resumed", "suggestion_id": suggestion, "restored_tokens": 6000,
        "recomputed_tokens": 0, "restore_ms": 40, "ttft_ms": 55, "outcome": "restored"});
    event(tenant, session, at, resumed)
}

/// A service of a tenant with sessions of some users: `s-1` to `s-30` of `u-1`, ended but for a few; `s-39`, ended, and
/// `s-40`, broken off, of `u-2`.
pub fn of_acme() -> (Arc<Living>, HttpServer) {
    let mut events = Vec::new();
    for n in 1..=30 {
        let id = format!("s-{n}");
        events.extend(session("acme", &id, "u-1", n * 100, n as usize));
        if n > 3 {
            events.push(event("acme", &id, n * 100 + 9, json!({"type": "session_ended", "reason": "completed"})));
        }
    }
    events.extend(session("acme", "s-39", "u-2", 4000, 5));
    events.push(event("acme", "s-39", 4009, json!({"type": "session_ended", "reason": "completed"})));
    events.extend(session("acme", "s-40", "u-2", 5000, 1));
    events.push(broken_off("acme", "s-40", 5010));
    Living::serve(&events)
}

/// The id of an open recovery suggestion to a session, as the API tells it.
pub fn open_of(server: &HttpServer, tenant: &str, session: &str) -> String {
    let path = format!("/v1/tenants/{}/sessions/{}/suggestions", escaped(tenant), escaped(session));
    let body = get(server, &path).json();
    let open = body["suggestions"].as_array().expect("a list");
    let found = open.iter().find(|s| s["kind"] == "recovery").unwrap_or_else(|| panic!("none is open: {body}"));
    found["suggestion_id"].as_str().expect("an id").to_owned()
}
