//! The score: a logistic model over named features, total = 1 / (1 + e^−(bias + Σ weight · feature)).
//! Order of operations is fixed and `exp` is `libm`'s, so that a replay gives the same bits.

use std::collections::BTreeMap;

use super::cost::round;
use crate::engine::settings::{Policy, Weights};
use crate::model::suggestion::Score;
use crate::model::time::{EventTime, Millis};

/// What the score is computed from. `None`: unknown, or without meaning for this candidate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Features {
    /// Cosine to the source.
    pub similarity: Option<f64>,
    /// 2^(−age / half-life) of the source, 0..1.
    pub recency: Option<f64>,
    /// 1 if the source was interrupted.
    pub interrupted: Option<f64>,
    /// 1 if the source ended.
    pub ended: Option<f64>,
    /// 1 if the source is the session itself.
    pub own_session: Option<f64>,
    /// 1 if the session itself said what it takes up.
    pub declared: Option<f64>,
    /// Share of the context's compute that restoring saves, 0..1.
    pub kv_value: Option<f64>,
    /// 1 if both use the same adapter, 0 if different ones.
    pub adapter_match: Option<f64>,
    /// Share of votes, 0..1.
    pub support: Option<f64>,
}

/// Names of the published components.
pub const COMPONENTS: [&str; 9] = [
    "similarity",
    "recency",
    "interrupted",
    "ended",
    "own_session",
    "declared",
    "kv_value",
    "adapter_match",
    "support",
];

/// 1 for true.
pub fn flag(yes: bool) -> Option<f64> {
    Some(f64::from(u8::from(yes)))
}

/// Recency of something `age` old.
pub fn recency(policy: &Policy, at: Option<EventTime>, now: EventTime) -> Option<f64> {
    let Millis(age) = now.since(at?);
    Some(round(libm::exp2(-(age as f64) / policy.recency_half_life.0 as f64)))
}

/// Scores a candidate.
pub fn score(weights: &Weights, features: &Features) -> Score {
    let terms: [(Option<f64>, f64); 9] = [
        (features.similarity, weights.similarity),
        (features.recency, weights.recency),
        (features.interrupted, weights.interrupted),
        (features.ended, weights.ended),
        (features.own_session, weights.own_session),
        (features.declared, weights.declared),
        (features.kv_value, weights.kv_value),
        (features.adapter_match, weights.adapter_match),
        (features.support, weights.support),
    ];
    let own = features.own_session == Some(1.0);
    let mut z = weights.bias;
    if features.similarity.is_none() && !own {
        z += weights.no_similarity;
    }
    for (value, weight) in &terms {
        z += value.unwrap_or(0.0) * weight;
    }
    let total = round(1.0 / (1.0 + libm::exp(-z)));
    let components: BTreeMap<_, _> = COMPONENTS.into_iter().zip(terms.map(|(value, _)| value.map(round))).collect();
    Score { total, components }
}
