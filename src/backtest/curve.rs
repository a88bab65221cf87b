//! What a threshold does: of every session the best candidate is suggested if its score reaches the threshold.

use serde::Serialize;

use super::stats::{Estimate, bootstrap, share};

/// Recall that the operating point keeps at least.
pub const KEPT_RECALL: f64 = 0.45;

/// What is known of a session's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It continues nothing.
    Nothing,
    /// It continues a session that the log showed before it.
    Known,
    /// It continues a session that the log does not show before it: it says nothing of what was suggested.
    Unseen,
}

/// A session at the moment it was scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// What it continues.
    pub origin: Origin,
    /// Score of the best candidate, if there was any.
    pub best: Option<f64>,
    /// Rank of the origin among the candidates, from 1, if it was among them. 1: the best candidate is right.
    pub rank: Option<u32>,
}

impl Scored {
    /// Whether the best candidate is the origin.
    pub fn is_right(&self) -> bool {
        self.rank == Some(1)
    }
}

/// What is suggested at a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtThreshold {
    /// The threshold, 0..1.
    pub threshold: f64,
    /// Sessions with a suggestion.
    pub suggested: u64,
    /// Of these, those whose suggestion is the origin.
    pub right: u64,
    /// right / suggested.
    pub precision: Option<Estimate>,
    /// right / sessions that continue a known one.
    pub recall: Option<Estimate>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Sessions that continue nothing and have a suggestion / sessions that continue nothing.
    pub false_suggestions: Option<Estimate>,
}

/// The scored sessions by falling score.
pub struct Curve {
    /// Those with a candidate: its score, whether it is right, and the session's place in `origins`.
    ranked: Vec<(f64, bool, usize)>,
    origins: Vec<Origin>,
}

/// What is suggested down to a score.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    suggested: u64,
    right: u64,
    falsely: u64,
}

impl Counts {
    fn precision(&self) -> f64 {
        self.right as f64 / self.suggested.max(1) as f64
    }

    fn recall(&self, known: u64) -> f64 {
        self.right as f64 / known.max(1) as f64
    }

    /// 2 · precision · recall / (precision + recall), written with counts.
    fn f1(&self, known: u64) -> f64 {
        2.0 * self.right as f64 / (self.suggested + known).max(1) as f64
    }
}

impl Curve {
    /// Of all scored sessions; those of an unseen origin are left out.
    pub fn of(scored: &[Scored]) -> Curve {
        let judged = || scored.iter().filter(|s| s.origin != Origin::Unseen);
        let candidates = judged().enumerate().filter_map(|(place, s)| Some((s.best?, s.is_right(), place)));
        let mut ranked: Vec<_> = candidates.collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
        Curve { ranked, origins: judged().map(|s| s.origin).collect() }
    }

    /// What a threshold does.
    pub fn at(&self, threshold: f64) -> AtThreshold {
        let mut counts = Counts::default();
        for (_, right, place) in self.ranked.iter().take_while(|(best, ..)| *best >= threshold) {
            self.add(&mut counts, *right, *place, 1);
        }
        let known = self.known(&|_| 1);
        AtThreshold {
            threshold,
            suggested: counts.suggested,
            right: counts.right,
            precision: share(counts.suggested, counts.right),
            recall: share(known, counts.right),
            f1: (known > 0).then(|| counts.f1(known)),
            false_suggestions: share(self.origins.len() as u64 - known, counts.falsely),
        }
    }

    /// Threshold, precision and recall at every score, by falling threshold.
    pub fn points(&self) -> Vec<(f64, f64, f64)> {
        let known = self.known(&|_| 1);
        let mut points = Vec::new();
        self.walk(&|_| 1, |threshold, counts| points.push((threshold, counts.precision(), counts.recall(known))));
        points
    }

    /// The threshold of the best F1; of equal ones the highest. `None` if no session continues a known one, or none has
    /// a candidate.
    pub fn best_f1(&self) -> Option<f64> {
        self.best_of(&|_| 1).map(|(_, threshold)| threshold)
    }

    /// The best F1 with its interval: each resample chooses its own threshold.
    pub fn f1(&self) -> Option<Estimate> {
        bootstrap(self.origins.len(), |weights| self.best_of(&|place| u64::from(weights[place])).map(|(f1, _)| f1))
    }

