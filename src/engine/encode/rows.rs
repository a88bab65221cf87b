//! Bookkeeping rows to bytes.

use serde_bytes::ByteBuf;

use super::codecs::BOOKKEEPING;
use super::kv::{optional_text, text};
use super::read::long;
use super::rows_wire::*;
use super::suggestion::suggestion;
use crate::engine::decode::codec::EncodeError;
use crate::model::bookkeeping::*;
use crate::model::calibration::{CalibrationRow, Observed};
use crate::model::prefix::PrefixFamily;
use crate::model::session::PrefixSegment;
use crate::model::suggestion::{Publication, Suggestion};
use crate::model::time::EventTime;
use crate::model::window::Window;

/// One bookkeeping row, apart from its key.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// `partition`
    Partition(Checkpoint),
    /// `open/…`
    Open(Box<Suggestion>),
    /// `worker/…`
    Worker(WorkerRow),
    /// `adapter/…`
    Adapter(AdapterRow),
    /// `erased/…`
    Erased(ErasureMarker),
    /// `prefix/…`
    Prefix(PrefixRow),
    /// `work/…`
    Work(WorkChunk),
    /// `calibration/…`
    Calibration(CalibrationRow),
    /// `decision/…`
    Decision(Decision),
    /// `history/…`
    History(HistoryEntry),
    /// `rebuild`
    Rebuild(Rebuild),
    /// `rate/…`
    Opened(Window),
}

/// A prefix segment with its place in its session's chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixRow {
    /// Family of the chain.
    pub family: PrefixFamily,
    /// First block of the segment.
    pub from_block: u64,
    /// The segment.
    pub segment: PrefixSegment,
}

/// The Avro body of a row.
pub fn row(row: &Row) -> Result<Vec<u8>, EncodeError> {
    let name = match row {
        Row::Calibration(v) => format!("{}/{:016x}", v.rate.label(), v.observed.against),
        _ => String::new(),
    };
    BOOKKEEPING.write(&record(row, &name)?)
}

/// `name`: of a rate, which lies in no row as it is written.
fn record<'r>(row: &'r Row, name: &'r str) -> Result<RowRecord<&'r str>, EncodeError> {
    let of = |kind| RowRecord { kind, ..RowRecord::default() };
    Ok(match row {
        Row::Partition(v) => RowRecord { partition: Some(partition(v)), ..of("partition") },
        Row::Open(v) => {
            let body = ByteBuf::from(suggestion(v, &Publication::Open)?);
            RowRecord { open: Some(OpenRecord { kind: v.kind(), body }), ..of("open") }
        }
        Row::Worker(v) => RowRecord { worker: Some(worker(v)), ..of("worker") },
        Row::Adapter(v) => RowRecord { adapter: Some(adapter(v)), ..of("adapter") },
        Row::Erased(v) => {
            let erased = ErasedRecord { cut: v.cut.0, dead: v.dead, expires_at: v.expires_at.0 };
            RowRecord { erased: Some(erased), ..of("erased") }
        }
        Row::Prefix(v) => RowRecord { prefix: Some(prefix(v)), ..of("prefix") },
        Row::Work(v) => RowRecord { work: Some(work(v)), ..of("work") },
        Row::Calibration(v) => RowRecord { rate: Some(rate(v, name)), ..of("rate") },
        Row::Decision(v) => RowRecord { decision: Some(decision(v)), ..of("decision") },
        Row::History(v) => RowRecord { history: Some(history(v)), ..of("history") },
        Row::Rebuild(v) => {
            RowRecord { rebuild: Some(RebuildRecord { publish_from: v.publish_from.0 }), ..of("rebuild") }
        }
        Row::Opened(v) => {
            let opened = OpenedRowRecord { minute: v.number, count: long(v.count) };
            RowRecord { opened: Some(opened), ..of("opened") }
        }
    })
}

fn partition(checkpoint: &Checkpoint) -> PartitionRecord<&str> {
    PartitionRecord {
        next_offset: checkpoint.next_offset.0,
        stream_time: checkpoint.stream_time.0,
        partition_count: checkpoint.partition_count,
        states: digest(&checkpoint.states),
        vectors: digest(&checkpoint.vectors),
        bookkeeping: digest(&checkpoint.bookkeeping),
        engine_version: checkpoint.engine_version.as_str(),
        policy: text(&checkpoint.policy),
    }
}

