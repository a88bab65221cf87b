//! Tenants that are spread over partitions (`tenant#n`, or a partitioner of the producers' own): in which of them a tenant
//! may live, which partition's answer counts, and how those of several become one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::board::{Board, SharedEngine, Slot, read};
use super::queries::{Queries, running};
use crate::engine::validate::home_partition;
use crate::engine::{Engine, Found, Guests, PrefixMatch, RecoveryQuery};
use crate::http::port::{Answer, QueryError, Rank, Whereabouts};
use crate::model::ids::{SessionId, TenantId};
use crate::model::position::PartitionId;
use crate::model::suggestion::Advice;
use crate::model::time::EventTime;

/// Tenants that a partition tells by name; of more it says that it may hold any.
const MOST_TOLD: usize = 1_000;
/// Between two looks at which tenants a partition holds.
const LOOK: Duration = Duration::from_secs(1);

/// Whether an answer is one about what was asked, how good it is, and the session that settles ties: see [`Rank`].
pub(super) type Standing = (bool, Vec<i64>, String);
/// A partition that runs.
type Part = (PartitionId, Arc<Slot>, SharedEngine);

impl Queries {
    /// Partitions in which a tenant may live, its home first; or those that are asked alone.
    pub fn may_hold(&self, tenant: &TenantId) -> Vec<PartitionId> {
        let home = self.home(tenant);
        let mut partitions = match &self.within {
            Some(within) => within.clone(),
            None => self.board.may_hold(tenant, home),
        };
        partitions.sort_by_key(|partition| (*partition != home, *partition));
        partitions
    }

    fn home(&self, tenant: &TenantId) -> PartitionId {
        home_partition(tenant.as_str().as_bytes(), self.board.partition_count)
    }

    /// Those that run, and why the first of the others does not.
    fn parts(&self, tenant: &TenantId) -> (Vec<Part>, Option<QueryError>) {
        let (mut parts, mut fault) = (Vec::new(), None);
        for partition in self.may_hold(tenant) {
            let slot = self.board.slot(partition).ok_or(QueryError::NotOwned(partition));
            match slot.and_then(|slot| Ok((partition, running(partition, &slot)?, slot))) {
                Ok((partition, engine, slot)) => parts.push((partition, slot, engine)),
                Err(cause) => fault = fault.or(Some(cause)),
            }
        }
        (parts, fault)
    }

    /// The answer of the partition that knows best. One that cannot be asked only matters where none knows for certain.
    pub fn best<T>(
        &self,
        tenant: &TenantId,
        standing: impl Fn(&Engine) -> Standing,
        question: impl Fn(&Engine, &Slot) -> Option<T>,
    ) -> Result<Answer<T>, QueryError> {
        let (parts, fault) = self.parts(tenant);
        let alone = parts.len() == 1 && fault.is_none() && self.within.is_none();
        let mut best: Option<Answer<T>> = None;
        for (partition, slot, engine) in parts {
            let engine = read(&engine);
            let Some(value) = question(&engine, &slot) else { continue };
            if alone {
                // There is nothing to compare it with.
                return Ok(Answer::of(&engine, slot.input_end(), value));
            }
            let (certain, order, session) = standing(&engine);
            let rank = Rank { session, ..Rank::at(partition, self.home(tenant), certain, order) };
            if best.as_ref().is_none_or(|best| best.rank < rank) {
                best = Some(Answer { rank, ..Answer::of(&engine, slot.input_end(), value) });
            }
        }
        match (best, fault) {
            (Some(best), _) if best.rank.certain => Ok(best),
            (_, Some(fault)) => Err(fault),
            (best, None) => best.ok_or(QueryError::NotFound),
        }
    }

    /// The same of a session.
    pub fn of_session<T>(
        &self,
        tenant: &TenantId,
        session: &SessionId,
        question: impl Fn(&Engine, &Slot) -> Option<T>,
    ) -> Result<Answer<T>, QueryError> {
        let standing = |engine: &Engine| (true, vec![instant(engine.session_active(tenant, session))], String::new());
        self.best(tenant, standing, question)
    }

    /// One answer of all partitions that know the tenant; of its home where none does. All in which it may live have to
    /// run.
    pub fn all<T>(
        &self,
        tenant: &TenantId,
        question: impl Fn(&Engine) -> T,
        merge: impl FnOnce(Vec<T>) -> T,
    ) -> Result<Answer<T>, QueryError> {
        let (parts, fault) = self.parts(tenant);
        if let Some(fault) = fault {
            return Err(fault);
        }
        let answers = parts.into_iter().map(|(partition, slot, engine)| {
            let engine = read(&engine);
            let rank = Rank::at(partition, self.home(tenant), engine.knows_tenant(tenant), Vec::new());
            Answer { rank, ..Answer::of(&engine, slot.input_end(), question(&engine)) }
        });
        let mut answers: Vec<Answer<T>> = answers.collect();
        if answers.iter().any(|answer| answer.rank.certain) {
            answers.retain(|answer| answer.rank.certain);
        } else {
            answers.truncate(1);
        }
        Answer::merged(answers, merge).ok_or(QueryError::NotFound)
    }
}

