//! Shapes, refusals and faults of the lists, against the double.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rekindle::http::port::QueryError;
use rekindle::model::position::PartitionId;
use serde_json::{Value, json};

use crate::AS_OF;
use crate::http_double::{Double, Reply, get, post, post_with, serve_double};

const HISTORY: &str = "/v1/tenants/acme/users/u-1/sessions";
const SEARCH: &str = "/v1/tenants/acme/search";
const PREFIX: &str = "/v1/tenants/acme/prefix-match";

fn unit() -> Vec<f32> {
    let mut vector = vec![0.0; 768];
    vector[7] = 1.0;
    vector
}

fn search_body() -> Value {
    json!({"vector": unit()})
}

fn prefix_body() -> Value {
    json!({"cache": {"namespace": "m"}, "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": ["1", "2"]}})
}

/// A body with one more field, or another value.
fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[test]
fn each_list_says_which_part_of_the_log_it_covers() {
    let server = serve_double(Double::default());
    let suggestions = "/v1/tenants/acme/sessions/s-9/suggestions";
    for (reply, list) in [
        (get(&server, HISTORY), "sessions"),
        (get(&server, suggestions), "suggestions"),
        (post(&server, SEARCH, &search_body().to_string()), "hits"),
        (post(&server, PREFIX, &prefix_body().to_string()), "matches"),
    ] {
        assert_eq!(reply.status, 200, "{}", reply.body);
        let body = reply.json();
        assert_eq!(body[list][0]["session_id"], "s-9");
        assert_eq!((&body["as_of"], &body["lag"]), (&*AS_OF, &json!(12)));
    }
    let hits = post(&server, SEARCH, &search_body().to_string()).json()["hits"].clone();
    assert_eq!(hits, json!([{"session_id": "s-9", "similarity": 0.5, "status": "ended", "last_active": 7}]));
    let matches = post(&server, PREFIX, &prefix_body().to_string()).json()["matches"].clone();
    assert_eq!(
        matches,
        json!([{"session_id": "s-9", "depth": 2, "matched_tokens": 16, "kv_cache": null, "last_active": 7}])
    );
    let vector = get(&server, "/v1/tenants/acme/sessions/s-9?include=vector").json();
    assert_eq!((&vector["vector"], &vector["as_of"]), (&json!(null), &*AS_OF));
    assert!(get(&server, &format!("{HISTORY}?limit=1")).json()["next_cursor"].is_string());
}

pub fn refused(reply: &Reply, field: &str, limit: &str, what: &str) {
    reply.is_problem(400, limit);
    assert_eq!(reply.json()["field"], field, "{what}");
}

#[test]
fn what_a_history_may_not_be_asked_names_the_field_and_the_limit() {
    let server = serve_double(Double::default());
    for (query, field, limit) in [
        ("limit=0", "limit", "1..=500"),
        ("limit=501", "limit", "1..=500"),
        ("limit=-1", "limit", "1..=500"),
        ("limit=", "limit", "1..=500"),
        ("limit=ten", "limit", "1..=500"),
        ("limit=99999999999999999999", "limit", "1..=500"),
        ("limit=1&limit=2", "limit", "twice"),
        ("status=", "status", "one of active, paused"),
        ("status=active,gone", "status", "one of active, paused"),
        ("status=Active", "status", "one of active, paused"),
        ("active_since=yesterday", "active_since", "RFC 3339"),
        ("active_before=2026-01-01", "active_before", "RFC 3339"),
        ("statuses=active", "statuses", "known are limit, status"),
        ("cursor=here", "cursor", "same query"),
    ] {
        refused(&get(&server, &format!("{HISTORY}?{query}")), field, limit, query);
    }
    for query in ["", "limit=500", "status=active,ended", "active_since=0&active_before=2026-01-01T00:00:00Z"] {
        let reply = get(&server, &format!("{HISTORY}?{query}"));
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
    }
    let session = "/v1/tenants/acme/sessions/s-9";
    for query in ["include=", "include=prefix", "include=vector,prefix", "include=7", "include=vector&include=vector"] {
        refused(&get(&server, &format!("{session}?{query}")), "include", "", query);
    }
    refused(&get(&server, &format!("{session}?other=1")), "other", "known are include", "another parameter");
}

