//! A query as it is compared with codes, and how far off what is counted may be.

use std::f64::consts::FRAC_PI_2;

use super::rotation::{rotate, rotated_len};
use super::signs::{HEAD, LANES, PLANES, TOP, Words, head_first, planes};

/// A query as the scan compares it: for each word, the signs of each weight.
pub struct CodeQuery {
    pub(super) head: [[u64; PLANES]; HEAD],
    /// Eight words at a time, filled up with zeros.
    pub(super) tail: Vec<[Words; PLANES]>,
    /// What the sum of a tail's signs is where none differs.
    pub(super) tail_most: i32,
    /// The cosine that a score of 1 stands for.
    pub(super) unit: f64,
    /// How far off an estimate by a head is, and one by all signs.
    pub(super) head_off: Off,
    pub(super) off: Off,
}

/// How far off an estimate is: standard deviations, as cosines.
pub(super) struct Off {
    /// For a cosine of 0.
    signs: f64,
    /// By the rounding of the query.
    rounding: f64,
}

impl Off {
    /// For a cosine, or any beyond: the nearer, the less.
    pub(super) fn at(&self, cosine: f64) -> f64 {
        let cosine = cosine.clamp(0.0, 1.0);
        (self.signs * self.signs * (1.0 - cosine * cosine) + self.rounding * self.rounding).sqrt()
    }
}

impl CodeQuery {
    /// A widened vector with 1 / its norm as a query.
    pub fn new(wide: &[f32], inverse_norm: f64) -> CodeQuery {
        let mut rotated = wide.to_vec();
        rotated.resize(rotated_len(wide.len()), 0.0);
        rotate(&mut rotated);
        let largest = rotated.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        // Levels are this far apart; the highest and the lowest are half as far from the outermost values.
        let apart = largest / 8.0;
        let mut words = planes(&rotated, apart);
        head_first(&mut words);
        let (head, tail) = words.split_at(HEAD);
        let lines = tail.chunks(LANES).map(|words| {
            std::array::from_fn(|plane| {
                let mut line = Words([0; LANES]);
                line.0.iter_mut().zip(words).for_each(|(line, word)| *line = word[plane]);
                line
            })
        });
        let unit = f64::from(apart) / 2.0 * inverse_norm;
        let off = |signs: usize| {
            let known = signs as f64 / rotated.len() as f64;
            Off {
                signs: ((FRAC_PI_2 - known) / (signs - 1) as f64).sqrt(),
                rounding: 2.0 * unit * (FRAC_PI_2 / 12.0 / known).sqrt(),
            }
        };
        CodeQuery {
            head: std::array::from_fn(|word| head[word]),
            tail: lines.collect(),
            tail_most: TOP * 64 * tail.len() as i32,
            unit,
            head_off: off(64 * HEAD),
            off: off(rotated.len()),
        }
    }

    /// The score of a head that is `deviations` less near than a cosine.
    pub fn head_score_of(&self, cosine: f64, deviations: f64) -> f32 {
        ((cosine - deviations * self.head_off.at(cosine)) / self.unit) as f32
    }

    /// The same of all signs.
    pub fn score_of(&self, cosine: f64, deviations: f64) -> f32 {
        ((cosine - deviations * self.off.at(cosine)) / self.unit) as f32
    }
}
