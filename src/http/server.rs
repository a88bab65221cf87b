//! Binds, routes, and stops. Runs on a thread of its own, so that nothing it does can hold up a worker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::port::QueryPort;
use super::problem::Problem;
use super::settings::HttpSettings;
use super::{health, lists, live, queries, suggestions};
use crate::engine::EngineSettings;
use crate::telemetry::Metrics;

/// Largest request body in bytes, inclusive.
pub(super) const MAX_BODY_BYTES: usize = 1 << 20;
/// How long a stop waits for answers that are under way.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What the live page says of the process behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A service on a real cluster.
    Service,
    /// The demo on its embedded broker: no guarantees.
    Demo,
}

/// Why the edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("http.listen {0}: {1}")]
    Bind(SocketAddr, io::Error),
    /// The system gives no thread or no event loop.
    #[error("http: {0}")]
    Start(io::Error),
}

/// What handlers share.
#[derive(Clone)]
pub(super) struct App {
    pub port: Arc<dyn QueryPort>,
    pub metrics: Arc<Metrics>,
    pub engine: Arc<EngineSettings>,
    pub mode: Mode,
    /// Wall clock, ms since the epoch: by it the page notices that it talks to another process.
    pub started_at: u128,
    /// The same instant, for spans.
    pub started: Instant,
}

/// A running edge. Dropped, it stops too, without waiting.
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// The address it listens on, with the port the system chose where none was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and waits, at most two seconds, for answers under way.
    pub fn stop(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed when it happened; there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

/// Starts to serve. `engine`: the settings by which embeddings in queries are checked.
pub fn serve(
    settings: &HttpSettings,
    port: Arc<dyn QueryPort>,
    metrics: Arc<Metrics>,
    engine: Arc<EngineSettings>,
    mode: Mode,
) -> Result<HttpServer, ServeError> {
    let bind = |e| ServeError::Bind(settings.listen, e);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
    let listener = runtime.block_on(TcpListener::bind(settings.listen)).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let router = router(port, metrics, engine, mode, address.ip().is_loopback());
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || {
            runtime.block_on(run(listener, router, stopped));
            runtime.shutdown_background();
        })
        .map_err(ServeError::Start)?;
    Ok(HttpServer { address, stop: Some(stop), thread: Some(thread) })
}

async fn run(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let (begin, begun) = oneshot::channel::<()>();
    let signal = async move {
        // Sent or dropped: both mean stop.
        let _ = stopped.await;
        drop(begin);
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(signal);
    let deadline = async move {
        let _ = begun.await;
        tokio::time::sleep(STOP_WITHIN).await;
    };
    tokio::select! {
        result = serving => if let Err(error) = result { tracing::error!(%error, "http stopped"); },
        () = deadline => tracing::warn!("http stopped with answers under way"),
    }
}

/// The edge's resources without a socket, for a server of one's own. `engine`: the settings by which embeddings in
/// queries are checked; `loopback`: answer to names of this machine only, as behind a loopback address one must.
pub fn router(
    port: Arc<dyn QueryPort>,
    metrics: Arc<Metrics>,
    engine: Arc<EngineSettings>,
    mode: Mode,
    loopback: bool,
) -> Router {
    let started_at = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis());
    let app = App { port, metrics, engine, mode, started_at, started: Instant::now() };
    let router = Router::new()
        .route("/", get(live::page))
        .route("/feed", get(live::feed))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/v1/status", get(live::status))
        .route("/v1/tenants/{tenant}/sessions/{session}", get(queries::session))
        .route("/v1/tenants/{tenant}/sessions/{session}/suggestions", get(suggestions::of_session))
        .route("/v1/tenants/{tenant}/sessions/{session}/blocks", get(suggestions::session_blocks))
        .route("/v1/tenants/{tenant}/suggestions/{suggestion}", get(suggestions::one))
        .route("/v1/tenants/{tenant}/suggestions/{suggestion}/blocks", get(suggestions::blocks))
        .route("/v1/tenants/{tenant}/users/{user}/sessions", get(lists::history))
        .route("/v1/tenants/{tenant}/search", post(lists::search))
        .route("/v1/tenants/{tenant}/prefix-match", post(lists::prefix_match))
        .route("/v1/tenants/{tenant}/recovery", post(queries::recovery))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "no such resource") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource does not take that method")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(app);
    if loopback { router.layer(middleware::from_fn(only_local_names)) } else { router }
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
