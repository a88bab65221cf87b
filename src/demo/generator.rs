//! Generated sessions: several tenants, users who come back, topics that drift, copies that sink and are
//! evicted, workers that are lost. A seed gives the same events on every machine. Reads no clock.

mod bodies;
mod fleet;
pub mod rng;
mod session;
mod topics;
mod world;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde_json::{Value, json};

use crate::model::time::{EventTime, Millis};
use session::Session;
use world::World;

/// One event to produce.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedEvent {
    /// When it occurs.
    pub at: EventTime,
    /// Its record key.
    pub key: String,
    /// Whether one copy goes to every partition.
    pub broadcast: bool,
    /// The event in its JSON form.
    pub json: Value,
}

impl GeneratedEvent {
    /// One line of a file of events, with the record's key and timestamp beside the event.
    pub fn line(&self) -> String {
        let mut line = self.json.clone();
        bodies::set(&mut line, "_key", json!(self.key));
        bodies::set(&mut line, "_timestamp", json!(self.at.0));
        line.to_string()
    }
}

/// What is generated.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorOptions {
    /// Same seed, same events.
    pub seed: u64,
    /// When the first event occurs.
    pub start: EventTime,
    /// Dimension of the embeddings, in the space `default`; ≥ 1.
    pub dim: usize,
    /// Sessions under way at a time, ≥ 1. Together with `mean_gap` it sets the rate: about
    /// `sessions / mean_gap`.
    pub sessions: usize,
    /// Mean pause between two steps of a session.
    pub mean_gap: Millis,
}

impl Default for GeneratorOptions {
    fn default() -> Self {
        GeneratorOptions {
            seed: 1,
            start: EventTime(1_762_340_000_000),
            dim: 768,
            sessions: 60,
            mean_gap: Millis(20_000),
        }
    }
}

/// Something that happens at an instant.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// The session in this slot takes its next step.
    Step(usize),
    /// Something befalls the fleet.
    Fleet,
    /// A lost worker is back.
    Return(usize),
    /// Time passes for partitions without traffic.
    Tick,
}

/// An endless source of events in the order of their time.
pub struct Generator {
    world: World,
    slots: Vec<Session>,
    tasks: BinaryHeap<Reverse<(EventTime, u64, Task)>>,
    scheduled: u64,
}

/// Mean gaps between two mishaps of the fleet, between loss and return, and between ticks.
const FLEET_GAPS: f64 = 9.0;
const RETURN_GAPS: f64 = 4.0;
const TICK_GAPS: f64 = 1.0;

impl Generator {
    /// Begins with the announcements of the fleet.
    pub fn new(options: &GeneratorOptions) -> Generator {
        let mut world = World::new(options);
        for body in world.fleet.announcements() {
            world.broadcast(body);
        }
        let slots: Vec<Session> = (0..options.sessions.max(1)).map(|_| Session::new(&mut world)).collect();
        let mut generator = Generator { world, slots, tasks: BinaryHeap::new(), scheduled: 0 };
        for slot in 0..generator.slots.len() {
            // Spread over two gaps, so that not everything starts in one instant.
            let wait = generator.world.rng.unit() * 2.0;
            generator.schedule(wait, Task::Step(slot));
        }
        generator.schedule(FLEET_GAPS, Task::Fleet);
        generator.schedule(TICK_GAPS, Task::Tick);
        generator
    }

    fn schedule(&mut self, gaps: f64, task: Task) {
        let wait = Millis((gaps * self.world.gap) as i64 + 1);
        self.scheduled += 1;
        self.tasks.push(Reverse((self.world.now.plus(wait), self.scheduled, task)));
    }

    fn run(&mut self, task: Task) {
        match task {
            Task::Step(slot) => {
                let wait = match self.slots[slot].advance(&mut self.world) {
                    Some(wait) => wait / self.world.gap,
                    None => {
                        self.slots[slot] = Session::new(&mut self.world);
                        self.world.rng.wait(0.5)
                    }
                };
                self.schedule(wait, Task::Step(slot));
            }
            Task::Fleet => {
                self.mishap();
                let wait = self.world.rng.wait(FLEET_GAPS);
                self.schedule(wait, Task::Fleet);
            }
            Task::Return(worker) => {
                let worker = &mut self.world.fleet.workers[worker];
                (worker.up, worker.epoch) = (true, worker.epoch + 1);
                let body = worker.started();
                self.world.broadcast(body);
            }
            Task::Tick => {
                self.world.broadcast(json!({"type": "tick"}));
                self.schedule(TICK_GAPS, Task::Tick);
            }
        }
    }

    /// A worker is lost, restarts, or clears its cache.
    fn mishap(&mut self) {
        let at = self.world.rng.index(self.world.fleet.workers.len());
        let fate = self.world.rng.unit();
        let worker = &mut self.world.fleet.workers[at];
        if !worker.up {
            return;
        }
        let body = match fate {
            p if p < 0.5 => {
                worker.up = false;
                let body = worker.lost();
                let wait = self.world.rng.wait(RETURN_GAPS);
                self.schedule(wait, Task::Return(at));
                body
            }
            p if p < 0.8 => {
                worker.epoch += 1;
                worker.started()
            }
            _ => worker.cleared(),
        };
        self.world.broadcast(body);
    }
}

impl Iterator for Generator {
    type Item = GeneratedEvent;

    fn next(&mut self) -> Option<GeneratedEvent> {
        while self.world.out.is_empty() {
            // There is a task for every slot at any time, so the heap is never empty.
            let Reverse((at, _, task)) = self.tasks.pop()?;
            self.world.now = at;
            self.run(task);
        }
        self.world.out.pop_front()
    }
}

/// The first `events` events of a seed, with the default options.
pub fn log(seed: u64, events: usize) -> Vec<GeneratedEvent> {
    Generator::new(&GeneratorOptions { seed, ..GeneratorOptions::default() }).take(events).collect()
}

#[cfg(test)]
mod tests;
