//! The event as a whole: its envelope, and the closed list of bodies that `type` may name.

use serde::de::{Deserialize, Deserializer};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use super::bodies::*;
use super::forms::Moment;
use super::shared::{Context, KvCopy};

/// An event: who says it of whom, when, and what happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Whom it concerns and when.
    pub envelope: Envelope,
    /// What happened.
    pub body: Body,
}

/// The fields that every event has. In JSON the body's fields stand beside them.
#[derive(Debug, Clone, PartialEq, DeriveDeserialize)]
pub struct Envelope {
    /// The event's id.
    pub event_id: String,
    /// Tenant, or `*`.
    pub tenant_id: String,
    /// Session, for session bodies.
    pub session_id: Option<String>,
    /// User, if told.
    pub user_id: Option<String>,
    /// When it occurred.
    pub occurred_at: Moment,
    /// The producer's own numbering.
    pub producer: Option<Producer>,
}

/// The producer's own numbering.
#[derive(Debug, Clone, PartialEq, Serialize, DeriveDeserialize)]
pub struct Producer {
    /// The producer.
    pub id: String,
    /// Its incarnation.
    pub epoch: i64,
    /// From 1 for each producer, epoch and session.
    pub seq: i64,
}

macro_rules! bodies {
    ($($variant:ident($body:ty) = $label:ident),+ $(,)?) => {
        /// What happened: one variant a `type`.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)]
        pub enum Body { $($variant($body)),+ }

        /// The Avro form: one optional record a body, of which `type` names the one that is set.
        #[derive(Debug, Clone, PartialEq, Serialize, DeriveDeserialize)]
        #[allow(missing_docs)]
        pub struct SessionEvent {
            pub event_id: String,
            pub tenant_id: String,
            pub session_id: Option<String>,
            pub user_id: Option<String>,
            pub occurred_at: Moment,
            pub producer: Option<Producer>,
            #[serde(rename = "type")]
            pub kind: String,
            $(pub $label: Option<$body>),+
        }

        impl Body {
            /// Every `type` of the contract.
            pub const LABELS: &'static [&'static str] = &[$(stringify!($label)),+];

            /// The `type` that names it.
            pub fn label(&self) -> &'static str {
                match self { $(Body::$variant(_) => stringify!($label)),+ }
            }

            /// 64-bit digest of the type and the body, the same for every wire format.
            pub fn digest(&self) -> u64 {
                match self { $(Body::$variant(body) => digest(stringify!($label), body)),+ }
            }

            /// Reads the body that `kind` names; `None` if it names none.
            pub(crate) fn read<'de, D: Deserializer<'de>>(kind: &str, from: D) -> Option<Result<Body, D::Error>> {
                match kind {
                    $(stringify!($label) => Some(<$body>::deserialize(from).map(Body::$variant)),)+
                    _ => None,
                }
            }
        }

        impl SessionEvent {
            /// Number of bodies that are set.
            pub(crate) fn bodies_set(&self) -> usize {
                [$(self.$label.is_some()),+].into_iter().filter(|set| *set).count()
            }

            /// Takes the body that `type` names: `Err` if it names none, `Ok(None)` if it is not set.
            pub(crate) fn take_body(&mut self) -> Result<Option<Body>, ()> {
                match self.kind.as_str() {
                    $(stringify!($label) => Ok(self.$label.take().map(Body::$variant)),)+
                    _ => Err(()),
                }
            }
        }

        impl From<Event> for SessionEvent {
            fn from(event: Event) -> SessionEvent {
                let Event { envelope, body } = event;
                let mut record = SessionEvent {
                    event_id: envelope.event_id,
                    tenant_id: envelope.tenant_id,
                    session_id: envelope.session_id,
                    user_id: envelope.user_id,
                    occurred_at: envelope.occurred_at,
                    producer: envelope.producer,
                    kind: body.label().to_owned(),
                    $($label: None),+
                };
                match body { $(Body::$variant(body) => record.$label = Some(body)),+ }
                record
            }
        }
    };
}

bodies! {
    SessionStarted(SessionStarted) = session_started,
    TurnCompleted(Box<TurnCompleted>) = turn_completed,
    ContextEmbedded(Context) = context_embedded,
    KvCachePlaced(Box<KvCopy<String>>) = kv_cache_placed,
    KvCacheEvicted(KvCacheEvicted) = kv_cache_evicted,
    AdapterActivated(AdapterUse) = adapter_activated,
    AdapterDeactivated(AdapterUse) = adapter_deactivated,
    SessionPaused(SessionPaused) = session_paused,
    SessionInterrupted(SessionInterrupted) = session_interrupted,
    ResumeRequested(Box<ResumeRequested>) = resume_requested,
    SessionResumed(SessionResumed) = session_resumed,
    SessionEnded(SessionEnded) = session_ended,
    SessionSnapshot(Box<SessionSnapshot>) = session_snapshot,
    MetadataChanged(MetadataChanged) = metadata_changed,
    TransferScopeChanged(TransferScopeChanged) = transfer_scope_changed,
    SubjectErased(SubjectErased) = subject_erased,
    WorkerStarted(WorkerStarted) = worker_started,
    WorkerLost(WorkerLost) = worker_lost,
    WorkerCacheCleared(WorkerCacheCleared) = worker_cache_cleared,
    AdapterPublished(AdapterRelease) = adapter_published,
    AdapterRetired(AdapterRelease) = adapter_retired,
    Tick(Tick) = tick,
}

fn digest<T: Serialize>(label: &str, body: &T) -> u64 {
    // Writing plain structs to memory fails only for sequences of unknown length, which no body has.
    let bytes = postcard::to_allocvec(&(label, body)).unwrap_or_default();
    xxhash_rust::xxh3::xxh3_64(&bytes)
}
