//! Answers the query port from the engines the workers share.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::board::{Board, Phase, RebuildView, SharedEngine, Slot, read};
use super::kept::Kept;
use crate::engine::validate::home_partition;
use crate::engine::{
    Blocks, ChainOf, Engine, EngineStats, Explained, Found, HistoryPage, HistoryQuery, NamedEvent, PrefixMatch,
    PrefixQuery, RecoveryQuery, SearchQuery, Sought, Told,
};
use crate::http::port::{
    Answer, Behind, Embedding, Erasure, FeedItem, KeptBy, Left, NotWritten, PartitionPhase, PartitionStatus,
    QueryError, QueryPort,
};
use crate::http::settings::BaseUrl;
use crate::model::event::ErasureScope;
use crate::model::ids::{SessionId, SuggestionId, TenantId};
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
            if !slot.lease.holds(Instant::now()) {
                return Err(QueryError::Unconfirmed(partition).to_string());
            }
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

    fn session_and_vector(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Answer<(SessionView, Option<Embedding>)>, QueryError> {
        self.ask(tenant, |engine| Some((engine.session(tenant, session)?, engine.vector(tenant, session))))
    }

    fn events(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<NamedEvent>>, QueryError> {
        self.ask(tenant, |engine| engine.named_events(tenant, session))
    }

    fn suggestions(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<Told>>, QueryError> {
        self.ask_slot(tenant, |engine, slot| slot.endings().suggestions(engine, tenant, session))
    }

    fn suggestion(&self, tenant: &TenantId, id: &SuggestionId) -> Result<Answer<Explained>, QueryError> {
        self.ask_slot(tenant, |engine, slot| slot.endings().suggestion(engine, tenant, id))
    }

    fn blocks(&self, tenant: &TenantId, of: &ChainOf) -> Result<Answer<Option<Blocks>>, QueryError> {
        self.ask_slot(tenant, |engine, slot| slot.endings().blocks(engine, tenant, of))
    }

    fn history(&self, query: &HistoryQuery) -> Result<Answer<HistoryPage>, QueryError> {
        let HistoryQuery { tenant, user, .. } = query;
        self.list(tenant, |engine| engine.knows_user(tenant, user), |engine| engine.history(query))
    }

    fn search(&self, query: &SearchQuery) -> Result<Answer<Vec<Found>>, QueryError> {
        let SearchQuery { tenant, sought, .. } = query;
        match sought {
            Sought::Session(..) => self.ask(tenant, |engine| engine.find(query)),
            Sought::Vector(..) => {
                self.list(tenant, |engine| engine.knows_tenant(tenant), |engine| engine.find(query).unwrap_or_default())
            }
        }
    }

    fn prefix_match(&self, query: &PrefixQuery) -> Result<Answer<Vec<PrefixMatch>>, QueryError> {
        let PrefixQuery { tenant, cache, family, hashes, user, except, limit } = query;
        let (user, except) = (user.as_ref(), except.as_ref());
        self.list(
            tenant,
            |engine| engine.knows_tenant(tenant),
            |engine| engine.prefix_match(tenant, cache, family, hashes, user, except, *limit),
        )
    }

    fn recovery(&self, query: &RecoveryQuery) -> Result<Answer<Suggestion>, QueryError> {
        self.ask(&query.tenant, |engine| engine.recovery(query))
    }

    fn behind(&self, record: Position) -> Result<Option<Behind>, QueryError> {
        let Position { partition, offset } = record;
        if partition.0 >= self.partition_count {
            return Err(QueryError::NoSuchPartition(partition, self.partition_count));
        }
        let slot = self.slot(partition).ok_or(QueryError::NotOwned(partition))?;
        // Entered before it is looked: what is folded from here on wakes it.
        let passing = slot.waiters.wait(offset);
        let engine = running(partition, &slot)?;
        let stands = Answer::of(&read(&engine), slot.input_end(), ());
        let behind = stands.as_of.offset < offset;
        Ok(behind.then(|| Behind { stands, passing: Box::pin(passing) }))
    }

    fn erase(&self, erasure: &Erasure) -> Result<Vec<Offset>, NotWritten> {
        let eraser = self.eraser.as_ref().ok_or_else(|| NotWritten("there is no input".to_owned()))?;
        eraser.erase(erasure)
    }

    fn kept(&self) -> Result<Vec<KeptBy>, String> {
        self.kept.as_ref().map_or_else(|| Ok(Vec::new()), Kept::topics)
    }

    fn left(
        &self,
        partition: PartitionId,
        tenant: &TenantId,
        scope: &ErasureScope,
    ) -> Result<Answer<Left>, QueryError> {
        let slot = self.slot(partition).ok_or(QueryError::NotOwned(partition))?;
        let engine = running(partition, &slot)?;
        let engine = read(&engine);
        let left = Left { remains: engine.remains(tenant, scope), committed: slot.next_offset() };
        Ok(Answer::of(&engine, slot.input_end(), left))
    }

    fn owner(&self, tenant: &TenantId, partition: PartitionId) -> Option<BaseUrl> {
        // Elsewhere the tenant would be answered for by nobody, and sent back.
        let home = home_partition(tenant.as_str().as_bytes(), self.partition_count);
        self.owners.as_ref().filter(|_| partition == home).and_then(|owners| read(owners).owner(partition))
    }

    fn feed(&self, after: u64) -> Vec<(u64, FeedItem)> {
        self.feed.after(after)
    }
}

impl Board {
    /// The first engine that knows an answer. A tenant may be spread over partitions (`tenant#n`), or placed
    /// by a partitioner of the producers' own, so all owned ones are asked, its usual one first.
    fn ask<T>(&self, tenant: &TenantId, question: impl Fn(&Engine) -> Option<T>) -> Result<Answer<T>, QueryError> {
        self.ask_slot(tenant, |engine, _| question(engine))
    }

    /// The same of an engine and what belongs to it.
    fn ask_slot<T>(
        &self,
        tenant: &TenantId,
        question: impl Fn(&Engine, &Slot) -> Option<T>,
    ) -> Result<Answer<T>, QueryError> {
        let home = home_partition(tenant.as_str().as_bytes(), self.partition_count);
        let mut slots = self.slots();
        slots.sort_by_key(|(partition, _)| *partition != home);
        let mut fault = None;
        for (partition, slot) in &slots {
            match running(*partition, slot) {
                Ok(engine) => {
                    let engine = read(&engine);
                    if let Some(value) = question(&engine, slot) {
                        return Ok(Answer::of(&engine, slot.input_end(), value));
                    }
                }
                Err(cause) => fault = fault.or(Some(cause)),
            }
        }
        let owned = slots.iter().any(|(partition, _)| *partition == home);
        match fault {
            // A partition that cannot answer now only matters where the tenant may live in it.
            Some(fault) if fault.partition() == Some(home) => Err(fault),
            _ if !owned => Err(QueryError::NotOwned(home)),
            _ => Err(QueryError::NotFound),
        }
    }

    /// A list from the first engine that knows of whom it is. Where none does, it is the empty one of the tenant's usual
    /// partition.
    fn list<T>(
        &self,
        tenant: &TenantId,
        knows: impl Fn(&Engine) -> bool,
        question: impl Fn(&Engine) -> T,
    ) -> Result<Answer<T>, QueryError> {
        match self.ask(tenant, |engine| knows(engine).then(|| question(engine))) {
            Err(QueryError::NotFound) => self.ask(tenant, |engine| Some(question(engine))),
            answer => answer,
        }
    }
}

/// The engine of a partition, if it folds and is nobody else's.
fn running(partition: PartitionId, slot: &Slot) -> Result<SharedEngine, QueryError> {
    if !slot.lease.holds(Instant::now()) {
        return Err(QueryError::Unconfirmed(partition));
    }
    match slot.phase() {
        Phase::Running(engine) => Ok(engine),
        Phase::Restoring(share) => Err(QueryError::Restoring(partition, share)),
        Phase::Failed(cause) => Err(QueryError::Stopped(partition, cause)),
    }
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

#[cfg(test)]
#[path = "queries_tests.rs"]
mod tests;
