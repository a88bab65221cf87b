//! Rebuilds an engine from the three state topics, and refuses where they do not agree.

use hashbrown::HashMap;
use std::sync::Arc;

use crate::engine::encode::keys::{self, BookKey};
use crate::engine::encode::{self, Row};
use crate::engine::index::SpaceIndex;
use crate::engine::ledger;
use crate::engine::process::Engine;
use crate::engine::settings::EngineSettings;
use crate::engine::store::{Session, columns};
use crate::model::bookkeeping::{Checkpoint, TopicDigest, WorkTask};
use crate::model::position::{Offset, PartitionId};

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

/// Why the state cannot be used. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A record of a state topic cannot be read.
    #[error("{topic:?} record of key {key}: {fault}")]
    Unreadable {
        /// Where.
        topic: StateTopic,
        /// Its key, printable part.
        key: String,
        /// What is wrong.
        fault: String,
    },
    /// State exists, but no checkpoint.
    #[error("state records exist but no checkpoint; rebuild from the input")]
    NoCheckpoint,
    /// The group has an offset, but there is no state.
    #[error(
        "the group's offset is {group}, but the state topics are empty: they were deleted or belong to another group; rebuild from the input"
    )]
    NoState {
        /// The group's.
        group: i64,
    },
    /// Counts or digests differ from the checkpoint.
    #[error(
        "{topic:?} holds {found} live keys, the checkpoint says {expected}, or their contents differ: records are missing, extra or damaged; rebuild from the input"
    )]
    DigestMismatch {
        /// Where.
        topic: StateTopic,
        /// Live keys found.
        found: u64,
        /// Live keys recorded.
        expected: u64,
    },
    /// The group's committed offset is not the checkpoint's.
    #[error(
        "the group's offset is {group}, the checkpoint's {checkpoint}: the offsets were reset or the state belongs to another group; set the group's offset to the checkpoint's, or rebuild"
    )]
    OffsetMismatch {
        /// The group's.
        group: i64,
        /// The checkpoint's.
        checkpoint: i64,
    },
    /// The input's partition count changed under live state.
    #[error(
        "the input has {now} partitions, the state was made with {then}: keys live elsewhere now; rebuild from the input"
    )]
    PartitionCountChanged {
        /// Now.
        now: i32,
        /// At the checkpoint.
        then: i32,
    },
}

/// Collects state records, latest per key wins, and turns them into an engine.
pub struct Restoring {
    engine: Engine,
    latest: [HashMap<Vec<u8>, Vec<u8>>; 3],
}

impl Restoring {
    /// Begins with nothing.
    pub fn new(settings: Arc<EngineSettings>, partition: PartitionId, partition_count: i32) -> Restoring {
        let engine = Engine::new(settings, partition, partition_count);
        Restoring { engine, latest: Default::default() }
    }

    /// Takes one record in log order. `value` is the Avro body without framing (of a JSON state: the header
    /// `rekindle-state`); `None` is a tombstone.
    pub fn apply(&mut self, topic: StateTopic, key: &[u8], value: Option<&[u8]>) {
        let latest = &mut self.latest[topic as usize];
        match value {
            Some(value) => match latest.get_mut(key) {
                Some(held) => {
                    held.clear();
                    held.extend_from_slice(value);
                }
                None => {
                    latest.insert(key.to_vec(), value.to_vec());
                }
            },
            None => {
                latest.remove(key);
            }
        }
    }

