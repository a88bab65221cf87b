//! The engine's front door: one record in, effects and a verdict out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::engine::annals::Annals;
use crate::engine::calibration::Calibrations;
use crate::engine::effects::{Effects, OutValue, Topic};
use crate::engine::encode::keys::BookKey;
use crate::engine::encode::{self, Row};
use crate::engine::erase::Grave;
use crate::engine::ledger::Ledger;
use crate::engine::limits::Limits;
use crate::engine::observer::Observer;
use crate::engine::record::Record;
use crate::engine::settings::EngineSettings;
use crate::engine::store::Store;
use crate::engine::workers::Workers;
use crate::engine::write::sure;
use crate::engine::{decode, validate};
use crate::model::bookkeeping::{AdapterRow, Checkpoint, ErasureMarker, Rebuild, WorkChunk};
use crate::model::event::{Subject, ValidEvent};
use crate::model::ids::{Name, SessionId, TenantId};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::time::EventTime;
use crate::model::verdict::{RejectReason, Rejection, Verdict};

/// Version of the engine's behaviour, recorded in every checkpoint.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// State and logic of one partition.
pub struct Engine {
    pub(super) settings: Arc<EngineSettings>,
    pub(super) policy: Name,
    pub(super) partition: PartitionId,
    pub(super) partition_count: i32,
    pub(super) store: Store,
    pub(super) workers: Workers,
    pub(super) adapters: BTreeMap<Name, AdapterRow>,
    pub(super) calibrations: Calibrations,
    pub(super) markers: HashMap<BookKey, ErasureMarker>,
    pub(super) marker_deadlines: BTreeSet<(EventTime, BookKey)>,
    pub(super) graves: HashMap<(TenantId, SessionId), Grave>,
    pub(super) work: BTreeMap<(Offset, u32), WorkChunk>,
    /// The record with which an erased session was tombstoned last. Only told to who asks.
    pub(super) buried_at: Option<Offset>,
    pub(super) limits: Limits,
    pub(super) ledger: Ledger,
    pub(super) stream_time: EventTime,
    pub(super) next_offset: Option<Offset>,
    pub(super) annals: Annals,
    /// Whether the annals say under what records are judged now.
    pub(super) history_noted: bool,
    pub(super) rebuild: Option<Rebuild>,
    pub(super) observer: Observer,
}

/// What every stage of one record's processing needs.
pub(super) struct Step<'a> {
    pub position: Position,
    pub traceparent: Option<&'a [u8]>,
    pub effects: &'a mut Effects,
}

impl Engine {
    /// An engine without history.
    pub fn new(settings: Arc<EngineSettings>, partition: PartitionId, partition_count: i32) -> Engine {
        let policy = settings.policy_digest();
        Engine {
            settings,
            policy,
            partition,
            partition_count,
            store: Store::of(partition, partition_count),
            workers: Workers::default(),
            adapters: BTreeMap::new(),
            calibrations: Calibrations::default(),
            markers: HashMap::new(),
            marker_deadlines: BTreeSet::new(),
            graves: HashMap::new(),
            work: BTreeMap::new(),
            buried_at: None,
            limits: Limits::default(),
            ledger: Ledger::default(),
            stream_time: EventTime::MIN,
            next_offset: None,
            annals: Annals::default(),
            history_noted: false,
            rebuild: None,
            observer: Observer::default(),
        }
    }

    /// Folds one record. Deadlines that its time makes due fire first, in (deadline, session) order, then
    /// one chunk of pending work is done. A rejected record is dead-lettered and changes nothing.
    pub fn process(&mut self, record: Record<'_>, effects: &mut Effects) -> Verdict {
        let mark = self.begin(&record, effects);
        let verdict = self.judge(record, effects);
        effects.mute(mark);
        verdict
    }

