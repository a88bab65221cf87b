//! Bookkeeping rows back from their Avro bodies.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codecs::BOOKKEEPING;
use super::copies::{name, names};
use super::fault::{ReadFault, known};
use super::fold::read_stamp;
use super::rows::{PrefixRow, Row};
use super::rows_wire::*;
use super::suggestion_read::decode_suggestion;
use crate::model::bookkeeping::*;
use crate::model::ids::{SessionId, TenantId};
use crate::model::kv::Tier;
use crate::model::position::Offset;
use crate::model::prefix::PrefixFamily;
use crate::model::session::PrefixSegment;
use crate::model::stamp::Register;
use crate::model::suggestion::RevokeReason;
use crate::model::time::EventTime;

/// Reads a row's Avro body.
pub fn decode_row(body: &[u8]) -> Result<Row, ReadFault> {
    let wire: Bookkeeping<'static> = BOOKKEEPING.read(body)?;
    match (&*wire.kind, wire.partition, wire.open, wire.worker, wire.adapter, wire.erased, wire.prefix, wire.work) {
        ("partition", Some(row), ..) => Ok(Row::Partition(read_partition(&row)?)),
        ("open", _, Some(row), ..) => {
            let (suggestion, _) = decode_suggestion(&row.kind, &row.body)?;
            Ok(Row::Open(suggestion))
        }
        ("worker", _, _, Some(row), ..) => Ok(Row::Worker(read_worker(&row)?)),
        ("adapter", _, _, _, Some(row), ..) => Ok(Row::Adapter(read_adapter(&row)?)),
        ("erased", _, _, _, _, Some(row), ..) => Ok(Row::Erased(ErasureMarker {
            cut: EventTime(row.cut),
            dead: row.dead,
            expires_at: EventTime(row.expires_at),
        })),
        ("prefix", _, _, _, _, _, Some(row), _) => Ok(Row::Prefix(read_prefix(&row)?)),
        ("work", _, _, _, _, _, _, Some(row)) => Ok(Row::Work(read_work(&row)?)),
        _ => Err(ReadFault::Field("type")),
    }
}

fn read_partition(row: &PartitionRow<'_>) -> Result<Checkpoint, ReadFault> {
    Ok(Checkpoint {
        next_offset: Offset(row.next_offset),
        stream_time: EventTime(row.stream_time),
        partition_count: row.partition_count,
        states: read_digest(&row.states)?,
        vectors: read_digest(&row.vectors)?,
        bookkeeping: read_digest(&row.bookkeeping)?,
        engine_version: row.engine_version.to_string(),
        policy: name(&row.policy)?,
    })
}

fn read_digest(digest: &WireDigest) -> Result<TopicDigest, ReadFault> {
    let sum = known(digest.sum.as_slice().try_into().ok(), "sum")?;
    Ok(TopicDigest { live_keys: digest.live_keys as u64, sum: u128::from_be_bytes(sum) })
}

fn read_worker(row: &WireWorker<'_>) -> Result<WorkerRow, ReadFault> {
    let mut cleared = BTreeMap::new();
    for wire in &row.cleared {
        let tier = wire.tier.as_ref().map(|tier| known(Tier::parse(tier), "tier")).transpose()?;
        cleared.insert(tier, (EventTime(wire.at), wire.epoch as u64));
    }
    let started = match &row.started {
        Some(start) => Some(WorkerStart {
            epoch: start.epoch as u64,
            stamp: read_stamp(&start.stamp)?,
            endpoint: names(start.endpoint.as_ref())?,
            model: names(start.model.as_ref())?,
            dp_size: start.dp_size.map(|size| known(u32::try_from(size).ok(), "dp_size")).transpose()?,
        }),
        None => None,
    };
    Ok(WorkerRow {
        epoch: row.epoch.map(|epoch| epoch as u64),
        lost_epoch: row.lost_epoch.map(|epoch| epoch as u64),
        lost_at: row.lost_at.map(EventTime),
        lost_all_at: row.lost_all_at.map(EventTime),
        cleared,
        started,
    })
}

fn read_adapter(row: &WireAdapter<'_>) -> Result<AdapterRow, ReadFault> {
    let published = match &row.published {
        Some(wire) => Some(Register {
            stamp: read_stamp(&wire.stamp)?,
            value: AdapterPublication {
                version: names(wire.version.as_ref())?,
                digest: names(wire.digest.as_ref())?,
                base_model: names(wire.base_model.as_ref())?,
                uri: names(wire.uri.as_ref())?,
            },
        }),
        None => None,
    };
    let retired = match &row.retired {
        Some(wire) => Some(Register { stamp: read_stamp(&wire.stamp)?, value: names(wire.version.as_ref())? }),
        None => None,
    };
    Ok(AdapterRow { published, retired })
}

fn read_prefix(row: &WirePrefix<'_>) -> Result<PrefixRow, ReadFault> {
    let (hashes, rest) = row.hashes.0.as_chunks::<8>();
    known(rest.is_empty().then_some(()), "hashes")?;
    let number = |value: i64| known(u32::try_from(value).ok().filter(|n| *n > 0), "family");
    let family = PrefixFamily {
        algorithm: name(&row.algorithm)?,
        block_tokens: number(row.block_tokens)?,
        stride: number(row.stride)?,
    };
    let hashes: Arc<[u64]> = hashes.iter().map(|hash| u64::from_be_bytes(*hash)).collect();
    let segment = PrefixSegment { stamp: read_stamp(&row.stamp)?, hashes };
    Ok(PrefixRow { family, from_block: row.from_block as u64, segment })
}

fn read_work(row: &WorkRow<'_>) -> Result<WorkChunk, ReadFault> {
    let task = match (&*row.task, &row.lost) {
        ("erase", None) => WorkTask::Erase,
        ("worker_lost", Some(lost)) => WorkTask::WorkerLost {
            worker: name(&lost.worker)?,
            stamp: read_stamp(&lost.stamp)?,
            reason: known(RevokeReason::parse(&lost.reason), "reason")?,
        },
        _ => return Err(ReadFault::Field("task")),
    };
    let session = |key: &SessionKey<'_>| Ok((TenantId::new(&key.tenant_id)?, SessionId::new(&key.session_id)?));
    let sessions = row.sessions.iter().map(session).collect::<Result<_, ReadFault>>()?;
    Ok(WorkChunk { task, offset: Offset(row.offset), sessions })
}
