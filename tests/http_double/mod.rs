//! A query port that answers from plain values, and a client that keeps what came back.

mod client;

use std::sync::{Arc, Mutex};

use rekindle::engine::{
    Blocks, ChainOf, EngineSettings, EngineStats, Explained, Found, HistoryPage, HistoryQuery, NamedEvent, PrefixMatch,
    PrefixQuery, RecoveryQuery, Remains, SearchHit, SearchQuery, Told,
};
use rekindle::http::port::{
    Answer, Behind, Embedding, Erasure, FeedItem, KeptBy, Left, NotWritten, PartitionPhase, PartitionStatus,
    QueryError, QueryPort, Whereabouts,
};
use rekindle::http::settings::{BaseUrl, HttpSettings};
use rekindle::http::{HttpServer, Mode, ServeError, serve};
use rekindle::model::event::{ErasureScope, ResumeRequested, TransferScope};
use rekindle::model::ids::{Name, SessionId, SuggestionId, TenantId};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::session::{SessionView, Status, TriggerKind};
use rekindle::model::suggestion::{
    Advice, Delivery, MatchBasis, Recovery, RecoveryPlan, RecoverySource, Score, Suggestion, Trigger,
};
use rekindle::model::time::{EventTime, Millis};
use rekindle::telemetry::Metrics;

pub use client::{Reply, get, post, post_with};

/// Partitions of its input.
const PARTITIONS: i32 = 4;
const AS_OF: Position = Position { partition: PartitionId(1), offset: Offset(5120) };

/// What the double says.
pub struct Double {
    pub ready: Result<(), String>,
    pub partitions: Vec<PartitionStatus>,
    /// Answers every query, if set.
    pub fault: Option<QueryError>,
    pub feed: Vec<(u64, FeedItem)>,
    /// What was written.
    pub erased: Arc<Mutex<Vec<Erasure>>>,
    /// Why nothing can be written, if so.
    pub not_written: Option<NotWritten>,
    /// What is left in the partition that it has.
    pub left: Remains,
    /// Where what it does not own is.
    pub owner: Option<BaseUrl>,
    /// Where the partitions of every tenant are.
    pub places: Vec<(PartitionId, Whereabouts)>,
}

impl Default for Double {
    fn default() -> Self {
        let stats = EngineStats { sessions: [7, 1, 2, 3, 0], gapped: 1, open_suggestions: 4, ..EngineStats::default() };
        let status = PartitionStatus {
            partition: PartitionId(1),
            phase: PartitionPhase::Running,
            next_offset: Some(Offset(5121)),
            lag: Some(12),
            stats,
        };
        Double {
            ready: Ok(()),
            partitions: vec![status],
            fault: None,
            feed: Vec::new(),
            erased: Arc::default(),
            not_written: None,
            left: Remains::default(),
            owner: None,
            places: Vec::new(),
        }
    }
}

impl Double {
    fn answer<T>(&self, value: T) -> Result<Answer<T>, QueryError> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(Answer::at(value, AS_OF, EventTime(1_762_340_009_000), Some(12))),
        }
    }
}

impl QueryPort for Double {
    fn ready(&self) -> Result<(), String> {
        self.ready.clone()
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        self.partitions.clone()
    }

