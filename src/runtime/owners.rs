//! Which instance answers for which partition, as the instances say it of themselves. The group knows it, too, but not
//! where an instance is reached, and nobody is told but the members. What is said here only leads a request on its way:
//! whether a partition may be answered for, its owner alone knows.
//!
//! An owner also says which tenants its partition holds though it is not their home: with that record everybody knows where
//! a tenant lives that is spread over partitions. Whoever gives a partition up says it, too, so that it is missed.
//!
//! Of what is said of a partition the greatest generation counts, wherever in the topic it lies: a word that was on its
//! way for long does not undo a later owner's. Compaction keeps the last one, though, so the owner repeats its own where
//! anything lies behind it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::shards::Names;
use crate::http::settings::BaseUrl;
use crate::model::ids::TenantId;
use crate::model::position::PartitionId;

/// What an instance says of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// Where the instance is reached; `None`: it owns the partition no more.
    pub url: Option<String>,
    /// The group's generation in which it was assigned, or more, where a greater one was said before.
    pub generation: i64,
    /// Who says so.
    pub instance_id: String,
    /// Wall clock, ms since the epoch.
    pub since: i64,
    /// The tenants that it holds though it is not their home, by id; null: it may hold any.
    #[serde(default = "none")]
    pub tenants: Names,
}

/// What is said by whoever says nothing of tenants.
fn none() -> Names {
    Some(Vec::new())
}

impl Claim {
    /// Reads a record's value. `None`: it is a tombstone, or says nothing that can be used.
    pub fn read(value: Option<&[u8]>) -> Option<Claim> {
        let mut claim: Claim = serde_json::from_slice(value?).ok()?;
        claim.tenants.iter_mut().for_each(|tenants| tenants.sort_unstable());
        let usable = claim.url.as_ref().is_none_or(|url| BaseUrl::new(url).is_ok_and(|read| read.as_str() == url));
        Some(claim).filter(|_| usable)
    }

    /// A record's value.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The key of a record.
pub(super) fn key(group: &str, partition: PartitionId) -> String {
    format!("{group}/{partition}")
}

/// The partition of a key, if it is of the group.
pub(super) fn partition_of(group: &str, key: &[u8]) -> Option<PartitionId> {
    let (of, partition) = std::str::from_utf8(key).ok()?.rsplit_once('/')?;
    partition.parse().ok().filter(|partition| of == group && *partition >= 0).map(PartitionId)
}

/// A partition that this process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// Which.
    pub partition: PartitionId,
    /// The group's generation in which it was assigned.
    pub generation: i32,
    /// Whether it answers now.
    pub answers: bool,
    /// The tenants that it holds though it is not their home.
    pub guests: Names,
}

/// What was said so far.
pub(super) struct Table {
    instance_id: String,
    url: BaseUrl,
    rows: BTreeMap<PartitionId, Row>,
    /// Whether all was read that there was at the start.
    pub whole: bool,
}

#[derive(Default)]
struct Row {
    /// What counts.
    named: Option<Claim>,
    /// What was said last.
    last: Option<Claim>,
}

impl Table {
    /// Nothing was said yet. An instance says of itself where it is reached.
    pub fn new(instance_id: String, url: BaseUrl) -> Table {
        Table { instance_id, url, rows: BTreeMap::new(), whole: false }
    }

    /// Takes note of a record. What cannot be read, and a tombstone, changes nobody's mind: whoever wrote it, a live owner
    /// says it again.
    pub fn see(&mut self, partition: PartitionId, said: Option<Claim>) {
        let row = self.rows.entry(partition).or_default();
        let counts = |claim: &&Claim| {
            row.named.as_ref().is_none_or(|named| {
                // Of one generation the first counts, and what that instance says of it later.
                let again = claim.generation == named.generation && claim.instance_id == named.instance_id;
                claim.generation > named.generation || again
            })
        };
        if let Some(claim) = said.as_ref().filter(counts) {
            row.named = Some(claim.clone());
        }
        row.last = said;
    }

    /// Where another instance that owns a partition is reached.
    pub fn owner(&self, partition: PartitionId) -> Option<BaseUrl> {
        let named = self.rows.get(&partition)?.named.as_ref()?;
        let url = BaseUrl::new(named.url.as_ref()?).ok()?;
        Some(url).filter(|url| named.instance_id != self.instance_id && *url != self.url)
    }

    /// Whether a partition may hold a tenant though it is not the tenant's home; `None`: nothing was said of it.
    pub fn may_hold(&self, partition: PartitionId, tenant: &TenantId) -> Option<bool> {
        if !self.whole {
            return Some(true);
        }
        let named = self.rows.get(&partition)?.named.as_ref()?;
        let is = |held: &String| held.as_str().cmp(tenant.as_str());
        Some(named.tenants.as_ref().is_none_or(|tenants| tenants.binary_search_by(is).is_ok()))
    }

    /// What this instance has to say, since what counts or what was said last is something else.
    pub fn unsaid(&self, held: &[Held], now: i64) -> Vec<(PartitionId, Claim)> {
        let mut unsaid = Vec::new();
        for Held { partition, generation, guests, .. } in held.iter().filter(|held| held.answers) {
            let generation = i64::from(*generation);
            let row = self.rows.get(partition);
            let named = row.and_then(|row| row.named.as_ref());
            let claim = match named.filter(|named| self.is_mine(named)) {
                Some(mine)
                    if mine.url.as_deref() == Some(self.url.as_str())
                        && mine.generation >= generation
                        && mine.tenants == *guests =>
                {
                    if row.is_some_and(|row| row.last.as_ref() == Some(mine)) {
                        continue;
                    }
                    mine.clone()
                }
                Some(mine) => self.claim(generation.max(mine.generation), now, guests),
                // A group that was made anew counts anew, and what is left of the earlier one would count for ever.
                None => {
                    let generation = named.map_or(generation, |named| generation.max(named.generation + 1));
                    self.claim(generation, now, guests)
                }
            };
            unsaid.push((*partition, claim));
        }
        let held: BTreeSet<PartitionId> = held.iter().map(|held| held.partition).collect();
        unsaid.extend(self.withdrawn(now, |partition| !held.contains(&partition)));
        unsaid
    }

    /// That it owns no more what it said it owns, of the partitions that are to be given up.
    pub fn withdrawn(&self, now: i64, given_up: impl Fn(PartitionId) -> bool) -> Vec<(PartitionId, Claim)> {
        let mine = |row: &Row| row.named.clone().filter(|named| self.is_mine(named) && named.url.is_some());
        let given_up = self.rows.iter().filter(|(partition, _)| given_up(**partition));
        given_up.filter_map(|(p, row)| Some((*p, Claim { url: None, since: now, ..mine(row)? }))).collect()
    }

    fn claim(&self, generation: i64, since: i64, guests: &Names) -> Claim {
        let (url, instance_id) = (Some(self.url.to_string()), self.instance_id.clone());
        Claim { url, generation, instance_id, since, tenants: guests.clone() }
    }

    fn is_mine(&self, claim: &Claim) -> bool {
        claim.instance_id == self.instance_id
    }
}

#[cfg(test)]
#[path = "owners_tests.rs"]
mod tests;
