//! The index, and what it is measured beside: exact search, and two libraries that keep a graph.

use rekindle::engine::index::{Columns, SlotHint, SpaceIndex, Wanted};
use rekindle::model::event::TransferScope;
use rekindle::model::ids::{SessionId, UserId};
use rekindle::model::session::Status;
use rekindle::model::time::EventTime;
use rekindle::model::vector::{UnitVector, cosine};

/// A vector index a tenant, as the churn drives it. Sessions are numbers below what it was made for.
pub trait Peer {
    /// Stores or overwrites.
    fn upsert(&mut self, tenant: usize, session: usize, vector: &[f32]);
    /// The nearest `k` without the session itself, best first.
    fn search(&self, tenant: usize, session: usize, vector: &[f32], k: usize) -> Vec<usize>;
    /// What it says that it takes, bytes, where the counting allocator does not see it.
    #[cfg(feature = "peers")]
    fn foreign_bytes(&self) -> usize {
        0
    }
}

/// The ids of sessions and users, made once.
pub struct Ids {
    pub sessions: Vec<SessionId>,
    users: Vec<UserId>,
}

impl Ids {
    pub fn new(sessions: usize) -> Ids {
        let users = (0..sessions / 4 + 1).map(|n| UserId::new(&format!("user-{n:08}")).expect("an id"));
        let sessions = (0..sessions).map(|n| SessionId::new(&format!("session-{n:08}")).expect("an id"));
        Ids { sessions: sessions.collect(), users: users.collect() }
    }

    pub fn columns(&self, session: usize) -> Columns<'_> {
        Columns {
            user: Some(&self.users[session / 4]),
            status: Some(Status::Active),
            expires_at: Some(EventTime(1_762_340_000_000 + session as i64)),
            adapter: None,
            scope: TransferScope::Tenant,
            last_active: Some(EventTime(1_762_340_000_000 + session as i64)),
        }
    }

    pub fn number(&self, id: &SessionId) -> usize {
        id.as_str()["session-".len()..].parse().expect("one of these")
    }
}

/// Rekindle's.
pub struct Ours<'i> {
    ids: &'i Ids,
    tenants: Vec<SpaceIndex>,
    /// As the service keeps them with its sessions.
    hints: Vec<SlotHint>,
}

impl<'i> Ours<'i> {
    pub fn new(ids: &'i Ids, tenants: usize, dim: usize) -> Ours<'i> {
        let hints = vec![SlotHint::default(); ids.sessions.len()];
        Ours { ids, tenants: (0..tenants).map(|_| SpaceIndex::new(dim)).collect(), hints }
    }
}

impl Peer for Ours<'_> {
    fn upsert(&mut self, tenant: usize, session: usize, vector: &[f32]) {
        let unit = UnitVector::normalised(vector).expect("a direction");
        let hint = &mut self.hints[session];
        self.tenants[tenant].upsert(&self.ids.sessions[session], hint, &unit, &self.ids.columns(session));
    }

    fn search(&self, tenant: usize, session: usize, vector: &[f32], k: usize) -> Vec<usize> {
        let unit = UnitVector::normalised(vector).expect("a direction");
        let wanted = Wanted { except: Some(&self.ids.sessions[session]), ..Wanted::default() };
        let hits = self.tenants[tenant].search(&unit, k, &wanted);
        hits.iter().map(|hit| self.ids.number(&hit.session)).collect()
    }
}

/// All vectors of a tenant, each compared: what recall is measured against.
pub struct Exact {
    tenants: Vec<Vec<(usize, UnitVector)>>,
    slots: Vec<Option<usize>>,
}

impl Exact {
    pub fn new(sessions: usize, tenants: usize) -> Exact {
        Exact { tenants: vec![Vec::new(); tenants], slots: vec![None; sessions] }
    }
}

impl Peer for Exact {
    fn upsert(&mut self, tenant: usize, session: usize, vector: &[f32]) {
        let unit = UnitVector::normalised(vector).expect("a direction");
        let rows = &mut self.tenants[tenant];
        match self.slots[session] {
            Some(slot) => rows[slot].1 = unit,
            None => {
                self.slots[session] = Some(rows.len());
                rows.push((session, unit));
            }
        }
    }

