//! Rebuilds an engine from the three state topics, and refuses where they do not agree.

use hashbrown::HashMap;
use std::sync::Arc;

use crate::engine::encode::keys::{self, BookKey};
use crate::engine::encode::{self, Resting, Row};
use crate::engine::index::{Columns, SpaceIndex};
use crate::engine::ledger;
use crate::engine::packed::Packed;
use crate::engine::process::Engine;
use crate::engine::restore_error::RestoreError;
use crate::engine::settings::EngineSettings;
use crate::engine::store::{Session, Tenant, leave};
use crate::model::bookkeeping::{Checkpoint, TopicDigest, WorkTask};
use crate::model::event::TransferScope;
use crate::model::ids::Name;
use crate::model::position::{Offset, PartitionId};
use crate::model::session::Facets;

/// What is stored with a vector until its session is listed.
const UNLISTED: Columns<'static> = Columns {
    user: None,
    status: None,
    expires_at: None,
    adapter: None,
    scope: TransferScope::None,
    last_active: None,
};

/// The topics an engine is rebuilt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateTopic {
    /// `session-states`
    States,
    /// `session-vectors`
    Vectors,
    /// `session-bookkeeping`
    Bookkeeping,
}

/// Builds an engine from state records: all states, then all vectors, then bookkeeping, each in log order.
/// The latest record of a key wins; what an earlier one said, readable or not, does not matter.
pub struct Restoring {
    engine: Engine,
    /// States whose latest record so far is not even seen to be its session's, with the fault. Their folds are read in
    /// the end, once each.
    unread: HashMap<Vec<u8>, String>,
    /// Vectors whose latest record so far has no place: unreadable, or of no session.
    unplaced: HashMap<Vec<u8>, Vec<u8>>,
    rows: HashMap<Vec<u8>, Vec<u8>>,
}

impl Restoring {
    /// Begins with nothing.
    pub fn new(settings: Arc<EngineSettings>, partition: PartitionId, partition_count: i32) -> Restoring {
        let engine = Engine::new(settings, partition, partition_count);
        Restoring { engine, unread: HashMap::new(), unplaced: HashMap::new(), rows: HashMap::new() }
    }

    /// Takes one record in log order. `value` is the Avro body without framing (of a JSON state: the header
    /// `rekindle-state`); `None` is a tombstone.
    pub fn apply(&mut self, topic: StateTopic, key: &[u8], value: Option<&[u8]>) {
        match (topic, value) {
            (StateTopic::States, Some(body)) => match self.take_state(key, body) {
                Ok(()) => drop(self.unread.remove(key)),
                Err(fault) => drop(self.unread.insert(key.to_vec(), fault)),
            },
            (StateTopic::States, None) => {
                self.unread.remove(key);
                self.drop_state(key);
            }
            (StateTopic::Vectors, Some(body)) => match self.place_vector(key, body) {
                Ok(()) => drop(self.unplaced.remove(key)),
                Err(_) => drop(self.unplaced.insert(key.to_vec(), body.to_vec())),
            },
            (StateTopic::Vectors, None) => {
                self.unplaced.remove(key);
                self.drop_vector(key);
            }
            (StateTopic::Bookkeeping, Some(body)) => drop(self.rows.insert(key.to_vec(), body.to_vec())),
            (StateTopic::Bookkeeping, None) => drop(self.rows.remove(key)),
        }
    }

    fn take_state(&mut self, key: &[u8], body: &[u8]) -> Result<(), String> {
        let (tenant, id, fold) = encode::split_state(body).map_err(|fault| fault.to_string())?;
        if !keys::is_session(key, &tenant, &id) {
            return Err("the record is another session's".to_owned());
        }
        let fold = Resting::new(fold).map_err(|fault| fault.to_string())?;
        let ledger = &mut self.engine.ledger.states;
        let packed = self.engine.store.tenants.hold(&tenant).packed.entry(id).or_default();
        ledger::account(ledger, &mut packed.kept.state_hash, ledger::hash(key, body));
        packed.hold(fold);
        Ok(())
    }

    fn drop_state(&mut self, key: &[u8]) {
        let Some((tenant, id)) = keys::parse_session(key) else { return };
        let held = self.engine.store.tenants.get_mut(&tenant).and_then(|tenant| tenant.packed.remove(&id));
        if let Some(mut packed) = held {
            ledger::account(&mut self.engine.ledger.states, &mut packed.kept.state_hash, 0);
        }
    }