#[test]
fn what_a_search_may_not_be_names_the_field_and_the_limit() {
    let server = serve_double(Double::default());
    let mut large = vec![json!(0.0); 768];
    large[0] = json!(1e39);
    let nan = STANDARD.encode(f32::NAN.to_le_bytes().repeat(768));
    for (body, field, limit) in [
        (json!({}), "vector", "needs vector or session_id"),
        (with(search_body(), "session_id", json!("s-9")), "vector", "not both"),
        (json!({"vector": [1.0, 2.0]}), "vector", "has 2 components, the space has 768"),
        (json!({"vector": vec![0.0; 768]}), "vector", "zero norm"),
        (json!({"vector": large}), "vector", "NaN or infinity"),
        (json!({"vector": vec!["NaN"; 768]}), "vector", "numbers, or base64"),
        (json!({"vector": vec![json!(null); 768]}), "vector", "numbers, or base64"),
        (json!({"vector": "***"}), "vector", "numbers, or base64"),
        (json!({"vector": "AAA="}), "vector", "numbers, or base64"),
        (json!({"vector": nan}), "vector", "NaN or infinity"),
        (with(search_body(), "space", json!("elsewhere")), "space", "not a declared space"),
        (json!({"session_id": "s-9", "space": ""}), "space", "not a declared space"),
        (json!({"session_id": "a/b"}), "session_id", "visible ASCII"),
        (json!({"session_id": ""}), "session_id", "empty"),
        (json!({"session_id": 9}), "session_id", "string"),
        (with(search_body(), "k", json!(0)), "k", "1..=1000"),
        (with(search_body(), "k", json!(1_000_000_000)), "k", "1..=1000"),
        (with(search_body(), "k", json!(-1)), "k", "1..=1000"),
        (with(search_body(), "k", json!(1.5)), "k", "1..=1000"),
        (with(search_body(), "k", json!("10")), "k", "1..=1000"),
        (with(search_body(), "near", json!(1)), "near", "known are vector"),
        (with(search_body(), "filters", json!([])), "filters", "object"),
        (with(search_body(), "filters", json!({"user": "u-1"})), "filters.user", "known are user_id"),
        (with(search_body(), "filters", json!({"user_id": ""})), "filters.user_id", "empty"),
        (with(search_body(), "filters", json!({"status": "gone"})), "filters.status", "one of"),
        (with(search_body(), "filters", json!({"status": ["active", 1]})), "filters.status", "words"),
        (with(search_body(), "filters", json!({"adapter": ""})), "filters.adapter", "empty"),
        (with(search_body(), "filters", json!({"active_since": true})), "filters.active_since", "RFC 3339"),
        (with(search_body(), "filters", json!({"scope": "all"})), "filters.scope", "one of none, user, tenant"),
    ] {
        refused(
            &post(&server, SEARCH, &body.to_string()),
            field,
            limit,
            &body.to_string()[..body.to_string().len().min(90)],
        );
    }
    for (text, field) in [(r#"{"vector":[1e999]}"#, "vector[0]"), (r#"{"vector":[1,NaN]}"#, "vector[1]")] {
        refused(&post(&server, SEARCH, text), field, "not JSON", text);
    }
    for body in ["", "[]", "{", "\"s-9\"", "{} {}"] {
        post(&server, SEARCH, body).is_problem(400, "body");
        post(&server, PREFIX, body).is_problem(400, "body");
    }
    for body in [
        with(search_body(), "k", json!(1000)),
        with(search_body(), "filters", json!({"status": ["active", "ended"], "scope": "user"})),
        with(search_body(), "filters", json!({"status": "active,ended", "active_since": "2026-01-01T00:00:00Z"})),
        json!({"session_id": "s-9", "space": null, "filters": null}),
    ] {
        let reply = post(&server, SEARCH, &body.to_string());
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

#[test]
fn what_a_prefix_match_may_not_be_names_the_field_and_the_limit() {
    let server = serve_double(Double::default());
    let prefix =
        |name: &str, value: Value| with(prefix_body(), "prefix", with(prefix_body()["prefix"].clone(), name, value));
    for (body, field, limit) in [
        (json!({}), "cache", "required"),
        (json!({"cache": {"namespace": "m"}}), "prefix", "required"),
        (json!({"prefix": prefix_body()["prefix"]}), "cache", "required"),
        (with(prefix_body(), "cache", json!({"namespace": ""})), "cache.namespace", "empty"),
        (prefix("hashes", json!([])), "prefix.hashes", "at least one"),
        (prefix("hashes", json!(["zz"])), "prefix.hashes", ""),
        (prefix("from_block", json!(1)), "prefix.from_block", "must be 0"),
        (prefix("block_tokens", json!(0)), "prefix.block_tokens", "at least 1"),
        (with(prefix_body(), "limit", json!(0)), "limit", "1..=100"),
        (with(prefix_body(), "limit", json!(101)), "limit", "1..=100"),
        (with(prefix_body(), "user_id", json!("a b")), "user_id", "visible ASCII"),
        (with(prefix_body(), "except_session_id", json!("")), "except_session_id", "empty"),
        (with(prefix_body(), "session_id", json!("s-1")), "session_id", "known are cache"),
        (with(prefix_body(), "occurred_at", json!(1)), "occurred_at", "known are cache"),
    ] {
        refused(&post(&server, PREFIX, &body.to_string()), field, limit, &body.to_string());
    }
}

#[test]
fn odd_paths_types_and_sizes_are_the_callers_fault() {
    let server = serve_double(Double::default());
    for (path, status, detail) in [
        ("/v1/tenants/a%2Fb/users/u-1/sessions", 400, "tenant_id"),
        ("/v1/tenants/acme/users/a%2Fb/sessions", 400, "user_id"),
        ("/v1/tenants/acme/users/a%20b/sessions", 400, "user_id"),
        ("/v1/tenants/acme/users/*/sessions", 400, "user_id"),
        ("/v1/tenants/acme/users/%FF/sessions", 400, ""),
        ("/v1/tenants/acme/users/a/b/sessions", 404, "no such resource"),
        ("/v1/tenants/acme/users//sessions", 400, "user_id: must not be empty"),
        ("/v1/tenants//users/u-1/sessions", 400, "tenant_id: must not be empty"),
        ("/v1/tenants/acme/sessions/a%2Fb/suggestions", 400, "session_id"),
        ("/v1/tenants/acme/sessions//suggestions", 400, "session_id: must not be empty"),
        ("/v1/tenants/acme/search", 405, "method"),
    ] {
        get(&server, path).is_problem(status, detail);
    }
    post(&server, "/v1/tenants/a%2Fb/search", "{}").is_problem(400, "tenant_id");
    post(&server, "/v1/tenants//search", "{}").is_problem(400, "tenant_id: must not be empty");
    for (path, body) in [(SEARCH, search_body()), (PREFIX, prefix_body())] {
        let body = body.to_string();
        post(&server, path, &format!("{body}{}", " ".repeat(1 << 20))).is_problem(413, "");
        for (kind, status) in
            [("application/json", 200), ("Application/JSON; charset=utf-8", 200), ("text/plain", 415), ("", 415)]
        {
            let reply = post_with(&server, path, &format!("content-type: {kind}\r\n"), &body);
            assert_eq!(reply.status, status, "{kind}: {}", reply.body);
        }
    }
}

#[test]
fn lists_that_cannot_be_told_now_say_so() {
    let partition = PartitionId(4);
    for (fault, status) in [
        (QueryError::Restoring(partition, 0.5), 503),
        (QueryError::NotOwned(partition), 503),
        (QueryError::Stopped(partition, "topic is gone".into()), 503),
        (QueryError::NotFound, 404),
    ] {
        let server = serve_double(Double { fault: Some(fault.clone()), ..Double::default() });
        for reply in [
            get(&server, HISTORY),
            get(&server, "/v1/tenants/acme/sessions/s-9/suggestions"),
            get(&server, "/v1/tenants/acme/sessions/s-9?include=vector"),
            post(&server, SEARCH, &search_body().to_string()),
            post(&server, PREFIX, &prefix_body().to_string()),
        ] {
            reply.is_problem(status, "");
            assert_eq!(reply.json()["partition"] == 4, status == 503, "{fault:?}");
        }
    }
}
