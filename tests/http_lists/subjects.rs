//! What is suggested for a session, whom an answer is about, and that no tenant sees another's.

use rekindle::engine::{OutValue, Topic};
use serde_json::{Value, json};

use super::living::{BASE, DIM, LAG, Living, event};
use crate::http_double::{get, post};

/// A session with KV and an embedding that is broken off.
pub fn broken_off(tenant: &str, session: &str) -> Vec<Value> {
    let cache = json!({"namespace": "m/fp8"});
    let copy = json!({"tier": "warm", "location": {"memory": {"offset": 0}}, "cached_tokens": 6000,
        "created_at": BASE, "quantization": {"quantized_store": {"precision": "Q8", "compression_ratio": 2.0}},
        "worker": "w-1", "cache": cache});
    let context = json!({"space": "default", "vector": vec![1.0; DIM], "covers_turn": 1});
    vec![
        event(
            tenant,
            session,
            0,
            json!({"type": "session_started", "user_id": "u-1", "transfer_scope": "tenant",
            "cache": cache, "context_ref": "conv/1"}),
        ),
        event(
            tenant,
            session,
            1,
            json!({"type": "turn_completed", "turn": 1, "input_tokens": 6000, "output_tokens": 9,
            "cache": cache, "kv_cache": copy, "context": context,
            "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": ["1", "2"]}}),
        ),
        event(tenant, session, 2, json!({"type": "session_interrupted", "reason": "client_disconnect"})),
    ]
}

#[test]
fn open_suggestions_are_told_as_they_were_published() {
    let (living, server) = Living::serve(&broken_off("acme", "s-1"));
    let published = living.look(|_, effects| {
        let of = effects.stream().filter(|r| matches!(r.topic, Topic::Recovery | Topic::Transfer));
        let values = of.map(|record| match record.value {
            OutValue::Json(text) => serde_json::from_slice::<Value>(text).expect("JSON"),
            _ => panic!("not JSON"),
        });
        values.collect::<Vec<_>>()
    });
    assert!(!published.is_empty() && published.iter().all(|s| s["status"] == "open"), "{published:?}");
    let body = get(&server, "/v1/tenants/acme/sessions/s-1/suggestions").json();
    assert_eq!(body["suggestions"], json!(published));
    assert_eq!(body["as_of"], json!({"partition": 0, "offset": 2, "stream_time": BASE + 2}));
    assert_eq!(body["lag"], LAG);
    living.feed(&[event("acme", "s-1", 3, json!({"type": "session_ended", "reason": "completed"}))]);
    assert_eq!(get(&server, "/v1/tenants/acme/sessions/s-1/suggestions").json()["suggestions"], json!([]));
    get(&server, "/v1/tenants/acme/sessions/s-2/suggestions").is_problem(404, "no such session");
}

#[test]
fn no_tenant_sees_anything_of_another() {
    let (living, server) = Living::serve(&broken_off("other", "s-1"));
    let open = get(&server, "/v1/tenants/other/sessions/s-1/suggestions").json();
    let id = open["suggestions"][0]["suggestion_id"].as_str().expect("an id").to_owned();
    let of = |tenant: &str| {
        let search = json!({"vector": vec![1.0; DIM]});
        let like = json!({"session_id": "s-1"});
        let prefix = json!({"cache": {"namespace": "m/fp8"}, "user_id": "u-1",
            "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": ["1"]}});
        let path = |rest: &str| format!("/v1/tenants/{tenant}/{rest}");
        let list = |reply: crate::http_double::Reply, name: &str| {
            let found = reply.json()[name].as_array().map(Vec::len);
            (reply.status, found)
        };
        [
            list(get(&server, &path("users/u-1/sessions")), "sessions"),
            list(post(&server, &path("search"), &search.to_string()), "hits"),
            list(post(&server, &path("prefix-match"), &prefix.to_string()), "matches"),
            list(post(&server, &path("search"), &like.to_string()), "hits"),
            list(get(&server, &path("sessions/s-1")), ""),
            list(get(&server, &path("sessions/s-1?include=vector")), ""),
            list(get(&server, &path("sessions/s-1/suggestions")), "suggestions"),
            list(get(&server, &path("sessions/s-1/blocks")), ""),
            list(get(&server, &path(&format!("suggestions/{id}"))), ""),
            list(get(&server, &path(&format!("suggestions/{id}/blocks"))), ""),
        ]
    };
    let ok = |found| (200, Some(found));
    let own = of("other");
    assert_eq!(own[..5], [ok(1), ok(1), ok(1), ok(0), (200, None)]);
    assert!(own[6].1.is_some_and(|open| open > 0), "{own:?}");
    assert_eq!(own[7..], [(200, None); 3]);
    let none = (404, None);
    assert_eq!(of("acme"), [ok(0), ok(0), ok(0), none, none, none, none, none, none, none]);
    let closed = json!({"type": "session_ended", "reason": "completed"});
    living.feed(&[event("other", "s-1", 3, closed)]);
    assert_eq!((of("other")[8], of("acme")[8]), ((200, None), none), "ended ones neither");
    living.feed(&[event("acme", "s-1", 4, json!({"type": "session_started", "user_id": "u-1"}))]);
    assert_eq!(of("acme")[6..], [ok(0), (200, None), none, none], "nor of a session of the same name");
}

#[test]
fn before_the_first_record_an_answer_stands_nowhere() {
    let (_, server) = Living::serve(&[]);
    let body = get(&server, "/v1/tenants/acme/users/u-1/sessions").json();
    let nowhere = json!({"partition": 0, "offset": null, "stream_time": null});
    assert_eq!(body, json!({"sessions": [], "next_cursor": null, "as_of": nowhere, "lag": null}));
}
