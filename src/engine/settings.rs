//! Checked settings of the engine. Whatever can change a suggestion is in the policy digest.

use std::collections::BTreeMap;

use crate::model::ids::{EventId, Name};
use crate::model::position::Offset;
pub use crate::model::score::Weights;
use crate::model::time::Millis;
pub use crate::model::trial::Mode;

/// Everything the engine is told from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineSettings {
    /// Declared embedding spaces and their dimensions (≥ 1).
    pub spaces: BTreeMap<Name, usize>,
    /// Idle timeout of sessions that give none.
    pub idle_timeout: Millis,
    /// Stream time after which an untouched session is forgotten, and a record is too late.
    pub retention: Millis,
    /// How long the input keeps its records; what has to be known to replay them is kept for at least as long.
    pub log_retention: Millis,
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
    /// Name of the input topic, for the headers of dead letters.
    pub input_topic: String,
    /// Distinct blocks of prefix chains that are indexed for a tenant at most.
    pub max_prefix_blocks: usize,
    /// How suggestions are decided.
    pub policy: Policy,
    /// Rates by cache namespace.
    pub costs: BTreeMap<Name, CostRates>,
    /// Rates of namespaces that are not listed.
    pub default_cost: CostRates,
    /// A fail point for tests: the event with this id makes processing panic. No configuration sets it.
    #[doc(hidden)]
    pub panic_on: Option<EventId>,
    /// Another: whatever is done with the record at this offset panics, its dead-lettering too.
    #[doc(hidden)]
    pub panic_at: Option<Offset>,
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
    /// Whether suggestions are published.
    pub mode: Mode,
    /// Share of sessions whose suggestions are not published, 0..1.
    pub holdout: f64,
    /// Suggestions opened to a session at most in an hour of stream time; 0: any number.
    pub session_per_hour: u64,
    /// Suggestions opened to a tenant's sessions of a partition at most in a minute of stream time; 0: any number.
    pub tenant_per_minute: u64,
    /// Probability below which nothing is suggested, 0..1.
    pub floor: f64,
    /// What a wrong suggestion costs beside the restore that it sets off, ms, ≥ 0.
    pub wrong_ms: f64,
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
    /// How long before a paused session's return its KV is fetched.
    pub prefetch_lead: Millis,
    /// The longest pause over which KV is retained in accelerator memory.
    pub retain_for: Millis,
    /// Weights of a recovery's score.
    pub weights: Weights,
    /// Weights of a transfer's score.
    pub transfer_weights: Weights,
}

/// What computing and moving KV costs.
#[derive(Debug, Clone, PartialEq)]
pub struct CostRates {
    /// Prefill rate, tokens a second, > 0.
    pub prefill_tokens_per_s: f64,
    /// What attention adds to the prefill of a whole context, ms by the square of its tokens, ≥ 0.
    pub prefill_ms_per_token2: f64,
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

impl EngineSettings {
    /// Digest of everything that can change a suggestion for the same input: 32 hexadecimal digits. Floats
    /// enter by their bits, so that equal settings have equal digests on every machine.
    pub fn policy_digest(&self) -> Name {
        let mut text = String::new();
        let mut put = |key: &str, value: &dyn std::fmt::Display| text.push_str(&format!("{key}={value}\n"));
        for (space, dim) in &self.spaces {
            put(space.as_str(), dim);
        }
        for (key, span) in [
            ("idle_timeout", self.idle_timeout),
            ("retention", self.retention),
            ("predicted_ttl", self.predicted_ttl),
            ("erasure_marker", self.erasure_marker),
            ("recency_half_life", self.policy.recency_half_life),
            ("valid_for", self.policy.valid_for),
            ("prefetch_lead", self.policy.prefetch_lead),
            ("retain_for", self.policy.retain_for),
        ] {
            put(key, &span.0);
        }
        put("reject_bad_context", &self.reject_bad_context);
        put("check_partition", &self.check_partition);
        put("max_prefix_blocks", &self.max_prefix_blocks);
        put("k", &self.policy.k);
        put("adapter_vote", &self.policy.adapter_vote);
        put("mode", &self.policy.mode.label());
        put("session_per_hour", &self.policy.session_per_hour);
        put("tenant_per_minute", &self.policy.tenant_per_minute);
        for (name, x) in self.policy.numbers() {
            put(name, &x.to_bits());
        }
        for (namespace, rates) in &self.costs {
            put("cost", namespace);
            rates.numbers().for_each(|x| put("rate", &x.to_bits()));
        }
        self.default_cost.numbers().for_each(|x| put("rate", &x.to_bits()));
        let digest = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
        Name::new(&format!("{digest:032x}")).unwrap_or_else(|_| unreachable!("32 hexadecimal digits"))
    }
}

impl Policy {
    fn numbers(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let own = [
            ("holdout", self.holdout),
            ("floor", self.floor),
            ("wrong_ms", self.wrong_ms),
            ("drift_radians", self.drift_radians),
            ("min_similarity", self.min_similarity),
        ];
        own.into_iter().chain(self.weights.list()).chain(self.transfer_weights.list())
    }
}

impl CostRates {
    fn numbers(&self) -> impl Iterator<Item = f64> {
        let tiers = [self.hot, self.warm, self.cold];
        let moved = tiers.into_iter().flat_map(|tier| [tier.ms, tier.bytes_per_s.unwrap_or(f64::INFINITY)]);
        [self.prefill_tokens_per_s, self.prefill_ms_per_token2, self.bytes_per_token].into_iter().chain(moved)
    }

    /// Digest of all of them, by their bits.
    pub fn digest(&self) -> u64 {
        let bytes: Vec<u8> = self.numbers().flat_map(|x| x.to_bits().to_le_bytes()).collect();
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        let space = Name::new("default").unwrap_or_else(|_| unreachable!("a constant name"));
        EngineSettings {
            spaces: BTreeMap::from([(space, 768)]),
            idle_timeout: Millis(1_800_000),
            retention: Millis(604_800_000),
            log_retention: Millis(604_800_000),
            predicted_ttl: Millis(600_000),
            erasure_marker: Millis(604_800_000),
            reject_bad_context: false,
            check_partition: true,
            output: OutputFormat::Avro,
            input_topic: "session-events".to_owned(),
            max_prefix_blocks: 1_000_000,
            policy: Policy::default(),
            costs: BTreeMap::new(),
            default_cost: CostRates::default(),
            panic_on: None,
            panic_at: None,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            mode: Mode::On,
            holdout: 0.0,
            session_per_hour: 120,
            tenant_per_minute: 60_000,
            floor: 0.35,
            wrong_ms: 0.0,
            k: 32,
            adapter_vote: 3,
            drift_radians: 0.8,
            min_similarity: 0.3,
            recency_half_life: Millis(1_800_000),
            valid_for: Millis(600_000),
            prefetch_lead: Millis(10_000),
            retain_for: Millis(60_000),
            weights: Weights::RECOVERY,
            transfer_weights: Weights::TRANSFER,
        }
    }
}

impl Default for CostRates {
    fn default() -> Self {
        CostRates {
            prefill_tokens_per_s: 8000.0,
            prefill_ms_per_token2: 0.0,
            bytes_per_token: 131_072.0,
            hot: TierRates { ms: 1.0, bytes_per_s: None },
            warm: TierRates { ms: 10.0, bytes_per_s: Some(10e9) },
            cold: TierRates { ms: 50.0, bytes_per_s: Some(1e9) },
        }
    }
}