    fn place_vector(&mut self, key: &[u8], body: &[u8]) -> Result<(), String> {
        let (tenant, id) = keys::parse_session(key).ok_or("not a session key")?;
        let (space, _, vector) = encode::decode_vector(body).map_err(|fault| fault.to_string())?;
        let Engine { store, ledger, .. } = &mut self.engine;
        let Tenant { packed, spaces, .. } = store.tenants.get_mut(&tenant).ok_or("no such session")?;
        let (id, packed) = packed.get_key_value_mut(&id).ok_or("no such session")?;
        let Packed { space: held, kept, .. } = &mut **packed;
        // Of several records the last one tells. Whether it is the session's own space is seen when that is read.
        if let Some(left) = held.take_if(|held| *held != space) {
            leave(spaces, &left, id);
        }
        let index = spaces.entry_ref(&space).or_insert_with(|| SpaceIndex::new(vector.dim()));
        if !index.upsert(id, &mut kept.slot, &vector, &UNLISTED) {
            return Err("dimension differs from others of its space".to_owned());
        }
        *held = Some(space);
        ledger::account(&mut ledger.vectors, &mut kept.vector_hash, ledger::hash(key, body));
        Ok(())
    }

    fn drop_vector(&mut self, key: &[u8]) {
        let Some((tenant, id)) = keys::parse_session(key) else { return };
        let Some(Tenant { packed, spaces, .. }) = self.engine.store.tenants.get_mut(&tenant) else { return };
        let Some(packed) = packed.get_mut(&id) else { return };
        ledger::account(&mut self.engine.ledger.vectors, &mut packed.kept.vector_hash, 0);
        if let Some(space) = packed.space.take() {
            leave(spaces, &space, &id);
        }
    }

    /// Checks everything and hands over the engine and its checkpoint; the checkpoint is `None` where there
    /// was no state at all. `group_offset`: the group's committed offset, if it has one.
    pub fn finish(mut self, group_offset: Option<Offset>) -> Result<(Engine, Option<Checkpoint>), RestoreError> {
        let Some(checkpoint) = self.checkpoint()? else {
            return match group_offset {
                _ if self.holds_anything() => Err(RestoreError::NoCheckpoint),
                Some(group) if group.0 > 0 => Err(RestoreError::NoState { group: group.0 }),
                _ => Ok((self.engine, None)),
            };
        };
        if let Some(group) = group_offset.filter(|group| *group != checkpoint.next_offset) {
            return Err(RestoreError::OffsetMismatch { group: group.0, checkpoint: checkpoint.next_offset.0 });
        }
        if checkpoint.partition_count != self.engine.partition_count {
            let (now, then) = (self.engine.partition_count, checkpoint.partition_count);
            return Err(RestoreError::PartitionCountChanged { now, then });
        }
        self.engine.stream_time = checkpoint.stream_time;
        self.engine.next_offset = Some(checkpoint.next_offset);
        if let Some((key, fault)) = self.unread.iter().min() {
            return Err(RestoreError::unreadable(StateTopic::States, key, fault));
        }
        // Before anything that belongs to a session is missed: a state that is gone is not the vector's fault.
        check_digest(StateTopic::States, self.engine.ledger.states, checkpoint.states)
            .map_err(|fault| self.list().err().filter(RestoreError::is_of_states).unwrap_or(fault))?;
        for (key, body) in std::mem::take(&mut self.unplaced) {
            let fail = |fault| RestoreError::unreadable(StateTopic::Vectors, &key, fault);
            self.place_vector(&key, &body).map_err(fail)?;
        }
        self.list()?;
        check_digest(StateTopic::Vectors, self.engine.ledger.vectors, checkpoint.vectors)?;
        self.load_rows()?;
        check_digest(StateTopic::Bookkeeping, self.engine.ledger.rows, checkpoint.bookkeeping)?;
        self.engine.store.list_chains(&self.engine.settings);
        self.settle();
        Ok((self.engine, Some(checkpoint)))
    }

    /// Reads every session and lists it. Errors: the first state by key that cannot be read, else the first vector that
    /// is not where its session says.
    fn list(&mut self) -> Result<(), RestoreError> {
        let Engine { store, settings, stream_time, .. } = &mut self.engine;
        let mut first: Option<(StateTopic, Vec<u8>, String)> = None;
        store.list_all(settings, *stream_time, |tenant, id, packed| {
            let (topic, fault) = match packed.try_read() {
                Ok(read) if packed.space.as_ref().is_none_or(|space| lies_in(space, &read.0)) => return Some(read),
                Ok(_) => (StateTopic::Vectors, "its session has its embedding in another space".to_owned()),
                Err(fault) => (StateTopic::States, fault.to_string()),
            };
            first = first.take().into_iter().chain([(topic, keys::session(tenant, id), fault)]).min();
            None
        });
        first.map_or(Ok(()), |(topic, key, fault)| Err(RestoreError::unreadable(topic, &key, fault)))
    }

