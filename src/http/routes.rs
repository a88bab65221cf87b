//! The routes, each beside the role that it needs.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::auth::Role::{Admin, Read};
use super::gate::{Gate, count, identify};
use super::merge::List;
use super::problem::Problem;
use super::server::App;
use super::spread::Question;
use super::{erasures, events, health, lists, live, openapi, queries, suggestions};

/// Largest request body in bytes, inclusive.
const MAX_BODY_BYTES: usize = 1 << 20;

/// All of them. `open_metrics`: whether metrics need no token; `loopback`: answer to names of this machine only.
pub(super) fn routes(app: App, gate: &Arc<Gate>, open_metrics: bool, loopback: bool) -> Router {
    let forwarder = app.forwarder.clone();
    let asks = |question, handler| match &forwarder {
        Some(forwarder) => gate.needs(Read, forwarder.lead(question, handler)),
        None => gate.needs(Read, handler),
    };
    let asks_one = |handler| asks(Question::One, handler);
    let metrics = get(health::metrics);
    // The pages hold no data: they ask for them with the token that they are given.
    let open = Router::new()
        .route("/", get(live::page))
        .route("/page/{file}", get(live::part))
        .route("/openapi.json", get(openapi::described))
        .route("/docs", get(openapi::to_index))
        .route("/docs/", get(openapi::index))
        .route("/docs/{file}", get(openapi::assets))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz));
    let (open, known) = match open_metrics {
        true => (open.route("/metrics", metrics), Router::new()),
        false => (open, Router::new().route("/metrics", gate.needs_all(Read, metrics))),
    };
    let known = known
        .route("/feed", gate.needs(Read, get(live::feed)))
        .route("/v1/status", gate.needs(Read, get(live::status)))
        .route("/v1/tenants/{tenant}/sessions/{session}", asks_one(get(queries::session)))
        .route("/v1/tenants/{tenant}/sessions/{session}/suggestions", asks_one(get(suggestions::of_session)))
        .route("/v1/tenants/{tenant}/sessions/{session}/events", asks_one(get(events::of_session)))
        .route("/v1/tenants/{tenant}/sessions/{session}/blocks", asks_one(get(suggestions::session_blocks)))
        .route("/v1/tenants/{tenant}/suggestions/{suggestion}", asks_one(get(suggestions::one)))
        .route("/v1/tenants/{tenant}/suggestions/{suggestion}/blocks", asks_one(get(suggestions::blocks)))
        .route("/v1/tenants/{tenant}/users/{user}/sessions", asks_one(get(lists::history)))
        .route("/v1/tenants/{tenant}/search", asks(Question::List(List::Hits), post(lists::search)))
        .route("/v1/tenants/{tenant}/prefix-match", asks(Question::List(List::Matches), post(lists::prefix_match)))
        .route("/v1/tenants/{tenant}/recovery", asks_one(post(queries::recovery)))
        .route("/v1/tenants/{tenant}/erasures", gate.needs(Admin, post(erasures::ask)))
        .route("/v1/tenants/{tenant}/erasures/{erasure}", asks(Question::Erasure, get(erasures::status)));
    let router = assemble(open, known, gate).with_state(app);
    if loopback { router.layer(middleware::from_fn(only_local_names)) } else { router }
}

/// Routes for everybody, and routes, absent ones too, for those who are known.
fn assemble(open: Router<App>, known: Router<App>, gate: &Arc<Gate>) -> Router<App> {
    let no_such_method =
        || async { Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource does not take that method") };
    let known = known
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "no such resource") })
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(gate), identify));
    let open = open.method_not_allowed_fallback(no_such_method);
    known.merge(open).layer(middleware::from_fn_with_state(Arc::clone(gate), count))
}

/// Refuses names other than this machine's own. A web page elsewhere could point its own name at the
/// loopback address and read sessions through the visitor's browser (DNS rebinding).
async fn only_local_names(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("localhost");
    if is_local(host) {
        next.run(request).await
    } else {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "this address answers to localhost only").into_response()
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:8080", true),
            ("127.8.9.1", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("example.com", false),
            ("localhost.example.com:8080", false),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1:8080", false),
            ("", false),
        ] {
            assert_eq!(is_local(host), expected, "{host:?}");
        }
    }
}
