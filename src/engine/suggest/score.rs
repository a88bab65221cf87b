//! The score: a logistic model over named features, total = 1 / (1 + e^−(bias + Σ weight · feature)).
//! Order of operations is fixed and `exp` is `libm`'s, so that a replay gives the same bits; features are rounded
//! before they are weighed, so that whoever reads a score can reckon it again.

use super::cost::round;
use crate::engine::settings::{Policy, Weights};
use crate::model::score::{Features, Score};
use crate::model::suggestion::Estimate;
use crate::model::time::{EventTime, Millis};

/// 1 for true.
pub fn flag(yes: bool) -> Option<f64> {
    Some(f64::from(u8::from(yes)))
}

/// Recency of something `age` old.
pub fn recency(policy: &Policy, at: Option<EventTime>, now: EventTime) -> Option<f64> {
    let Millis(age) = now.since(at?);
    Some(libm::exp2(-(age as f64) / policy.recency_half_life.0 as f64))
}

/// ln(1 + turns).
pub fn turns(count: u32) -> Option<f64> {
    Some(libm::log1p(f64::from(count)))
}

/// Scores a candidate.
pub fn score(weights: &Weights, features: &Features) -> Score {
    let features = features.map(round);
    let z = shares(weights, &features).fold(0.0, |sum, (_, share)| sum + share);
    Score { total: round(1.0 / (1.0 + libm::exp(-z))), features }
}

/// What each weight adds to the log-odds of a score, in the order in which they are summed: the constant ones first.
pub fn shares(weights: &Weights, features: &Features) -> impl Iterator<Item = (&'static str, f64)> {
    let own = features.own_session == Some(1.0);
    let applies = [true, features.similarity.is_none() && !own, features.margin.is_none() && !own];
    let constant = applies.map(|applies| if applies { Some(1.0) } else { None });
    let values = constant.into_iter().chain(features.list().map(|(_, value)| value));
    weights.list().into_iter().zip(values).map(|((name, weight), value)| (name, value.unwrap_or(0.0) * weight))
}

/// Whether acting on a suggestion is expected to gain time: p · saved > (1 − p) · (restore + `wrong_ms`). Where nothing
/// is known of times, nothing speaks against it.
pub fn pays(policy: &Policy, score: &Score, estimate: Option<&Estimate>) -> bool {
    estimate.is_none_or(|estimate| {
        let p = score.total;
        p * estimate.saved_ms > (1.0 - p) * (estimate.restore_ms + policy.wrong_ms)
    })
}
