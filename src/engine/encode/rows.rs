//! Bookkeeping rows as Avro bodies. `type` names the one record that is set.

use super::codecs::BOOKKEEPING;
use super::copies::{text, texts};
use super::fold::stamp;
use super::rows_wire::*;
use super::suggestion::suggestion;
use crate::engine::decode::wire::{Hashes, Text};
use crate::model::bookkeeping::*;
use crate::model::prefix::PrefixFamily;
use crate::model::session::PrefixSegment;
use crate::model::suggestion::{Publication, Suggestion};

/// One row of the bookkeeping topic.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// The checkpoint.
    Partition(Checkpoint),
    /// An open suggestion.
    Open(Suggestion),
    /// What is known of a worker.
    Worker(WorkerRow),
    /// What is known of an adapter.
    Adapter(AdapterRow),
    /// A marker that keeps a subject erased.
    Erased(ErasureMarker),
    /// A segment of a prefix chain.
    Prefix(PrefixRow),
    /// A chunk of a work list.
    Work(WorkChunk),
}

/// A segment with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct PrefixRow {
    /// Family of the chain.
    pub family: PrefixFamily,
    /// First block.
    pub from_block: u64,
    /// Hashes and stamp.
    pub segment: PrefixSegment,
}

/// Avro body of a row.
pub fn row(row: &Row) -> Vec<u8> {
    let mut wire = Bookkeeping::default();
    wire.kind = Text::Borrowed(match row {
        Row::Partition(checkpoint) => {
            wire.partition = Some(partition(checkpoint));
            "partition"
        }
        Row::Open(open) => {
            let body = suggestion(open, &Publication::Open);
            wire.open = Some(OpenRow { kind: open.kind().into(), body });
            "open"
        }
        Row::Worker(row) => {
            wire.worker = Some(worker(row));
            "worker"
        }
        Row::Adapter(row) => {
            wire.adapter = Some(adapter(row));
            "adapter"
        }
        Row::Erased(marker) => {
            wire.erased = Some(ErasedRow { cut: marker.cut.0, dead: marker.dead, expires_at: marker.expires_at.0 });
            "erased"
        }
        Row::Prefix(row) => {
            wire.prefix = Some(prefix(row));
            "prefix"
        }
        Row::Work(chunk) => {
            wire.work = Some(work(chunk));
            "work"
        }
    });
    BOOKKEEPING.write_own(&wire)
}

fn partition(checkpoint: &Checkpoint) -> PartitionRow<'_> {
    PartitionRow {
        next_offset: checkpoint.next_offset.0,
        stream_time: checkpoint.stream_time.0,
        partition_count: checkpoint.partition_count,
        states: digest(checkpoint.states),
        vectors: digest(checkpoint.vectors),
        bookkeeping: digest(checkpoint.bookkeeping),
        engine_version: Text::Borrowed(&checkpoint.engine_version),
        policy: text(&checkpoint.policy),
    }
}

fn digest(digest: TopicDigest) -> WireDigest {
    WireDigest { live_keys: digest.live_keys as i64, sum: digest.sum.to_be_bytes().to_vec() }
}

fn worker(row: &WorkerRow) -> WireWorker<'_> {
    let cleared = row.cleared.iter().map(|(tier, (at, epoch))| Cleared {
        tier: tier.map(|tier| tier.label().into()),
        at: at.0,
        epoch: *epoch as i64,
    });
    WireWorker {
        epoch: row.epoch.map(|epoch| epoch as i64),
        lost_epoch: row.lost_epoch.map(|epoch| epoch as i64),
        lost_at: row.lost_at.map(|at| at.0),
        lost_all_at: row.lost_all_at.map(|at| at.0),
        cleared: cleared.collect(),
        started: row.started.as_ref().map(|start| WireStart {
            stamp: stamp(&start.stamp),
            epoch: start.epoch as i64,
            endpoint: texts(start.endpoint.as_ref()),
            model: texts(start.model.as_ref()),
            dp_size: start.dp_size.map(i64::from),
        }),
    }
}

fn adapter(row: &AdapterRow) -> WireAdapter<'_> {
    WireAdapter {
        published: row.published.as_ref().map(|published| WirePublication {
            stamp: stamp(&published.stamp),
            version: texts(published.value.version.as_ref()),
            digest: texts(published.value.digest.as_ref()),
            base_model: texts(published.value.base_model.as_ref()),
            uri: texts(published.value.uri.as_ref()),
        }),
        retired: row
            .retired
            .as_ref()
            .map(|retired| WireRetirement { stamp: stamp(&retired.stamp), version: texts(retired.value.as_ref()) }),
    }
}

fn prefix(row: &PrefixRow) -> WirePrefix<'_> {
    WirePrefix {
        algorithm: text(&row.family.algorithm),
        block_tokens: row.family.block_tokens.into(),
        stride: row.family.stride.into(),
        from_block: row.from_block as i64,
        stamp: stamp(&row.segment.stamp),
        hashes: Hashes(row.segment.hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect()),
    }
}

fn work(chunk: &WorkChunk) -> WorkRow<'_> {
    let (task, lost) = match &chunk.task {
        WorkTask::Erase => ("erase", None),
        WorkTask::WorkerLost { worker, stamp: told, reason } => {
            let lost = LostWorker { stamp: stamp(told), worker: text(worker), reason: reason.label().into() };
            ("worker_lost", Some(lost))
        }
    };
    let sessions = chunk
        .sessions
        .iter()
        .map(|(tenant, session)| SessionKey { tenant_id: tenant.as_str().into(), session_id: session.as_str().into() });
    WorkRow { task: task.into(), offset: chunk.offset.0, lost, sessions: sessions.collect() }
}
