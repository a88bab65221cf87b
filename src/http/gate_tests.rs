//! The gate before routes of every role: who gets through, what is written down of it, and what takes too long.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::routing::{delete, get, post};
use serde_json::{Value, json};
use tower_service::Service as _;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::http::auth::KeyHash;
use crate::http::settings::AuthSettings;

/// Logs, kept.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

fn gate(limits: LimitSettings) -> Arc<Gate> {
    let keys = [None, Some(Role::Read), Some(Role::Operate), Some(Role::Admin)].map(|role| {
        let key = role.map_or("none", Role::label);
        let tenants = Tenants::of(["acme"]).unwrap();
        (KeyHash::of_key(key), Grant { who: format!("key:{key}"), tenants, role, by_token: true })
    });
    let authority = Authority::open(&AuthSettings { keys: keys.into(), jwt: None }).unwrap();
    Gate::new(authority, Some(&limits), Arc::new(Metrics::new()))
}

fn routes(gate: &Arc<Gate>) -> Router {
    async fn done() -> &'static str {
        "done"
    }
    async fn never(_: Bytes) {
        std::future::pending::<()>().await;
    }
    async fn body(body: Bytes) -> Bytes {
        body
    }
    Router::new()
        .route("/read/{tenant}", gate.needs(Role::Read, get(done)))
        .route("/operate/{tenant}/{session}", gate.needs(Role::Operate, post(body)))
        .route("/admin/{tenant}", gate.needs(Role::Admin, delete(done)))
        .route("/all", gate.needs_all(Role::Read, get(done)))
        .route("/never", gate.needs(Role::Read, post(never)))
        .layer(middleware::from_fn_with_state(Arc::clone(gate), identify))
}

/// Status, headers and body of the answer.
fn ask(router: &Router, method: &str, path: &str, token: &str, body: Body) -> (u16, HeaderMap, Value) {
    let request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let request = request.body(body).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let response = router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&bytes).unwrap_or_default())
    })
}

#[test]
fn each_route_lets_in_its_role_and_greater_ones() {
    let router = routes(&gate(LimitSettings::default()));
    let asked = |method: &str, path: &str, token: &str| ask(&router, method, path, token, Body::empty()).0;
    for (token, expected) in
        [("none", [403, 403, 403]), ("read", [200, 403, 403]), ("operate", [200, 200, 403]), ("admin", [200, 200, 200])]
    {
        let calls = [("GET", "/read/acme"), ("POST", "/operate/acme/s"), ("DELETE", "/admin/acme")];
        assert_eq!(calls.map(|(method, path)| asked(method, path, token)), expected, "{token}");
        assert_eq!(asked("GET", "/all", token), 403, "{token} is of one tenant");
    }
    assert_eq!(asked("GET", "/read/acme", "stranger"), 401);
}

#[test]
fn calls_that_do_more_than_read_are_written_down_without_their_content() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).finish();
    let router = routes(&gate(LimitSettings::default()));
    tracing::subscriber::with_default(subscriber, || {
        ask(&router, "GET", "/read/acme", "admin", Body::empty());
        ask(&router, "POST", "/operate/acme/s-secret", "operate", Body::from("body-secret"));
        ask(&router, "POST", "/operate/a%20b/s-secret", "admin", Body::empty());
        ask(&router, "DELETE", "/admin/acme?query-secret=1", "operate", Body::empty());
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let written: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(written.iter().all(|line| line["target"] == "audit" && line["timestamp"].is_string()), "{text}");
    let fields: Vec<Value> = written.into_iter().map(|line| line["fields"].clone()).collect();
    let call = |who: &str, role: &str, method: &str, route: &str, tenant: Option<&str>, status: u16| {
        let mut call = json!({"message": "call", "who": who, "role": role, "method": method, "route": route,
            "status": status});
        tenant.into_iter().for_each(|tenant| call["tenant"] = tenant.into());
        call
    };
    let expected = [
        call("key:operate", "operate", "POST", "/operate/{tenant}/{session}", Some("acme"), 200),
        call("key:admin", "operate", "POST", "/operate/{tenant}/{session}", None, 200),
        call("key:operate", "admin", "DELETE", "/admin/{tenant}", Some("acme"), 403),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn an_answer_that_does_not_come_is_told_apart_from_a_body_that_does_not() {
    /// Never ends.
    struct Slow;
    impl HttpBody for Slow {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Pending
        }
    }
    let gate = gate(LimitSettings { request: Duration::from_millis(20), ..LimitSettings::default() });
    let router = routes(&gate);
    let cases: BTreeMap<&str, (Body, u16)> =
        [("/operate/acme/s", (Body::new(Slow), 408)), ("/never", (Body::from("read"), 503))].into();
    for (path, (body, status)) in cases {
        let (found, headers, problem) = ask(&router, "POST", path, "admin", body);
        assert_eq!(found, status, "{path}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("http.request_ms")), "{problem}");
        assert_eq!(headers.contains_key(header::RETRY_AFTER), status == 503);
    }
}

#[test]
fn a_route_that_nobody_was_identified_for_answers_nobody() {
    let gate = gate(LimitSettings::default());
    let router = Router::new().route("/read", gate.needs(Role::Read, get(|| async { "done" })));
    assert_eq!(ask(&router, "GET", "/read", "admin", Body::empty()).0, 403);
}
