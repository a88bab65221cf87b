//! What each tenant's outcomes told of the rates of its cache namespaces. It lives in bookkeeping, so that a restart or a
//! replay estimates alike.

use std::collections::BTreeMap;

use crate::engine::encode::Row;
use crate::engine::encode::keys::BookKey;
use crate::engine::process::{Engine, Step};
use crate::engine::settings::CostRates;
use crate::engine::suggest::cost::Costs;
use crate::engine::suggest::own::plan_of;
use crate::model::calibration::{CalibrationRow, Observed, Rate};
use crate::model::ids::{Name, TenantId};
use crate::model::kv::KvCopy;
use crate::model::suggestion::{Actual, Outcome, OutcomeBasis, RecoveryPlan};

/// Fewer computed tokens say little of a rate: what takes a fixed time outweighs them.
const FEWEST_TOKENS: u64 = 256;

type OfNamespace = [Option<Observed>; Rate::ALL.len()];

/// All observations of a partition.
#[derive(Debug, Default)]
pub struct Calibrations {
    tenants: BTreeMap<TenantId, BTreeMap<Name, OfNamespace>>,
}

impl Calibrations {
    /// What predictions by these rates are scaled by, in the order of [`Rate::ALL`].
    pub fn factors(&self, tenant: &TenantId, namespace: &Name, rates: &CostRates) -> [Option<f64>; Rate::ALL.len()] {
        match self.tenants.get(tenant).and_then(|namespaces| namespaces.get(namespace)) {
            Some(held) => {
                let against = rates.digest();
                held.map(|observed| observed.filter(|observed| observed.against == against)?.factor())
            }
            None => [None; Rate::ALL.len()],
        }
    }

    /// Whether anything was observed of a tenant's namespaces.
    pub fn has(&self, tenant: &TenantId) -> bool {
        self.tenants.contains_key(tenant)
    }

    /// Puts a row in its place.
    pub fn put(&mut self, tenant: TenantId, row: CalibrationRow) {
        let held = self.tenants.entry(tenant).or_default().entry(row.namespace).or_default();
        held[row.rate as usize] = Some(row.observed);
    }

    fn get(&self, tenant: &TenantId, namespace: &Name, rate: Rate) -> Option<Observed> {
        self.tenants.get(tenant)?.get(namespace)?[rate as usize]
    }

    /// Drops what is known of a tenant (erasure). Returns the keys of its rows, in order.
    pub fn forget_tenant(&mut self, tenant: &TenantId) -> Vec<BookKey> {
        let mut keys = Vec::new();
        for (namespace, held) in self.tenants.remove(tenant).into_iter().flatten() {
            let known = Rate::ALL.iter().filter(|rate| held[**rate as usize].is_some());
            keys.extend(known.map(|rate| BookKey::Calibration(tenant.clone(), *rate, namespace.clone())));
        }
        keys
    }
}

impl Engine {
    /// Learns from the outcome of a suggestion that named this copy, as far as it tells how long something took.
    pub(super) fn learn(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        copy: &KvCopy,
        outcome: Outcome,
        actual: &Actual,
    ) {
        let costs = Costs::configured(&self.settings, &copy.cache.namespace);
        let against = costs.rates().digest();
        for (rate, took, predicted) in observations(&costs, copy, outcome, actual).into_iter().flatten() {
            // A rate that is configured as no time at all cannot be scaled.
            if predicted <= 0.0 {
                continue;
            }
            let namespace = copy.cache.namespace.clone();
            let held = self.calibrations.get(tenant, &namespace, rate).filter(|held| held.against == against);
            let mut observed = held.unwrap_or(Observed::new(against));
            observed.see(took, predicted, self.stream_time);
            let key = BookKey::Calibration(tenant.clone(), rate, namespace.clone());
            let row = CalibrationRow { namespace, rate, observed };
            self.write_row(step, &key, &Row::Calibration(row.clone()));
            self.calibrations.put(tenant.clone(), row);
        }
    }
}

/// A rate, what was measured of it in ms, and what was predicted.
type Observation = (Rate, f64, f64);

/// At most one of the restore and one of computing.
fn observations(costs: &Costs<'_>, copy: &KvCopy, outcome: Outcome, actual: &Actual) -> [Option<Observation>; 2] {
    let used = matches!(outcome, Outcome::Restored | Outcome::Partial);
    let restored = actual.restored_tokens.filter(|tokens| *tokens > 0 && used);
    let restore = restored.zip(actual.restore_ms).map(|(tokens, took)| {
        let tokens = tokens.min(copy.cached_tokens);
        (Rate::restore(copy.tier), took, costs.restore_ms(copy, tokens))
    });
    [restore, computed(costs, copy, outcome, actual)]
}

/// How long computing took: the time to the first token, but for the time of the restore. What was brought for a time
/// that nobody tells leaves it unknown.
fn computed(costs: &Costs<'_>, copy: &KvCopy, outcome: Outcome, actual: &Actual) -> Option<Observation> {
    let used = matches!(outcome, Outcome::Restored | Outcome::Partial);
    if outcome == Outcome::Restored && actual.basis == OutcomeBasis::Reported {
        return None;
    }
    let tokens = actual.recomputed_tokens.filter(|tokens| *tokens >= FEWEST_TOKENS)?;
    let brought = used && plan_of(copy) != RecoveryPlan::ResumeInPlace;
    let restore = if brought { actual.restore_ms? } else { actual.restore_ms.unwrap_or(0.0) };
    let took = actual.ttft_ms? - restore;
    let from = actual.restored_tokens.unwrap_or(0);
    (took > 0.0).then(|| (Rate::Recompute, took, costs.recompute_ms(from, from.saturating_add(tokens))))
}
