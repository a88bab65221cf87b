//! Answers the query port from the engines the workers share.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::board::{Board, Phase, RebuildView, SharedEngine, Slot, read};
use super::kept::Kept;
use super::shards::{certain, deepest, instant, nearest, standing};
use crate::engine::validate::home_partition;
use crate::engine::{
    Blocks, ChainOf, Engine, EngineStats, Explained, Found, HistoryPage, HistoryQuery, NamedEvent, PrefixMatch,
    PrefixQuery, RecoveryQuery, SearchQuery, Sought, Told,
};
use crate::http::port::{
    Answer, Behind, Embedding, Erasure, FeedItem, KeptBy, Left, NotWritten, PartitionPhase, PartitionStatus,
    QueryError, QueryPort, Whereabouts,
};
use crate::http::settings::BaseUrl;
use crate::model::event::ErasureScope;
use crate::model::ids::{SessionId, SuggestionId, TenantId};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::session::SessionView;
use crate::model::suggestion::Suggestion;

/// The port: asks the partitions of a board, all or some of them.
#[derive(Clone)]
pub(super) struct Queries {
    pub board: Arc<Board>,
    /// `None`: all.
    pub within: Option<Vec<PartitionId>>,
}

impl Queries {
    /// Asks all partitions.
    pub fn of(board: &Arc<Board>) -> Arc<Queries> {
        Arc::new(Queries { board: Arc::clone(board), within: None })
    }
}

