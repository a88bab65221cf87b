//! Accepts connections, speaks TLS and HTTP/1.1 on each, and ends them. One thread does all of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use openssl::ssl::Ssl;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_openssl::SslStream;

use super::auth::ClientName;
use super::connections::{Connections, Entry};
use super::tls::{self, Certificate};
use crate::telemetry::{Metrics, Refusal};

/// How long a stop waits for answers that are under way.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// Pause where the system has no room for another connection.
const FULL: Duration = Duration::from_millis(50);
/// Least and longest time between two looks for connections that wait for too long.
const SWEEP: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// What connections are served with.
pub(super) struct Listen {
    pub router: Router,
    pub tls: Option<Arc<Certificate>>,
    pub connections: Arc<Connections>,
    /// How long a connection may wait.
    pub patience: Duration,
    pub metrics: Arc<Metrics>,
}

impl Listen {
    /// Serves until told to stop: answers under way are finished, within two seconds.
    pub async fn run(self, listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
        let listen = Arc::new(self);
        // Ends with the event loop.
        listen.tls.iter().for_each(|tls| drop(tokio::spawn(Arc::clone(tls).keep(Arc::clone(&listen.metrics)))));
        let graceful = GracefulShutdown::new();
        let mut sweep = tokio::time::interval((listen.patience / 8).clamp(SWEEP.0, SWEEP.1));
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => listen.take(stream, graceful.watcher()),
                    Err(error) => listen.refused(&error).await,
                },
                _ = sweep.tick() => listen.connections.sweep(Instant::now()),
                // Sent or dropped: both mean stop.
                _ = &mut stopped => break,
            }
        }
        drop(listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(STOP_WITHIN) => tracing::warn!("http stopped with answers under way"),
        }
    }

    /// The system gave no connection: the peer is gone, or there is no room for another.
    async fn refused(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            tracing::warn!(%error, "http takes no connection for a moment");
            self.connections.make_room();
            tokio::time::sleep(FULL).await;
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, watcher: Watcher) {
        let Some((entry, closed)) = self.connections.admit(Instant::now()) else { return };
        // Answers are small and written at once.
        let _ = stream.set_nodelay(true);
        let listen = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                () = listen.serve(stream, entry, watcher) => {}
                // Dropping what is served closes the connection.
                _ = closed => {}
            }
        });
    }

    async fn serve(&self, stream: TcpStream, entry: Entry, watcher: Watcher) {
        let Some(certificate) = &self.tls else { return self.speak(stream, None, entry, watcher).await };
        let made = Ssl::new(&certificate.now()).and_then(|ssl| SslStream::new(ssl, stream));
        let Ok(mut stream) = made else { return };
        if Pin::new(&mut stream).accept().await.is_err() {
            return self.metrics.http_refused(Refusal::Handshake);
        }
        let client = tls::client_name(stream.ssl());
        self.speak(stream, client, entry, watcher).await;
    }

    async fn speak<I>(&self, io: I, client: Option<ClientName>, entry: Entry, watcher: Watcher)
    where
        I: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (entry, router) = (Arc::new(entry), TowerToHyperService::new(self.router.clone()));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let under_way = entry.request();
            if let Some(client) = client.clone() {
                request.extensions_mut().insert(client);
            }
            let answer = router.call(request);
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        });
        let mut builder = http1::Builder::new();
        // Which wait too long for a head is seen where all connections are.
        builder.header_read_timeout(None).max_buf_size(MAX_HEAD);
        // What goes wrong on a connection is its peer's to notice.
        let _ = watcher.watch(builder.serve_connection(TokioIo::new(io), service)).await;
    }
}
