//! API keys: what is refused, and that another tenant's data do not exist.

use rekindle::http::HttpServer;
use rekindle::http::port::{FeedItem, QueryError};
use rekindle::http::settings::HttpSettings;
use serde_json::{Value, json};

use crate::given::{ACME, ALL, ask, bearer, get, metric, serve, with_keys};
use crate::http_double::{Double, Reply, serve_double};

/// Every route that tells of one tenant, with a body that is good.
fn routes(tenant: &str) -> [(&'static str, String, String); 8] {
    let mut vector = vec![0.0; 768];
    vector[0] = 1.0;
    let chain = json!({"cache": {"namespace": "m"}, "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": ["1"]}});
    let at = |path: &str| format!("/v1/tenants/{tenant}/{path}");
    [
        ("GET", at("sessions/s-9"), String::new()),
        ("GET", at("sessions/s-9?include=vector"), String::new()),
        ("GET", at("sessions/s-9/suggestions"), String::new()),
        ("GET", at("sessions/s-9/events"), String::new()),
        ("GET", at("users/u-1/sessions"), String::new()),
        ("POST", at("search"), json!({"vector": vector}).to_string()),
        ("POST", at("prefix-match"), chain.to_string()),
        ("POST", at("recovery"), json!({"session_id": "s-9"}).to_string()),
    ]
}

fn is_unauthorized(reply: &Reply, detail: &str, what: &str) {
    assert_eq!(reply.status, 401, "{what}: {}", reply.body);
    reply.is_problem(401, detail);
    let challenge = reply.header("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with("Bearer realm=\"rekindle\""), "{challenge}");
    assert_eq!(challenge.contains("error=\"invalid_token\""), detail != "token is needed", "{what}: {challenge}");
}

#[test]
fn nothing_is_told_without_a_token_that_is_known() {
    let server = serve(&with_keys(), Double::default());
    let mut paths = routes("acme").to_vec();
    let more = [("GET", "/feed"), ("GET", "/v1/status"), ("GET", "/v2"), ("DELETE", "/v1/status")];
    paths.extend(more.map(|(method, path)| (method, path.to_owned(), String::new())));
    for (method, path, body) in paths {
        is_unauthorized(&ask(&server, method, &path, "", &body), "token is needed", &path);
        is_unauthorized(&ask(&server, method, &path, &bearer("another"), &body), "not valid", &path);
    }
    let status = "/v1/status";
    for lines in [
        "authorization: Bearer \r\n".to_owned(),
        "authorization: Bearer\r\n".to_owned(),
        format!("authorization: Basic {ACME}\r\n"),
        format!("authorization: {ACME}\r\n"),
        format!("authorization: Bearer {ACME} {ACME}\r\n"),
        format!("{0}{0}", bearer(ACME)),
        bearer(&ACME.to_uppercase()),
        bearer(&format!("{ACME}x")),
        bearer("a.b.c"),
    ] {
        is_unauthorized(&ask(&server, "GET", status, &lines, ""), "not valid", &lines);
    }
    assert_eq!(ask(&server, "GET", status, &format!("Authorization: bearer {ACME}\r\n"), "").status, 200);
    assert_eq!(metric(&server, "rekindle_http_refused_total{reason=\"no_token\"}"), 12.0);
    assert_eq!(metric(&server, "rekindle_http_refused_total{reason=\"bad_token\"}"), 21.0);
}

#[test]
fn a_token_opens_its_own_tenants() {
    let server = serve(&with_keys(), Double::default());
    for (method, path, body) in routes("acme") {
        assert_eq!(ask(&server, method, &path, &bearer(ACME), &body).status, 200, "{path}");
    }
    for (method, path, body) in routes("other") {
        assert_eq!(ask(&server, method, &path, &bearer(ALL), &body).status, 200, "{path}");
    }
}

#[test]
fn another_tenant_is_answered_as_one_that_does_not_exist() {
    let there = serve(&with_keys(), Double::default());
    let absent = serve(&with_keys(), Double { fault: Some(QueryError::NotFound), ..Double::default() });
    for ((method, path, body), (_, own, _)) in routes("other").into_iter().zip(routes("acme")) {
        let foreign = ask(&there, method, &path, &bearer(ACME), &body);
        foreign.is_problem(404, "");
        // The same words as for what is not there in the token's own tenant.
        let missing = ask(&absent, method, &own, &bearer(ACME), &body);
        assert_eq!((foreign.status, foreign.body), (missing.status, missing.body), "{path}");
    }
    // What is wrong with a request is said before anything is looked up, and so is the same everywhere.
    let wrong = |path| get(&there, path, ACME).body;
    assert_eq!(wrong("/v1/tenants/other/sessions/a%20b"), wrong("/v1/tenants/acme/sessions/a%20b"));
    assert_eq!(metric(&there, "rekindle_http_refused_total{reason=\"tenant\"}"), 8.0);
    assert_eq!(
        metric(
            &there,
            "rekindle_http_requests_total{method=\"GET\",route=\"/v1/tenants/{tenant}/sessions/{session}\",status=\"404\"}"
        ),
        2.0
    );
}