    fn session(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<SessionView>, QueryError> {
        self.answer(view(tenant, session))
    }

    fn session_and_vector(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Answer<(SessionView, Option<Embedding>)>, QueryError> {
        self.answer((view(tenant, session), None))
    }

    fn events(&self, _: &TenantId, _: &SessionId) -> Result<Answer<Vec<NamedEvent>>, QueryError> {
        self.answer(Vec::new())
    }

    fn suggestions(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<Told>>, QueryError> {
        self.answer(vec![told(tenant, session)])
    }

    fn suggestion(&self, tenant: &TenantId, _: &SuggestionId) -> Result<Answer<Explained>, QueryError> {
        let session = SessionId::new("s-9").expect("an id");
        self.answer(Explained { told: told(tenant, &session), score: None, floor: None })
    }

    fn blocks(&self, _: &TenantId, _: &ChainOf) -> Result<Answer<Option<Blocks>>, QueryError> {
        self.answer(None)
    }

    fn behind(&self, record: Position) -> Result<Option<Behind>, QueryError> {
        if record.partition.0 >= PARTITIONS {
            return Err(QueryError::NoSuchPartition(record.partition, PARTITIONS));
        }
        let stands = self.answer(())?;
        let passing = Box::pin(std::future::pending());
        Ok((AS_OF.offset < record.offset).then(|| Behind { stands, passing }))
    }

    fn history(&self, query: &HistoryQuery) -> Result<Answer<HistoryPage>, QueryError> {
        let session = SessionId::new("s-9").expect("an id");
        let next = Some((EventTime(5), session.clone())).filter(|_| query.limit == 1);
        self.answer(HistoryPage { sessions: vec![view(&query.tenant, &session)], next })
    }

    fn search(&self, _: &SearchQuery) -> Result<Answer<Vec<Found>>, QueryError> {
        let hit = SearchHit { session: SessionId::new("s-9").expect("an id"), similarity: 0.5 };
        self.answer(vec![Found { hit, status: Some(Status::Ended), last_active: Some(EventTime(7)) }])
    }

    fn prefix_match(&self, query: &PrefixQuery) -> Result<Answer<Vec<PrefixMatch>>, QueryError> {
        let session = SessionId::new("s-9").expect("an id");
        self.answer(vec![PrefixMatch { session, depth: query.hashes.len(), tokens: 16, copy: None, at: EventTime(7) }])
    }

    fn recovery(&self, query: &RecoveryQuery) -> Result<Answer<Suggestion>, QueryError> {
        self.answer(suggestion(query))
    }

    fn erase(&self, erasure: &Erasure) -> Result<Vec<Offset>, NotWritten> {
        if let Some(fault) = &self.not_written {
            return Err(fault.clone());
        }
        self.erased.lock().expect("no test panics here").push(erasure.clone());
        Ok((0..i64::from(PARTITIONS)).map(|partition| Offset(AS_OF.offset.0 + partition - 1)).collect())
    }

    fn kept(&self) -> Result<Vec<KeptBy>, String> {
        let kept = |topic: &str, policy: &str, gone_within| KeptBy {
            topic: topic.to_owned(),
            policy: policy.to_owned(),
            gone_within,
        };
        let never = Err("retention.ms is -1".to_owned());
        Ok(vec![kept("states", "compact", Ok(Millis(5))), kept("events", "delete", never)])
    }

    fn left(&self, partition: PartitionId, _: &TenantId, _: &ErasureScope) -> Result<Answer<Left>, QueryError> {
        if partition != AS_OF.partition {
            return Err(QueryError::NotOwned(partition));
        }
        self.answer(Left { remains: self.left.clone(), committed: Some(Offset(AS_OF.offset.0 + 1)) })
    }

    fn owner(&self, _: &TenantId, _: PartitionId) -> Option<BaseUrl> {
        self.owner.clone()
    }

    fn places(&self, _: Option<&TenantId>) -> Vec<(PartitionId, Whereabouts)> {
        self.places.clone()
    }

    fn only(self: Arc<Self>, _: Vec<PartitionId>) -> Arc<dyn QueryPort> {
        self
    }

    fn feed(&self, after: u64) -> Vec<(u64, FeedItem)> {
        self.feed.iter().filter(|(n, _)| *n > after).cloned().collect()
    }
}

/// Serves a double in demo mode on a free loopback port.
pub fn serve_double(double: Double) -> HttpServer {
    serve_port(Arc::new(double), EngineSettings::default())
}

/// Serves any port, with queries checked by these settings.
pub fn serve_port(port: Arc<dyn QueryPort>, engine: EngineSettings) -> HttpServer {
    serve_as(&on_loopback(), port, engine).expect("a free loopback port")
}

/// A free port of this machine, with everything else at its default.
pub fn on_loopback() -> HttpSettings {
    HttpSettings::at(([127, 0, 0, 1], 0).into())
}

/// Serves any port by any settings.
pub fn serve_as(
    settings: &HttpSettings,
    port: Arc<dyn QueryPort>,
    engine: EngineSettings,
) -> Result<HttpServer, ServeError> {
    serve(settings, port, Arc::new(Metrics::new()), Arc::new(engine), Mode::Demo)
}

fn view(tenant: &TenantId, session: &SessionId) -> SessionView {
    SessionView {
        tenant: tenant.clone(),
        session: session.clone(),
        user: None,
        status: Some(Status::Interrupted),
        end_reason: None,
        turn_count: 4,
        context_tokens: None,
        started_at: None,
        last_active: None,
        idle_timeout: Millis(1_800_000),
        active_adapter: None,
        cache: None,
        kv_copies: Vec::new(),
        residency: None,
        context: None,
        transfer_scope: TransferScope::User,
        parent: None,
        continues: None,
        taken_up_by: None,
        context_ref: None,
        metadata: Default::default(),
        gapped: false,
        open_suggestions: Vec::new(),
        as_of: AS_OF,
    }
}

fn told(tenant: &TenantId, session: &SessionId) -> Told {
    let request = ResumeRequested { cache: None, prefix: None, context: None };
    let (tenant, session) = (tenant.clone(), Some(session.clone()));
    let query = RecoveryQuery { tenant, session, user: None, request, candidate_workers: None };
    Told { suggestion: Arc::new(suggestion(&query)), end: None }
}

fn suggestion(query: &RecoveryQuery) -> Suggestion {
    let session = query.session.clone().unwrap_or_else(|| SessionId::new("s-new").expect("an id"));
    let source = RecoverySource {
        session: session.clone(),
        kv_cache: None,
        residency: None,
        endpoint: None,
        dp_rank: None,
        model: None,
        cache: query.request.cache.clone(),
        adapter: None,
        context_ref: None,
        turn_count: 4,
        last_active: None,
    };
    let recovery = Recovery {
        plan: RecoveryPlan::Recompute,
        basis: MatchBasis::OwnSession,
        matched_tokens: None,
        missing_tokens: None,
        source,
        estimate: None,
        alternatives: Vec::new(),
        rejected: Vec::new(),
    };
    Suggestion {
        id: SuggestionId::new("0123456789abcdef0123456789abcdef").expect("an id"),
        tenant: query.tenant.clone(),
        session,
        user: query.user.clone(),
        trigger: Trigger { kind: TriggerKind::Query, event_id: None, occurred_at: None, due_at: None },
        advice: Advice::Recovery(Box::new(recovery)),
        score: Score::default(),
        valid_until: None,
        supersedes: None,
        as_of: AS_OF,
        policy: Name::new("policy").expect("a name"),
        delivery: Delivery::Query,
    }
}
