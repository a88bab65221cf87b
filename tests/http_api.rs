//! The HTTP edge against a double of the query port: answers, errors, limits, the page.

mod http_double;
mod http_lists;

use std::sync::LazyLock;

use http_double::{Double, Reply, get, post, serve_double};
use rekindle::http::port::{FeedItem, PartitionPhase, QueryError};
use rekindle::model::position::PartitionId;
use serde_json::{Value, json};

/// Where the double says its answers stand.
static AS_OF: LazyLock<Value> =
    LazyLock::new(|| json!({"partition": 1, "offset": 5120, "stream_time": 1_762_340_009_000_i64}));

#[test]
fn liveness_does_not_depend_on_readiness() {
    let server = serve_double(Double { ready: Err("partition 2 is being restored".into()), ..Double::default() });
    assert_eq!(get(&server, "/livez").status, 200);
    let not_ready = get(&server, "/readyz");
    not_ready.is_problem(503, "partition 2 is being restored");
    assert!(not_ready.header("retry-after").is_some());
    assert_eq!(get(&serve_double(Double::default()), "/readyz").status, 200);
}

#[test]
fn metrics_show_gauges_as_they_are_when_asked() {
    let server = serve_double(Double::default());
    post(&server, "/v1/tenants/acme/recovery", r#"{"session_id":"s-9"}"#);
    let text = get(&server, "/metrics");
    assert_eq!(text.header("content-type").as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "rekindle_sessions{status=\"active\"} 7",
        "rekindle_consumer_lag_records{partition=\"1\"} 12",
        "rekindle_search_seconds_count 1",
    ] {
        assert!(text.body.lines().any(|l| l == line), "{line} is missing from\n{}", text.body);
    }
}

#[test]
fn a_session_is_answered_with_the_place_in_the_log() {
    let server = serve_double(Double::default());
    let reply = get(&server, "/v1/tenants/acme/sessions/s-%3Cb%3E");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body = reply.json();
    assert_eq!(body["session"]["session_id"], "s-<b>");
    assert_eq!((&body["as_of"], &body["lag"]), (&*AS_OF, &json!(12)));
}

#[test]
fn a_recovery_query_is_answered_with_the_place_in_the_log() {
    let server = serve_double(Double::default());
    for body in
        [json!({"session_id": "s-9"}), json!({"user_id": "u-1"}), json!({"session_id": "s-9", "user_id": "u-1"})]
    {
        let reply = post(&server, "/v1/tenants/acme/recovery", &body.to_string());
        assert_eq!(reply.status, 200, "{body}: {}", reply.body);
        let answer = reply.json();
        assert_eq!(answer["suggestion"]["plan"], "recompute");
        assert_eq!(answer["suggestion"]["session_id"], body.get("session_id").unwrap_or(&json!("s-new")).clone());
        assert_eq!((&answer["as_of"], &answer["lag"]), (&*AS_OF, &json!(12)));
    }
}

#[test]
fn a_recovery_query_may_bring_its_cache_prefix_and_embedding() {
    let server = serve_double(Double::default());
    let mut vector = vec![0.0; 768];
    vector[0] = 1.0;
    let body = json!({"session_id": "s-9", "cache": {"namespace": "llama-3-70b/fp8", "salt_id": "blue"},
        "prefix": {"algorithm": "xxh64", "block_tokens": 16, "hashes": ["00000000000000ff"]},
        "context": {"space": "default", "vector": vector, "covers_turn": 4}});
    let reply = post(&server, "/v1/tenants/acme/recovery", &body.to_string());
    assert_eq!(reply.status, 200, "{}", reply.body);
    // The double hands the query's cache identity back as its source's.
    let cache = &reply.json()["suggestion"]["source"]["cache"];
    assert_eq!((&cache["namespace"], &cache["salt_id"]), (&json!("llama-3-70b/fp8"), &json!("blue")));
}

#[test]
fn what_a_recovery_query_may_not_be_names_the_field() {
    let server = serve_double(Double::default());
    for (body, field) in [
        (json!({}), "session_id"),
        (json!({"session_id": null}), "session_id"),
        (json!({"session_id": 7}), "session_id"),
        (json!({"session_id": "a/b"}), "session_id"),
        (json!({"user_id": "x".repeat(257)}), "user_id"),
        (json!({"session_id": "s-9", "sesion": 1}), "sesion"),
        (json!({"session_id": "s-9", "occurred_at": 1}), "occurred_at"),
        (json!({"user_id": "u-1", "cache": {"namespace": ""}}), "cache.namespace"),
        (json!({"user_id": "u-1", "context": {"space": "other", "vector": [1.0], "covers_turn": 1}}), "context.space"),
        (
            json!({"user_id": "u-1", "context": {"space": "default", "vector": [1.0], "covers_turn": 1}}),
            "context.vector",
        ),
        (
            json!({"user_id": "u-1", "prefix": {"algorithm": "a", "block_tokens": 0, "hashes": []}}),
            "prefix.block_tokens",
        ),
    ] {
        let reply = post(&server, "/v1/tenants/acme/recovery", &body.to_string());
        reply.is_problem(400, "");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    for body in ["", "[]", "{", "\"s-9\""] {
        post(&server, "/v1/tenants/acme/recovery", body).is_problem(400, "body");
    }
}

#[test]
fn ids_in_the_path_are_checked() {
    let server = serve_double(Double::default());
    for (path, field) in [
        ("/v1/tenants/*/sessions/s-9", "tenant_id"),
        ("/v1/tenants/a%23b/sessions/s-9", "tenant_id"),
        ("/v1/tenants/acme/sessions/a%2Fb", "session_id"),
        ("/v1/tenants/acme/sessions/a%20b", "session_id"),
    ] {
        let reply = get(&server, path);
        reply.is_problem(400, field);
        assert_eq!(reply.json()["field"], field);
    }
    get(&server, "/v1/tenants/acme/sessions/%FF").is_problem(400, "");
}

#[test]
fn unknown_subjects_and_resources_are_not_found() {
    let server = serve_double(Double { fault: Some(QueryError::NotFound), ..Double::default() });
    get(&server, "/v1/tenants/acme/sessions/s-9").is_problem(404, "no such session");
    post(&server, "/v1/tenants/acme/recovery", r#"{"user_id":"u-1"}"#).is_problem(404, "neither");
    get(&server, "/v2").is_problem(404, "no such resource");
    get(&server, "/v1/tenants/acme/recovery").is_problem(405, "method");
}

#[test]
fn what_cannot_be_answered_now_says_when_to_ask_again() {
    let partition = PartitionId(4);
    for (fault, detail) in [
        (QueryError::Restoring(partition, 0.5), "being restored"),
        (QueryError::NotOwned(partition), "not owned"),
        (QueryError::Stopped(partition, "topic is gone".into()), "topic is gone"),
    ] {
        let server = serve_double(Double { fault: Some(fault.clone()), ..Double::default() });
        for reply in [
            get(&server, "/v1/tenants/acme/sessions/s-9"),
            post(&server, "/v1/tenants/acme/recovery", r#"{"session_id":"s-9"}"#),
        ] {
            reply.is_problem(503, detail);
            assert!(reply.header("retry-after").is_some(), "{fault:?}");
            assert_eq!(reply.json()["partition"], 4);
            assert_eq!(reply.json()["progress"], if detail == "being restored" { json!(0.5) } else { json!(null) });
        }
    }
}

#[test]
fn a_body_may_have_a_mebibyte_and_no_more() {
    let server = serve_double(Double::default());
    let padded = |bytes: usize| format!("{}{}", r#"{"session_id":"s-9"}"#, " ".repeat(bytes - 20));
    assert_eq!(post(&server, "/v1/tenants/acme/recovery", &padded(1 << 20)).status, 200);
    post(&server, "/v1/tenants/acme/recovery", &padded((1 << 20) + 1)).is_problem(413, "");
}

#[test]
fn the_page_is_whole_in_itself_and_may_run_only_its_own_parts() {
    let server = serve_double(Double::default());
    let page = get(&server, "/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|t| t.starts_with("text/html")));
    let policy = page.header("content-security-policy").unwrap_or_default();
    for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'"] {
        assert!(policy.contains(rule) && !policy.contains("unsafe"), "{policy} lacks {rule}");
    }
    let mut wanted = vec!["page/main.js".to_owned(), "page/base.css".to_owned(), "page/views.css".to_owned()];
    let (mut seen, mut text) = (Vec::new(), page.body);
    for part in &wanted {
        assert!(text.contains(&format!("\"{part}\"")), "the page does not load {part}");
    }
    while let Some(part) = wanted.pop() {
        let reply = get(&server, &format!("/{part}"));
        assert_eq!(reply.status, 200, "{part}");
        let kind = if part.ends_with(".js") { "text/javascript" } else { "text/css" };
        assert!(reply.header("content-type").is_some_and(|t| t.starts_with(kind)), "{part}");
        assert_eq!(reply.header("x-content-type-options").as_deref(), Some("nosniff"));
        let imports = reply.body.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next());
        let imports: Vec<String> = imports.map(|name| format!("page/{name}")).collect();
        wanted.extend(imports.into_iter().filter(|name| *name != part && !seen.contains(name)));
        seen.push(part);
        text += &reply.body;
    }
    assert!(seen.len() > 10, "{seen:?}");
    let foreign = ["@import", "url(", "=\"http", "=\"//", "innerHTML", "insertAdjacentHTML", "document.write", "eval("];
    for outside in foreign {
        assert!(!text.contains(outside), "the page holds {outside}");
    }
    get(&server, "/page/none.js").is_problem(404, "no such resource");
}

#[test]
fn the_feed_begins_after_a_number_and_passes_text_through_unchanged() {
    let item = |n: u64| {
        let json = json!({"kind": "recovery", "session_id": format!("<img onerror=x{n}>")}).to_string();
        (n, FeedItem { tenant: "acme".to_owned(), json, latency_ms: Some(4.5) })
    };
    let server = serve_double(Double { feed: vec![item(3), item(4)], ..Double::default() });
    let body = get(&server, "/feed?after=3").json();
    assert_eq!(body["last"], 4);
    assert_eq!(
        body["items"],
        json!([{"number": 4, "latency_ms": 4.5,
            "suggestion": {"kind": "recovery", "session_id": "<img onerror=x4>"}}])
    );
    assert_eq!(get(&server, "/feed?after=4").json(), json!({"last": 4, "items": []}));
    assert_eq!(get(&server, "/feed").header("content-type").as_deref(), Some("application/json"));
    get(&server, "/feed?after=x").is_problem(400, "after");
}

#[test]
fn status_sums_up_what_is_owned() {
    let mut double = Double { ready: Err("joining".into()), ..Double::default() };
    double.partitions[0].phase = PartitionPhase::Restoring(0.25);
    let body = get(&serve_double(double), "/v1/status").json();
    assert_eq!((&body["ready"], &body["cause"], &body["mode"]), (&json!(false), &json!("joining"), &json!("demo")));
    assert_eq!(body["sessions"]["active"], 7);
    assert_eq!(body["partitions"][0]["phase"], "restoring");
    assert_eq!(body["partitions"][0]["restored"], 0.25);
}

#[test]
fn on_loopback_only_local_names_are_answered() {
    let server = serve_double(Double::default());
    let named =
        |host: &str| Reply::raw(&server, &format!("GET /livez HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"));
    assert_eq!(named("localhost").status, 200);
    named("rebound.example.com").is_problem(421, "localhost");
}

#[test]
fn a_stopped_edge_takes_no_more_requests() {
    let server = serve_double(Double::default());
    let address = server.address();
    server.stop();
    assert!(std::net::TcpStream::connect(address).is_err());
}