    fn search(&self, tenant: usize, session: usize, vector: &[f32], k: usize) -> Vec<usize> {
        let unit = UnitVector::normalised(vector).expect("a direction");
        let wide = unit.to_f32();
        let rows = self.tenants[tenant].iter().filter(|(other, _)| *other != session);
        let cosine = |v: &UnitVector| cosine(&wide, unit.inverse_norm(), v.as_slice(), v.inverse_norm());
        let mut scored: Vec<(f64, usize)> = rows.map(|(other, v)| (cosine(v), *other)).collect();
        scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scored.into_iter().take(k).map(|(_, other)| other).collect()
    }
}

#[cfg(feature = "peers")]
pub mod graphs {
    //! Libraries that keep a graph: an overwrite is a removal and an insertion.

    use ruvector_core::types::{DbOptions, DistanceMetric, HnswConfig, SearchQuery, VectorEntry};
    use ruvector_core::vector_db::VectorDB;
    use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

    use super::Peer;

    /// usearch with half precision and its own defaults.
    pub struct Usearch(Vec<Index>);

    impl Usearch {
        pub fn new(tenants: usize, dim: usize, capacity: usize) -> Usearch {
            let options = IndexOptions {
                dimensions: dim,
                metric: MetricKind::Cos,
                quantization: ScalarKind::F16,
                ..IndexOptions::default()
            };
            let index = |_| {
                let index = Index::new(&options).expect("usearch");
                index.reserve(capacity).expect("usearch reserves");
                index
            };
            Usearch((0..tenants).map(index).collect())
        }
    }

    impl Peer for Usearch {
        fn upsert(&mut self, tenant: usize, session: usize, vector: &[f32]) {
            let index = &self.0[tenant];
            if index.contains(session as u64) {
                index.remove(session as u64).expect("usearch removes");
            }
            index.add(session as u64, vector).expect("usearch adds");
        }

        fn search(&self, tenant: usize, session: usize, vector: &[f32], k: usize) -> Vec<usize> {
            let found = self.0[tenant].search(vector, k + 1).expect("usearch searches");
            found.keys.iter().map(|key| *key as usize).filter(|key| *key != session).take(k).collect()
        }

        fn foreign_bytes(&self) -> usize {
            self.0.iter().map(Index::memory_usage).sum()
        }
    }

    /// ruvector's database, in memory.
    pub struct Ruvector(Vec<VectorDB>);

    impl Ruvector {
        pub fn new(tenants: usize, dim: usize, capacity: usize) -> Ruvector {
            let db = |_| {
                let options = DbOptions {
                    dimensions: dim,
                    distance_metric: DistanceMetric::Cosine,
                    storage_path: "memory://".to_owned(),
                    hnsw_config: Some(HnswConfig { max_elements: capacity, ..HnswConfig::default() }),
                    quantization: None,
                };
                VectorDB::new(options).expect("ruvector")
            };
            Ruvector((0..tenants).map(db).collect())
        }
    }

    impl Peer for Ruvector {
        fn upsert(&mut self, tenant: usize, session: usize, vector: &[f32]) {
            let id = session.to_string();
            self.0[tenant].delete(&id).expect("ruvector deletes");
            let entry = VectorEntry { id: Some(id), vector: vector.to_vec(), metadata: None };
            self.0[tenant].insert(entry).expect("ruvector inserts");
        }

        fn search(&self, tenant: usize, session: usize, vector: &[f32], k: usize) -> Vec<usize> {
            let query = SearchQuery { vector: vector.to_vec(), k: k + 1, filter: None, ef_search: None };
            let found = self.0[tenant].search(query).expect("ruvector searches");
            let numbers = found.iter().map(|hit| hit.id.parse().expect("one of these"));
            numbers.filter(|other: &usize| *other != session).take(k).collect()
        }
    }
}