impl QueryPort for Queries {
    fn ready(&self) -> Result<(), String> {
        if self.board.stopping.load(Ordering::Relaxed) {
            return Err("shutting down".to_owned());
        }
        let joined = self.board.joined.load(Ordering::Relaxed);
        if joined < self.board.workers {
            return Err(format!("{joined} of {} workers have joined the group", self.board.workers));
        }
        for (partition, slot) in self.board.slots() {
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
        self.board.slots().into_iter().map(|(partition, slot)| status(partition, &slot)).collect()
    }

    fn session(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<SessionView>, QueryError> {
        self.of_session(tenant, session, |engine, _| engine.session(tenant, session))
    }

    fn session_and_vector(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Answer<(SessionView, Option<Embedding>)>, QueryError> {
        self.of_session(tenant, session, |engine, _| {
            Some((engine.session(tenant, session)?, engine.vector(tenant, session)))
        })
    }

    fn events(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<NamedEvent>>, QueryError> {
        self.of_session(tenant, session, |engine, _| engine.named_events(tenant, session))
    }

    fn suggestions(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<Told>>, QueryError> {
        self.of_session(tenant, session, |engine, slot| slot.endings().suggestions(engine, tenant, session))
    }

    fn suggestion(&self, tenant: &TenantId, id: &SuggestionId) -> Result<Answer<Explained>, QueryError> {
        self.best(tenant, certain, |engine, slot| slot.endings().suggestion(engine, tenant, id))
    }

    fn blocks(&self, tenant: &TenantId, of: &ChainOf) -> Result<Answer<Option<Blocks>>, QueryError> {
        let blocks = |engine: &Engine, slot: &Slot| slot.endings().blocks(engine, tenant, of);
        match of {
            ChainOf::Session(session) => self.of_session(tenant, session, blocks),
            ChainOf::Suggestion(_) => self.best(tenant, certain, blocks),
        }
    }

    fn history(&self, query: &HistoryQuery) -> Result<Answer<HistoryPage>, QueryError> {
        let HistoryQuery { tenant, user, .. } = query;
        let rank = |engine: &Engine| {
            let active = engine.user_active(tenant, user);
            (active.is_some(), vec![instant(active)], String::new())
        };
        self.best(tenant, rank, |engine, _| Some(engine.history(query)))
    }

    fn search(&self, query: &SearchQuery) -> Result<Answer<Vec<Found>>, QueryError> {
        let SearchQuery { tenant, sought, k, .. } = query;
        let mut query = query.clone();
        if let Sought::Session(session, wanted) = sought {
            let own = self.of_session(tenant, session, |engine, _| {
                engine.session_active(tenant, session).map(|_| engine.vector(tenant, session))
            })?;
            let own = own.value.filter(|(space, _)| wanted.as_ref().is_none_or(|wanted| wanted == space));
            let (space, vector) = own.ok_or(QueryError::NotFound)?;
            query.sought = Sought::Vector(space, vector);
            query.filter.except = Some(session.clone());
        }
        self.all(tenant, |engine| engine.find(&query).unwrap_or_default(), |found| nearest(found, *k))
    }

    fn prefix_match(&self, query: &PrefixQuery) -> Result<Answer<Vec<PrefixMatch>>, QueryError> {
        let PrefixQuery { tenant, cache, family, hashes, user, except, limit } = query;
        let (user, except) = (user.as_ref(), except.as_ref());
        let matches = |engine: &Engine| engine.prefix_match(tenant, cache, family, hashes, user, except, *limit);
        self.all(tenant, matches, |found| deepest(found, *limit))
    }

    fn recovery(&self, query: &RecoveryQuery) -> Result<Answer<Suggestion>, QueryError> {
        self.best(&query.tenant, |engine| standing(engine, query), |engine, _| engine.recovery(query))
    }

    fn behind(&self, record: Position) -> Result<Option<Behind>, QueryError> {
        let Position { partition, offset } = record;
        if partition.0 >= self.board.partition_count {
            return Err(QueryError::NoSuchPartition(partition, self.board.partition_count));
        }
        if self.within.as_ref().is_some_and(|within| !within.contains(&partition)) {
            return Ok(None);
        }
        let slot = self.board.slot(partition).ok_or(QueryError::NotOwned(partition))?;
        // Entered before it is looked: what is folded from here on wakes it.
        let passing = slot.waiters.wait(offset);
        let engine = running(partition, &slot)?;
        let stands = Answer::of(&read(&engine), slot.input_end(), ());
        let behind = stands.as_of.offset < offset;
        Ok(behind.then(|| Behind { stands, passing: Box::pin(passing) }))
    }

    fn erase(&self, erasure: &Erasure) -> Result<Vec<Offset>, NotWritten> {
        let eraser = self.board.eraser.as_ref().ok_or_else(|| NotWritten("there is no input".to_owned()))?;
        eraser.erase(erasure)
    }

    fn kept(&self) -> Result<Vec<KeptBy>, String> {
        self.board.kept.as_ref().map_or_else(|| Ok(Vec::new()), Kept::topics)
    }

    fn left(
        &self,
        partition: PartitionId,
        tenant: &TenantId,
        scope: &ErasureScope,
    ) -> Result<Answer<Left>, QueryError> {
        let within = self.within.as_ref().is_none_or(|within| within.contains(&partition));
        let slot = self.board.slot(partition).filter(|_| within).ok_or(QueryError::NotOwned(partition))?;
        let engine = running(partition, &slot)?;
        let engine = read(&engine);
        let left = Left { remains: engine.remains(tenant, scope), committed: slot.next_offset() };
        Ok(Answer::of(&engine, slot.input_end(), left))
    }

    fn owner(&self, tenant: &TenantId, partition: PartitionId) -> Option<BaseUrl> {
        // Elsewhere the tenant would be answered for by nobody, and sent back.
        let home = home_partition(tenant.as_str().as_bytes(), self.board.partition_count);
        self.board.owners.as_ref().filter(|_| partition == home).and_then(|owners| read(owners).owner(partition))
    }

    fn places(&self, tenant: Option<&TenantId>) -> Vec<(PartitionId, Whereabouts)> {
        if self.board.owners.is_none() {
            return Vec::new();
        }
        let partitions = match tenant {
            Some(tenant) => self.may_hold(tenant),
            None => (0..self.board.partition_count).map(PartitionId).collect(),
        };
        partitions.into_iter().map(|partition| (partition, self.board.place(partition))).collect()
    }

    fn only(self: Arc<Self>, partitions: Vec<PartitionId>) -> Arc<dyn QueryPort> {
        Arc::new(Queries { board: Arc::clone(&self.board), within: Some(partitions) })
    }

    fn feed(&self, after: u64) -> Vec<(u64, FeedItem)> {
        self.board.feed.after(after)
    }
}

/// The engine of a partition, if it folds and is nobody else's.
pub(super) fn running(partition: PartitionId, slot: &Slot) -> Result<SharedEngine, QueryError> {
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
