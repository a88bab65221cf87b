//! Edges with keys, and requests with tokens.

use std::sync::Arc;

use rekindle::engine::EngineSettings;
use rekindle::http::HttpServer;
use rekindle::http::auth::{Grant, KeyHash, Role, Tenants};
use rekindle::http::settings::{AuthSettings, HttpSettings};

use crate::http_double::{Double, Reply, on_loopback, serve_as};

/// Keys by what they may.
pub const ACME: &str = "key-of-acme";
pub const ALL: &str = "key-of-all";
pub const ADMIN: &str = "key-of-acmes-admin";

/// Settings that ask for one of the keys.
pub fn with_keys() -> HttpSettings {
    let key = |key: &str, tenants: &[&str], role| {
        let tenants = Tenants::of(tenants.iter().copied()).expect("tenants");
        (KeyHash::of_key(key), Grant { who: format!("key:{key}"), tenants, role, by_token: true })
    };
    let keys = vec![
        key(ACME, &["acme"], Some(Role::Read)),
        key(ALL, &["*"], Some(Role::Admin)),
        key(ADMIN, &["acme"], Some(Role::Admin)),
        key("key-of-nothing", &["*"], None),
    ];
    HttpSettings { auth: AuthSettings { keys, jwt: None }, ..on_loopback() }
}

/// Serves a double.
pub fn serve(settings: &HttpSettings, double: Double) -> HttpServer {
    serve_as(settings, Arc::new(double), EngineSettings::default()).expect("it starts")
}

/// Asks with these lines in the head, each ended.
pub fn ask(server: &HttpServer, method: &str, path: &str, lines: &str, body: &str) -> Reply {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}");
    Reply::raw(server, &format!("{head}\r\n{lines}\r\n{body}"))
}

/// The line that holds a token.
pub fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

/// Asks with a token.
pub fn get(server: &HttpServer, path: &str, token: &str) -> Reply {
    ask(server, "GET", path, &bearer(token), "")
}

/// A sample of the metrics.
pub fn metric(server: &HttpServer, series: &str) -> f64 {
    let text = ask(server, "GET", "/metrics", "", "").body;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is missing from\n{text}")).parse().expect("a number")
}
