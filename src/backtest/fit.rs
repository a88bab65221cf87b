//! Weights fitted to what was weighed: logistic regression by L-BFGS.
//!
//! Minimised is Σ log-loss(candidate) + ½ · Σ (weight − weight before)². The penalty draws towards the weights there were,
//! so that a log which says little of something leaves it nearly as it is. Weights of what does not vary stay as they are.

use argmin::core::{CostFunction, Error, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use serde::{Serialize, Serializer};

use super::samples::{Column, Samples};

/// Curvature pairs that L-BFGS keeps.
const MEMORY: usize = 7;
const MAX_ITERATIONS: u64 = 500;
const GRADIENT_TOLERANCE: f64 = 1e-6;
/// Scores are rounded to 1e-6, and so are their components, whose weights are 100 at most.
const SCORE_TOLERANCE: f64 = 1e-4;
/// Largest weight that a configuration may have.
const MAX_WEIGHT: f64 = 100.0;

/// Fitted weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fitted {
    /// All weights, those that were left alone included.
    #[serde(serialize_with = "as_object")]
    pub weights: Vec<(String, f64)>,
    /// The names of those that were fitted.
    pub fitted: Vec<String>,
    /// Candidates, and those of them that were the origin.
    pub candidates: [u64; 2],
    /// Mean log-loss before and after.
    pub log_loss: [f64; 2],
}

fn as_object<S: Serializer>(weights: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(weights.iter().map(|(name, weight)| (name, weight)))
}

/// Why no weights can be fitted.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// All candidates are of one kind.
    #[error("nothing to fit: of {0} candidates weighed, {1} are what the session takes up; some must be and some not")]
    OneSided(usize, usize),
    /// Every weight is kept.
    #[error("nothing to fit: every weight is kept or of something that does not vary in this log")]
    NothingLeft,
    /// The engine's score is not made as it is fitted here.
    #[error("the engine scores by another model than the one that is fitted: {0} where {1} was expected")]
    OtherModel(f64, f64),
    /// The optimiser failed.
    #[error("the optimiser failed: {0}")]
    Optimiser(String),
}

struct Regression<'a> {
    columns: Vec<&'a Column>,
    /// What the weights that are not fitted add, for each candidate.
    fixed: Vec<f64>,
    right: &'a [bool],
}

/// Fits. `weights`: the names and values there are; `keep`: names of those that stay as they are.
pub fn fit(samples: &Samples, weights: &[(String, f64)], keep: &[String]) -> Result<Fitted, FitError> {
    let right = samples.right();
    let origins = right.iter().filter(|right| **right).count();
    if origins == 0 || origins == right.len() {
        return Err(FitError::OneSided(right.len(), origins));
    }
    let columns = samples.columns(weights);
    check_model(samples, &columns)?;
    let (fitted, left): (Vec<_>, Vec<_>) =
        columns.iter().partition(|c| (c.name == "bias" || c.varies()) && !keep.contains(&c.name));
    let problem = Regression { fixed: sums(&left, right.len(), |column| column.weight), columns: fitted, right };
    let names: Vec<String> = problem.columns.iter().map(|c| c.name.clone()).collect();
    let before: Vec<f64> = problem.columns.iter().map(|c| c.weight).collect();
    let log_loss_before = problem.log_loss(&before) / right.len() as f64;
    if names.is_empty() {
        return Err(FitError::NothingLeft);
    }
    let found = minimise(&problem, before).map_err(|e| FitError::Optimiser(e.to_string()))?;
    let found: Vec<f64> = found.into_iter().map(rounded).collect();
    let log_loss = [log_loss_before, problem.log_loss(&found) / right.len() as f64];
    let value = |(name, weight): &(String, f64)| {
        let place = names.iter().position(|fitted| fitted == name);
        (name.clone(), place.map_or(*weight, |place| found[place]))
    };
    let weights = weights.iter().map(value).collect();
    Ok(Fitted { weights, candidates: [right.len() as u64, origins as u64], log_loss, fitted: names })
}

fn minimise(problem: &Regression<'_>, begin: Vec<f64>) -> Result<Vec<f64>, Error> {
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY).with_tolerance_grad(GRADIENT_TOLERANCE)?;
    let run = Executor::new(problem, solver).configure(|state| state.param(begin.clone()).max_iters(MAX_ITERATIONS));
    Ok(run.run()?.state().get_best_param().cloned().unwrap_or(begin))
}

/// Whether the columns and weights give what the engine scored.
fn check_model(samples: &Samples, columns: &[Column]) -> Result<(), FitError> {
    let all: Vec<&Column> = columns.iter().collect();
    let sums = sums(&all, samples.right().len(), |column| column.weight);
    let wrong = sums
        .into_iter()
        .map(logistic)
        .zip(samples.totals())
        .find(|(ours, total)| (ours - *total).abs() > SCORE_TOLERANCE);
    wrong.map_or(Ok(()), |(ours, total)| Err(FitError::OtherModel(*total, ours)))
}

fn sums(columns: &[&Column], rows: usize, weight: impl Fn(&Column) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; rows];
    for column in columns {
        let weight = weight(column);
        sums.iter_mut().zip(&column.values).for_each(|(sum, value)| *sum += weight * value);
    }
    sums
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-z))
}

