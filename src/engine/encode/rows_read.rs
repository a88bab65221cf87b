//! Bytes back to bookkeeping rows.

use super::codecs::BOOKKEEPING;
use super::read::*;
use super::rows::{PrefixRow, Row};
use super::rows_wire::*;
use super::state_read::read_stamp;
use super::suggestion::SuggestionKind;
use super::suggestion_read::decode_suggestion;
use crate::model::bookkeeping::*;
use crate::model::calibration::{CalibrationRow, Observed, Rate};
use crate::model::ids::{SessionId, TenantId};
use crate::model::kv::Tier;
use crate::model::position::Offset;
use crate::model::prefix::PrefixFamily;
use crate::model::session::PrefixSegment;
use crate::model::stamp::Register;
use crate::model::suggestion::RevokeReason;
use crate::model::time::EventTime;
use crate::model::verdict::{RejectReason, Rejection};
use crate::model::window::Window;

/// Fields that were added to the end of the record after its first version. Each is null in bytes that were
/// written without them, and a null is one zero.
const ADDED: [u8; 2] = [0; 2];

/// Reads the Avro body of a row, of this version or an earlier one.
pub fn decode_row(bytes: &[u8]) -> Result<Row, DecodeError> {
    match BOOKKEEPING.read(bytes) {
        Ok(record) => row(&record),
        Err(fault) => match BOOKKEEPING.read(&[bytes, &ADDED].concat()) {
            Ok(record) => row(&record),
            Err(_) => Err(fault.into()),
        },
    }
}

fn row(record: &RowRecord<&str>) -> Read<Row> {
    match record.kind {
        "partition" => record.partition.as_ref().map(partition),
        "open" => record.open.as_ref().map(open),
        "worker" => record.worker.as_ref().map(worker),
        "adapter" => record.adapter.as_ref().map(adapter),
        "erased" => record.erased.as_ref().map(|v| {
            let (cut, expires_at) = (EventTime(v.cut), EventTime(v.expires_at));
            Ok(Row::Erased(ErasureMarker { cut, dead: v.dead, expires_at }))
        }),
        "prefix" => record.prefix.as_ref().map(prefix),
        "work" => record.work.as_ref().map(work),
        "rate" => record.rate.as_ref().map(calibration),
        "decision" => record.decision.as_ref().map(decision),
        "history" => record.history.as_ref().map(history),
        "rebuild" => {
            record.rebuild.as_ref().map(|v| Ok(Row::Rebuild(Rebuild { publish_from: Offset(v.publish_from) })))
        }
        "opened" => {
            let window = |v: &OpenedRowRecord| Window { number: v.minute, count: count(v.count) };
            record.opened.as_ref().map(|v| Ok(Row::Opened(window(v))))
        }
        _ => None,
    }
    .ok_or(DecodeError::Field("type"))?
}

fn partition(record: &PartitionRecord<&str>) -> Read<Row> {
    Ok(Row::Partition(Checkpoint {
        next_offset: Offset(record.next_offset),
        stream_time: EventTime(record.stream_time),
        partition_count: record.partition_count,
        states: digest(&record.states)?,
        vectors: digest(&record.vectors)?,
        bookkeeping: digest(&record.bookkeeping)?,
        engine_version: record.engine_version.to_owned(),
        policy: name("policy", record.policy)?,
    }))
}

fn digest(record: &DigestRecord) -> Read<TopicDigest> {
    let sum: [u8; 16] = record.sum.as_slice().try_into().map_err(|_| DecodeError::Field("sum"))?;
    Ok(TopicDigest { live_keys: count(record.live_keys), sum: u128::from_be_bytes(sum) })
}

fn open(record: &OpenRecord<&str>) -> Read<Row> {
    let kind = match record.kind {
        "recovery" => SuggestionKind::Recovery,
        "transfer" => SuggestionKind::Transfer,
        _ => return Err(DecodeError::Field("kind")),
    };
    let (suggestion, _) = decode_suggestion(kind, &record.body)?;
    Ok(Row::Open(Box::new(suggestion)))
}

fn worker(record: &WorkerRecord<&str>) -> Read<Row> {
    let cleared =
        |r: &ClearedRecord<&str>| Ok((optional_word("tier", r.tier, Tier::parse)?, (EventTime(r.at), count(r.epoch))));
    let started = |r: &WorkerStartRecord<&str>| -> Read<WorkerStart> {
        Ok(WorkerStart {
            epoch: count(r.epoch),
            stamp: read_stamp(&r.stamp)?,
            endpoint: optional_name("endpoint", r.endpoint)?,
            model: optional_name("model", r.model)?,
            dp_size: optional_small("dp_size", r.dp_size)?,
        })
    };
    Ok(Row::Worker(WorkerRow {
        epoch: record.epoch.map(count),
        lost_epoch: record.lost_epoch.map(count),
        lost_at: record.lost_at.map(EventTime),
        lost_all_at: record.lost_all_at.map(EventTime),
        cleared: record.cleared.iter().map(cleared).collect::<Read<_>>()?,
        started: record.started.as_ref().map(started).transpose()?,
    }))
}

