//! Binds, starts, and stops. Runs on threads of its own, so that nothing it does can hold up a worker.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::auth::Authority;
use super::connections::Connections;
use super::forward::Forwarder;
use super::gate::Gate;
use super::listen::Listen;
use super::port::QueryPort;
use super::routes::routes;
use super::settings::HttpSettings;
use super::tls::Certificate;
use crate::engine::EngineSettings;
use crate::telemetry::Metrics;

/// Share of the time a request may take that it may spend waiting for a record.
const WAIT_SHARE: f64 = 0.9;
/// Threads that answer, at most: the rest of the machine is for folding.
const MOST_THREADS: usize = 4;

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
    /// Certificates, or the keys of tokens, cannot be used.
    #[error("{0}")]
    Access(String),
}

/// What handlers share.
#[derive(Clone)]
pub(super) struct App {
    pub port: Arc<dyn QueryPort>,
    pub metrics: Arc<Metrics>,
    pub engine: Arc<EngineSettings>,
    pub mode: Mode,
    /// Leads requests on, if it is known to whom.
    pub forwarder: Option<Arc<Forwarder>>,
    /// Whether more than reading is let through: not where whoever reaches the address may do everything.
    pub guarded: bool,
    /// How long a request may wait for a record at most.
    pub patience: Duration,
    /// Wall clock, ms since the epoch: by it the page notices that it talks to another process.
    pub started_at: u128,
    /// The same instant, for spans.
    pub started: Instant,
}

impl App {
    fn new(
        port: Arc<dyn QueryPort>,
        metrics: Arc<Metrics>,
        engine: Arc<EngineSettings>,
        mode: Mode,
        guarded: bool,
        patience: Duration,
    ) -> App {
        let started_at = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis());
        App { port, metrics, engine, mode, forwarder: None, guarded, patience, started_at, started: Instant::now() }
    }
}

/// A running edge. Dropped, it stops too, without waiting.
pub struct HttpServer {
    address: SocketAddr,
    tls: bool,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// The address it listens on, with the port the system chose where none was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
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

/// An edge whose certificates and keys are read, before it listens.
pub struct Prepared {
    settings: HttpSettings,
    authority: Authority,
    tls: Option<Certificate>,
}

/// Reads certificates and the keys of tokens. Errors where they cannot be used, so that nothing need be started then.
pub fn prepare(settings: &HttpSettings) -> Result<Prepared, ServeError> {
    let authority = Authority::open(&settings.auth).map_err(ServeError::Access)?;
    let tls = settings.tls.as_ref().map(Certificate::open).transpose().map_err(ServeError::Access)?;
    Ok(Prepared { settings: settings.clone(), authority, tls })
}

/// Prepares, and starts to serve as [`Prepared::serve`].
pub fn serve(
    settings: &HttpSettings,
    port: Arc<dyn QueryPort>,
    metrics: Arc<Metrics>,
    engine: Arc<EngineSettings>,
    mode: Mode,
) -> Result<HttpServer, ServeError> {
    prepare(settings)?.serve(port, metrics, engine, mode)
}

impl Prepared {
    /// Starts to serve. `engine`: the settings by which embeddings in queries are checked.
    pub fn serve(
        self,
        port: Arc<dyn QueryPort>,
        metrics: Arc<Metrics>,
        engine: Arc<EngineSettings>,
        mode: Mode,
    ) -> Result<HttpServer, ServeError> {
        let Prepared { settings, authority, tls } = self;
        let bind = |e| ServeError::Bind(settings.listen, e);
        let runtime = runtime().map_err(ServeError::Start)?;
        let listener = runtime.block_on(TcpListener::bind(settings.listen)).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        if let Some(warning) = exposure(&settings, address.ip()) {
            tracing::warn!(%address, "{warning}");
        }
        // Who needs a token cannot borrow a visitor's browser: a proxy may bring any name then.
        let local_names = address.ip().is_loopback() && !settings.auth.required();
        let gate = Gate::new(authority, Some(&settings.limits), Arc::clone(&metrics));
        let guarded = is_guarded(&settings, address.ip());
        let within = settings.limits.request;
        let wait = within.mul_f64(WAIT_SHARE);
        let mut app = App::new(Arc::clone(&port), Arc::clone(&metrics), engine, mode, guarded, wait);
        let certificates = settings.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let forwarder = |forward| Forwarder::new(forward, within, certificates, port, Arc::clone(&metrics));
        app.forwarder = settings.forward.map(forwarder);
        let patience = settings.limits.head;
        let listen = Listen {
            router: routes(app, &gate, settings.open_metrics, local_names),
            connections: Connections::new(settings.limits.connections, patience, Arc::clone(&metrics)),
            tls: tls.map(Arc::new),
            patience,
            metrics,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let encrypted = listen.tls.is_some();
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                runtime.block_on(listen.run(listener, stopped));
                runtime.shutdown_background();
            })
            .map_err(ServeError::Start)?;
        Ok(HttpServer { address, tls: encrypted, stop: Some(stop), thread: Some(thread) })
    }
}

