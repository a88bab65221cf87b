//! One record that concerns very many sessions: it takes effect in memory at once, and what has to be
//! published follows in chunks, one a record, so that no batch grows without bound.

use std::sync::Arc;

use crate::engine::encode::Row;
use crate::engine::encode::keys::BookKey;
use crate::engine::process::{Engine, Step};
use crate::engine::view::status;
use crate::model::bookkeeping::{AdapterPublication, WorkChunk, WorkTask};
use crate::model::event::BroadcastBody;
use crate::model::ids::{Name, SessionId, TenantId};
use crate::model::session::{Status, TriggerKind};
use crate::model::stamp::{Register, Stamp};
use crate::model::suggestion::{RevokeReason, Trigger};
use crate::model::verdict::Verdict;

/// Sessions a chunk of a work list.
pub(super) const CHUNK_SESSIONS: usize = 1000;

/// A session and how many of its live copies are on the worker in question.
type Holder = (TenantId, SessionId, usize);

impl Engine {
    /// Applies what concerns all tenants.
    pub(super) fn apply_broadcast(&mut self, step: &mut Step<'_>, stamp: &Arc<Stamp>, body: &BroadcastBody) -> Verdict {
        match body {
            BroadcastBody::Tick => Verdict::Applied,
            BroadcastBody::AdapterPublished { .. } | BroadcastBody::AdapterRetired { .. } => {
                self.apply_adapter(step, stamp, body)
            }
            BroadcastBody::WorkerStarted { worker, .. }
            | BroadcastBody::WorkerLost { worker, .. }
            | BroadcastBody::WorkerCacheCleared { worker, .. } => {
                let holders = self.holders(worker, None);
                if !self.workers.join(stamp, body) {
                    return Verdict::Duplicate;
                }
                let cleared = matches!(body, BroadcastBody::WorkerCacheCleared { .. });
                let reason = if cleared { RevokeReason::Evicted } else { RevokeReason::WorkerLost };
                self.worker_changed(step, worker, None, stamp, reason, holders);
                Verdict::Applied
            }
        }
    }

    fn apply_adapter(&mut self, step: &mut Step<'_>, stamp: &Arc<Stamp>, body: &BroadcastBody) -> Verdict {
        let (id, changed) = match body {
            BroadcastBody::AdapterPublished { adapter, digest, base_model, uri } => {
                let said = AdapterPublication {
                    version: adapter.version.clone(),
                    digest: digest.clone(),
                    base_model: base_model.clone(),
                    uri: uri.clone(),
                };
                let row = self.adapters.entry(adapter.id.clone()).or_default();
                (&adapter.id, Register::join(&mut row.published, stamp, said))
            }
            BroadcastBody::AdapterRetired { adapter } => {
                let row = self.adapters.entry(adapter.id.clone()).or_default();
                (&adapter.id, Register::join(&mut row.retired, stamp, adapter.version.clone()))
            }
            _ => return Verdict::Stale,
        };
        if !changed {
            return Verdict::Duplicate;
        }
        if let Some(row) = self.adapters.get(id).cloned() {
            self.write_row(step, &BookKey::Adapter(id.clone()), &Row::Adapter(row));
        }
        Verdict::Applied
    }

    /// Joins an incarnation that an event of `teller`, a session of a tenant, mentioned. The tenant's other
    /// sessions follow; the teller itself is being written, and knows where it is.
    pub(super) fn see_epoch(
        &mut self,
        step: &mut Step<'_>,
        (tenant, teller): (&TenantId, &SessionId),
        worker: &Name,
        epoch: u64,
        stamp: &Arc<Stamp>,
    ) {
        let held = self.workers.row(worker, Some(tenant)).and_then(|row| row.epoch);
        if held.is_some_and(|held| held >= epoch) {
            return;
        }
        let mut holders = self.holders(worker, Some(tenant));
        holders.retain(|(_, session, _)| session != teller);
        if self.workers.see_epoch(worker, tenant, epoch) {
            self.worker_changed(step, worker, Some(tenant), stamp, RevokeReason::WorkerLost, holders);
            self.revoke_dead(step, tenant, teller, RevokeReason::WorkerLost);
            self.revoke_drawn(step, tenant, teller, RevokeReason::WorkerLost);
        }
    }