#[test]
fn a_token_without_the_role_is_told_so() {
    let server = serve(&with_keys(), Double::default());
    for (method, path, body) in routes("acme") {
        ask(&server, method, &path, &bearer("key-of-nothing"), &body).is_problem(403, "needs the role read");
    }
    for path in ["/feed", "/v1/status"] {
        get(&server, path, "key-of-nothing").is_problem(403, "needs the role read");
    }
    assert_eq!(metric(&server, "rekindle_http_refused_total{reason=\"role\"}"), 10.0);
}

#[test]
fn feed_and_status_show_what_the_token_may_see() {
    let item = |n: u64, tenant: &str| {
        let json = json!({"tenant_id": tenant, "suggestion_id": n.to_string()}).to_string();
        (n, FeedItem { tenant: tenant.to_owned(), json, latency_ms: None })
    };
    let feed = vec![item(1, "acme"), item(2, "other"), item(3, "acme"), item(4, "acmes")];
    let server = serve(&with_keys(), Double { feed, ..Double::default() });
    let numbers = |token: &str| -> Vec<Value> {
        let body = get(&server, "/feed", token).json();
        assert_eq!(body["last"], 4, "the next question begins behind what was passed over");
        body["items"].as_array().expect("items").iter().map(|item| item["number"].clone()).collect()
    };
    assert_eq!(numbers(ACME), [1, 3]);
    assert_eq!(numbers(ALL), [1, 2, 3, 4]);
    let (some, all) = (get(&server, "/v1/status", ACME).json(), get(&server, "/v1/status", ALL).json());
    assert_eq!((&some["ready"], &all["ready"]), (&json!(true), &json!(true)));
    for figure in ["sessions", "totals", "partitions", "open_suggestions", "gapped_sessions"] {
        assert!(some.get(figure).is_none() && all.get(figure).is_some(), "{figure}");
    }
}

#[test]
fn probes_the_page_and_metrics_need_no_token_unless_metrics_are_closed() {
    let server = serve(&with_keys(), Double::default());
    for path in ["/", "/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(&server, "GET", path, "", "").status, 200, "{path}");
    }
    assert!(ask(&server, "GET", "/", "", "").body.contains("id=\"sign-in\""));
    let asks = ask(&server, "GET", "/page/api.js", "", "");
    assert_eq!(asks.status, 200, "the page's parts hold no data either");
    assert!(asks.body.contains("sessionStorage") && !asks.body.contains("localStorage"));
    let closed = serve(&HttpSettings { open_metrics: false, ..with_keys() }, Double::default());
    is_unauthorized(&ask(&closed, "GET", "/metrics", "", ""), "token is needed", "metrics");
    get(&closed, "/metrics", ACME).is_problem(403, "for all tenants");
    assert_eq!(get(&closed, "/metrics", ALL).status, 200);
    assert_eq!(ask(&closed, "GET", "/readyz", "", "").status, 200);
}

#[test]
fn where_a_token_is_needed_a_proxy_may_bring_any_name() {
    let named = |server: &HttpServer, lines: &str| {
        let head = "GET /v1/status HTTP/1.1\r\nhost: rekindle.example\r\nconnection: close\r\n";
        Reply::raw(server, &format!("{head}{lines}\r\n")).status
    };
    let (keys, open) = (serve(&with_keys(), Double::default()), serve_double(Double::default()));
    assert_eq!((named(&keys, ""), named(&keys, &bearer(ACME)), named(&open, "")), (401, 200, 421));
}

#[test]
fn no_other_origin_is_let_in() {
    let preflight = "origin: https://elsewhere.example\r\naccess-control-request-method: GET\r\n\
                     access-control-request-headers: authorization\r\n";
    for (server, status) in [(serve_double(Double::default()), 405), (serve(&with_keys(), Double::default()), 401)] {
        for path in ["/v1/status", "/feed", "/v1/tenants/acme/search"] {
            let reply = ask(&server, "OPTIONS", path, preflight, "");
            assert_eq!(reply.status, status, "{path}");
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
        let reply = ask(&server, "GET", "/livez", "origin: https://elsewhere.example\r\n", "");
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, None));
    }
}

#[test]
fn labels_of_metrics_are_bounded() {
    let server = serve(&with_keys(), Double::default());
    for n in 0..20 {
        get(&server, &format!("/v1/tenants/t-{n}/sessions/s-{n}"), ALL);
        ask(&server, &format!("METHOD{n}"), &format!("/nowhere/{n}"), "", "");
    }
    let text = ask(&server, "GET", "/metrics", "", "").body;
    let series: Vec<&str> = text.lines().filter(|line| line.starts_with("rekindle_http_requests_total{")).collect();
    assert_eq!(series.len(), 2, "{series:#?}");
    assert!(
        text.contains("rekindle_http_requests_total{method=\"other\",route=\"other\",status=\"401\"} 20"),
        "{text}"
    );
}