fn adapter(record: &AdapterRecord<&str>) -> Read<Row> {
    let published = |r: &PublicationRecord<&str>| -> Read<_> {
        let value = AdapterPublication {
            version: optional_name("version", r.version)?,
            digest: optional_name("digest", r.digest)?,
            base_model: optional_name("base_model", r.base_model)?,
            uri: optional_name("uri", r.uri)?,
        };
        Ok(Register { stamp: read_stamp(&r.stamp)?, value })
    };
    let retired = |r: &RetirementRecord<&str>| -> Read<_> {
        Ok(Register { stamp: read_stamp(&r.stamp)?, value: optional_name("version", r.version)? })
    };
    Ok(Row::Adapter(AdapterRow {
        published: record.published.as_ref().map(published).transpose()?,
        retired: record.retired.as_ref().map(retired).transpose()?,
    }))
}

fn prefix(record: &PrefixRecord<&str>) -> Read<Row> {
    let (hashes, rest) = record.hashes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(DecodeError::Field("hashes"));
    }
    Ok(Row::Prefix(PrefixRow {
        family: PrefixFamily {
            algorithm: name("algorithm", record.algorithm)?,
            block_tokens: small("block_tokens", record.block_tokens)?,
            stride: small("stride", record.stride)?,
        },
        from_block: count(record.from_block),
        segment: PrefixSegment {
            stamp: read_stamp(&record.stamp)?,
            hashes: hashes.iter().map(|hash| u64::from_be_bytes(*hash)).collect(),
        },
    }))
}

fn work(record: &WorkRecord<&str>) -> Read<Row> {
    let task = match (record.task, &record.lost) {
        ("erase", None) => WorkTask::Erase,
        ("worker_lost", Some(lost)) => WorkTask::WorkerLost {
            worker: name("worker", lost.worker)?,
            stamp: read_stamp(&lost.stamp)?,
            reason: word("reason", RevokeReason::parse(lost.reason))?,
        },
        _ => return Err(DecodeError::Field("task")),
    };
    let key = |r: &SessionKeyRecord<&str>| {
        Ok((id("tenant_id", TenantId::new(r.tenant_id))?, id("session_id", SessionId::new(r.session_id))?))
    };
    Ok(Row::Work(WorkChunk {
        task,
        offset: Offset(record.offset),
        sessions: record.sessions.iter().map(key).collect::<Read<_>>()?,
    }))
}

fn calibration(record: &RateRecord<&str>) -> Read<Row> {
    let (rate, against) = record.name.split_once('/').ok_or(DecodeError::Field("name"))?;
    let against = u64::from_str_radix(against, 16).map_err(|_| DecodeError::Field("name"))?;
    let rate = word("name", Rate::parse(rate))?;
    if !record.mean.is_finite() {
        return Err(DecodeError::Field("mean"));
    }
    let (count, at) = (count(record.count), EventTime(record.updated_at));
    let observed = Observed { against, count, mean: record.mean, at };
    Ok(Row::Calibration(CalibrationRow { namespace: name("namespace", record.namespace)?, rate, observed }))
}

fn decision(record: &DecisionRecord<&str>) -> Read<Row> {
    let dead_lettered = |reason| Ruling::DeadLettered(Rejection::new(reason, record.value.unwrap_or_default()));
    let ruling = match (record.kind, record.schema_id) {
        ("schema", Some(id)) => {
            let id = u32::try_from(id).map_err(|_| DecodeError::Field("schema_id"))?;
            Ruling::Schema(id, record.value.map(Into::into))
        }
        ("poison", None) => dead_lettered(RejectReason::Poison),
        ("skipped", None) => dead_lettered(RejectReason::Skipped),
        _ => return Err(DecodeError::Field("kind")),
    };
    Ok(Row::Decision(Decision { offset: Offset(record.offset), ruling, at: stream_time(record.at) }))
}

fn history(record: &HistoryRecord<&str>) -> Read<Row> {
    Ok(Row::History(HistoryEntry {
        offset: Offset(record.offset),
        at: stream_time(record.at),
        engine_version: record.engine_version.to_owned(),
        policy: name("policy", record.policy)?,
        settings: record.settings.to_owned(),
    }))
}

/// Null before the first accepted record.
fn stream_time(at: Option<i64>) -> EventTime {
    at.map_or(EventTime::MIN, EventTime)
}
