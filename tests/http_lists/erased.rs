//! How an erasure stands, with a real engine behind the port: what is left was looked for.

use std::time::{SystemTime, UNIX_EPOCH};

use rekindle::http::HttpServer;
use serde_json::{Value, json};

use super::living::{BASE, DIM, Living, event};
use crate::http_double::{get, post_with};

/// Milliseconds behind the first event of the others' clock: now, since an erasure occurs when it is asked for.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64 - BASE
}

/// A session of a user with an embedding, a chain, and a suggestion that is open.
fn session(user: &str, session: &str, at: i64) -> [Value; 3] {
    let mut vector = vec![0.0; DIM];
    vector[0] = 1.0;
    let context = json!({"space": "default", "vector": vector, "covers_turn": 1});
    let prefix = json!({"algorithm": "xxh64", "block_tokens": 16, "from_block": 0, "hashes": ["a1", "b2"]});
    let start = json!({"type": "session_started", "user_id": user, "transfer_scope": "tenant"});
    let turn = json!({"type": "turn_completed", "user_id": user, "turn": 1, "input_tokens": 900, "output_tokens": 10,
        "cache": {"namespace": "m"}, "prefix": prefix, "context": context});
    let end = json!({"type": "session_interrupted", "user_id": user, "reason": "client_disconnect"});
    [event("acme", session, at, start), event("acme", session, at + 1, turn), event("acme", session, at + 2, end)]
}

/// Asks for an erasure of acme; its id, and the event that is in the input then.
fn ask(server: &HttpServer, body: &Value) -> (String, Value) {
    let lines = "content-type: application/json\r\n";
    let reply = post_with(server, "/v1/tenants/acme/erasures", lines, &body.to_string());
    assert_eq!(reply.status, 202, "{}", reply.body);
    let answer = reply.json();
    let id = answer["erasure_id"].as_str().expect("an id").to_owned();
    let mut event = json!({"event_id": answer["event_id"], "tenant_id": "acme", "occurred_at": answer["occurred_at"],
        "type": "subject_erased", "scope": body["scope"]});
    match body["scope"].as_str() {
        Some("session") => event["session_id"] = body["id"].clone(),
        Some("user") => event["user_id"] = body["id"].clone(),
        _ => {}
    }
    (id, event)
}

/// The state of an erasure, whether it is folded, and what is left.
fn stands(server: &HttpServer, id: &str) -> (Value, Value, [i64; 5]) {
    let reply = get(server, &format!("/v1/tenants/acme/erasures/{id}"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let answer = reply.json();
    let one = &answer["partitions"][0];
    let left = ["sessions", "vectors", "prefixes", "open_suggestions", "tombstones"];
    let left = left.map(|name| one["left"][name].as_i64().expect("a number"));
    (answer["state"].clone(), one["folded"].clone(), left)
}

#[test]
fn what_is_left_of_a_subject_is_told_before_and_after_it_is_erased() {
    for (scope, id, sessions) in [("session", Some("s-1"), 1), ("user", Some("u-1"), 2), ("tenant", None, 3)] {
        let at = now() - 60_000;
        let events = [("u-1", "s-1"), ("u-1", "s-2"), ("u-2", "s-3")];
        let events = (0..).zip(events).flat_map(|(n, (user, id))| session(user, id, at + 10 * n));
        let (living, server) = Living::serve(&events.collect::<Vec<_>>());
        let (id, event) = ask(&server, &json!({"scope": scope, "id": id}));
        let (state, folded, [held, vectors, prefixes, open, tombstones]) = stands(&server, &id);
        assert_eq!((state, folded), (json!("pending"), json!(false)), "{scope}");
        assert_eq!(([held, vectors, prefixes], tombstones), ([sessions; 3], 0), "{scope}");
        assert!(open >= sessions, "{scope}: {open} suggestions to it or drawn from it");
        living.feed(&[event]);
        assert_eq!(stands(&server, &id), (json!("done"), json!(true), [0; 5]), "{scope}");
        let topics = get(&server, &format!("/v1/tenants/acme/erasures/{id}?include=topics")).json()["topics"].clone();
        let gone_by = topics[0]["gone_by"].as_i64().expect("an instant") - BASE;
        assert!((at..=now() + 5).contains(&gone_by) && topics[0]["reason"] == Value::Null, "{topics}");
        let kept = if scope == "tenant" { 404 } else { 200 };
        assert_eq!(get(&server, "/v1/tenants/acme/sessions/s-3").status, kept, "{scope}");
        assert_eq!(get(&server, "/v1/tenants/acme/sessions/s-1").status, 404, "{scope}");
    }
}

#[test]
fn an_erasure_is_not_done_before_its_last_tombstone() {
    let at = now() - 60_000;
    let start = json!({"type": "session_started", "user_id": "u-1"});
    let events: Vec<Value> = (0..1003).map(|n| event("acme", &format!("s-{n}"), at + n, start.clone())).collect();
    let (living, server) = Living::serve(&events);
    let (id, erased) = ask(&server, &json!({"scope": "user", "id": "u-1"}));
    living.feed(&[erased]);
    assert_eq!(stands(&server, &id), (json!("pending"), json!(true), [0, 0, 0, 0, 3]));
    living.feed(&[event("other", "s-1", now(), start)]);
    assert_eq!(stands(&server, &id), (json!("done"), json!(true), [0; 5]));
}

#[test]
fn an_erasure_that_was_refused_is_told_as_that() {
    let (living, server) = Living::serve(&session("u-1", "s-1", now() - 60_000));
    let (id, _) = ask(&server, &json!({"scope": "user", "id": "u-1"}));
    living.feed(&[event("other", "s-1", now(), json!({"type": "session_started"}))]);
    assert_eq!(stands(&server, &id), (json!("refused"), json!(true), [1, 1, 1, 1, 0]));
}
