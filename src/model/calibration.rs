//! What times were observed, against those that the configured rates predict.

use super::ids::Name;
use super::kv::Tier;
use super::time::EventTime;

words!(
    /// What is observed of a cache namespace: restores by tier, and computing tokens anew.
    Rate {
        RestoreHot = "restore_hot", RestoreWarm = "restore_warm", RestoreCold = "restore_cold",
        Recompute = "recompute",
    }
);

/// Observations before an estimate goes by them.
pub const ENOUGH: u64 = 3;
/// What an observation weighs against the next one.
const DECAY: f64 = 0.8;
/// An observation counts as at most so many times what was predicted, and as at least that part of it.
const MOST: f64 = 20.0;

/// The decayed mean of what one rate was observed to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Digest of the configured rates that predicted: under others it says nothing.
    pub against: u64,
    /// Observations.
    pub count: u64,
    /// Mean of ln(actual ÷ predicted), where the n-th latest of them weighs 0.8ⁿ.
    pub mean: f64,
    /// Stream time of the latest.
    pub at: EventTime,
}

/// One of a tenant's rates of a namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationRow {
    /// The namespace.
    pub namespace: Name,
    /// Which rate.
    pub rate: Rate,
    /// What was observed.
    pub observed: Observed,
}

impl Rate {
    /// Restores from a tier.
    pub fn restore(tier: Tier) -> Rate {
        match tier {
            Tier::Hot => Rate::RestoreHot,
            Tier::Warm => Rate::RestoreWarm,
            Tier::Cold => Rate::RestoreCold,
        }
    }
}

impl Observed {
    /// Nothing yet.
    pub fn new(against: u64) -> Observed {
        Observed { against, count: 0, mean: 0.0, at: EventTime::MIN }
    }

    /// Takes in that something took `actual` ms, ≥ 0, of which `predicted` ms, > 0, were predicted.
    pub fn see(&mut self, actual: f64, predicted: f64, at: EventTime) {
        let ratio = (actual / predicted).clamp(1.0 / MOST, MOST);
        self.count = self.count.saturating_add(1);
        // The weights of all but the latest sum up to DECAY + … + DECAY^(count − 1).
        let share = (1.0 - DECAY) / (1.0 - libm::pow(DECAY, self.count as f64));
        self.mean += (libm::log(ratio) - self.mean) * share;
        self.at = at;
    }

    /// By how much predictions are scaled; `None`: too little was observed.
    pub fn factor(&self) -> Option<f64> {
        (self.count >= ENOUGH).then(|| libm::exp(self.mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ratios: &[f64]) -> Observed {
        let mut observed = Observed::new(7);
        ratios.iter().for_each(|ratio| observed.see(10.0 * ratio, 10.0, EventTime(1)));
        observed
    }

    #[test]
    fn the_latest_observations_weigh_most() {
        let logs = [2.0f64, 0.5, 8.0].map(f64::ln);
        let expected = (logs[0] * 0.64 + logs[1] * 0.8 + logs[2]) / (0.64 + 0.8 + 1.0);
        assert!((seen(&[2.0, 0.5, 8.0]).mean - expected).abs() < 1e-12);
        let mut old: Vec<f64> = vec![4.0; 50];
        old.extend([0.5; 20]);
        let factor = seen(&old).factor().expect("enough");
        assert!((0.5..0.52).contains(&factor), "{factor}");
    }

    #[test]
    fn one_that_is_far_off_counts_as_twenty_times() {
        assert!((seen(&[1e9]).mean - 20f64.ln()).abs() < 1e-12);
        assert!((seen(&[0.0]).mean + 20f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn estimates_wait_for_three() {
        assert_eq!(seen(&[2.0, 2.0]).factor(), None);
        let factor = seen(&[2.0, 2.0, 2.0]).factor().expect("enough");
        assert!((factor - 2.0).abs() < 1e-12, "{factor}");
    }
}
