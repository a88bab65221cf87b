//! What sessions talk about, as embeddings: a topic's centroid, the thread of one task within it, and the
//! noise of each turn. The shares are chosen so that a task taken up again is found, and a stranger is not.

use super::rng::Rng;

/// Shares of a turn's embedding, squared: they sum to one, so that a continuation has a cosine of about
/// `TOPIC + THREAD` to its origin and another session of the same topic about `TOPIC`.
const TOPIC: f64 = 0.40;
const THREAD: f64 = 0.28;
const NOISE: f64 = 0.32;

/// Subjects of conversation; each has an adapter that was trained for it.
pub const TOPICS: [&str; 10] = [
    "billing-disputes",
    "rust-review",
    "sql-reports",
    "travel-plans",
    "contract-law",
    "incident-triage",
    "meal-ideas",
    "onboarding-docs",
    "data-cleanup",
    "radiology-notes",
];

/// The centroids.
#[derive(Debug, Clone)]
pub struct Topics {
    centroids: Vec<Vec<f64>>,
    dim: usize,
}

impl Topics {
    /// One centroid a topic, in `dim` dimensions (≥ 1).
    pub fn new(rng: &mut Rng, dim: usize) -> Topics {
        Topics { centroids: TOPICS.iter().map(|_| direction(rng, dim)).collect(), dim }
    }

    /// A direction of its own for one task, shared by the sessions that work on it.
    pub fn thread(&self, rng: &mut Rng) -> Vec<f64> {
        direction(rng, self.dim)
    }

    /// The embedding of one turn.
    pub fn embed(&self, rng: &mut Rng, topic: usize, thread: &[f64]) -> Vec<f32> {
        let noise = direction(rng, self.dim);
        let (t, h, n) = (TOPIC.sqrt(), THREAD.sqrt(), NOISE.sqrt());
        let centroid = &self.centroids[topic];
        (0..self.dim).map(|i| (t * centroid[i] + h * thread[i] + n * noise[i]) as f32).collect()
    }
}

/// A random direction: uniform components are near enough to a sphere in many dimensions, and cheap.
fn direction(rng: &mut Rng, dim: usize) -> Vec<f64> {
    let raw: Vec<f64> = (0..dim).map(|_| rng.unit() - 0.5).collect();
    let norm = raw.iter().map(|c| c * c).sum::<f64>().sqrt();
    // All components at exactly one half does not happen; if it did, the first axis is as good as any.
    if norm == 0.0 {
        return (0..dim).map(|i| f64::from(u8::from(i == 0))).collect();
    }
    raw.into_iter().map(|c| c / norm).collect()
}