    fn judge(&mut self, record: Record<'_>, effects: &mut Effects) -> Verdict {
        let event = match self.accept(&record) {
            Ok(event) => event,
            Err(rejection) => {
                self.dead_letter(&record, &rejection, effects);
                return Verdict::Rejected(rejection.reason);
            }
        };
        assert!(self.settings.panic_on.as_ref() != Some(&event.event_id), "a fail point was set for this event");
        let mut step = Step { position: record.position, traceparent: record.traceparent, effects };
        let time = record.timestamp.map_or(event.occurred_at, |at| at.min(event.occurred_at));
        let before = self.stream_time;
        self.advance(&mut step, time);
        self.age_annals(&mut step, before);
        self.do_pending_work(&mut step);
        let verdict = match &event.subject {
            Subject::Session { tenant, session, user, body } => {
                self.apply_session(&mut step, &event, tenant, session, user.as_ref(), body)
            }
            Subject::Erasure { tenant, scope } => self.erase(&mut step, event.occurred_at, tenant, scope),
            Subject::Broadcast(body) => self.apply_broadcast(&mut step, &event.stamp, body),
        };
        match verdict {
            Verdict::Applied | Verdict::Stale | Verdict::AfterEnd if event.context_fault.is_some() => {
                Verdict::ContextDropped
            }
            other => other,
        }
    }

    /// Everything that may refuse a record, before any state is touched.
    fn accept(&self, record: &Record<'_>) -> Result<ValidEvent, Rejection> {
        let event = decode::decode(record)?;
        let event = validate::validate(event, &self.settings, record.timestamp)?;
        let check = self.settings.check_partition;
        validate::check_route(record.key, &event, self.partition, self.partition_count, check)?;
        if event.occurred_at.plus(self.settings.retention) <= self.stream_time {
            let message = format!("occurred_at is older than the retention of {} ms", self.settings.retention.0);
            return Err(Rejection::new(RejectReason::TooLate, message));
        }
        self.check_not_erased(&event)?;
        Ok(event)
    }

    pub(super) fn dead_letter(&self, record: &Record<'_>, rejection: &Rejection, effects: &mut Effects) {
        let headers = encode::dead_letter_headers(record, rejection, &self.settings.input_topic);
        // A record that came without a key has an empty one here, so that it is checked; it leaves as it came.
        let key = record.key.filter(|key| !key.is_empty());
        effects.push(Topic::DeadLetters, key, OutValue::Raw(record.value), headers);
    }

    /// Ends a batch: writes the checkpoint with `next_offset` (the first input offset not processed) into
    /// the effects. Call once before publishing.
    pub fn seal(&mut self, next_offset: Offset, effects: &mut Effects) {
        self.next_offset = Some(next_offset);
        self.store.pack_idle(self.stream_time);
        let body = sure(encode::row(&Row::Partition(self.checkpoint(next_offset))));
        effects.put(Topic::Bookkeeping, &BookKey::Partition.to_bytes(), OutValue::Avro(&body), Vec::new());
    }

    fn checkpoint(&self, next_offset: Offset) -> Checkpoint {
        Checkpoint {
            next_offset,
            stream_time: self.stream_time,
            partition_count: self.partition_count,
            states: self.ledger.states,
            vectors: self.ledger.vectors,
            bookkeeping: self.ledger.rows,
            engine_version: ENGINE_VERSION.to_owned(),
            policy: self.policy.clone(),
        }
    }

    /// Stream time; `EventTime::MIN` before the first record.
    pub fn stream_time(&self) -> EventTime {
        self.stream_time
    }

    /// The next input offset this engine expects, once it has processed or restored something.
    pub fn next_offset(&self) -> Option<Offset> {
        self.next_offset
    }

    pub(super) fn scene(&self) -> crate::engine::suggest::Scene<'_> {
        crate::engine::suggest::Scene {
            settings: &self.settings,
            store: &self.store,
            workers: &self.workers,
            adapters: &self.adapters,
            calibrations: &self.calibrations,
            now: self.stream_time,
            observer: &self.observer,
            within: None,
        }
    }
}
