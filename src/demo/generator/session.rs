//! One session's life, step by step: turns, pauses, drift, evictions, interruptions, and what comes after.

mod away;

use serde_json::{Value, json};

use super::bodies::{self, CopyOf, Held, set};
use super::rng::mix;
use super::topics::TOPICS;
use super::world::{TENANTS, Unfinished, World};
use crate::model::event::{EndReason, InterruptReason, TransferScope};

/// What a session does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Turn,
    Pause,
    Evict,
    Drift,
    Interrupt(InterruptReason),
    /// Away, with its copy sinking a tier; then it comes back as the flag says: by a resume request or not.
    Sink {
        resume: bool,
    },
    RequestResume,
    Resume,
    End,
}

/// A copy that an engine reported.
#[derive(Debug, Clone, Copy)]
struct Copy {
    held: Held,
    worker: usize,
    epoch: u64,
    tokens: u64,
}

/// One session.
pub struct Session {
    /// Index into the tenants.
    pub tenant: usize,
    /// Its id.
    pub id: String,
    /// Its user.
    pub user: String,
    /// Events its gateway has numbered.
    pub seq: u64,
    topic: usize,
    thread: Vec<f64>,
    chain: u64,
    sent_tokens: u64,
    model: usize,
    adapter: Option<usize>,
    scope: TransferScope,
    turns_left: u64,
    turn: u64,
    tokens: u64,
    worker: Option<(usize, u64)>,
    reports_kv: bool,
    copy: Option<Copy>,
    takes_up: Option<Unfinished>,
    step: Step,
}

impl Session {
    /// A session that has not started: of someone who comes back to a task, or of anyone with a new one.
    pub fn new(world: &mut World) -> Session {
        let task = match world.unfinished.len() {
            n if n > 3 && world.rng.chance(0.35) => {
                let at = world.rng.index(n);
                world.unfinished.remove(at)
            }
            _ => None,
        };
        let rng = &mut world.rng;
        let tenant = task.as_ref().map_or_else(|| rng.zipf(TENANTS.len()), |t| t.tenant);
        let user = rng.zipf(TENANTS[tenant].users);
        let topic = task.as_ref().map_or_else(|| (rng.zipf(5) + 2 * tenant) % TOPICS.len(), |t| t.topic);
        let scope = match rng.unit() {
            p if p < TENANTS[tenant].open => TransferScope::Tenant,
            p if p < (1.0 + TENANTS[tenant].open) / 2.0 => TransferScope::User,
            _ => TransferScope::None,
        };
        let mut session = Session {
            tenant,
            id: String::new(),
            user: task.as_ref().map_or_else(|| format!("u-{}", user + 1), |t| t.user.clone()),
            seq: 0,
            topic,
            thread: Vec::new(),
            chain: mix(tenant as u64 * 1_000 + topic as u64),
            sent_tokens: 0,
            model: task.as_ref().map_or_else(|| rng.index(2), |t| t.model),
            adapter: rng.chance(0.55).then_some(topic),
            scope,
            turns_left: rng.between(3, 14),
            turn: 0,
            // The tenant's system prompt.
            tokens: 600,
            worker: None,
            reports_kv: rng.chance(0.85),
            copy: None,
            takes_up: None,
            step: Step::Start,
        };
        session.thread = task.as_ref().map_or_else(|| world.topics.thread(&mut world.rng), |t| t.thread.clone());
        if let Some(task) = &task {
            (session.chain, session.tokens) = (task.chain, task.tokens);
        }
        session.takes_up = task;
        session.id = world.session_id();
        session
    }

    /// Does the next step and says how many milliseconds later the one after comes; `None`: it is over.
    pub fn advance(&mut self, world: &mut World) -> Option<f64> {
        let gap = world.gap;
        if let Some(wait) = self.notice_lost_worker(world) {
            return Some(wait);
        }
        let (next, pauses) = match self.step {
            Step::Start => self.start(world),
            Step::Turn => self.take_turn(world),
            Step::Pause => self.pause(world),
            Step::Evict => self.evict(world),
            Step::Drift => self.drift(world),
            Step::Interrupt(reason) => return self.interrupt(world, reason),
            Step::Sink { resume } => self.sink(world, resume),
            Step::RequestResume => self.request_resume(world),
            Step::Resume => self.resume(world),
            Step::End => {
                self.end(world);
                return None;
            }
        };
        self.step = next;
        Some(world.rng.wait(gap * pauses))
    }

    /// The gateway sees its stream break when the worker that serves a turn goes away.
    fn notice_lost_worker(&mut self, world: &mut World) -> Option<f64> {
        let (worker, epoch) = self.worker?;
        let now = &world.fleet.workers[worker];
        if now.up && now.epoch == epoch {
            return None;
        }
        self.worker = None;
        self.copy = self.copy.filter(|c| c.held == Held::Cold);
        let serving = matches!(self.step, Step::Turn | Step::Drift | Step::Evict);
        if serving && world.rng.chance(0.6) {
            self.step = Step::Interrupt(InterruptReason::WorkerLost);
            return Some(world.rng.wait(world.gap * 0.1));
        }
        None
    }