    /// The threshold of the highest precision that keeps a recall of [`KEPT_RECALL`]; of equal ones that of the most
    /// recall. If none keeps it, that of the best F1.
    pub fn operating(&self) -> Option<f64> {
        let mut best: Option<(f64, f64)> = None;
        for (threshold, precision, recall) in self.points() {
            if recall >= KEPT_RECALL && best.is_none_or(|(most, _)| precision >= most) {
                best = Some((precision, threshold));
            }
        }
        let best_f1 = self.best_f1()?;
        Some(best.map_or(best_f1, |(_, threshold)| threshold))
    }

    fn best_of(&self, weight: &impl Fn(usize) -> u64) -> Option<(f64, f64)> {
        let known = self.known(weight);
        let mut best: Option<(f64, f64)> = None;
        self.walk(weight, |threshold, counts| {
            let f1 = counts.f1(known);
            if best.is_none_or(|(most, _)| f1 > most) {
                best = Some((f1, threshold));
            }
        });
        best.filter(|_| known > 0)
    }

    /// Sessions that continue a known one.
    fn known(&self, weight: &impl Fn(usize) -> u64) -> u64 {
        let known = self.origins.iter().enumerate().filter(|(_, origin)| **origin == Origin::Known);
        known.map(|(place, _)| weight(place)).sum()
    }

    fn add(&self, counts: &mut Counts, right: bool, place: usize, times: u64) {
        counts.suggested += times;
        counts.right += times * u64::from(right);
        counts.falsely += times * u64::from(self.origins[place] == Origin::Nothing);
    }

    /// Goes through the scores from the highest on, with what is suggested down to each.
    fn walk(&self, weight: &impl Fn(usize) -> u64, mut each: impl FnMut(f64, &Counts)) {
        let mut counts = Counts::default();
        for (n, (best, right, place)) in self.ranked.iter().enumerate() {
            self.add(&mut counts, *right, *place, weight(*place));
            // Equal scores are suggested together.
            if self.ranked.get(n + 1).is_none_or(|next| next.0 < *best) {
                each(*best, &counts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(origin: Origin, best: f64, rank: u32) -> Scored {
        Scored { origin, best: Some(best), rank: (rank > 0).then_some(rank) }
    }

    #[test]
    fn thresholds_count_as_by_hand() {
        let curve = Curve::of(&[
            scored(Origin::Known, 0.9, 1),
            scored(Origin::Known, 0.6, 2),
            scored(Origin::Known, 0.3, 1),
            Scored { origin: Origin::Known, best: None, rank: None },
            scored(Origin::Nothing, 0.6, 0),
            scored(Origin::Nothing, 0.1, 0),
            scored(Origin::Unseen, 0.95, 0),
        ]);
        let found = curve.at(0.5);
        let value = |estimate: Option<Estimate>| estimate.map(|e| (e.value, e.of));
        assert_eq!((found.suggested, found.right), (3, 1));
        assert_eq!(value(found.precision), Some((1.0 / 3.0, 3)));
        assert_eq!(value(found.recall), Some((0.25, 4)));
        assert_eq!(value(found.false_suggestions), Some((0.5, 2)));
        assert_eq!(found.f1, Some(2.0 / 7.0));
        let points = [(0.9, 1.0, 0.25), (0.6, 1.0 / 3.0, 0.25), (0.3, 0.5, 0.5), (0.1, 0.4, 0.5)];
        assert_eq!(curve.points(), points);
        assert_eq!(curve.best_f1(), Some(0.3));
        assert_eq!(curve.operating(), Some(0.3), "the only one with enough recall but the last, which is less precise");
        assert_eq!(curve.f1().map(|f1| f1.value), Some(0.5));
    }

    #[test]
    fn without_origins_there_is_nothing_to_find() {
        let curve = Curve::of(&[scored(Origin::Nothing, 0.5, 0)]);
        assert_eq!((curve.best_f1(), curve.operating(), curve.f1()), (None, None, None));
        assert_eq!(curve.at(0.2).recall, None);
        assert_eq!(curve.at(0.9).precision, None);
    }
}