/// A search takes some hundred microseconds of a thread: others go on meanwhile.
fn runtime() -> std::io::Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    Builder::new_multi_thread().worker_threads(threads).thread_name("http").enable_all().build()
}

/// Whether who reaches an address is this machine, or has to show who it is.
fn is_guarded(settings: &HttpSettings, address: IpAddr) -> bool {
    let certificates = settings.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    address.is_loopback() || settings.auth.required() || certificates
}

/// What deserves a word of an address that others reach, where it is not guarded as it could be.
fn exposure(settings: &HttpSettings, address: IpAddr) -> Option<&'static str> {
    if address.is_loopback() {
        None
    } else if !is_guarded(settings, address) {
        Some("whoever reaches this address may read every tenant: there is no access control (http.allow_remote)")
    } else if settings.tls.is_none() {
        Some("tokens come unencrypted, since http.tls is not set: let only a proxy that speaks TLS reach this address")
    } else {
        None
    }
}

/// The edge's resources without a socket, for a server of one's own: without access control, and without limits but
/// that of a body. `engine`: the settings by which embeddings in queries are checked; `loopback`: answer to names of
/// this machine only, as behind a loopback address one must; for others this only reads.
pub fn router(
    port: Arc<dyn QueryPort>,
    metrics: Arc<Metrics>,
    engine: Arc<EngineSettings>,
    mode: Mode,
    loopback: bool,
) -> Router {
    let gate = Gate::new(Authority::none(), None, Arc::clone(&metrics));
    routes(App::new(port, metrics, engine, mode, loopback, Duration::MAX), &gate, true, loopback)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::auth::{Grant, KeyHash};
    use crate::http::settings::TlsSettings;

    #[test]
    fn an_address_that_others_reach_unguarded_is_warned_of() {
        let tls = |client_ca| {
            let refresh = std::time::Duration::from_secs(60);
            Some(TlsSettings { certificate: "c".into(), key: "k".into(), client_ca, refresh })
        };
        let here = HttpSettings::at(([127, 0, 0, 1], 0).into());
        let mut keys = here.clone();
        keys.auth.keys.push((KeyHash::of_key("key"), Grant::everything("key:a")));
        for (settings, expected) in [
            (here.clone(), Some("no access control")),
            (HttpSettings { tls: tls(None), ..here.clone() }, Some("no access control")),
            (HttpSettings { tls: tls(Some("ca".into())), ..here.clone() }, None),
            (keys.clone(), Some("unencrypted")),
            (HttpSettings { tls: tls(None), ..keys }, None),
        ] {
            let warned = exposure(&settings, [0, 0, 0, 0].into());
            assert!(warned.is_some() == expected.is_some() && warned.unwrap_or("").contains(expected.unwrap_or("")));
            assert_eq!(exposure(&settings, [127, 0, 0, 1].into()), None);
            assert_eq!(is_guarded(&settings, [0, 0, 0, 0].into()), expected != Some("no access control"));
            assert!(is_guarded(&settings, [127, 0, 0, 1].into()));
        }
    }
}
