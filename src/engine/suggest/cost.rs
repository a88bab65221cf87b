//! What restoring and recomputing cost, from configured rates.
//!
//! restore_ms = tier.ms + bytes / tier.bytes_per_s · 1000, with bytes given by the engine or else
//! tokens · bytes_per_token; recompute_ms = tokens / prefill_tokens_per_s · 1000.

use crate::engine::settings::{CostRates, EngineSettings, TierRates};
use crate::model::ids::Name;
use crate::model::kv::{KvCopy, Tier};
use crate::model::suggestion::{Estimate, EstimateBasis};

/// Rounds to 1e-6, as every published float is.
pub fn round(x: f64) -> f64 {
    libm::rint(x * 1e6) / 1e6
}

/// The rates of a cache namespace.
pub fn rates<'a>(settings: &'a EngineSettings, namespace: &Name) -> &'a CostRates {
    settings.costs.get(namespace).unwrap_or(&settings.default_cost)
}

fn tier_rates(rates: &CostRates, tier: Tier) -> TierRates {
    match tier {
        Tier::Hot => rates.hot,
        Tier::Warm => rates.warm,
        Tier::Cold => rates.cold,
    }
}

/// Time to bring a copy to where it is used, ms.
pub fn restore_ms(rates: &CostRates, copy: &KvCopy) -> f64 {
    let tier = tier_rates(rates, copy.tier);
    let bytes = copy.kv_bytes.map_or(copy.cached_tokens as f64 * rates.bytes_per_token, |b| b as f64);
    tier.ms + tier.bytes_per_s.map_or(0.0, |rate| bytes / rate * 1000.0)
}

/// Time to compute tokens anew, ms.
pub fn recompute_ms(rates: &CostRates, tokens: u64) -> f64 {
    tokens as f64 / rates.prefill_tokens_per_s * 1000.0
}

/// Time until a context of `context_tokens` stands, from this copy: the restore and what it lacks.
pub fn ready_ms(settings: &EngineSettings, copy: &KvCopy, context_tokens: u64) -> f64 {
    let rates = rates(settings, &copy.cache.namespace);
    restore_ms(rates, copy) + recompute_ms(rates, context_tokens.saturating_sub(copy.cached_tokens))
}

/// Share of the compute of a whole context that an estimate saves, 0..1.
pub fn saved_share(settings: &EngineSettings, copy: &KvCopy, context_tokens: u64, estimate: &Estimate) -> f64 {
    let whole = recompute_ms(rates(settings, &copy.cache.namespace), context_tokens);
    if whole > 0.0 { (estimate.saved_ms / whole).clamp(0.0, 1.0) } else { 0.0 }
}

/// What restoring `matched` tokens from this copy saves. Only they count: what the copy lacks has to be
/// computed either way.
pub fn estimate(settings: &EngineSettings, copy: &KvCopy, matched: u64) -> Estimate {
    let rates = rates(settings, &copy.cache.namespace);
    let restore_ms = round(restore_ms(rates, copy));
    let recompute_ms = round(recompute_ms(rates, matched));
    let saved_ms = round(recompute_ms - restore_ms);
    Estimate { restore_ms, recompute_ms, saved_ms, basis: EstimateBasis::Configured }
}
