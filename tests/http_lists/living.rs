//! A query port with one real engine behind it, and the events that it is fed with.

use std::sync::{Arc, Mutex, MutexGuard};

use rekindle::engine::settings::Policy;
use rekindle::engine::{
    Blocks, ChainOf, Effects, Endings, Engine, EngineSettings, Explained, Found, HistoryPage, HistoryQuery, NamedEvent,
    OutValue, OutputFormat, PrefixMatch, PrefixQuery, Record, RecoveryQuery, SearchQuery, Told, Topic,
};
use rekindle::http::HttpServer;
use rekindle::http::port::{
    Answer, Behind, Embedding, Erasure, FeedItem, KeptBy, Left, NotWritten, PartitionPhase, PartitionStatus,
    QueryError, QueryPort,
};
use rekindle::http::settings::HttpSettings;
use rekindle::model::event::ErasureScope;
use rekindle::model::ids::{Name, SessionId, SuggestionId, TenantId};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::session::SessionView;
use rekindle::model::suggestion::Suggestion;
use rekindle::model::time::Millis;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::http_double::{on_loopback, serve_as};

/// When the first event occurred.
pub const BASE: i64 = 1_762_340_000_000;
/// Components of an embedding.
pub const DIM: usize = 8;
/// Records behind the last one that was processed.
pub const LAG: i64 = 3;

/// An engine that lives on while it is asked.
pub struct Living {
    engine: Mutex<(Engine, Effects)>,
    endings: Mutex<Endings>,
    /// The next offset.
    fed: watch::Sender<i64>,
}

pub fn settings() -> EngineSettings {
    EngineSettings {
        spaces: [(Name::new("default").expect("a name"), DIM)].into(),
        output: OutputFormat::Json,
        policy: Policy { session_per_hour: 0, ..Policy::default() },
        ..EngineSettings::default()
    }
}

/// An event of a session, with whatever fields.
pub fn event(tenant: &str, session: &str, at: i64, fields: Value) -> Value {
    let mut event = json!({"event_id": format!("e-{tenant}-{session}-{at}"), "tenant_id": tenant,
        "session_id": session, "occurred_at": BASE + at});
    event.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    event
}

pub fn acme() -> TenantId {
    TenantId::new("acme").expect("an id")
}

pub fn session_id(text: &str) -> SessionId {
    SessionId::new(text).expect("an id")
}

impl Living {
    /// One that has processed these events, and its API.
    pub fn serve(events: &[Value]) -> (Arc<Living>, HttpServer) {
        Living::serve_as(&on_loopback(), events)
    }

    /// The same by any settings.
    pub fn serve_as(edge: &HttpSettings, events: &[Value]) -> (Arc<Living>, HttpServer) {
        let engine = Engine::new(Arc::new(settings()), PartitionId(0), 1);
        let (engine, endings) = (Mutex::new((engine, Effects::new())), Mutex::default());
        let living = Arc::new(Living { engine, endings, fed: watch::Sender::default() });
        living.feed(events);
        let server = serve_as(edge, Arc::clone(&living) as Arc<dyn QueryPort>, settings()).expect("a free port");
        (living, server)
    }

    /// Processes more.
    pub fn feed(&self, events: &[Value]) {
        let (engine, effects) = &mut *self.held();
        for event in events {
            let next = engine.next_offset().unwrap_or_default();
            let bytes = event.to_string().into_bytes();
            let position = Position { partition: PartitionId(0), offset: next };
            let record =
                Record { position, timestamp: None, key: None, value: Some(&bytes), traceparent: None, writer: None };
            let verdict = engine.process(record, effects);
            assert!(!verdict.label().starts_with("rejected"), "{event}: {}", verdict.label());
            engine.seal(Offset(next.0 + 1), effects);
            effects.notices.drain(..).for_each(|notice| self.endings().note(&notice));
        }
        self.fed.send_replace(engine.as_of().offset.0 + 1);
    }

    /// Looks at the engine.
    pub fn look<T>(&self, question: impl FnOnce(&Engine, &Effects) -> T) -> T {
        let held = self.held();
        question(&held.0, &held.1)
    }

    fn held(&self) -> MutexGuard<'_, (Engine, Effects)> {
        self.engine.lock().expect("no query panics")
    }

    fn endings(&self) -> MutexGuard<'_, Endings> {
        self.endings.lock().expect("no query panics")
    }

    /// How many requests wait for it to be fed.
    pub fn waiting(&self) -> usize {
        self.fed.receiver_count()
    }

    fn answer<T>(&self, question: impl FnOnce(&Engine) -> Option<T>) -> Result<Answer<T>, QueryError> {
        let engine = &self.held().0;
        let value = question(engine).ok_or(QueryError::NotFound)?;
        let end = engine.next_offset().map(|next| Offset(next.0 + LAG));
        Ok(Answer::of(engine, end, value))
    }
}

