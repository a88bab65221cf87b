//! Checked settings of the engine. Whatever can change an output is in the policy digest.

use std::collections::BTreeMap;

use crate::model::ids::Name;
use crate::model::time::Millis;

/// Everything the engine is told from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineSettings {
    /// Declared embedding spaces and their dimensions (≥ 1).
    pub spaces: BTreeMap<Name, usize>,
    /// Idle timeout of sessions that give none.
    pub idle_timeout: Millis,
    /// Stream time after which an untouched session is forgotten, and a record is too late.
    pub retention: Millis,
    /// How long a predicted copy is believed in.
    pub predicted_ttl: Millis,
    /// How long an erasure marker lives.
    pub erasure_marker: Millis,
    /// Whether an event with an unusable embedding is refused as a whole.
    pub reject_bad_context: bool,
    /// Whether keys must hash (murmur2) to their partition. Off for producers with a partitioner of their own.
    pub check_partition: bool,
    /// Form of the public outputs.
    pub output: OutputFormat,
    /// How suggestions are decided.
    pub policy: Policy,
    /// Rates by cache namespace.
    pub costs: BTreeMap<Name, CostRates>,
    /// Rates of namespaces that are not listed.
    pub default_cost: CostRates,
}

/// Form of public outputs. Private topics are always Avro.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// Avro bodies, framed by the runtime.
    Avro,
    /// JSON texts.
    Json,
}

/// How suggestions are decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Probability below which nothing is suggested, 0..1.
    pub floor: f64,
    /// Neighbours asked, 1..1000.
    pub k: usize,
    /// Sessions an adapter needs behind it (and more than half), ≥ 1.
    pub adapter_vote: u32,
    /// Summed angle of context drift that sets off a transfer, radians, > 0.
    pub drift_radians: f64,
    /// Cosine below which a session is no neighbour, -1..1.
    pub min_similarity: f64,
    /// Age at which recency counts half, ms, > 0.
    pub recency_half_life: Millis,
    /// How long a suggestion holds.
    pub valid_for: Millis,
    /// Weights of the score.
    pub weights: Weights,
}

/// Weights of the logistic score: total = 1 / (1 + e^−(bias + Σ weight · feature)).
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Added always.
    pub bias: f64,
    /// Times the cosine.
    pub similarity: f64,
    /// Added where no cosine is known.
    pub no_similarity: f64,
    /// Times 2^(−age / half-life).
    pub recency: f64,
    /// Added where the source was interrupted.
    pub interrupted: f64,
    /// Added where the source ended.
    pub ended: f64,
    /// Added where the source is the session itself.
    pub own_session: f64,
    /// Added where the session itself declared what it takes up.
    pub declared: f64,
    /// Times the share of the context's compute that restoring saves.
    pub kv_value: f64,
    /// Added where both sessions use the same adapter.
    pub adapter_match: f64,
    /// Times the share of votes (transfer only).
    pub support: f64,
}

/// What computing and moving KV costs.
#[derive(Debug, Clone, PartialEq)]
pub struct CostRates {
    /// Prefill rate, tokens a second, > 0.
    pub prefill_tokens_per_s: f64,
    /// KV bytes a token at full precision, > 0.
    pub bytes_per_token: f64,
    /// Copies in accelerator memory.
    pub hot: TierRates,
    /// Copies in host memory.
    pub warm: TierRates,
    /// Copies on disk or remote.
    pub cold: TierRates,
}

/// Latency and bandwidth of a tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TierRates {
    /// Fixed time, ms, ≥ 0.
    pub ms: f64,
    /// Bandwidth in bytes a second, > 0; `None`: nothing is moved.
    pub bytes_per_s: Option<f64>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        let space = Name::new("default").unwrap_or_else(|_| unreachable!("a constant name"));
        EngineSettings {
            spaces: BTreeMap::from([(space, 768)]),
            idle_timeout: Millis(1_800_000),
            retention: Millis(604_800_000),
            predicted_ttl: Millis(600_000),
            erasure_marker: Millis(604_800_000),
            reject_bad_context: false,
            check_partition: true,
            output: OutputFormat::Avro,
            policy: Policy::default(),
            costs: BTreeMap::new(),
            default_cost: CostRates::default(),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            floor: 0.35,
            k: 32,
            adapter_vote: 3,
            drift_radians: 0.8,
            min_similarity: 0.3,
            recency_half_life: Millis(1_800_000),
            valid_for: Millis(600_000),
            weights: Weights::default(),
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Weights {
            bias: -3.0,
            similarity: 4.0,
            no_similarity: 0.8,
            recency: 1.0,
            interrupted: 1.7,
            ended: -1.5,
            own_session: 2.5,
            declared: 4.0,
            kv_value: 1.0,
            adapter_match: 0.3,
            support: 1.5,
        }
    }
}

impl Default for CostRates {
    fn default() -> Self {
        CostRates {
            prefill_tokens_per_s: 8000.0,
            bytes_per_token: 131_072.0,
            hot: TierRates { ms: 1.0, bytes_per_s: None },
            warm: TierRates { ms: 10.0, bytes_per_s: Some(10e9) },
            cold: TierRates { ms: 50.0, bytes_per_s: Some(1e9) },
        }
    }
}
