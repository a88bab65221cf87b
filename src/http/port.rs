//! The query port: what HTTP asks of the running service. Implemented by the runtime, and by a double in tests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use super::answer::{Answer, Rank, Shard};
use super::base_url::BaseUrl;
use crate::engine::{
    Blocks, ChainOf, EngineStats, Explained, Found, HistoryPage, HistoryQuery, NamedEvent, PrefixMatch, PrefixQuery,
    RecoveryQuery, Remains, SearchQuery, Told,
};
use crate::model::event::ErasureScope;
use crate::model::ids::{EventId, Name, SessionId, SuggestionId, TenantId};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::session::SessionView;
use crate::model::suggestion::Suggestion;
use crate::model::time::{EventTime, Millis};
use crate::model::vector::UnitVector;

/// What a partition of this process is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum PartitionPhase {
    /// Reading its state, or folding anew what was published before; share done, 0..1.
    Restoring(f64),
    /// Folding the input.
    Running,
    /// Stopped, with the cause.
    Failed(String),
}

/// One partition as seen from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionStatus {
    /// The partition.
    pub partition: PartitionId,
    /// What it is doing.
    pub phase: PartitionPhase,
    /// Next input offset.
    pub next_offset: Option<Offset>,
    /// Records between it and the end of the input, if known.
    pub lag: Option<i64>,
    /// Gauges of its engine.
    pub stats: EngineStats,
}

/// An embedding with its space.
pub type Embedding = (Name, UnitVector);

/// A partition that has not folded a record yet.
pub struct Behind {
    /// How far it has come.
    pub stands: Answer<()>,
    /// Ends once it has come further, or may have stopped: who waits has to ask again. It may be dropped.
    pub passing: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// Nothing is known of what was asked for.
    #[error("not found")]
    NotFound,
    /// The input has no such partition; how many it has.
    #[error("the input has no partition {0}, but {1} from 0 on")]
    NoSuchPartition(PartitionId, i32),
    /// The tenant's partition is not owned by this process.
    #[error("partition {0} is not owned by this process")]
    NotOwned(PartitionId),
    /// The group was not heard of for so long that the partition may be another process's by now.
    #[error("partition {0} may be another process's by now: its group was not heard of for the session timeout")]
    Unconfirmed(PartitionId),
    /// The partition is being restored; share done.
    #[error("partition {0} is being restored")]
    Restoring(PartitionId, f64),
    /// The partition stopped.
    #[error("partition {0} is stopped: {1}")]
    Stopped(PartitionId, String),
}

impl QueryError {
    /// The partition that does not answer.
    pub fn partition(&self) -> Option<PartitionId> {
        match self {
            QueryError::NotFound | QueryError::NoSuchPartition(..) => None,
            QueryError::NotOwned(p)
            | QueryError::Unconfirmed(p)
            | QueryError::Restoring(p, _)
            | QueryError::Stopped(p, _) => Some(*p),
        }
    }
}

/// An erasure that is to be written to the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Erasure {
    /// Whose subject.
    pub tenant: TenantId,
    /// The subject.
    pub scope: ErasureScope,
    /// Its id.
    pub event_id: EventId,
    /// When it was asked for.
    pub occurred_at: EventTime,
}

/// An erasure is not, or not for certain, in every partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the erasure could not be written to every partition of the input ({0}); ask again")]
pub struct NotWritten(pub String);

/// Where a partition can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// In this process, though it may not answer now.
    Here,
    /// At another instance, as far as instances say so.
    At(BaseUrl),
    /// Nobody says that they own it.
    Nowhere,
}

/// What a partition of this process knows of an erased subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// What its engine holds.
    pub remains: Remains,
    /// The next input offset as far as everything is committed.
    pub committed: Option<Offset>,
}

/// How long a topic keeps erased bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBy {
    /// The topic.
    pub topic: String,
    /// Its `cleanup.policy`.
    pub policy: String,
    /// When they are gone at the latest, from the last write on; or why that never is so.
    pub gone_within: Result<Millis, String>,
}

