//! Everything that was weighed, as the rows that weights are fitted to.

use crate::model::score::{FEATURES, Score};

/// Weighed candidates: what was known of each, what it scored, and whether it was the origin.
#[derive(Debug, Default)]
pub struct Samples {
    /// Names of the components, as scores give them.
    names: Vec<&'static str>,
    /// A row of components for each candidate; NaN where unknown.
    values: Vec<f64>,
    totals: Vec<f64>,
    right: Vec<bool>,
}

/// What a weight is multiplied with, for each candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The weight's name.
    pub name: String,
    /// The weight before the fit.
    pub weight: f64,
    /// One value a candidate.
    pub values: Vec<f64>,
}

impl Column {
    /// Whether the candidates differ in it.
    pub fn varies(&self) -> bool {
        self.values.iter().any(|value| *value != self.values[0])
    }
}

impl Samples {
    /// Adds a candidate.
    pub fn add(&mut self, score: &Score, right: bool) {
        if self.names.is_empty() {
            self.names = FEATURES.to_vec();
        }
        self.values.extend(score.features.list().map(|(_, value)| value.unwrap_or(f64::NAN)));
        self.totals.push(score.total);
        self.right.push(right);
    }

    /// Whether each candidate was the origin.
    pub fn right(&self) -> &[bool] {
        &self.right
    }

    /// What each candidate scored.
    pub fn totals(&self) -> &[f64] {
        &self.totals
    }

    /// The column of each weight, by its name: `bias` is 1, a component's weight has the component (0 where unknown),
    /// and `no_x` is 1 where the component x is unknown. Weights of anything else have a column of zeros.
    pub fn columns(&self, weights: &[(String, f64)]) -> Vec<Column> {
        let column = |(name, weight): &(String, f64)| {
            let unknown = name.strip_prefix("no_").and_then(|of| self.place(of));
            let values = match (self.place(name), unknown) {
                (Some(place), _) => self.component(place).map(|x| if x.is_nan() { 0.0 } else { x }).collect(),
                (None, Some(place)) => self.component(place).map(|x| f64::from(u8::from(x.is_nan()))).collect(),
                (None, None) => vec![f64::from(u8::from(name == "bias")); self.right.len()],
            };
            Column { name: name.clone(), weight: *weight, values }
        };
        weights.iter().map(column).collect()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }

    fn component(&self, place: usize) -> impl Iterator<Item = f64> {
        self.values.chunks(self.names.len().max(1)).map(move |row| row[place])
    }
}
