//! What restoring and recomputing cost: from configured rates, scaled by what was observed of them once that is enough.
//!
//! restore_ms = tier.ms + bytes ÷ tier.bytes_per_s · 1000. Computing tokens `a` to `b` of a context takes
//! (b − a) ÷ prefill_tokens_per_s · 1000 + prefill_ms_per_token2 · (b² − a²): each token attends to all before it. So what
//! a copy of the first m tokens saves is the time for 0 to m, and what it lacks takes the time for m to the whole.

use super::bytes;
use crate::engine::calibration::Calibrations;
use crate::engine::settings::{CostRates, EngineSettings, TierRates};
use crate::model::calibration::Rate;
use crate::model::ids::{Name, TenantId};
use crate::model::kv::{KvCopy, Tier};
use crate::model::suggestion::{Estimate, EstimateBasis};

/// Rounds to 1e-6, as every published float is.
pub fn round(x: f64) -> f64 {
    libm::rint(x * 1e6) / 1e6
}

/// Costs of one cache namespace.
#[derive(Debug, Clone, Copy)]
pub struct Costs<'a> {
    rates: &'a CostRates,
    /// What predictions are scaled by, in the order of [`Rate::ALL`]; `None`: nothing, or too little, was observed.
    factors: [Option<f64>; Rate::ALL.len()],
}

impl<'a> Costs<'a> {
    /// As configured.
    pub fn configured(settings: &'a EngineSettings, namespace: &Name) -> Costs<'a> {
        let rates = settings.costs.get(namespace).unwrap_or(&settings.default_cost);
        Costs { rates, factors: [None; Rate::ALL.len()] }
    }

    /// As a tenant observed them.
    pub fn observed(
        settings: &'a EngineSettings,
        calibrations: &Calibrations,
        tenant: &TenantId,
        namespace: &Name,
    ) -> Costs<'a> {
        let costs = Costs::configured(settings, namespace);
        Costs { factors: calibrations.factors(tenant, namespace, costs.rates), ..costs }
    }

    /// The configured rates.
    pub fn rates(&self) -> &'a CostRates {
        self.rates
    }

    fn factor(&self, rate: Rate) -> Option<f64> {
        self.factors[rate as usize]
    }

    /// Time to bring the first `tokens` tokens of a copy to where they are used, ms.
    pub fn restore_ms(&self, copy: &KvCopy, tokens: u64) -> f64 {
        let tier = self.tier(copy.tier);
        let bytes = bytes::of(copy, tokens, self.rates.bytes_per_token);
        let ms = tier.ms + tier.bytes_per_s.map_or(0.0, |rate| bytes / rate * 1000.0);
        ms * self.factor(Rate::restore(copy.tier)).unwrap_or(1.0)
    }

    fn tier(&self, tier: Tier) -> TierRates {
        match tier {
            Tier::Hot => self.rates.hot,
            Tier::Warm => self.rates.warm,
            Tier::Cold => self.rates.cold,
        }
    }

    /// Time to compute the tokens of a context from `from` up to `to`, ms; 0 if there are none.
    pub fn recompute_ms(&self, from: u64, to: u64) -> f64 {
        let (from, to) = (from.min(to) as f64, to as f64);
        let linear = (to - from) / self.rates.prefill_tokens_per_s * 1000.0;
        let quadratic = self.rates.prefill_ms_per_token2 * (to * to - from * from);
        (linear + quadratic) * self.factor(Rate::Recompute).unwrap_or(1.0)
    }

    /// Time until a context of `context_tokens` stands, from this copy: the restore and what it lacks.
    pub fn ready_ms(&self, copy: &KvCopy, context_tokens: u64) -> f64 {
        self.restore_ms(copy, copy.cached_tokens) + self.recompute_ms(copy.cached_tokens, context_tokens)
    }

    /// Share of the compute of a whole context that an estimate saves, 0..1.
    pub fn saved_share(&self, context_tokens: u64, estimate: &Estimate) -> f64 {
        let whole = self.recompute_ms(0, context_tokens);
        if whole > 0.0 { (estimate.saved_ms / whole).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// What restoring the first `matched` tokens of this copy saves. Only they count, and only they are brought: what the
    /// copy lacks has to be computed either way.
    pub fn estimate(&self, copy: &KvCopy, matched: u64) -> Estimate {
        let restore_ms = round(self.restore_ms(copy, matched));
        let recompute_ms = round(self.recompute_ms(0, matched));
        let saved_ms = round(recompute_ms - restore_ms);
        let observed = self.factor(Rate::restore(copy.tier)).or(self.factor(Rate::Recompute)).is_some();
        let basis = if observed { EstimateBasis::Observed } else { EstimateBasis::Configured };
        Estimate { restore_ms, recompute_ms, saved_ms, basis }
    }
}
