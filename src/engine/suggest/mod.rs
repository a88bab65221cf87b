//! Decides what to suggest. Reads state, changes none; the same functions answer queries and publish.

pub mod away;
pub mod bytes;
pub mod cost;
pub mod identity;
pub mod inferred;
pub mod own;
pub mod prefix;
pub mod recovery;
pub mod rivals;
pub mod score;
pub mod terms;
pub mod transfer;

use crate::engine::calibration::Calibrations;
use crate::engine::observer::Observer;
use crate::engine::settings::EngineSettings;
use crate::engine::store::{Session, Store};
use crate::engine::view::{Lens, base_status, context_tokens, identity};
use crate::engine::workers::Workers;
use crate::model::bookkeeping::AdapterRow;
use crate::model::ids::{Name, SessionId, TenantId};
use crate::model::kv::{KvCopy, Residency};
use crate::model::session::{Facets, Status, TriggerKind};
use crate::model::suggestion::RecoverySource;
use crate::model::time::EventTime;
use cost::Costs;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a decision looks at.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Settings.
    pub settings: &'a EngineSettings,
    /// Sessions and indexes.
    pub store: &'a Store,
    /// Worker table.
    pub workers: &'a Workers,
    /// Adapter table.
    pub adapters: &'a BTreeMap<Name, AdapterRow>,
    /// What outcomes told of rates.
    pub calibrations: &'a Calibrations,
    /// Stream time.
    pub now: EventTime,
    /// Hears what is weighed.
    pub observer: &'a Observer,
    /// Workers whose KV is of use to whoever asks; `None`: any.
    pub within: Option<&'a BTreeSet<Name>>,
}

impl<'a> Scene<'a> {
    /// How a tenant's sessions look now.
    pub fn lens(&self, tenant: &'a TenantId) -> Lens<'a> {
        Lens { settings: self.settings, workers: self.workers, tenant, now: self.now }
    }

    /// What a tenant's KV of a namespace costs.
    pub fn costs(&self, tenant: &TenantId, namespace: &Name) -> Costs<'a> {
        Costs::observed(self.settings, self.calibrations, tenant, namespace)
    }

    /// A session's live copies, cheapest first by what was observed: by the time until its whole context stands. The order
    /// in which a state lists them goes by the configured rates, so that it follows from the facets alone.
    fn copies(&self, tenant: &'a TenantId, facets: &Facets) -> (Vec<Arc<KvCopy>>, Option<Residency>) {
        let (mut copies, residency) = self.lens(tenant).copies(facets);
        if self.calibrations.has(tenant) {
            let tokens = context_tokens(facets).unwrap_or(0);
            let ready = |copy: &Arc<KvCopy>| self.costs(tenant, &copy.cache.namespace).ready_ms(copy, tokens);
            // Equal ones stay in their order: by tier, then place.
            copies.sort_by(|a, b| ready(a).total_cmp(&ready(b)));
        }
        (copies, residency)
    }

    /// Whether a copy is of use: it lies in an external store, or on a worker that comes into question.
    fn reaches(&self, copy: &KvCopy) -> bool {
        let on = |workers: &BTreeSet<Name>| copy.worker.as_ref().is_some_and(|worker| workers.contains(worker));
        copy.is_external() || self.within.is_none_or(on)
    }

    /// Until when a copy is believed in, if that is known.
    fn believed_until(&self, copy: &KvCopy, residency: Option<Residency>) -> Option<EventTime> {
        (residency == Some(Residency::Predicted)).then(|| copy.created_at.plus(self.settings.predicted_ttl))
    }

    /// A session as a place to restore from.
    fn source(&self, id: &SessionId, session: &Session, copy: Option<Arc<KvCopy>>) -> RecoverySource {
        let facets = &session.facets;
        let turn = facets.last_turn.as_ref();
        let endpoint = copy.as_ref().and_then(|copy| match &copy.location {
            crate::model::kv::Location::External { endpoint, .. } => endpoint.clone(),
            _ => copy.worker.as_ref().and_then(|worker| self.workers.endpoint(worker)).cloned(),
        });
        RecoverySource {
            session: id.clone(),
            residency: None,
            endpoint,
            dp_rank: copy.as_ref().and_then(|copy| copy.dp_rank),
            model: turn.and_then(|turn| turn.model.clone()),
            cache: copy.as_ref().map(|copy| copy.cache.clone()).or_else(|| identity(facets).cloned()),
            kv_cache: copy,
            adapter: crate::engine::fold::active_adapter(facets).cloned(),
            context_ref: facets.context_ref.as_ref().and_then(|r| r.value.clone()),
            turn_count: facets.turn_count,
            last_active: facets.last_active,
        }
    }
}

/// Whether somebody waits for the answer.
fn is_asked_for(trigger: TriggerKind) -> bool {
    matches!(trigger, TriggerKind::ResumeRequested | TriggerKind::Query)
}

/// Whether a session's last word was an interruption, expired since or not.
fn is_interrupted(session: &Session) -> bool {
    base_status(&session.facets) == Some(Status::Interrupted)
}