fn digest(digest: &TopicDigest) -> DigestRecord {
    DigestRecord { live_keys: long(digest.live_keys), sum: ByteBuf::from(digest.sum.to_be_bytes()) }
}

fn worker(row: &WorkerRow) -> WorkerRecord<&str> {
    WorkerRecord {
        epoch: row.epoch.map(long),
        lost_epoch: row.lost_epoch.map(long),
        lost_at: row.lost_at.map(|v| v.0),
        lost_all_at: row.lost_all_at.map(|v| v.0),
        cleared: (row.cleared.iter())
            .map(|(tier, (at, epoch))| ClearedRecord {
                tier: tier.map(|tier| tier.label()),
                at: at.0,
                epoch: long(*epoch),
            })
            .collect(),
        started: row.started.as_ref().map(|start| WorkerStartRecord {
            stamp: (&*start.stamp).into(),
            epoch: long(start.epoch),
            endpoint: optional_text(&start.endpoint),
            model: optional_text(&start.model),
            dp_size: start.dp_size.map(i64::from),
        }),
    }
}

fn adapter(row: &AdapterRow) -> AdapterRecord<&str> {
    AdapterRecord {
        published: row.published.as_ref().map(|register| PublicationRecord {
            stamp: (&*register.stamp).into(),
            version: optional_text(&register.value.version),
            digest: optional_text(&register.value.digest),
            base_model: optional_text(&register.value.base_model),
            uri: optional_text(&register.value.uri),
        }),
        retired: row.retired.as_ref().map(|register| RetirementRecord {
            stamp: (&*register.stamp).into(),
            version: optional_text(&register.value),
        }),
    }
}

fn prefix(row: &PrefixRow) -> PrefixRecord<&str> {
    let hashes: Vec<u8> = row.segment.hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect();
    PrefixRecord {
        algorithm: text(&row.family.algorithm),
        block_tokens: row.family.block_tokens.into(),
        stride: row.family.stride.into(),
        from_block: long(row.from_block),
        stamp: (&*row.segment.stamp).into(),
        hashes: ByteBuf::from(hashes),
    }
}

fn work(chunk: &WorkChunk) -> WorkRecord<&str> {
    let (task, lost) = match &chunk.task {
        WorkTask::Erase => ("erase", None),
        WorkTask::WorkerLost { worker, stamp, reason } => {
            let lost = LostRecord { stamp: (&**stamp).into(), worker: text(worker), reason: reason.label() };
            ("worker_lost", Some(lost))
        }
    };
    let sessions = chunk
        .sessions
        .iter()
        .map(|(tenant, session)| SessionKeyRecord { tenant_id: tenant.as_str(), session_id: session.as_str() });
    WorkRecord { task, offset: chunk.offset.0, lost, sessions: sessions.collect() }
}

fn rate<'r>(row: &'r CalibrationRow, name: &'r str) -> RateRecord<&'r str> {
    let Observed { count, mean, at, .. } = row.observed;
    RateRecord { namespace: text(&row.namespace), name, count: long(count), mean, updated_at: at.0 }
}

fn decision(decision: &Decision) -> DecisionRecord<&str> {
    let (kind, value, schema_id) = match &decision.ruling {
        Ruling::Schema(id, text) => ("schema", text.as_deref(), Some(i64::from(*id))),
        Ruling::DeadLettered(rejection) => (rejection.reason.label(), Some(rejection.message.as_str()), None),
    };
    DecisionRecord { offset: decision.offset.0, kind, value, schema_id, at: stream_time(decision.at) }
}

fn history(entry: &HistoryEntry) -> HistoryRecord<&str> {
    HistoryRecord {
        offset: entry.offset.0,
        at: stream_time(entry.at),
        engine_version: &entry.engine_version,
        policy: text(&entry.policy),
        settings: &entry.settings,
    }
}

/// Null before the first accepted record.
fn stream_time(at: EventTime) -> Option<i64> {
    (at != EventTime::MIN).then_some(at.0)
}
