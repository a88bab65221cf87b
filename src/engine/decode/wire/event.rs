//! The event as a whole: its envelope, and the closed list of bodies that `type` may name.

use serde::{Deserialize, Deserializer, Serialize};

use super::bodies::*;
use super::digest::digest;
use super::forms::{Moment, Text};
use super::shared::{Context, EventKvCopy};
use crate::engine::positional::{Malformed, Positional, Reader, records};

/// An event: who says it of whom, when, and what happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// Whom it concerns and when.
    pub envelope: Envelope<'a>,
    /// What happened.
    pub body: Body<'a>,
}

/// What an Avro record says: the Avro form of an event without the bodies that are not set.
#[derive(Debug, PartialEq)]
pub(crate) struct Unpacked<'a> {
    /// Whom it concerns and when.
    pub envelope: Envelope<'a>,
    /// The record's `type`.
    pub kind: Text<'a>,
    /// Number of bodies that are set.
    pub bodies: usize,
    /// The body that `type` names, if it is set.
    pub body: Option<Body<'a>>,
}

impl<'a> Unpacked<'a> {
    #[inline]
    fn take<B>(&mut self, label: &str, body: Option<B>, variant: fn(B) -> Body<'a>) {
        let Some(body) = body else { return };
        self.bodies += 1;
        if self.kind == label {
            self.body = Some(variant(body));
        }
    }
}

records! {
    /// The fields that every event has. In JSON the body's fields stand beside them.
    pub struct Envelope<'a> {
        /// The event's id.
        pub event_id: Text<'a>,
        /// Tenant, or `*`.
        pub tenant_id: Text<'a>,
        /// Session, for session bodies.
        pub session_id: Option<Text<'a>>,
        /// User, if told.
        pub user_id: Option<Text<'a>>,
        /// When it occurred.
        pub occurred_at: Moment,
        /// The producer's own numbering.
        pub producer: Option<Producer<'a>>,
    }

    /// The producer's own numbering.
    pub struct Producer<'a> {
        /// The producer.
        pub id: Text<'a>,
        /// Its incarnation.
        pub epoch: i64,
        /// From 1 for each producer, epoch and session.
        pub seq: i64,
    }
}

macro_rules! bodies {
    ($($variant:ident($body:ty) = $label:ident),+ $(,)?) => {
        /// What happened: one variant a `type`.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)]
        pub enum Body<'a> { $($variant($body)),+ }

        /// The Avro form: one optional record a body, of which `type` names the one that is set.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub struct SessionEvent<'a> {
            pub event_id: Text<'a>,
            pub tenant_id: Text<'a>,
            pub session_id: Option<Text<'a>>,
            pub user_id: Option<Text<'a>>,
            pub occurred_at: Moment,
            pub producer: Option<Producer<'a>>,
            #[serde(rename = "type")]
            pub kind: Text<'a>,
            $(pub $label: Option<$body>),+
        }

        impl<'a> Body<'a> {
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
            pub(crate) fn read<'de, D: Deserializer<'de>>(kind: &str, from: D) -> Option<Result<Self, D::Error>> {
                match kind {
                    $(stringify!($label) => Some(<$body>::deserialize(from).map(Body::$variant)),)+
                    _ => None,
                }
            }
        }

        impl<'a> From<SessionEvent<'a>> for Unpacked<'a> {
            fn from(record: SessionEvent<'a>) -> Unpacked<'a> {
                let SessionEvent { event_id, tenant_id, session_id, user_id, occurred_at, producer, kind, .. } = record;
                let envelope = Envelope { event_id, tenant_id, session_id, user_id, occurred_at, producer };
                let mut unpacked = Unpacked { envelope, kind, bodies: 0, body: None };
                $(unpacked.take(stringify!($label), record.$label, Body::$variant);)+
                unpacked
            }
        }

        impl<'b> Positional<'b> for Unpacked<'b> {
            fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
                let (envelope, kind) = (Positional::read(reader)?, Positional::read(reader)?);
                let mut unpacked = Unpacked { envelope, kind, bodies: 0, body: None };
                $(unpacked.take(stringify!($label), Positional::read(reader)?, Body::$variant);)+
                Ok(unpacked)
            }
        }

        impl<'a> From<Event<'a>> for SessionEvent<'a> {
            fn from(event: Event<'a>) -> SessionEvent<'a> {
                let Event { envelope, body } = event;
                let mut record = SessionEvent {
                    event_id: envelope.event_id,
                    tenant_id: envelope.tenant_id,
                    session_id: envelope.session_id,
                    user_id: envelope.user_id,
                    occurred_at: envelope.occurred_at,
                    producer: envelope.producer,
                    kind: body.label().into(),
                    $($label: None),+
                };
                match body { $(Body::$variant(body) => record.$label = Some(body)),+ }
                record
            }
        }
    };
}

bodies! {
    SessionStarted(SessionStarted<'a>) = session_started,
    TurnCompleted(Box<TurnCompleted<'a>>) = turn_completed,
    ContextEmbedded(Context<'a>) = context_embedded,
    KvCachePlaced(Box<EventKvCopy<'a>>) = kv_cache_placed,
    KvCacheEvicted(KvCacheEvicted<'a>) = kv_cache_evicted,
    AdapterActivated(AdapterUse<'a>) = adapter_activated,
    AdapterDeactivated(AdapterUse<'a>) = adapter_deactivated,
    SessionPaused(SessionPaused<'a>) = session_paused,
    SessionInterrupted(SessionInterrupted<'a>) = session_interrupted,
    ResumeRequested(Box<ResumeRequested<'a>>) = resume_requested,
    SessionResumed(SessionResumed<'a>) = session_resumed,
    SessionEnded(SessionEnded<'a>) = session_ended,
    SessionSnapshot(Box<SessionSnapshot<'a>>) = session_snapshot,
    MetadataChanged(MetadataChanged<'a>) = metadata_changed,
    TransferScopeChanged(TransferScopeChanged<'a>) = transfer_scope_changed,
    SubjectErased(SubjectErased<'a>) = subject_erased,
    WorkerStarted(WorkerStarted<'a>) = worker_started,
    WorkerLost(WorkerLost<'a>) = worker_lost,
    WorkerCacheCleared(WorkerCacheCleared<'a>) = worker_cache_cleared,
    AdapterPublished(AdapterRelease<'a>) = adapter_published,
    AdapterRetired(AdapterRelease<'a>) = adapter_retired,
    Tick(Tick) = tick,
}
