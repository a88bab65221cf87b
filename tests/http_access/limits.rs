//! How much at a time: requests of a token, requests under way, slow bodies, slow connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rekindle::http::HttpServer;
use rekindle::http::settings::{HttpSettings, LimitSettings};

use crate::given::{ACME, ALL, ask, bearer, get, metric, serve, with_keys};
use crate::http_double::{Double, Reply, on_loopback};

fn limited(limits: LimitSettings) -> HttpSettings {
    HttpSettings { limits, ..with_keys() }
}

/// Sends these bytes and leaves the connection open.
fn begin(server: &HttpServer, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a read timeout");
    stream.write_all(bytes.as_bytes()).expect("sent");
    stream
}

/// A recovery query whose body does not come.
fn half(token: &str) -> String {
    format!(
        "POST /v1/tenants/acme/recovery HTTP/1.1\r\nhost: localhost\r\n{}content-length: 100\r\n\r\n{{\"session",
        bearer(token)
    )
}

/// Whether the server closes this connection, without an answer.
fn is_closed(mut stream: TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        // What it had not read is given up.
        Err(fault) => fault.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_token_may_ask_so_often_and_others_do_not_suffer() {
    // So slow that no request comes back within the test.
    let server = serve(&limited(LimitSettings { rate: 1, burst: 3, ..LimitSettings::default() }), Double::default());
    let begun = Instant::now();
    let statuses: Vec<u16> = (0..5).map(|_| get(&server, "/v1/status", ACME).status).collect();
    if begun.elapsed() < Duration::from_millis(900) {
        assert_eq!(statuses, [200, 200, 200, 429, 429]);
    }
    let mut refused = get(&server, "/v1/status", ACME);
    while refused.status == 200 {
        refused = get(&server, "/v1/status", ACME);
    }
    refused.is_problem(429, "asks too often");
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    assert_eq!(get(&server, "/v1/status", ALL).status, 200);
    assert!(metric(&server, "rekindle_http_refused_total{reason=\"rate\"}") >= 1.0);
    let limits = LimitSettings { rate: 1, burst: 1, ..LimitSettings::default() };
    let open = serve(&HttpSettings { limits, ..on_loopback() }, Double::default());
    assert!((0..10).all(|_| ask(&open, "GET", "/v1/status", "", "").status == 200), "without tokens there is no rate");
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = LimitSettings { request: Duration::from_millis(100), ..LimitSettings::default() };
    let server = serve(&limited(limits), Double::default());
    let reply = Reply::read(begin(&server, &half(ACME)));
    reply.is_problem(408, "within 100 ms (http.request_ms)");
    assert_eq!(reply.header("connection").as_deref(), Some("close"));
    assert_eq!(metric(&server, "rekindle_http_refused_total{reason=\"timeout\"}"), 1.0);
}

#[test]
fn beyond_the_most_requests_under_way_others_are_told_to_come_again() {
    let limits = LimitSettings { requests: 2, request: Duration::from_secs(600), ..LimitSettings::default() };
    let server = serve(&limited(limits), Double::default());
    let mut held = Vec::new();
    eventually("no room", || {
        // One that came while it was looked was sent away.
        held.push(begin(&server, &half(ALL)));
        get(&server, "/v1/status", ACME).status == 503
    });
    let refused = get(&server, "/v1/status", ALL);
    refused.is_problem(503, "2 requests are under way");
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(&server, "GET", path, "", "").status, 200, "{path}");
    }
    let nobody = begin(&server, &half("unknown"));
    assert_eq!(Reply::read(nobody).status, 401, "whoever is not known takes no room");
    drop(held);
    eventually("room again", || get(&server, "/v1/status", ACME).status == 200);
}

#[test]
fn slow_connections_are_closed_and_stop_nobody() {
    let limits =
        LimitSettings { connections: 20, requests: 2, head: Duration::from_secs(600), ..LimitSettings::default() };
    let server = serve(&limited(limits), Double::default());
    let mut slow = Vec::new();
    for n in 0..300 {
        slow.push(begin(&server, ["", "G", "GET /livez HTTP/1.1\r\nx: "][n % 3]));
        if n % 30 == 29 {
            assert_eq!(get(&server, "/v1/status", ACME).status, 200, "after {n} slow connections");
        }
    }
    assert_eq!(get(&server, "/v1/status", ACME).status, 200);
    assert!(metric(&server, "rekindle_http_connections") <= 20.0);
    assert!(metric(&server, "rekindle_http_refused_total{reason=\"connections\"}") >= 280.0);
    assert!(slow.drain(..270).all(is_closed), "the oldest had to go");
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let limits = LimitSettings { head: Duration::from_millis(100), ..LimitSettings::default() };
    let server = serve(&limited(limits), Double::default());
    let request = format!("GET /v1/status HTTP/1.1\r\nhost: localhost\r\n{}\r\n", bearer(ACME));
    let mut idle = begin(&server, &request);
    let mut first = [0; 12];
    idle.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("closed after it was idle for long enough");
    for bytes in ["", "GET /livez HTTP/1.1\r\nhost: local"] {
        assert!(is_closed(begin(&server, bytes)), "{bytes:?}");
    }
    assert_eq!(metric(&server, "rekindle_http_refused_total{reason=\"slow_connection\"}"), 3.0);
}

#[test]
fn a_head_of_any_size_is_refused() {
    let server = serve(&with_keys(), Double::default());
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    let huge = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    // The server may close before all of it is sent, and its answer may be lost by that.
    let _ = stream.write_all(huge.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(get(&server, "/v1/status", ACME).status, 200);
}