    /// The sessions (of one tenant) with live copies on a worker.
    fn holders(&self, worker: &Name, tenant: Option<&TenantId>) -> Vec<Holder> {
        let Some(tenants) = self.store.spanning.holders.get(worker) else { return Vec::new() };
        let of_tenant = tenants.iter().filter(|(id, _)| tenant.is_none_or(|tenant| tenant == *id));
        let all = of_tenant.flat_map(|(tenant, sessions)| sessions.iter().map(move |session| (tenant, session)));
        all.map(|(tenant, session)| (tenant.clone(), session.clone(), self.live_on(worker, tenant, session)))
            .filter(|(_, _, live)| *live > 0)
            .collect()
    }

    fn live_on(&self, worker: &Name, tenant: &TenantId, session: &SessionId) -> usize {
        let Some(session) = self.store.session(tenant, session) else { return 0 };
        let (copies, _) = self.scene().lens(tenant).copies(&session.facets);
        copies.iter().filter(|copy| copy.worker.as_ref() == Some(worker)).count()
    }

    /// Writes a worker's row and lets the sessions follow that lost copies, latest active first.
    fn worker_changed(
        &mut self,
        step: &mut Step<'_>,
        worker: &Name,
        tenant: Option<&TenantId>,
        stamp: &Arc<Stamp>,
        reason: RevokeReason,
        before: Vec<Holder>,
    ) {
        if let Some(row) = self.workers.row(worker, tenant).cloned() {
            self.write_row(step, &BookKey::Worker(tenant.cloned(), worker.clone()), &Row::Worker(row));
        }
        let mut losers: Vec<_> = before
            .into_iter()
            .filter(|(tenant, session, live)| self.live_on(worker, tenant, session) < *live)
            .map(|(tenant, session, _)| {
                let last_active = self.store.session(&tenant, &session).and_then(|s| s.facets.last_active);
                (std::cmp::Reverse(last_active), tenant, session)
            })
            .collect();
        losers.sort();
        let sessions = losers.into_iter().map(|(_, tenant, session)| (tenant, session)).collect();
        let task = WorkTask::WorkerLost { worker: worker.clone(), stamp: Arc::clone(stamp), reason };
        self.fan_out(step, &task, sessions);
    }

    /// Does the first chunk now and lists the others: one for each record that follows.
    pub(super) fn fan_out(&mut self, step: &mut Step<'_>, task: &WorkTask, sessions: Vec<(TenantId, SessionId)>) {
        let offset = step.position.offset;
        let mut chunks = sessions.chunks(CHUNK_SESSIONS);
        let first = chunks.next().map(<[_]>::to_vec);
        let listed = self.work.range((offset, 0)..=(offset, u32::MAX)).count() as u32;
        for (number, sessions) in (listed..).zip(chunks) {
            let chunk = WorkChunk { task: task.clone(), offset, sessions: sessions.to_vec() };
            self.write_row(step, &BookKey::Work(offset, number), &Row::Work(chunk.clone()));
            self.work.insert((offset, number), chunk);
        }
        if let Some(sessions) = first {
            self.do_chunk(step, WorkChunk { task: task.clone(), offset, sessions });
        }
    }

    /// Does the oldest listed chunk, if any.
    pub(super) fn do_pending_work(&mut self, step: &mut Step<'_>) {
        if let Some(((offset, number), chunk)) = self.work.pop_first() {
            self.drop_row(step, &BookKey::Work(offset, number));
            self.do_chunk(step, chunk);
        }
    }

    fn do_chunk(&mut self, step: &mut Step<'_>, chunk: WorkChunk) {
        for (tenant, session) in &chunk.sessions {
            match &chunk.task {
                WorkTask::Erase => self.bury(step, tenant, session),
                WorkTask::WorkerLost { stamp, reason, .. } => {
                    self.follow_worker(step, tenant, session, stamp, *reason);
                }
            }
        }
    }

    /// One session follows the loss of a worker: suggestions on its copies go, and what is left is suggested
    /// if somebody may still wait for the session.
    fn follow_worker(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        stamp: &Arc<Stamp>,
        reason: RevokeReason,
    ) {
        self.revoke_dead(step, tenant, id, reason);
        self.revoke_drawn(step, tenant, id, reason);
        let Some(session) = self.store.session(tenant, id) else { return };
        let status = status(&session.facets, &self.settings, self.stream_time);
        let kind = match reason {
            RevokeReason::Evicted => TriggerKind::KvCacheEvicted,
            _ => TriggerKind::WorkerLost,
        };
        let waiting = matches!(status, Some(Status::Active | Status::Paused | Status::Interrupted));
        if waiting && self.fire(tenant, id, kind, stamp) {
            self.recover(step, tenant, id, &Trigger::by_event(kind, stamp), None, None);
        }
        self.write_session(step, tenant, id);
    }
}
