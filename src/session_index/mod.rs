//! Sessions in one process, without Kafka: store states, find them by context, keep them over a restart.
//!
//! [`SessionIndex`] holds every state in memory, one flat array of unit vectors a tenant (exact search: no graph,
//! nothing to rebuild), and appends each change to one file. Memory: two f32 a dimension and session (the unit
//! row and the embedding as stored) and the state itself. It reads no clock, logs nothing, and suggests by
//! similarity alone; the [engine](crate::engine) decides from whole event histories.
//!
//! ```
//! use rekindle::SessionIndex;
//! use rekindle::model::{ids::{SessionId, TenantId}, time::EventTime};
//! use rekindle::session_index::SessionState;
//!
//! let mut index = SessionIndex::in_memory(3)?;
//! let (acme, s1) = (TenantId::new("acme")?, SessionId::new("s-1")?);
//! let mut state = SessionState::new(acme.clone(), s1.clone(), EventTime(1_762_340_000_000));
//! state.context_embedding = Some(vec![1.0, 2.0, 2.0]);
//! assert!(index.store(&state)?.is_applied());
//!
//! let found = index.search_by_context(&acme, &[2.0, 4.0, 4.0], 10)?;
//! assert_eq!(found[0].state.session_id, s1);
//! assert!((found[0].similarity - 1.0).abs() < 1e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

mod error;
mod kv_row;
mod log;
mod query;
mod row;
mod state;
mod tenant;
#[cfg(test)]
mod tests;

pub use crate::engine::query::SearchFilter;
pub use error::{FieldFault, IndexError};
pub use log::TornTail;
pub use state::{AdapterVote, MAX_METADATA_DEPTH, Match, SessionState, Stored, TransferAdvice};

use crate::model::ids::{SessionId, TenantId};
use crate::model::session::Status;
use log::Log;
use row::Entry;
use tenant::Tenant;

/// Size of the log below which garbage is left alone, bytes.
const MIN_REWRITE_BYTES: u64 = 4 << 20;

/// The index. Reading takes `&self` and writing `&mut self`: share it between threads as `RwLock<SessionIndex>`.
///
/// Every change is visible to the next call. On disk it is durable after [`flush`](Self::flush); a process that
/// is killed before loses at most what is still buffered (1 MiB), a power cut everything since the last flush.
/// Dropping the index flushes it and cannot report an error: call `flush` where that matters.
#[derive(Debug)]
pub struct SessionIndex {
    dim: usize,
    memory: Memory,
    log: Option<Log>,
    torn_tail: Option<TornTail>,
}

/// All tenants, and the bytes of the log that still count.
#[derive(Debug, Default)]
struct Memory {
    tenants: HashMap<TenantId, Tenant>,
    live_bytes: u64,
}

impl SessionIndex {
    /// Opens the index in the folder `storage_path`, made if absent, for embeddings of `embedding_dim` (≥ 1)
    /// components. The file is read once, in order; [`torn_tail`](Self::torn_tail) tells whether a crash had cut
    /// it short. Errors: the folder is in use, holds another dimension or something else, is damaged, or the file
    /// system refuses.
    pub fn new(storage_path: impl AsRef<Path>, embedding_dim: usize) -> Result<SessionIndex, IndexError> {
        let mut index = SessionIndex::in_memory(embedding_dim)?;
        let dim = u32::try_from(embedding_dim).map_err(|_| FieldFault::new("embedding_dim", "must fit 32 bits"))?;
        let memory = &mut index.memory;
        let replay = |payload: &[u8], bytes: u64| {
            let entry = row::decode(payload).map_err(|fault| fault.to_string())?;
            memory.replay(entry, bytes, embedding_dim).map_err(|fault| fault.to_string())
        };
        let (log, torn_tail) = Log::open(storage_path.as_ref(), dim, replay)?;
        index.log = Some(log);
        index.torn_tail = torn_tail;
        Ok(index)
    }

    /// An index without a file.
    pub fn in_memory(embedding_dim: usize) -> Result<SessionIndex, IndexError> {
        if embedding_dim == 0 {
            return Err(FieldFault::new("embedding_dim", "must be at least 1").into());
        }
        Ok(SessionIndex { dim: embedding_dim, memory: Memory::default(), log: None, torn_tail: None })
    }