impl Board {
    /// Partitions in which a tenant may live. Of one that does not run here counts what was last known of it.
    fn may_hold(&self, tenant: &TenantId, home: PartitionId) -> Vec<PartitionId> {
        let slots: BTreeMap<PartitionId, Arc<Slot>> = self.slots().into_iter().collect();
        let table = self.owners.as_ref().map(|owners| read(owners));
        let said = |partition| table.as_ref().and_then(|table| table.may_hold(partition, tenant));
        let may = |partition: PartitionId| match slots.get(&partition) {
            _ if partition == home => true,
            None => said(partition).unwrap_or(false),
            Some(slot) => {
                let elsewhere = || !slot.lease.holds(Instant::now()) && said(partition).unwrap_or(false);
                match slot.guests() {
                    Some(guests) => guests.contain(tenant) || elsewhere(),
                    None => said(partition).unwrap_or(true),
                }
            }
        };
        (0..self.partition_count).map(PartitionId).filter(|partition| may(*partition)).collect()
    }

    /// Where a partition can be asked.
    pub fn place(&self, partition: PartitionId) -> Whereabouts {
        let slot = self.slot(partition);
        if slot.as_ref().is_some_and(|slot| slot.lease.holds(Instant::now())) {
            return Whereabouts::Here;
        }
        match self.owners.as_ref().and_then(|owners| read(owners).owner(partition)) {
            Some(url) => Whereabouts::At(url),
            None if slot.is_some() => Whereabouts::Here,
            None => Whereabouts::Nowhere,
        }
    }
}

/// Of what is known wherever it is.
pub(super) fn certain(_: &Engine) -> Standing {
    (true, Vec::new(), String::new())
}

/// Instants as ranks hold them: what is not known comes last.
pub(super) fn instant(at: Option<EventTime>) -> i64 {
    at.map_or(i64::MIN, |at| at.0)
}

/// Whether the session that a query names, or else its user, is known; then how it compares: as an engine compares the
/// sessions that it holds.
pub(super) fn standing(engine: &Engine, query: &RecoveryQuery) -> Standing {
    let RecoveryQuery { tenant, session, user, .. } = query;
    let session_active = session.as_ref().and_then(|session| engine.session_active(tenant, session));
    let user_active = user.as_ref().and_then(|user| engine.user_active(tenant, user));
    let certain = if session.is_some() { session_active.is_some() } else { user_active.is_some() };
    let mut order = vec![instant(session_active), instant(user_active)];
    let found = engine.goes_on(query);
    if let Some((depth, live, Reverse(tier), at, _)) = found.as_ref().map(PrefixMatch::rank) {
        order.extend([depth as i64, i64::from(live), -tier.map_or(0, |tier| tier as i64), at.0]);
    } else if !certain && let Some(Advice::Recovery(recovery)) = engine.recovery(query).map(|found| found.advice) {
        // Nothing goes on: what can be taken over of another session's KV.
        order.extend([0, 0, recovery.matched_tokens.unwrap_or(0) as i64]);
    }
    (certain, order, found.map_or(String::new(), |found| found.session.as_str().to_owned()))
}

/// The nearest of those that partitions found.
pub(super) fn nearest(found: Vec<Vec<Found>>, k: usize) -> Vec<Found> {
    let mut found: Vec<Found> = found.into_iter().flatten().collect();
    found.sort_by(|one, other| {
        let by_similarity = other.hit.similarity.total_cmp(&one.hit.similarity);
        by_similarity.then_with(|| one.hit.session.cmp(&other.hit.session))
    });
    found.truncate(k);
    found
}

/// The first of the matches that partitions found.
pub(super) fn deepest(found: Vec<Vec<PrefixMatch>>, limit: usize) -> Vec<PrefixMatch> {
    let mut found: Vec<PrefixMatch> = found.into_iter().flatten().collect();
    found.sort_by(|one, other| other.rank().cmp(&one.rank()));
    found.truncate(limit);
    found
}

/// The ids of a partition's guests, in order; `None`: they are too many to tell.
pub(super) type Names = Option<Vec<String>>;

/// What was told last of the guests of this process's partitions.
#[derive(Default)]
pub(super) struct GuestLists {
    of: BTreeMap<PartitionId, GuestList>,
    looked: Option<Instant>,
}

struct GuestList {
    guests: Arc<Guests>,
    changes: u64,
    names: Names,
}

impl GuestLists {
    /// Looks again at what may have changed, about once a second, and at what is new at once.
    pub fn look(&mut self, board: &Board) {
        let again = self.looked.is_none_or(|at| at.elapsed() >= LOOK);
        if again {
            self.looked = Some(Instant::now());
        }
        for (partition, slot) in board.slots() {
            let Some(guests) = slot.guests() else { continue };
            // Looked at before the names: what changes meanwhile is seen the next time.
            let changes = guests.changes();
            let known = self.of.get(&partition).filter(|list| Arc::ptr_eq(&list.guests, &guests));
            if known.is_none_or(|list| again && list.changes != changes) {
                let names = guests.names(MOST_TOLD);
                self.of.insert(partition, GuestList { guests, changes, names });
            }
        }
    }

    /// Those of a partition, as they were seen last; any where they were not seen since it runs.
    pub fn of(&self, partition: PartitionId, slot: &Slot) -> Names {
        let guests = slot.guests()?;
        let list = self.of.get(&partition).filter(|list| Arc::ptr_eq(&list.guests, &guests))?;
        list.names.clone()
    }
}

#[cfg(test)]
#[path = "shards_tests.rs"]
mod tests;