    fn start(&mut self, world: &mut World) -> (Step, f64) {
        let title = TOPICS[self.topic];
        let idle = (world.gap * 40.0) as i64;
        let mut body = json!({"type": "session_started", "cache": self.cache(), "idle_timeout_ms": idle.clamp(1_000, 1_800_000),
            "context_ref": format!("conversations/{}", self.id), "transfer_scope": self.scope.label(),
            "metadata": {"topic": title, "client": *world.rng.pick(&["web", "ide", "api"])}});
        if let Some(task) = &self.takes_up
            && world.rng.chance(0.5)
        {
            set(&mut body, "continues_session_id", json!(task.session));
        }
        world.gateway(self, body);
        (Step::Turn, 0.3)
    }

    fn take_turn(&mut self, world: &mut World) -> (Step, f64) {
        let held = self.copy.filter(|c| c.held != Held::Cold).map(|c| c.worker);
        let Some(worker) = world.fleet.place(&mut world.rng, self.model, self.worker.map(|w| w.0).or(held)) else {
            return (Step::Turn, 1.0);
        };
        let serving = world.fleet.workers[worker].clone();
        let cached = self.copy.filter(|c| c.held == Held::Cold || (c.worker, c.epoch) == (worker, serving.epoch));
        let input = self.tokens + world.rng.between(40, 700);
        let output = world.rng.between(60, 900);
        let cached = cached.map_or(0, |c| c.tokens.min(input));
        self.turn += 1;
        self.turns_left = self.turns_left.saturating_sub(1);
        self.tokens = input + output;
        self.worker = Some((worker, serving.epoch));
        let mut body = json!({"type": "turn_completed", "turn": self.turn, "model": bodies::model(self.model),
            "input_tokens": input, "output_tokens": output, "cached_tokens": cached, "context_tokens": self.tokens,
            "finish_reason": "stop", "worker": serving.name, "worker_epoch": serving.epoch, "dp_rank": 0,
            "ttft_ms": bodies::ttft_ms(&mut world.rng, input - cached), "cache": self.cache()});
        if world.rng.chance(0.85) {
            set(&mut body, "context", self.context(world));
        }
        if let Some(prefix) = bodies::prefix(self.chain, self.sent_tokens, self.tokens) {
            set(&mut body, "prefix", prefix);
            self.sent_tokens = self.tokens;
        }
        if let Some(topic) = self.adapter {
            set(&mut body, "adapter", bodies::adapter_ref(topic));
        }
        if self.reports_kv {
            let copy = Copy { held: Held::Hot, worker, epoch: serving.epoch, tokens: self.tokens };
            set(&mut body, "kv_cache", self.copy_json(world, copy));
            self.copy = Some(copy);
        }
        world.gateway(self, body);
        self.after_turn(world)
    }

    fn after_turn(&mut self, world: &mut World) -> (Step, f64) {
        if self.turns_left == 0 {
            return (Step::End, 1.0);
        }
        match world.rng.unit() {
            p if p < 0.09 => {
                let reasons = [
                    InterruptReason::ClientDisconnect,
                    InterruptReason::ClientDisconnect,
                    InterruptReason::Preempted,
                    InterruptReason::OutOfMemory,
                    InterruptReason::Timeout,
                ];
                (Step::Interrupt(*world.rng.pick(&reasons)), 0.3)
            }
            p if p < 0.22 => (Step::Pause, 0.2),
            p if p < 0.28 => (Step::Evict, 0.6),
            p if p < 0.34 => (Step::Drift, 0.8),
            _ => (Step::Turn, 1.0),
        }
    }

    fn drift(&mut self, world: &mut World) -> (Step, f64) {
        self.topic = (self.topic + 1 + world.rng.index(TOPICS.len() - 1)) % TOPICS.len();
        if let Some(old) = self.adapter.take() {
            let reference = bodies::adapter_ref(old);
            let body =
                json!({"type": "adapter_deactivated", "adapter_id": reference["id"], "version": reference["version"]});
            world.gateway(self, body);
            self.copy = None;
            if world.rng.chance(0.5) {
                self.adapter = Some(self.topic);
                let reference = bodies::adapter_ref(self.topic);
                let body = json!({"type": "adapter_activated", "adapter_id": reference["id"], "version": reference["version"]});
                world.gateway(self, body);
            }
        }
        (Step::Turn, 0.5)
    }

    fn end(&mut self, world: &mut World) {
        let reason = match world.rng.unit() {
            p if p < 0.82 => EndReason::Completed,
            p if p < 0.95 => EndReason::Cancelled,
            _ => EndReason::Terminated,
        };
        world.gateway(self, json!({"type": "session_ended", "reason": reason.label()}));
        if world.rng.chance(0.01) {
            world.tenant(self.tenant, json!({"type": "subject_erased", "scope": "session", "session_id": self.id}));
        }
    }

    fn cache(&self) -> Value {
        bodies::cache(self.model, self.adapter)
    }

    fn context(&self, world: &mut World) -> Value {
        bodies::context(&world.topics.embed(&mut world.rng, self.topic, &self.thread), self.turn)
    }

    fn copy_json(&self, world: &World, copy: Copy) -> Value {
        let of = CopyOf { session: &self.id, cache: &self.cache(), tokens: copy.tokens, created_at: world.now.0 };
        bodies::kv_copy(copy.held, &world.fleet.workers[copy.worker], of)
    }
}
