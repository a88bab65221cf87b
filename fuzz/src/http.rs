//! Requests to the service's API, through its router without a socket, answered by a real engine.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use rekindle::engine::{
    Blocks, ChainOf, Effects, Endings, Engine, Explained, Found, HistoryPage, HistoryQuery, NamedEvent, OutputFormat,
    PrefixMatch, PrefixQuery, Record, RecoveryQuery, SearchQuery, Told,
};
use rekindle::http::port::{
    Answer, Behind, Embedding, Erasure, FeedItem, KeptBy, Left, NotWritten, PartitionPhase, PartitionStatus,
    QueryError, QueryPort,
};
use rekindle::http::{Mode, router};
use rekindle::model::event::ErasureScope;
use rekindle::model::ids::{SessionId, SuggestionId, TenantId};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::session::SessionView;
use rekindle::model::suggestion::Suggestion;
use rekindle::telemetry::Metrics;
use tower_service::Service as _;

use super::history;
use super::script::Script;
use super::twin::{PARTITION, PARTITIONS, settings};

/// Larger than any answer to a request that fits into an input.
const MOST_ANSWER: usize = 16 << 20;

static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let settings = settings(OutputFormat::Json);
    router(Arc::new(Port(Mutex::new(engine()))), Arc::new(Metrics::new()), settings, Mode::Service, true)
});

/// Method and target on the first line, the host on the second, the body behind it.
pub fn run(input: &[u8]) {
    let mut parts = input.splitn(3, |&b| b == b'\n');
    let (Some(line), host, body) = (parts.next(), parts.next(), parts.next()) else { return };
    let (method, target) = line.split_at(line.iter().position(|&b| b == b' ').unwrap_or(line.len()));
    let mut request = Request::builder().method(method).uri(target.get(1..).unwrap_or_default());
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        request = request.header("host", host);
    }
    // What is no HTTP never reaches the router.
    let Ok(request) = request.body(Body::from(body.unwrap_or_default().to_vec())) else { return };
    let response = finished(ROUTER.clone().call(request)).unwrap_or_else(|never| match never {});
    check(response);
}

fn check(response: Response<Body>) {
    let status = response.status();
    assert!(!status.is_server_error(), "{status}");
    let kind =
        response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let body = finished(to_bytes(response.into_body(), MOST_ANSWER)).expect("a whole answer");
    if kind.ends_with("json") && !body.is_empty() {
        serde_json::from_slice::<serde_json::Value>(&body).expect("an answer is JSON");
    } else {
        assert!(status.is_success() || body.is_empty(), "{status} with {kind:?}");
    }
}

/// Nothing of the router waits for anything.
fn finished<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the router waits"),
    }
}

/// An engine that knows a few sessions.
fn engine() -> Engine {
    let settings = settings(OutputFormat::Json);
    let mut engine = Engine::new(settings, PARTITION, PARTITIONS);
    let (mut effects, mut clock) = (Effects::new(), history::BASE);
    let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut script = Script::new(&bytes);
    for offset in 0..300 {
        let event = history::event(&mut script, offset, &mut clock);
        if event["type"] == "subject_erased" {
            continue;
        }
        let text = event.to_string();
        let position = Position { partition: PARTITION, offset: Offset(offset as i64) };
        let value = Some(text.as_bytes());
        engine.process(
            Record { position, timestamp: None, key: None, value, traceparent: None, writer: None },
            &mut effects,
        );
    }
    engine
}

struct Port(Mutex<Engine>);

impl Port {
    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.0.lock().expect("no query panics")
    }
}

fn answer<T>(engine: &Engine, value: Option<T>) -> Result<Answer<T>, QueryError> {
    let value = value.ok_or(QueryError::NotFound)?;
    Ok(Answer::of(engine, None, value))
}

impl QueryPort for Port {
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        let engine = self.engine();
        let (next_offset, stats) = (engine.next_offset(), engine.stats());
        vec![PartitionStatus { partition: PARTITION, phase: PartitionPhase::Running, next_offset, lag: None, stats }]
    }

    fn session(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<SessionView>, QueryError> {
        let engine = self.engine();
        answer(&engine, engine.session(tenant, session))
    }

    fn session_and_vector(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Answer<(SessionView, Option<Embedding>)>, QueryError> {
        let engine = self.engine();
        let view = engine.session(tenant, session);
        answer(&engine, view.map(|view| (view, engine.vector(tenant, session))))
    }

    fn events(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<NamedEvent>>, QueryError> {
        let engine = self.engine();
        answer(&engine, engine.named_events(tenant, session))
    }

    fn suggestions(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<Told>>, QueryError> {
        let engine = self.engine();
        answer(&engine, Endings::default().suggestions(&engine, tenant, session))
    }

    fn suggestion(&self, tenant: &TenantId, id: &SuggestionId) -> Result<Answer<Explained>, QueryError> {
        let engine = self.engine();
        answer(&engine, Endings::default().suggestion(&engine, tenant, id))
    }

    fn blocks(&self, tenant: &TenantId, of: &ChainOf) -> Result<Answer<Option<Blocks>>, QueryError> {
        let engine = self.engine();
        answer(&engine, Endings::default().blocks(&engine, tenant, of))
    }

    fn behind(&self, _: Position) -> Result<Option<Behind>, QueryError> {
        Ok(None)
    }

    fn history(&self, query: &HistoryQuery) -> Result<Answer<HistoryPage>, QueryError> {
        let engine = self.engine();
        answer(&engine, Some(engine.history(query)))
    }

    fn search(&self, query: &SearchQuery) -> Result<Answer<Vec<Found>>, QueryError> {
        let engine = self.engine();
        answer(&engine, engine.find(query))
    }

    fn prefix_match(&self, query: &PrefixQuery) -> Result<Answer<Vec<PrefixMatch>>, QueryError> {
        let PrefixQuery { tenant, cache, family, hashes, user, except, limit } = query;
        let (user, except) = (user.as_ref(), except.as_ref());
        let engine = self.engine();
        answer(&engine, Some(engine.prefix_match(tenant, cache, family, hashes, user, except, *limit)))
    }

    fn recovery(&self, query: &RecoveryQuery) -> Result<Answer<Suggestion>, QueryError> {
        let engine = self.engine();
        answer(&engine, engine.recovery(query))
    }

    fn erase(&self, _: &Erasure) -> Result<Vec<Offset>, NotWritten> {
        Ok(vec![Offset(1); PARTITIONS as usize])
    }

    fn kept(&self) -> Result<Vec<KeptBy>, String> {
        Ok(Vec::new())
    }

    fn left(&self, _: PartitionId, tenant: &TenantId, scope: &ErasureScope) -> Result<Answer<Left>, QueryError> {
        let engine = self.engine();
        let left = Left { remains: engine.remains(tenant, scope), committed: engine.next_offset() };
        answer(&engine, Some(left))
    }

    fn only(self: Arc<Self>, _: Vec<PartitionId>) -> Arc<dyn QueryPort> {
        self
    }

    fn feed(&self, after: u64) -> Vec<(u64, FeedItem)> {
        let item =
            |number| (number, FeedItem { tenant: "acme".to_owned(), json: "{}".to_owned(), latency_ms: Some(1.5) });
        (1..4).filter(|number| *number > after).map(item).collect()
    }
}