/// A suggestion as the live page shows it: its JSON form, and its publication status.
#[derive(Debug, Clone)]
pub struct FeedItem {
    /// Whose it is.
    pub tenant: String,
    /// The published JSON object.
    pub json: String,
    /// Event → commit, if known, ms.
    pub latency_ms: Option<f64>,
}

/// What HTTP may ask. Calls are short and do not block on I/O, unless they say so.
pub trait QueryPort: Send + Sync + 'static {
    /// Whether every worker has joined its group and no owned partition is restoring, rebuilding or failed.
    fn ready(&self) -> Result<(), String>;
    /// The partitions this process owns.
    fn partitions(&self) -> Vec<PartitionStatus>;
    /// One session.
    fn session(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<SessionView>, QueryError>;
    /// The same with its embedding, if it has one.
    fn session_and_vector(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Answer<(SessionView, Option<Embedding>)>, QueryError>;
    /// The events that a session's state names, in their order.
    fn events(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<NamedEvent>>, QueryError>;
    /// The suggestions of a session: the open ones, the oldest first, and those known to have ended lately, the latest first.
    fn suggestions(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<Told>>, QueryError>;
    /// One suggestion that is open or is known to have ended lately.
    fn suggestion(&self, tenant: &TenantId, id: &SuggestionId) -> Result<Answer<Explained>, QueryError>;
    /// A chain of blocks, if there is one.
    fn blocks(&self, tenant: &TenantId, of: &ChainOf) -> Result<Answer<Option<Blocks>>, QueryError>;
    /// A part of a user's history; empty of an unknown user.
    fn history(&self, query: &HistoryQuery) -> Result<Answer<HistoryPage>, QueryError>;
    /// The nearest sessions. Not found: the session to compare with, or its embedding.
    fn search(&self, query: &SearchQuery) -> Result<Answer<Vec<Found>>, QueryError>;
    /// Sessions that hold the beginning of a chain.
    fn prefix_match(&self, query: &PrefixQuery) -> Result<Answer<Vec<PrefixMatch>>, QueryError>;
    /// What to restore.
    fn recovery(&self, query: &RecoveryQuery) -> Result<Answer<Suggestion>, QueryError>;
    /// Whether a partition has yet to fold a record. Faults: it is not running here.
    fn behind(&self, record: Position) -> Result<Option<Behind>, QueryError>;
    /// Writes an erasure to every partition of the input, and says where: in the order of partitions, from 0 on. Blocks
    /// for seconds if the brokers are slow: not for a thread that others wait for.
    fn erase(&self, erasure: &Erasure) -> Result<Vec<Offset>, NotWritten>;
    /// How long each topic keeps erased bytes. Blocks as [`QueryPort::erase`] does. Errors: what the brokers say.
    fn kept(&self) -> Result<Vec<KeptBy>, String>;
    /// What a partition holds of a subject. Faults: it is not running here.
    fn left(&self, partition: PartitionId, tenant: &TenantId, scope: &ErasureScope)
    -> Result<Answer<Left>, QueryError>;
    /// Where another instance is reached that owns a partition in which the tenant lives, as far as instances say so.
    fn owner(&self, tenant: &TenantId, partition: PartitionId) -> Option<BaseUrl> {
        let _ = (tenant, partition);
        None
    }
    /// Every partition in which the tenant may live, and where it is. Without a tenant all partitions of the input. Empty: it
    /// is not known, and all there is is here.
    fn places(&self, tenant: Option<&TenantId>) -> Vec<(PartitionId, Whereabouts)> {
        let _ = tenant;
        Vec::new()
    }
    /// The same port that answers from these partitions alone, and waits for no others' records. A question that one of
    /// them cannot answer is not answered unless another knows for certain.
    fn only(self: Arc<Self>, partitions: Vec<PartitionId>) -> Arc<dyn QueryPort>;
    /// The newest published suggestions after number `after`, oldest first, with their numbers.
    fn feed(&self, after: u64) -> Vec<(u64, FeedItem)>;
}
