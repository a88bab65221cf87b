//! A score taken apart: total = 1 / (1 + e^-(sum of shares)), each share a value times the weight the policy gives it.

use serde::Serialize;
use utoipa::ToSchema;

use super::score::shares;
use crate::model::score::{Score, Weights};

/// One summand.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ScoreTerm)]
pub struct Term {
    /// Name of the weight, and of the feature that it is for.
    pub name: &'static str,
    /// The feature as published, or 1 of a constant that counts; `None`: unknown, or without meaning for this candidate.
    #[schema(required)]
    pub value: Option<f64>,
    /// The policy's.
    pub weight: f64,
    /// Their product, in log-odds; an unknown value has none.
    pub share: f64,
}

/// A score, taken apart.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ScoreParts)]
pub struct Parts {
    /// As published.
    pub total: f64,
    /// Log-odds: the shares in order, added up.
    pub sum: f64,
    /// In the order they are added.
    pub terms: Vec<Term>,
}

impl Parts {
    /// Takes a score apart that was made with these weights.
    pub fn of(score: &Score, weights: &Weights) -> Parts {
        let features = score.features.list();
        let term = |((name, weight), (_, share)): ((&'static str, f64), (&'static str, f64))| {
            let feature = features.iter().find(|(feature, _)| *feature == name);
            let value = feature.map_or((share != 0.0).then_some(1.0), |(_, value)| *value);
            Term { name, value, weight, share }
        };
        let terms: Vec<Term> = weights.list().into_iter().zip(shares(weights, &score.features)).map(term).collect();
        let sum = terms.iter().fold(0.0, |sum, term| sum + term.share);
        Parts { total: score.total, sum, terms }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cost::round;
    use super::super::score::score;
    use super::*;
    use crate::model::score::Features;

    #[test]
    fn the_shares_of_any_score_add_up_to_its_total() {
        let weights = [Weights::RECOVERY, Weights::TRANSFER, Weights::of(|name| name.len() as f64 / 10.0 - 0.7)];
        for (n, weights) in weights.iter().enumerate() {
            for seed in 0..200 {
                let mut at = seed;
                // None, zero, one, and what has more digits than are published.
                let mut next = || {
                    at = (at * 75 + 74) % 65_537;
                    [None, Some(0.0), Some(1.0), Some(f64::from(at) / 65_537.0)][at as usize % 4]
                };
                let score = score(weights, &Features::of(|_| next()));
                let parts = Parts::of(&score, weights);
                assert_eq!(round(1.0 / (1.0 + (-parts.sum).exp())), score.total, "{n}: {parts:?}");
                for term in parts.terms {
                    assert_eq!(term.share, term.value.unwrap_or(0.0) * term.weight, "{term:?}");
                }
            }
        }
    }
}