    /// Takes the checkpoint row out of bookkeeping.
    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, RestoreError> {
        let topic = StateTopic::Bookkeeping;
        let Some(body) = self.rows.remove(&BookKey::Partition.to_bytes()[..]) else { return Ok(None) };
        match encode::decode_row(&body) {
            Ok(Row::Partition(checkpoint)) => Ok(Some(checkpoint)),
            Ok(_) => Err(RestoreError::unreadable(topic, b"partition", "not a checkpoint")),
            Err(fault) => Err(RestoreError::unreadable(topic, b"partition", fault)),
        }
    }

    fn holds_anything(&self) -> bool {
        let sessions = self.engine.store.tenants.values().any(|tenant| !tenant.is_deserted());
        sessions || !self.unread.is_empty() || !self.unplaced.is_empty() || !self.rows.is_empty()
    }

    fn load_rows(&mut self) -> Result<(), RestoreError> {
        let mut records: Vec<_> = std::mem::take(&mut self.rows).into_iter().collect();
        records.sort();
        for (key, body) in records {
            let fail = |fault: &str| RestoreError::unreadable(StateTopic::Bookkeeping, &key, fault);
            let parsed = BookKey::parse(&key).ok_or_else(|| fail("not a bookkeeping key"))?;
            let row = encode::decode_row(&body).map_err(|fault| fail(&fault.to_string()))?;
            self.engine.ledger.row(&key, Some(&body));
            let engine = &mut self.engine;
            match (parsed, row) {
                (BookKey::Open(..), Row::Open(suggestion)) => engine.list_open(Arc::from(suggestion), false),
                (BookKey::Worker(tenant, worker), Row::Worker(row)) => engine.workers.put(worker, tenant, row),
                (BookKey::Adapter(adapter), Row::Adapter(row)) => {
                    engine.adapters.insert(adapter, row);
                }
                (BookKey::Calibration(tenant, rate, namespace), Row::Calibration(row))
                    if rate == row.rate && namespace == row.namespace =>
                {
                    engine.calibrations.put(tenant, row);
                }
                (marked @ BookKey::Erased(_), Row::Erased(marker)) => engine.note_marker(marked, marker),
                (BookKey::Prefix(tenant, id, ..), Row::Prefix(row)) => {
                    let held = engine.store.tenants.get_mut(&tenant).and_then(|tenant| tenant.packed.get_mut(&id));
                    let packed = held.ok_or_else(|| fail("no such session"))?;
                    let family = packed.prefix.get_or_insert_default().entry(row.family).or_default();
                    family.insert(row.from_block, row.segment);
                }
                (BookKey::Work(offset, number), Row::Work(chunk)) => {
                    engine.work.insert((offset, number), chunk);
                }
                (BookKey::Decision(_), Row::Decision(decision)) => engine.annals.enter(decision),
                (BookKey::History(_), Row::History(entry)) => engine.annals.begin(entry),
                (BookKey::Rate(tenant), Row::Opened(opened)) => engine.limits.enter(tenant, opened),
                (BookKey::Rebuild, Row::Rebuild(rebuild)) => engine.rebuild = Some(rebuild),
                _ => return Err(fail("the row is not of its key's kind")),
            }
        }
        Ok(())
    }

    /// Derives what is neither stored nor listed: which sessions are erased but not yet tombstoned.
    fn settle(&mut self) {
        let engine = &mut self.engine;
        engine.store.tenants.drop_empty();
        let erasures: Vec<_> = engine.work.values().filter(|chunk| chunk.task == WorkTask::Erase).cloned().collect();
        for chunk in erasures {
            for (tenant, id) in &chunk.sessions {
                let before = |session: &Session| session.book.as_of.offset <= chunk.offset;
                if engine.store.session(tenant, id).is_some_and(|session| before(&session)) {
                    engine.lay_to_rest(tenant, id);
                }
            }
        }
    }
}

/// Whether the embedding of a session is in this space.
fn lies_in(space: &Name, facets: &Facets) -> bool {
    facets.context.as_ref().is_some_and(|context| context.space == *space)
}

fn check_digest(topic: StateTopic, found: TopicDigest, expected: TopicDigest) -> Result<(), RestoreError> {
    let fault = RestoreError::DigestMismatch { topic, found: found.live_keys, expected: expected.live_keys };
    if found == expected { Ok(()) } else { Err(fault) }
}
