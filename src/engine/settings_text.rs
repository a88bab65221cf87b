//! The settings as canonical text, as bookkeeping keeps them: JSON with every setting that can change what the
//! engine writes, the same bytes for equal settings, and back to the last bit.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::settings::{CostRates, EngineSettings, Mode, OutputFormat, Policy, TierRates, Weights};
use crate::model::ids::Name;
use crate::model::time::Millis;

/// A text that is none of this version's settings: damaged, or with settings that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no settings of this version: {0}")]
pub struct UnknownSettings(String);

impl EngineSettings {
    /// The canonical text.
    pub fn to_text(&self) -> String {
        // Numbers, texts and maps of texts: nothing that JSON cannot hold.
        serde_json::to_string(&SettingsText::from(self)).unwrap_or_else(|fault| unreachable!("{fault}"))
    }

    /// Reads [`Self::to_text`] back.
    pub fn from_text(text: &str) -> Result<EngineSettings, UnknownSettings> {
        let read: Result<SettingsText, _> = serde_json::from_str(text);
        read.map_err(|fault| UnknownSettings(fault.to_string()))?.settings()
    }
}

/// A number that comes back to the last bit: the JSON reader rounds, the standard library does not.
#[derive(Clone, Copy, Serialize)]
#[serde(transparent)]
struct Exact(f64);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Exact, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        raw.get().parse().map(Exact).map_err(serde::de::Error::custom)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsText {
    spaces: BTreeMap<String, usize>,
    idle_timeout_ms: i64,
    retention_ms: i64,
    log_retention_ms: i64,
    predicted_ttl_ms: i64,
    erasure_marker_ms: i64,
    reject_bad_context: bool,
    check_partition: bool,
    output: String,
    input_topic: String,
    max_prefix_blocks: usize,
    policy: PolicyText,
    costs: BTreeMap<String, CostText>,
    default_cost: CostText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyText {
    mode: String,
    holdout: Exact,
    session_per_hour: u64,
    tenant_per_minute: u64,
    floor: Exact,
    wrong_ms: Exact,
    k: usize,
    adapter_vote: u32,
    drift_radians: Exact,
    min_similarity: Exact,
    recency_half_life_ms: i64,
    valid_ms: i64,
    prefetch_lead_ms: i64,
    retain_ms: i64,
    weights: BTreeMap<String, Exact>,
    transfer_weights: BTreeMap<String, Exact>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CostText {
    prefill_tokens_per_s: Exact,
    prefill_ms_per_token2: Exact,
    bytes_per_token: Exact,
    hot: TierText,
    warm: TierText,
    cold: TierText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TierText {
    ms: Exact,
    bytes_per_s: Option<Exact>,
}

/// Taken apart field by field, so that a new setting cannot be forgotten here.
impl From<&EngineSettings> for SettingsText {
    fn from(settings: &EngineSettings) -> SettingsText {
        let EngineSettings {
            spaces,
            idle_timeout,
            retention,
            log_retention,
            predicted_ttl,
            erasure_marker,
            reject_bad_context,
            check_partition,
            output,
            input_topic,
            max_prefix_blocks,
            policy,
            costs,
            default_cost,
            panic_on: _,
            panic_at: _,
        } = settings;
        let word = match output {
            OutputFormat::Avro => "avro",
            OutputFormat::Json => "json",
        };
        SettingsText {
            spaces: spaces.iter().map(|(name, dim)| (name.to_string(), *dim)).collect(),
            idle_timeout_ms: idle_timeout.0,
            retention_ms: retention.0,
            log_retention_ms: log_retention.0,
            predicted_ttl_ms: predicted_ttl.0,
            erasure_marker_ms: erasure_marker.0,
            reject_bad_context: *reject_bad_context,
            check_partition: *check_partition,
            output: word.to_owned(),
            input_topic: input_topic.clone(),
            max_prefix_blocks: *max_prefix_blocks,
            policy: PolicyText::from(policy),
            costs: costs.iter().map(|(name, rates)| (name.to_string(), CostText::from(rates))).collect(),
            default_cost: CostText::from(default_cost),
        }
    }
}

impl SettingsText {
    fn settings(self) -> Result<EngineSettings, UnknownSettings> {
        let name = |text: &str| Name::new(text).map_err(|fault| UnknownSettings(fault.to_string()));
        let output = match self.output.as_str() {
            "avro" => OutputFormat::Avro,
            "json" => OutputFormat::Json,
            _ => return Err(UnknownSettings("output".to_owned())),
        };
        let spaces = self.spaces.iter().map(|(space, dim)| Ok((name(space)?, *dim)));
        let costs = self.costs.iter().map(|(namespace, rates)| Ok((name(namespace)?, rates.rates())));
        Ok(EngineSettings {
            spaces: spaces.collect::<Result<_, _>>()?,
            idle_timeout: Millis(self.idle_timeout_ms),
            retention: Millis(self.retention_ms),
            log_retention: Millis(self.log_retention_ms),
            predicted_ttl: Millis(self.predicted_ttl_ms),
            erasure_marker: Millis(self.erasure_marker_ms),
            reject_bad_context: self.reject_bad_context,
            check_partition: self.check_partition,
            output,
            input_topic: self.input_topic,
            max_prefix_blocks: self.max_prefix_blocks,
            policy: self.policy.policy()?,
            costs: costs.collect::<Result<_, _>>()?,
            default_cost: self.default_cost.rates(),
            panic_on: None,
            panic_at: None,
        })
    }
}

impl From<&Policy> for PolicyText {
    fn from(policy: &Policy) -> PolicyText {
        let Policy {
            mode,
            holdout,
            session_per_hour,
            tenant_per_minute,
            floor,
            wrong_ms,
            k,
            adapter_vote,
            drift_radians,
            min_similarity,
            recency_half_life,
            valid_for,
            prefetch_lead,
            retain_for,
            weights,
            transfer_weights,
        } = policy;
        PolicyText {
            mode: mode.label().to_owned(),
            holdout: Exact(*holdout),
            session_per_hour: *session_per_hour,
            tenant_per_minute: *tenant_per_minute,
            floor: Exact(*floor),
            wrong_ms: Exact(*wrong_ms),
            k: *k,
            adapter_vote: *adapter_vote,
            drift_radians: Exact(*drift_radians),
            min_similarity: Exact(*min_similarity),
            recency_half_life_ms: recency_half_life.0,
            valid_ms: valid_for.0,
            prefetch_lead_ms: prefetch_lead.0,
            retain_ms: retain_for.0,
            weights: weights_text(weights),
            transfer_weights: weights_text(transfer_weights),
        }
    }
}

impl PolicyText {
    fn policy(&self) -> Result<Policy, UnknownSettings> {
        Ok(Policy {
            mode: Mode::parse(&self.mode).ok_or_else(|| UnknownSettings("mode".to_owned()))?,
            holdout: self.holdout.0,
            session_per_hour: self.session_per_hour,
            tenant_per_minute: self.tenant_per_minute,
            floor: self.floor.0,
            wrong_ms: self.wrong_ms.0,
            k: self.k,
            adapter_vote: self.adapter_vote,
            drift_radians: self.drift_radians.0,
            min_similarity: self.min_similarity.0,
            recency_half_life: Millis(self.recency_half_life_ms),
            valid_for: Millis(self.valid_ms),
            prefetch_lead: Millis(self.prefetch_lead_ms),
            retain_for: Millis(self.retain_ms),
            weights: weights(&self.weights)?,
            transfer_weights: weights(&self.transfer_weights)?,
        })
    }
}

fn weights_text(weights: &Weights) -> BTreeMap<String, Exact> {
    weights.list().map(|(name, weight)| (name.to_owned(), Exact(weight))).into()
}

/// Exactly the weights there are.
fn weights(text: &BTreeMap<String, Exact>) -> Result<Weights, UnknownSettings> {
    let held = |name: &str| text.get(name).map_or(f64::NAN, |weight| weight.0);
    let weights = Weights::of(held);
    let known = weights.list();
    match known.iter().find(|(_, weight)| weight.is_nan()) {
        Some((name, _)) => Err(UnknownSettings((*name).to_owned())),
        None if text.len() != known.len() => Err(UnknownSettings("weights".to_owned())),
        None => Ok(weights),
    }
}

impl From<&CostRates> for CostText {
    fn from(rates: &CostRates) -> CostText {
        let CostRates { prefill_tokens_per_s, prefill_ms_per_token2, bytes_per_token, hot, warm, cold } = rates;
        let tier = |TierRates { ms, bytes_per_s }: &TierRates| TierText {
            ms: Exact(*ms),
            bytes_per_s: bytes_per_s.map(Exact),
        };
        CostText {
            prefill_tokens_per_s: Exact(*prefill_tokens_per_s),
            prefill_ms_per_token2: Exact(*prefill_ms_per_token2),
            bytes_per_token: Exact(*bytes_per_token),
            hot: tier(hot),
            warm: tier(warm),
            cold: tier(cold),
        }
    }
}

impl CostText {
    fn rates(&self) -> CostRates {
        let tier = |tier: &TierText| TierRates { ms: tier.ms.0, bytes_per_s: tier.bytes_per_s.map(|x| x.0) };
        CostRates {
            prefill_tokens_per_s: self.prefill_tokens_per_s.0,
            prefill_ms_per_token2: self.prefill_ms_per_token2.0,
            bytes_per_token: self.bytes_per_token.0,
            hot: tier(&self.hot),
            warm: tier(&self.warm),
            cold: tier(&self.cold),
        }
    }
}

#[cfg(test)]
mod tests;
