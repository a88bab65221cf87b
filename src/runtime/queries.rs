//! Answers the query port from the engines the workers share.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::board::{Board, Phase, RebuildView, Slot, read};
use crate::engine::validate::murmur2;
use crate::engine::{Engine, EngineStats, RecoveryQuery};
use crate::http::port::{Answer, FeedItem, PartitionPhase, PartitionStatus, QueryError, QueryPort};
use crate::model::ids::{SessionId, TenantId};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::session::SessionView;
use crate::model::suggestion::Suggestion;

impl QueryPort for Board {
    fn ready(&self) -> Result<(), String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err("shutting down".to_owned());
        }
        let joined = self.joined.load(Ordering::Relaxed);
        if joined < self.workers {
            return Err(format!("{joined} of {} workers have joined the group", self.workers));
        }
        for (partition, slot) in self.slots() {
            match slot.phase() {
                Phase::Running(_) => match slot.rebuild() {
                    None => {}
                    Some((RebuildView { waits_for: Some(cause), .. }, _)) => {
                        return Err(format!("partition {partition} is rebuilt and waits: {cause}"));
                    }
                    Some((_, share)) => {
                        return Err(format!("partition {partition} is being rebuilt ({:.0} %)", share * 100.0));
                    }
                },
                Phase::Restoring(share) => {
                    return Err(format!("partition {partition} is being restored ({:.0} %)", share * 100.0));
                }
                Phase::Failed(cause) => return Err(format!("partition {partition} is stopped: {cause}")),
            }
        }
        Ok(())
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        self.slots().into_iter().map(|(partition, slot)| status(partition, &slot)).collect()
    }

    fn session(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<SessionView>, QueryError> {
        self.ask(tenant, |engine| engine.session(tenant, session))
    }

    fn recovery(&self, query: &RecoveryQuery) -> Result<Answer<Suggestion>, QueryError> {
        self.ask(&query.tenant, |engine| engine.recovery(query))
    }

    fn feed(&self, after: u64) -> Vec<(u64, FeedItem)> {
        self.feed.after(after)
    }
}

impl Board {
    /// The first engine that knows an answer. A tenant may be spread over partitions (`tenant#n`), or placed
    /// by a partitioner of the producers' own, so all owned ones are asked, its usual one first.
    fn ask<T>(&self, tenant: &TenantId, question: impl Fn(&Engine) -> Option<T>) -> Result<Answer<T>, QueryError> {
        let home = home_partition(tenant, self.partition_count);
        let mut slots = self.slots();
        slots.sort_by_key(|(partition, _)| *partition != home);
        let mut fault = None;
        for (partition, slot) in &slots {
            match slot.phase() {
                Phase::Running(engine) => {
                    let engine = read(&engine);
                    if let Some(value) = question(&engine) {
                        let next = engine.next_offset().unwrap_or_default();
                        let as_of = Position { partition: *partition, offset: Offset((next.0 - 1).max(0)) };
                        return Ok(Answer { value, as_of, stream_time: engine.stream_time() });
                    }
                }
                Phase::Restoring(share) => fault = fault.or(Some(QueryError::Restoring(*partition, share))),
                Phase::Failed(cause) => fault = fault.or(Some(QueryError::Stopped(*partition, cause))),
            }
        }
        let owned = slots.iter().any(|(partition, _)| *partition == home);
        let here = |f: &QueryError| matches!(f, QueryError::Restoring(p, _) | QueryError::Stopped(p, _) if *p == home);
        match fault {
            // A partition that cannot answer now only matters where the tenant may live in it.
            Some(fault) if here(&fault) => Err(fault),
            _ if !owned => Err(QueryError::NotOwned(home)),
            _ => Err(QueryError::NotFound),
        }
    }
}

fn home_partition(tenant: &TenantId, partition_count: i32) -> PartitionId {
    let hash = murmur2(tenant.as_str().as_bytes()) & 0x7fff_ffff;
    PartitionId((i64::from(hash) % i64::from(partition_count.max(1))) as i32)
}

fn status(partition: PartitionId, slot: &Arc<Slot>) -> PartitionStatus {
    let (phase, stats) = match slot.phase() {
        Phase::Restoring(share) => (PartitionPhase::Restoring(share), EngineStats::default()),
        Phase::Running(engine) => {
            let phase = match slot.rebuild() {
                Some((_, share)) => PartitionPhase::Restoring(share),
                None => PartitionPhase::Running,
            };
            (phase, read(&engine).stats())
        }
        Phase::Failed(cause) => (PartitionPhase::Failed(cause), EngineStats::default()),
    };
    PartitionStatus { partition, phase, next_offset: slot.next_offset(), lag: slot.lag(), stats }
}
