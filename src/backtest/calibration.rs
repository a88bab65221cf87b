//! Whether a score is the probability it claims to be: scores in ten bins of equal width, each against what was right.

use serde::Serialize;

use super::curve::{Origin, Scored};
use super::stats::{Estimate, bootstrap, share};

const BINS: usize = 10;

/// Scores and what came of them, in bins.
#[derive(Debug, Clone, Default)]
pub struct Calibration {
    bins: [Bin; BINS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    of: u64,
    right: u64,
    scores: f64,
}

/// A point of the reliability curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// Scores from here, inclusive; the bin is a tenth wide.
    pub from: f64,
    /// Mean score.
    pub mean_score: f64,
    /// Share that was right.
    pub right: Estimate,
}

impl Calibration {
    /// Counts a score, 0..1, `times` times.
    pub fn add(&mut self, score: f64, right: bool, times: u64) {
        let bin = &mut self.bins[((score * BINS as f64) as usize).min(BINS - 1)];
        bin.of += times;
        bin.right += times * u64::from(right);
        bin.scores += score * times as f64;
    }

    /// Expected calibration error: Σ of/all · |right/of − mean score|; `None` of nothing.
    ///
    /// M. P. Naeini, G. F. Cooper, M. Hauskrecht: "Obtaining well calibrated probabilities using Bayesian binning" (2015).
    pub fn error(&self) -> Option<f64> {
        let all: u64 = self.bins.iter().map(|bin| bin.of).sum();
        let error: f64 = self.bins.iter().map(|bin| (bin.right as f64 - bin.scores).abs()).sum();
        (all > 0).then(|| error / all as f64)
    }

    /// The bins that hold anything, by rising score.
    pub fn curve(&self) -> Vec<Reliability> {
        let point = |(n, bin): (usize, &Bin)| {
            let right = share(bin.of, bin.right)?;
            Some(Reliability { from: n as f64 / BINS as f64, mean_score: bin.scores / bin.of as f64, right })
        };
        self.bins.iter().enumerate().filter_map(point).collect()
    }
}

/// Of the best candidates, with the error's interval; sessions without a candidate, and those of an unseen origin, say
/// nothing.
pub fn of_the_best(scored: &[Scored]) -> (Calibration, Option<Estimate>) {
    let best: Vec<_> =
        (scored.iter().filter(|s| s.origin != Origin::Unseen)).filter_map(|s| Some((s.best?, s.is_right()))).collect();
    let binned = |weights: &[u32]| {
        let mut calibration = Calibration::default();
        for ((score, right), times) in best.iter().zip(weights) {
            calibration.add(*score, *right, u64::from(*times));
        }
        calibration
    };
    (binned(&vec![1; best.len()]), bootstrap(best.len(), |weights| binned(weights).error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_weighted_distance_of_the_bins() {
        let mut calibration = Calibration::default();
        // 0.8 against 1/2, and 0.1 and 0.15 against 0: (2 · 0.3 + 2 · 0.125) / 4.
        for (score, right) in [(0.8, true), (0.8, false), (0.1, false), (0.15, false)] {
            calibration.add(score, right, 1);
        }
        assert!((calibration.error().unwrap() - 0.2125).abs() < 1e-12);
        let curve = calibration.curve();
        assert_eq!(curve.len(), 2);
        assert_eq!((curve[1].from, curve[1].mean_score, curve[1].right.value), (0.8, 0.8, 0.5));
        assert_eq!(Calibration::default().error(), None);
    }

    #[test]
    fn a_score_of_one_lies_in_the_last_bin() {
        let mut calibration = Calibration::default();
        calibration.add(1.0, true, 3);
        assert_eq!((calibration.error(), calibration.curve()[0].from), (Some(0.0), 0.9));
    }
}
