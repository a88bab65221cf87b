//! What is refused, always as a problem: unknown and repeated parameters, unknown fields, other types, other methods.

use serde_json::json;

use crate::http_double::{Double, Reply, get, post, post_with, serve_double};

#[test]
fn unknown_parameters_are_refused_by_name() {
    let server = serve_double(Double::default());
    for path in [
        "sessions/s-9?inclde=vector",
        "sessions/s-9/suggestions?limit=1",
        "sessions/s-9/blocks?page=1",
        "suggestions/x?include=vector",
        "suggestions/x/blocks?page=1",
        "users/u-1/sessions?state=active",
    ] {
        let reply = get(&server, &format!("/v1/tenants/acme/{path}"));
        reply.is_problem(400, "unknown field");
        let name = path.split_once('?').and_then(|(_, query)| query.split_once('=')).expect("a parameter").0;
        assert_eq!(reply.json()["field"], name, "{path}");
    }
    get(&server, "/feed?befor=3").is_problem(400, "befor");
    get(&server, "/v1/status?verbose").is_problem(400, "verbose");
    get(&server, "/v1/tenants/acme/sessions/s-9?wait_ms=1&wait_ms=2").is_problem(400, "given twice");
}

#[test]
fn what_belongs_into_a_body_is_not_passed_over_in_a_url() {
    let server = serve_double(Double::default());
    let body = json!({"session_id": "s-9"}).to_string();
    for path in ["search", "prefix-match", "recovery", "erasures"] {
        let path = format!("/v1/tenants/acme/{path}?at_least=1:5");
        let reply = post_with(&server, &path, "content-type: application/json\r\n", &body);
        reply.is_problem(400, "unknown parameter");
        assert_eq!(reply.json()["field"], "at_least");
    }
}

#[test]
fn unknown_fields_within_cache_prefix_and_context_are_refused_by_name() {
    let server = serve_double(Double::default());
    let (cache, prefix) = (
        json!({"namespace": "m", "salt": "blue"}),
        json!({"algorithm": "x", "block_tokens": 16, "hashes": ["a1"], "from": 0}),
    );
    for (body, field) in [
        (json!({"session_id": "s-9", "cache": cache}), "cache.salt"),
        (json!({"session_id": "s-9", "prefix": prefix}), "prefix.from"),
        (json!({"session_id": "s-9", "cache": {"namespace": "m", "adapter": {"id": "a", "v": 1}}}), "cache.adapter.v"),
        (
            json!({"session_id": "s-9", "context": {"space": "default", "vector": [1], "covers_turn": 1, "x": 1}}),
            "context.x",
        ),
    ] {
        let reply = post(&server, "/v1/tenants/acme/recovery", &body.to_string());
        reply.is_problem(400, "unknown field");
        assert_eq!(reply.json()["field"], field);
    }
    let body = json!({"cache": cache, "prefix": {"algorithm": "x", "block_tokens": 16, "hashes": ["a1"]}});
    post(&server, "/v1/tenants/acme/prefix-match", &body.to_string()).is_problem(400, "cache.salt");
}

#[test]
fn a_recovery_query_of_another_type_than_json_is_refused() {
    let server = serve_double(Double::default());
    let body = r#"{"session_id":"s-9"}"#;
    let typed =
        |kind: &str| post_with(&server, "/v1/tenants/acme/recovery", &format!("content-type: {kind}\r\n"), body);
    typed("text/plain").is_problem(415, "application/json");
    assert_eq!(typed("application/json; charset=utf-8").status, 200);
}

#[test]
fn other_methods_are_refused_with_those_that_are_taken() {
    let server = serve_double(Double::default());
    for (method, path, allowed) in [
        ("DELETE", "/v1/tenants/acme/sessions/s-9", "GET,HEAD"),
        ("GET", "/v1/tenants/acme/search", "POST"),
        ("POST", "/livez", "GET,HEAD"),
        ("PUT", "/openapi.json", "GET,HEAD"),
    ] {
        let reply =
            Reply::raw(&server, &format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
        reply.is_problem(405, "method");
        assert_eq!(reply.header("allow").as_deref(), Some(allowed), "{method} {path}");
    }
}

#[test]
fn pages_of_other_origins_get_no_leave() {
    let server = serve_double(Double::default());
    let from = "host: localhost\r\nconnection: close\r\norigin: https://example.com\r\n";
    let paths = ["/", "/livez", "/openapi.json", "/docs/", "/v1/status", "/v1/tenants/acme/sessions/s-9", "/nowhere"];
    for path in paths {
        let preflight = "access-control-request-method: GET\r\naccess-control-request-headers: authorization\r\n";
        for request in
            [format!("GET {path} HTTP/1.1\r\n{from}\r\n"), format!("OPTIONS {path} HTTP/1.1\r\n{from}{preflight}\r\n")]
        {
            let reply = Reply::raw(&server, &request);
            for header in ["origin", "methods", "headers", "credentials"] {
                let name = format!("access-control-allow-{header}");
                assert_eq!(reply.header(&name), None, "{request}");
            }
            assert!(!request.starts_with("OPTIONS") || reply.status >= 400, "{request}: {}", reply.status);
        }
    }
}

#[test]
fn a_wait_ends_before_the_request_is_cut_off() {
    let mut settings = crate::http_double::on_loopback();
    settings.limits.request = std::time::Duration::from_millis(500);
    let port = std::sync::Arc::new(Double::default());
    let server = crate::http_double::serve_as(&settings, port, Default::default()).expect("a free port");
    let reply = get(&server, "/v1/tenants/acme/sessions/s-9?at_least=1:99999&wait_ms=30000");
    reply.is_problem(409, "within 450 ms");
    assert_eq!(reply.json()["as_of"]["offset"], 5120);
}
