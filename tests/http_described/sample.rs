//! A service with a few sessions folded: every kind of copy, a chain, embeddings, suggestions that are open and ended.

use rdkafka::mocking::MockCluster;
use rekindle::http::HttpServer;
use rekindle::runtime::settings::RuntimeSettings;
use serde_json::{Value, json};

use crate::http_double::Reply;
use crate::support::clients::{eventually, produce, settings};
use crate::support::events::{DIM, now_ms};

/// The key that the service asks for where it asks for one.
pub const KEY: &str = "key-of-all";

/// Settings of a service whose topics are there.
pub fn on(cluster: &MockCluster<'_, rdkafka::producer::DefaultProducerContext>, name: &str) -> RuntimeSettings {
    let mut settings = settings(&cluster.bootstrap_servers(), name, 2);
    settings.kafka.properties.insert("fetch.wait.max.ms".to_owned(), "10".to_owned());
    let t = &settings.topics;
    for topic in [&t.events, &t.states, &t.vectors, &t.bookkeeping, &t.recovery, &t.transfer, &t.dead_letters] {
        cluster.create_topic(topic, 2, 1).expect("topic");
    }
    settings
}

/// Asks with the key.
pub fn ask(server: &HttpServer, method: &str, path: &str, body: &str) -> Reply {
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {KEY}");
    let length = body.len();
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    Reply::raw(server, &format!("{head}\r\ncontent-length: {length}\r\n{kind}\r\n{body}"))
}

/// Sends the events, and waits until all are folded.
pub fn fold(settings: &RuntimeSettings, server: &HttpServer) {
    let events: Vec<Vec<u8>> = events().iter().map(|event| event.to_string().into_bytes()).collect();
    produce(&settings.kafka.brokers, &settings.topics.events, events.iter().map(|event| ("acme", &event[..])));
    let last = "/v1/tenants/acme/sessions/s-last";
    eventually("folded", || ask(server, "GET", last, "").status, |status| *status == 200);
}

/// The id of an open suggestion to a session, and of one that ended.
pub fn suggestions(server: &HttpServer) -> (String, String) {
    let path = |session: &str| format!("/v1/tenants/acme/sessions/{session}/suggestions");
    let told = |session: &str| ask(server, "GET", &path(session), "").json();
    let id = |one: &Value| one["suggestion_id"].as_str().map(str::to_owned);
    let open = told("s-open")["suggestions"].as_array().and_then(|all| all.iter().find_map(id));
    let ended = eventually(
        "ended",
        || told("s-ended")["ended"].as_array().and_then(|all| all.iter().find_map(id)),
        Option::is_some,
    );
    (open.expect("an open suggestion"), ended.expect("one that ended"))
}

/// The id of an erasure that was asked for.
pub fn erasure(server: &HttpServer) -> String {
    let body = json!({"scope": "session", "id": "s-gone"}).to_string();
    let reply = ask(server, "POST", "/v1/tenants/acme/erasures", &body);
    assert_eq!(reply.status, 202, "{}", reply.body);
    reply.json()["erasure_id"].as_str().expect("an id").to_owned()
}

/// Two sessions of a user that begin alike, each interrupted, one of them on again; all forms of copies beside them.
fn events() -> Vec<Value> {
    let cache = cache();
    let mut all = Vec::new();
    for (session, user) in [("s-open", "u-1"), ("s-ended", "u-1"), ("s-other", "u-2")] {
        all.push(json!({"session_id": session, "type": "session_started", "user_id": user, "transfer_scope": "tenant",
            "cache": cache, "context_ref": "conv/1", "metadata": {"plan": {"tier": [1, null]}, "step": 3}}));
        let vector: Vec<f32> = (0..DIM).map(|n| if n == 0 { 1.0 } else { 0.1 }).collect();
        all.push(json!({"session_id": session, "type": "turn_completed", "turn": 1, "input_tokens": 4000,
            "output_tokens": 96, "worker": "w-1", "worker_epoch": 1, "dp_rank": 0, "cache": cache,
            "adapter": {"id": "a-1", "version": "3"},
            "prefix": {"algorithm": "xxh64", "block_tokens": 16, "hashes": ["a1", "b2", "c3"]},
            "context": {"space": "default", "vector": vector, "covers_turn": 1}}));
        all.extend(copies(&cache).into_iter().map(|mut copy| {
            copy["session_id"] = session.into();
            copy
        }));
        all.push(json!({"session_id": session, "type": "session_interrupted", "reason": "client_disconnect"}));
    }
    all.push(json!({"session_id": "s-ended", "type": "turn_completed", "turn": 2, "input_tokens": 4200,
        "output_tokens": 10, "cached_tokens": 4000, "worker": "w-1", "worker_epoch": 1, "cache": cache, "ttft_ms": 80.0}));
    all.push(json!({"session_id": "s-last", "type": "session_started"}));
    let start = now_ms() - 60_000;
    for (n, event) in all.iter_mut().enumerate() {
        event["event_id"] = format!("e-{n}").into();
        event["tenant_id"] = "acme".into();
        event["occurred_at"] = (start + n as i64 * 100).into();
    }
    all
}

/// A copy at each kind of place, and of each kind of quantization.
fn copies(cache: &Value) -> Vec<Value> {
    let at = now_ms() - 60_000;
    [
        ("hot", json!({"memory": {"offset": 0}}), json!({"high_precision_tail": {"tail_length": 64, "precision": "FP16"}})),
        ("warm", json!({"disk": {"path": "kv/1", "offset": 4096}}),
            json!({"quantized_store": {"precision": "INT8", "compression_ratio": 2.0}})),
        ("cold", json!({"external": {"provider": "p", "instance": "i", "endpoint": "https://kv.example.com", "handle": "h"}}),
            json!({"hybrid": {"tail_length": 64, "tail_precision": "FP16", "store_precision": "INT4"}})),
        ("cold", json!({"external": {"provider": "p", "instance": "i-2"}}),
            json!({"turbo_quant_hybrid": {"tail_length": 64, "tail_precision": "FP16", "turbo_bits": 3.5}})),
    ]
    .into_iter()
    .map(|(tier, location, quantization)| {
        json!({"type": "kv_cache_placed", "tier": tier, "location": location, "cached_tokens": 4000, "kv_bytes": 1_000_000,
            "quantization": quantization, "created_at": at, "worker": "w-1", "worker_epoch": 1, "cache": cache})
    })
    .collect()
}

/// Bodies that find something, by the name of the operation.
pub fn bodies() -> Vec<(&'static str, Value)> {
    let vector: Vec<f32> = (0..DIM).map(|n| n as f32).collect();
    let prefix = json!({"algorithm": "xxh64", "block_tokens": 16, "hashes": ["a1", "b2"]});
    vec![
        (
            "search",
            json!({"vector": vector, "k": 5, "filters": {"status": ["active", "interrupted"], "scope": "user"}}),
        ),
        ("search", json!({"session_id": "s-open", "at_least": {"partition": 0, "offset": 0}})),
        ("matchPrefix", json!({"cache": cache(), "prefix": prefix})),
        ("queryRecovery", json!({"session_id": "s-open"})),
        ("queryRecovery", json!({"cache": cache(), "prefix": prefix, "candidate_workers": ["w-1"]})),
        ("erase", json!({"scope": "user", "id": "u-9", "request_id": "r-1"})),
    ]
}

fn cache() -> Value {
    json!({"namespace": "m/fp8", "adapter": {"id": "a-1", "version": "3"}, "salt_id": "blue"})
}