    /// Checks everything and hands over the engine and its checkpoint; the checkpoint is `None` where there
    /// was no state at all. `group_offset`: the group's committed offset, if it has one.
    pub fn finish(mut self, group_offset: Option<Offset>) -> Result<(Engine, Option<Checkpoint>), RestoreError> {
        let Some(checkpoint) = self.checkpoint()? else {
            return match group_offset {
                _ if self.latest.iter().any(|topic| !topic.is_empty()) => Err(RestoreError::NoCheckpoint),
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
        let [states, vectors, rows] = std::mem::take(&mut self.latest);
        self.load_sessions(states)?;
        self.load_vectors(vectors)?;
        self.load_rows(rows)?;
        self.check_digests(&checkpoint)?;
        self.settle();
        Ok((self.engine, Some(checkpoint)))
    }

    /// Takes the checkpoint row out of bookkeeping.
    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, RestoreError> {
        let topic = StateTopic::Bookkeeping;
        let Some(body) = self.latest[topic as usize].remove(&BookKey::Partition.to_bytes()) else { return Ok(None) };
        match encode::decode_row(&body) {
            Ok(Row::Partition(checkpoint)) => Ok(Some(checkpoint)),
            Ok(_) => Err(unreadable(topic, b"partition", "not a checkpoint")),
            Err(fault) => Err(unreadable(topic, b"partition", &fault.to_string())),
        }
    }

    fn load_sessions(&mut self, records: HashMap<Vec<u8>, Vec<u8>>) -> Result<(), RestoreError> {
        for (key, body) in records {
            let decoded = encode::decode_state(&body);
            let encode::Restored { tenant, session: id, facets, book } =
                decoded.map_err(|fault| unreadable(StateTopic::States, &key, &fault.to_string()))?;
            if keys::session(&tenant, &id) != key {
                return Err(unreadable(StateTopic::States, &key, "the record is another session's"));
            }
            let mut session = Session::restored(facets, book);
            let hash = ledger::hash(&key, &body);
            ledger::account(&mut self.engine.ledger.states, &mut session.state_hash, hash);
            self.engine.store.tenants.entry(tenant).or_default().sessions.insert(id, session);
        }
        Ok(())
    }

    fn load_vectors(&mut self, records: HashMap<Vec<u8>, Vec<u8>>) -> Result<(), RestoreError> {
        let engine = &mut self.engine;
        for (key, body) in records {
            let fail = |fault: &str| unreadable(StateTopic::Vectors, &key, fault);
            let (tenant, id) = keys::parse_session(&key).ok_or_else(|| fail("not a session key"))?;
            let decoded = encode::decode_vector(&body).map_err(|fault| fail(&fault.to_string()))?;
            let (space, _, vector) = decoded;
            let hash = ledger::hash(&key, &body);
            let Some(tenant) = engine.store.tenants.get_mut(&tenant) else { return Err(fail("no such session")) };
            let Some(session) = tenant.sessions.get_mut(&id) else { return Err(fail("no such session")) };
            ledger::account(&mut engine.ledger.vectors, &mut session.vector_hash, hash);
            let index = tenant.spaces.entry(space).or_insert_with(|| SpaceIndex::new(vector.dim()));
            if !index.upsert(&id, &vector, columns(&session.facets, &engine.settings)) {
                return Err(fail("dimension differs from others of its space"));
            }
        }
        Ok(())
    }

    fn load_rows(&mut self, records: HashMap<Vec<u8>, Vec<u8>>) -> Result<(), RestoreError> {
        let mut records: Vec<_> = records.into_iter().collect();
        records.sort();
        for (key, body) in records {
            let fail = |fault: &str| unreadable(StateTopic::Bookkeeping, &key, fault);
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
                (marked @ BookKey::Erased(_), Row::Erased(marker)) => engine.note_marker(marked, marker),
                (BookKey::Prefix(tenant, id, ..), Row::Prefix(row)) => {
                    let session = engine.store.session_mut(&tenant, &id).ok_or_else(|| fail("no such session"))?;
                    let family = session.facets.prefix.entry(row.family).or_default();
                    family.insert(row.from_block, row.segment);
                }
                (BookKey::Work(offset, number), Row::Work(chunk)) => {
                    engine.work.insert((offset, number), chunk);
                }
                (BookKey::Decision(_), Row::Decision(decision)) => engine.annals.enter(decision),
                (BookKey::History(_), Row::History(entry)) => engine.annals.begin(entry),
                (BookKey::Rebuild, Row::Rebuild(rebuild)) => engine.rebuild = Some(rebuild),
                _ => return Err(fail("the row is not of its key's kind")),
            }
        }
        Ok(())
    }

    fn check_digests(&self, checkpoint: &Checkpoint) -> Result<(), RestoreError> {
        let ledger = &self.engine.ledger;
        let check = |topic: StateTopic, found: TopicDigest, expected: TopicDigest| {
            let fault = RestoreError::DigestMismatch { topic, found: found.live_keys, expected: expected.live_keys };
            if found == expected { Ok(()) } else { Err(fault) }
        };
        check(StateTopic::States, ledger.states, checkpoint.states)?;
        check(StateTopic::Vectors, ledger.vectors, checkpoint.vectors)?;
        check(StateTopic::Bookkeeping, ledger.rows, checkpoint.bookkeeping)
    }

    /// Derives what is not stored: indexes, and which sessions are erased but not yet tombstoned.
    fn settle(&mut self) {
        let engine = &mut self.engine;
        let settings = Arc::clone(&engine.settings);
        let ids: Vec<_> = engine
            .store
            .tenants
            .iter()
            .flat_map(|(t, tenant)| tenant.sessions.keys().map(move |s| (t.clone(), s.clone())))
            .collect();
        for (tenant, id) in &ids {
            engine.store.reindex(tenant, id, &settings, engine.stream_time);
        }
        let erasures: Vec<_> = engine.work.values().filter(|chunk| chunk.task == WorkTask::Erase).cloned().collect();
        for chunk in erasures {
            for (tenant, id) in &chunk.sessions {
                let before = |session: &Session| session.book.as_of.offset <= chunk.offset;
                if engine.store.session(tenant, id).is_some_and(before) {
                    engine.lay_to_rest(tenant, id);
                }
            }
        }
    }
}

fn unreadable(topic: StateTopic, key: &[u8], fault: &str) -> RestoreError {
    let key = String::from_utf8_lossy(key).chars().filter(|c| !c.is_control()).take(200).collect();
    RestoreError::Unreadable { topic, key, fault: fault.to_owned() }
}
