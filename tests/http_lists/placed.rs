//! What is worth restoring to a caller that can place its session on some workers only.

use serde_json::{Value, json};

use super::double::refused;
use super::living::{BASE, Living, event};
use super::subjects::broken_off;
use crate::http_double::{Double, post, serve_double};

const RECOVERY: &str = "/v1/tenants/acme/recovery";

fn copy(tier: &str, location: Value, worker: &str) -> Value {
    json!({"type": "kv_cache_placed", "tier": tier, "location": location, "cached_tokens": 6000, "created_at": BASE,
        "quantization": {"quantized_store": {"precision": "Q8", "compression_ratio": 2.0}}, "worker": worker,
        "cache": {"namespace": "m/fp8"}})
}

/// The answer's plan, source, its copy's worker, and what was rejected.
fn asked(server: &rekindle::http::HttpServer, body: &Value) -> Value {
    let reply = post(server, RECOVERY, &body.to_string());
    assert_eq!(reply.status, 200, "{body}: {}", reply.body);
    let s = reply.json()["suggestion"].clone();
    assert_eq!(s["delivery"], "query");
    json!([s["plan"], s["source"]["session_id"], s["source"]["kv_cache"]["worker"], s["rejected"]])
}

#[test]
fn kv_on_workers_that_do_not_come_into_question_is_rejected() {
    // Warm on w-1; hot on w-2, cold in a store on behalf of w-3.
    let mut events = broken_off("acme", "s-1");
    events.push(event("acme", "s-1", 3, copy("hot", json!({"memory": {"offset": 0}}), "w-2")));
    let (living, server) = Living::serve(&events);
    let on = |workers: &[&str]| asked(&server, &json!({"session_id": "s-1", "candidate_workers": workers}));
    let gone = json!([{"session_id": "s-1", "reason": "worker_epoch_dead"}]);
    assert_eq!(asked(&server, &json!({"session_id": "s-1"})), json!(["resume_in_place", "s-1", "w-2", []]));
    assert_eq!(
        asked(&server, &json!({"session_id": "s-1", "candidate_workers": null})),
        json!(["resume_in_place", "s-1", "w-2", []])
    );
    assert_eq!(on(&["w-9", "w-2", "w-1"]), json!(["resume_in_place", "s-1", "w-2", []]));
    assert_eq!(on(&["w-1"]), json!(["restore_kv", "s-1", "w-1", gone]));
    assert_eq!(on(&["w-9"]), json!(["context_only", "s-1", null, gone]));
    let store = json!({"external": {"provider": "mooncake", "instance": "i-1", "handle": "h"}});
    living.feed(&[event("acme", "s-1", 4, copy("cold", store, "w-3"))]);
    assert_eq!(on(&["w-9"]), json!(["restore_kv", "s-1", "w-3", gone]), "a store is reached from anywhere");
    // What is asked changes nothing.
    assert_eq!(asked(&server, &json!({"session_id": "s-1"})), json!(["resume_in_place", "s-1", "w-2", []]));
}

#[test]
fn another_sessions_prefix_is_restored_where_the_session_can_be() {
    let mut events = broken_off("acme", "s-1");
    events[1]["prefix"]["block_tokens"] = json!(3000);
    let (living, server) = Living::serve(&events);
    let prefix = json!({"algorithm": "a", "block_tokens": 3000, "hashes": ["1", "2", "3"]});
    let query = |workers: Option<&str>| {
        let mut body = json!({"session_id": "s-new", "cache": {"namespace": "m/fp8"}, "prefix": prefix});
        workers.iter().for_each(|worker| body["candidate_workers"] = json!([worker]));
        body
    };
    assert_eq!(asked(&server, &query(None)), json!(["restore_kv", "s-1", "w-1", []]));
    assert_eq!(asked(&server, &query(Some("w-1"))), json!(["restore_kv", "s-1", "w-1", []]));
    post(&server, RECOVERY, &query(Some("w-2")).to_string()).is_problem(404, "neither");
    // The same of one that is known, which is told why.
    let known = event("acme", "s-2", 3, json!({"type": "session_started", "user_id": "u-2"}));
    living.feed(&[known]);
    let mut body = query(Some("w-2"));
    body["session_id"] = json!("s-2");
    let gone = json!([{"session_id": "s-1", "reason": "worker_epoch_dead"}]);
    assert_eq!(asked(&server, &body), json!(["recompute", "s-2", null, gone]));
    // Who it is does not depend on where it may go.
    let mut nameless = query(Some("w-2"));
    nameless.as_object_mut().expect("an object").remove("session_id");
    assert_eq!(asked(&server, &nameless), json!(["context_only", "s-1", null, gone]));
}

#[test]
fn kv_of_another_identity_is_still_told_as_such() {
    let started = json!({"type": "session_started", "user_id": "u-1"});
    let placed = copy("hot", json!({"memory": {"offset": 0}}), "w-1");
    let (_, server) = Living::serve(&[event("acme", "s-1", 0, started), event("acme", "s-1", 1, placed)]);
    let other = json!({"session_id": "s-1", "cache": {"namespace": "other"}, "candidate_workers": ["w-1"]});
    let answer = asked(&server, &other);
    assert_eq!(
        (&answer[0], &answer[3][0]),
        (&json!("context_only"), &json!({"session_id": "s-1", "reason": "namespace_mismatch"}))
    );
}

#[test]
fn what_workers_may_not_be_names_the_field_and_the_limit() {
    let server = serve_double(Double::default());
    let names = |count: usize| -> Vec<String> { (0..count).map(|n| format!("w-{n}")).collect() };
    for (workers, field, limit) in [
        (json!([]), "candidate_workers", "1 to 256"),
        (json!(names(257)), "candidate_workers", "1 to 256"),
        (json!("w-1"), "candidate_workers", "1 to 256"),
        (json!({"w-1": 1}), "candidate_workers", "1 to 256"),
        (json!(["w-1", ""]), "candidate_workers[1]", "empty"),
        (json!(["w-1", 7]), "candidate_workers[1]", "string"),
        (json!(["x".repeat(1025)]), "candidate_workers[0]", "1024"),
    ] {
        let body = json!({"session_id": "s-9", "candidate_workers": workers});
        refused(&post(&server, RECOVERY, &body.to_string()), field, limit, &body.to_string());
    }
    let body = json!({"session_id": "s-9", "candidate_workers": names(256)});
    assert_eq!(post(&server, RECOVERY, &body.to_string()).status, 200);
}