fn rounded(weight: f64) -> f64 {
    (libm::rint(weight * 1e4) / 1e4).clamp(-MAX_WEIGHT, MAX_WEIGHT)
}

impl Regression<'_> {
    fn scores(&self, weights: &[f64]) -> Vec<f64> {
        let mut sums = self.fixed.clone();
        for (column, weight) in self.columns.iter().zip(weights) {
            sums.iter_mut().zip(&column.values).for_each(|(sum, value)| *sum += weight * value);
        }
        sums
    }

    fn log_loss(&self, weights: &[f64]) -> f64 {
        // ln(1 + e^−m) of the margin m, without overflow.
        let loss = |margin: f64| libm::log1p(libm::exp(-margin.abs())) + (-margin).max(0.0);
        let margins = self.scores(weights).into_iter().zip(self.right).map(|(z, right)| if *right { z } else { -z });
        margins.map(loss).sum()
    }

    fn drawn(&self, weights: &[f64]) -> impl Iterator<Item = f64> {
        weights.iter().zip(&self.columns).map(|(weight, column)| weight - column.weight)
    }
}

impl CostFunction for &Regression<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, weights: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.log_loss(weights) + self.drawn(weights).map(|d| d * d / 2.0).sum::<f64>())
    }
}

impl Gradient for &Regression<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, weights: &Vec<f64>) -> Result<Vec<f64>, Error> {
        let labelled = self.scores(weights).into_iter().zip(self.right);
        let off: Vec<f64> = labelled.map(|(z, right)| logistic(z) - f64::from(u8::from(*right))).collect();
        let along = |column: &&Column| column.values.iter().zip(&off).map(|(value, off)| value * off).sum::<f64>();
        Ok(self.columns.iter().map(along).zip(self.drawn(weights)).map(|(along, drawn)| along + drawn).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::generator::rng::Rng;
    use crate::model::score::{Features, Score};

    /// Candidates of a known model: how often each is right follows its weights.
    fn samples(bias: f64, similarity: f64, scored_by: [f64; 2]) -> Samples {
        let (mut samples, mut rng) = (Samples::default(), Rng::new(5));
        for _ in 0..20_000 {
            let x = rng.unit();
            let right = rng.chance(logistic(bias + similarity * x));
            let total = logistic(scored_by[0] + scored_by[1] * x);
            let features = Features { similarity: Some(x), declared: Some(0.0), ..Features::default() };
            samples.add(&Score { total, features }, right);
        }
        samples
    }

    fn weights(values: [f64; 3]) -> Vec<(String, f64)> {
        ["bias", "similarity", "declared"].map(str::to_owned).into_iter().zip(values).collect()
    }

    #[test]
    fn the_weights_behind_a_log_are_found_and_what_does_not_vary_is_left_alone() {
        let found = fit(&samples(-3.0, 5.0, [1.0, 0.5]), &weights([1.0, 0.5, 4.0]), &[]).unwrap();
        assert_eq!(found.fitted, ["bias", "similarity"]);
        let [bias, similarity, declared] = &found.weights[..] else { panic!("three") };
        assert!((bias.1 + 3.0).abs() < 0.15 && (similarity.1 - 5.0).abs() < 0.25, "{found:?}");
        assert_eq!(declared.1, 4.0);
        assert!(found.log_loss[1] < found.log_loss[0], "{found:?}");
    }

    #[test]
    fn what_is_kept_stays() {
        let (samples, keep) = (samples(-3.0, 5.0, [1.0, 0.5]), ["similarity".to_owned()]);
        let found = fit(&samples, &weights([1.0, 0.5, 4.0]), &keep).unwrap();
        assert_eq!((&found.fitted[..], found.weights[1].1), (&["bias".to_owned()][..], 0.5));
        let all = ["bias", "similarity"].map(str::to_owned);
        assert!(matches!(fit(&samples, &weights([1.0, 0.5, 4.0]), &all), Err(FitError::NothingLeft)));
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let mut one_sided = Samples::default();
        one_sided.add(&Score::default(), false);
        assert!(matches!(fit(&one_sided, &weights([0.0; 3]), &[]), Err(FitError::OneSided(1, 0))));
        let other = fit(&samples(0.0, 1.0, [1.0, 0.5]), &weights([1.0, 0.6, 0.0]), &[]);
        assert!(matches!(other, Err(FitError::OtherModel(..))), "{other:?}");
    }

    #[test]
    fn an_unknown_component_has_the_weight_of_its_absence() {
        let mut samples = Samples::default();
        for similarity in [Some(0.5), None] {
            samples.add(&Score { total: 0.0, features: Features { similarity, ..Features::default() } }, false);
        }
        let names = ["bias", "similarity", "no_similarity", "other"].map(|name| (name.to_owned(), 1.0));
        let columns: Vec<_> = samples.columns(&names).into_iter().map(|c| c.values).collect();
        assert_eq!(columns, [[1.0, 1.0], [0.5, 0.0], [0.0, 1.0], [0.0, 0.0]]);
    }
}