impl QueryPort for Living {
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        let engine = &self.held().0;
        let (phase, lag) = (PartitionPhase::Running, Some(LAG));
        let (partition, next_offset) = (PartitionId(0), engine.next_offset());
        vec![PartitionStatus { partition, phase, next_offset, lag, stats: engine.stats() }]
    }

    fn session(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<SessionView>, QueryError> {
        self.answer(|engine| engine.session(tenant, session))
    }

    fn session_and_vector(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Answer<(SessionView, Option<Embedding>)>, QueryError> {
        self.answer(|engine| Some((engine.session(tenant, session)?, engine.vector(tenant, session))))
    }

    fn events(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<NamedEvent>>, QueryError> {
        self.answer(|engine| engine.named_events(tenant, session))
    }

    fn suggestions(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<Told>>, QueryError> {
        self.answer(|engine| self.endings().suggestions(engine, tenant, session))
    }

    fn suggestion(&self, tenant: &TenantId, id: &SuggestionId) -> Result<Answer<Explained>, QueryError> {
        self.answer(|engine| self.endings().suggestion(engine, tenant, id))
    }

    fn blocks(&self, tenant: &TenantId, of: &ChainOf) -> Result<Answer<Option<Blocks>>, QueryError> {
        self.answer(|engine| self.endings().blocks(engine, tenant, of))
    }

    fn behind(&self, record: Position) -> Result<Option<Behind>, QueryError> {
        let mut fed = self.fed.subscribe();
        let passing = Box::pin(async move { drop(fed.wait_for(|next| *next > record.offset.0).await) });
        let stands = self.answer(|_| Some(()))?;
        Ok((stands.as_of.offset < record.offset).then(|| Behind { stands, passing }))
    }

    fn history(&self, query: &HistoryQuery) -> Result<Answer<HistoryPage>, QueryError> {
        self.answer(|engine| Some(engine.history(query)))
    }

    fn search(&self, query: &SearchQuery) -> Result<Answer<Vec<Found>>, QueryError> {
        self.answer(|engine| engine.find(query))
    }

    fn prefix_match(&self, query: &PrefixQuery) -> Result<Answer<Vec<PrefixMatch>>, QueryError> {
        let PrefixQuery { tenant, cache, family, hashes, user, except, limit } = query;
        let (user, except) = (user.as_ref(), except.as_ref());
        self.answer(|engine| Some(engine.prefix_match(tenant, cache, family, hashes, user, except, *limit)))
    }

    fn recovery(&self, query: &RecoveryQuery) -> Result<Answer<Suggestion>, QueryError> {
        self.answer(|engine| engine.recovery(query))
    }

    fn erase(&self, _: &Erasure) -> Result<Vec<Offset>, NotWritten> {
        // Its one partition is fed by hand.
        Ok(vec![self.held().0.next_offset().unwrap_or_default()])
    }

    fn kept(&self) -> Result<Vec<KeptBy>, String> {
        let (topic, policy) = ("states".to_owned(), "compact".to_owned());
        Ok(vec![KeptBy { topic, policy, gone_within: Ok(Millis(5)) }])
    }

    fn left(&self, _: PartitionId, tenant: &TenantId, scope: &ErasureScope) -> Result<Answer<Left>, QueryError> {
        self.answer(|engine| Some(Left { remains: engine.remains(tenant, scope), committed: engine.next_offset() }))
    }

    fn only(self: Arc<Self>, _: Vec<PartitionId>) -> Arc<dyn QueryPort> {
        self
    }

    fn feed(&self, after: u64) -> Vec<(u64, FeedItem)> {
        let effects = &self.held().1;
        let suggestions = effects.stream().filter(|record| matches!(record.topic, Topic::Recovery | Topic::Transfer));
        let items = suggestions.filter_map(|record| {
            let OutValue::Json(json) = record.value else { return None };
            let json = String::from_utf8(json.to_vec()).expect("JSON is UTF-8");
            let key = String::from_utf8(record.key?.to_vec()).expect("ids are ASCII");
            Some(FeedItem { tenant: key.split('/').next()?.to_owned(), json, latency_ms: Some(4.5) })
        });
        (1..).zip(items).filter(|(number, _)| *number > after).collect()
    }
}
