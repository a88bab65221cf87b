//! The engine's front door: one record in, effects and a verdict out.

use std::sync::Arc;

use crate::engine::effects::Effects;
use crate::engine::query::{EngineStats, RecoveryQuery, SearchFilter, SearchHit};
use crate::engine::record::Record;
use crate::engine::settings::EngineSettings;
use crate::model::ids::{Name, SessionId, TenantId, UserId};
use crate::model::position::{Offset, PartitionId};
use crate::model::session::SessionView;
use crate::model::suggestion::Suggestion;
use crate::model::time::EventTime;
use crate::model::vector::UnitVector;
use crate::model::verdict::Verdict;

/// State and logic of one partition.
pub struct Engine {
    settings: Arc<EngineSettings>,
    partition: PartitionId,
    partition_count: i32,
}

impl Engine {
    /// An engine without history.
    pub fn new(settings: Arc<EngineSettings>, partition: PartitionId, partition_count: i32) -> Engine {
        Engine { settings, partition, partition_count }
    }

    /// Folds one record. Deadlines that its time makes due fire first.
    pub fn process(&mut self, record: Record<'_>, effects: &mut Effects) -> Verdict {
        let _ = (record, effects, &self.settings, self.partition, self.partition_count);
        Verdict::Applied
    }

    /// Ends a batch: writes the checkpoint with `next_offset` (the first input offset not processed) into
    /// the effects. Nothing is written if the batch had no record. Call once before publishing.
    pub fn seal(&mut self, next_offset: Offset, effects: &mut Effects) {
        let _ = (next_offset, effects);
    }

    /// Dead-letters a record without folding it (a panic, an operator's skip).
    pub fn dead_letter(
        &mut self,
        record: Record<'_>,
        rejection: crate::model::verdict::Rejection,
        effects: &mut Effects,
    ) {
        let _ = (record, rejection, effects);
    }

    /// Stream time; `EventTime::MIN` before the first record.
    pub fn stream_time(&self) -> EventTime {
        EventTime::MIN
    }

    /// The next input offset this engine expects, once it has processed or restored something.
    pub fn next_offset(&self) -> Option<Offset> {
        None
    }

    /// One session as of now.
    pub fn session(&self, tenant: &TenantId, session: &SessionId) -> Option<SessionView> {
        let _ = (tenant, session);
        None
    }

    /// All sessions, sorted by tenant and session.
    pub fn sessions(&self) -> Vec<SessionView> {
        Vec::new()
    }

    /// A user's sessions, newest `last_active` first, at most `limit`.
    pub fn user_history(&self, tenant: &TenantId, user: &UserId, limit: usize) -> Vec<SessionView> {
        let _ = (tenant, user, limit);
        Vec::new()
    }

    /// The nearest sessions of a tenant in a space, best first; `k` is clamped to 1..=1000.
    pub fn search(
        &self,
        tenant: &TenantId,
        space: &Name,
        vector: &UnitVector,
        k: usize,
        filter: &SearchFilter,
    ) -> Vec<SearchHit> {
        let _ = (tenant, space, vector, k, filter);
        Vec::new()
    }

    /// What to restore, decided by the function that also publishes. `None` if the session and the user are
    /// unknown and nothing in the request matches.
    pub fn recovery(&self, query: &RecoveryQuery) -> Option<Suggestion> {
        let _ = query;
        None
    }

    /// Gauges.
    pub fn stats(&self) -> EngineStats {
        EngineStats::default()
    }
}