    /// Stores a session's whole state in place of the one held. A state of a smaller `(turn_count, last_active)`
    /// is [`Stored::Stale`], one that would revive an ended session [`Stored::AfterEnd`]; both change nothing.
    /// An ended session stays in history and search until it is deleted.
    ///
    /// Now and then a call also rewrites the file, when more than half of it is garbage. Errors:
    /// [`IndexError::Invalid`] with nothing changed, or [`IndexError::Io`].
    pub fn store(&mut self, state: &SessionState) -> Result<Stored, IndexError> {
        let unit = state.check(self.dim)?;
        if let Some(held) = self.get(&state.tenant_id, &state.session_id) {
            if state.version() < held.version() {
                return Ok(Stored::Stale);
            }
            if held.status == Status::Ended && state.status != Status::Ended {
                return Ok(Stored::AfterEnd);
            }
        }
        let bytes = match &mut self.log {
            Some(log) => log.append(&row::encode_stored(state)?),
            None => 0,
        };
        self.memory.put(Arc::new(state.clone()), unit, bytes);
        self.tidy_log()?;
        Ok(Stored::Applied)
    }

    /// Forgets a session at once: no search, history or transfer finds it. Returns whether it was known. Its bytes
    /// leave the file when that is rewritten, at the latest by [`compact`](Self::compact). A state stored later
    /// starts anew, whatever its turn. Errors: [`IndexError::Io`].
    pub fn delete(&mut self, tenant: &TenantId, session: &SessionId) -> Result<bool, IndexError> {
        let known = self.memory.remove(tenant, session);
        if known && let Some(log) = &mut self.log {
            log.append(&row::encode_deleted(tenant, session)?);
            self.tidy_log()?;
        }
        Ok(known)
    }

    /// Makes every change so far durable (one disk commit). In memory: nothing to do.
    pub fn flush(&mut self) -> Result<(), IndexError> {
        self.log.as_mut().map_or(Ok(()), Log::flush)
    }

    /// Rewrites the file, durably, with the sessions held and nothing else. Errors: [`IndexError::Io`]; the old
    /// file goes on then.
    pub fn compact(&mut self) -> Result<(), IndexError> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let states = self.memory.tenants.values().flat_map(Tenant::states);
        log.rewrite(states.map(|state| Ok(row::encode_stored(state)?)))
    }

    /// What opening found at the end of the file: the record a crash had left unfinished, now cut off.
    pub fn torn_tail(&self) -> Option<TornTail> {
        self.torn_tail
    }

    /// One session as last stored.
    pub fn get(&self, tenant: &TenantId, session: &SessionId) -> Option<&Arc<SessionState>> {
        self.memory.tenants.get(tenant)?.get(session)
    }

    /// Number of sessions, of all tenants, with or without embedding.
    pub fn len(&self) -> usize {
        self.memory.tenants.values().map(Tenant::len).sum()
    }

    /// Whether it holds no session.
    pub fn is_empty(&self) -> bool {
        self.memory.tenants.is_empty()
    }

    /// Components of an embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Looks at the log only when its buffer is full, so that a store costs no more than its copy.
    fn tidy_log(&mut self) -> Result<(), IndexError> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let spilled = log.spill_if_full()?;
        let bytes = log.record_bytes();
        if spilled && bytes > MIN_REWRITE_BYTES && bytes > 2 * self.memory.live_bytes { self.compact() } else { Ok(()) }
    }
}

impl Drop for SessionIndex {
    fn drop(&mut self) {
        // Nobody is left to tell; `flush` is there for those who want to know.
        let _ = self.flush();
    }
}

impl Memory {
    fn put(&mut self, state: Arc<SessionState>, unit: Option<Vec<f32>>, bytes: u64) {
        let tenant = match self.tenants.get_mut(&state.tenant_id) {
            Some(tenant) => tenant,
            None => self.tenants.entry(state.tenant_id.clone()).or_default(),
        };
        let replaced = tenant.put(state, unit.as_deref(), bytes);
        self.live_bytes = self.live_bytes + bytes - replaced;
    }

    fn remove(&mut self, tenant: &TenantId, session: &SessionId) -> bool {
        let Some(held) = self.tenants.get_mut(tenant) else { return false };
        let Some(bytes) = held.remove(session) else { return false };
        self.live_bytes -= bytes;
        if held.len() == 0 {
            self.tenants.remove(tenant);
        }
        true
    }

    /// Takes a record of the log, where the latest of a session counts.
    fn replay(&mut self, entry: Entry, bytes: u64, dim: usize) -> Result<(), FieldFault> {
        match entry {
            Entry::Stored(state) => {
                let unit = state.check(dim)?;
                self.put(Arc::new(*state), unit, bytes);
            }
            Entry::Deleted(tenant, session) => {
                self.remove(&tenant, &session);
            }
        }
        Ok(())
    }
}
