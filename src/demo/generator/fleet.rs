//! The machines: workers with incarnations, the models they serve, and the adapters that were published.

use serde_json::{Value, json};

use super::rng::Rng;
use super::topics::TOPICS;

/// Cache namespaces, one a model.
pub const NAMESPACES: [&str; 2] = ["llama-3.3-70b/fp8", "qwen3-32b/bf16"];
/// The models' own names.
pub const MODELS: [&str; 2] = ["llama-3.3-70b", "qwen3-32b"];
const WORKERS: usize = 6;

/// One worker.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Its name.
    pub name: String,
    /// Its incarnation.
    pub epoch: u64,
    /// Index into [`MODELS`] and [`NAMESPACES`].
    pub model: usize,
    /// Whether it serves.
    pub up: bool,
}

/// All workers.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// In order of their names.
    pub workers: Vec<Worker>,
}

impl Fleet {
    /// A fleet that has not announced itself.
    pub fn new() -> Fleet {
        let worker = |i: usize| Worker { name: format!("gpu-{}", i + 1), epoch: 1, model: i % MODELS.len(), up: true };
        Fleet { workers: (0..WORKERS).map(worker).collect() }
    }

    /// Bodies that announce every worker and every adapter, to be sent before anything else.
    pub fn announcements(&self) -> Vec<Value> {
        let workers = self.workers.iter().map(Worker::started);
        let adapters = TOPICS.iter().enumerate().map(|(topic, name)| {
            json!({"type": "adapter_published", "adapter_id": adapter(topic), "version": "1",
                "base_model": MODELS[0], "uri": format!("s3://adapters/{name}/1")})
        });
        workers.chain(adapters).collect()
    }

    /// A worker that serves `model`; prefers `wanted` if it does.
    pub fn place(&self, rng: &mut Rng, model: usize, wanted: Option<usize>) -> Option<usize> {
        let serves = |i: &usize| self.workers[*i].up && self.workers[*i].model == model;
        let able: Vec<usize> = (0..self.workers.len()).filter(serves).collect();
        match wanted {
            Some(w) if able.contains(&w) => Some(w),
            _ if able.is_empty() => None,
            _ => Some(*rng.pick(&able)),
        }
    }
}

impl Worker {
    /// Body of `worker_started`.
    pub fn started(&self) -> Value {
        json!({"type": "worker_started", "worker": self.name, "worker_epoch": self.epoch,
            "endpoint": format!("http://{}.serving.internal:8000", self.name),
            "model": MODELS[self.model], "dp_size": 1})
    }

    /// Body of `worker_lost`.
    pub fn lost(&self) -> Value {
        json!({"type": "worker_lost", "worker": self.name, "worker_epoch": self.epoch})
    }

    /// Body of `worker_cache_cleared`.
    pub fn cleared(&self) -> Value {
        json!({"type": "worker_cache_cleared", "worker": self.name, "worker_epoch": self.epoch, "tier": "hot"})
    }
}

/// The adapter of a topic.
pub fn adapter(topic: usize) -> String {
    format!("lora-{}", TOPICS[topic])
}
