//! A session that is not being served: paused, evicted, interrupted, and how it comes back.

use serde_json::json;

use super::{Copy, Session, Step};
use crate::demo::generator::bodies::{self, Held, set};
use crate::demo::generator::world::{Unfinished, World};
use crate::model::event::{InterruptReason, PauseReason, ResumeOutcome};

impl Session {
    pub(super) fn pause(&mut self, world: &mut World) -> (Step, f64) {
        let reason =
            *world.rng.pick(&[PauseReason::ToolCall, PauseReason::AwaitingUser, PauseReason::AwaitingApproval]);
        let mut body = json!({"type": "session_paused", "reason": reason.label()});
        if reason == PauseReason::ToolCall {
            set(&mut body, "expected_resume_at", json!(world.now.0 + (world.gap * 3.0) as i64));
        }
        world.gateway(self, body);
        if world.rng.chance(0.4) { (Step::Sink { resume: false }, 1.5) } else { (Step::Turn, 2.0) }
    }

    pub(super) fn evict(&mut self, world: &mut World) -> (Step, f64) {
        if let Some(copy) = self.copy.take() {
            self.evicted(world, copy, "capacity");
        }
        (Step::Turn, 1.0)
    }

    fn evicted(&mut self, world: &mut World, copy: Copy, reason: &str) {
        let mut body = json!({"type": "kv_cache_evicted", "tier": copy.held.tier(), "reason": reason});
        if copy.held == Held::Cold {
            set(&mut body, "instance", json!("pool-1"));
        } else {
            set(&mut body, "worker", json!(world.fleet.workers[copy.worker].name));
            set(&mut body, "worker_epoch", json!(copy.epoch));
        }
        world.engine(self, body);
    }

    pub(super) fn interrupt(&mut self, world: &mut World, reason: InterruptReason) -> Option<f64> {
        let body = json!({"type": "session_interrupted", "reason": reason.label(), "last_good_turn": self.turn});
        world.gateway(self, body);
        if matches!(reason, InterruptReason::OutOfMemory | InterruptReason::Preempted)
            && let Some(copy) = self.copy.filter(|_| world.rng.chance(0.4))
        {
            self.copy = None;
            self.evicted(world, copy, "capacity");
        }
        let gap = world.gap;
        match world.rng.unit() {
            p if p < 0.35 => {
                self.step = Step::RequestResume;
                Some(world.rng.wait(gap * 1.5))
            }
            p if p < 0.65 => {
                self.step = Step::Sink { resume: true };
                Some(world.rng.wait(gap * 2.0))
            }
            p if p < 0.9 => {
                world.leave(self.unfinished());
                None
            }
            _ => None,
        }
    }

    pub(super) fn sink(&mut self, world: &mut World, resume: bool) -> (Step, f64) {
        if let Some(copy) = self.copy.take_if(|c| c.held != Held::Cold) {
            let held = match (copy.held, world.rng.chance(0.7)) {
                (Held::Hot, true) => Held::Warm,
                _ => Held::Cold,
            };
            let lower = Copy { held, ..copy };
            let mut body = self.copy_json(world, lower);
            set(&mut body, "type", json!("kv_cache_placed"));
            world.engine(self, body);
            self.evicted(world, copy, "demoted");
            self.copy = Some(lower);
        }
        if resume { (Step::RequestResume, 1.5) } else { (Step::Turn, 1.0) }
    }

    pub(super) fn request_resume(&mut self, world: &mut World) -> (Step, f64) {
        let mut body = json!({"type": "resume_requested", "cache": self.cache()});
        if world.rng.chance(0.5) {
            set(&mut body, "context", self.context(world));
        }
        world.gateway(self, body);
        (Step::Resume, 0.15)
    }

    pub(super) fn resume(&mut self, world: &mut World) -> (Step, f64) {
        let kept = self.copy.map_or(0, |c| c.tokens.min(self.tokens));
        let outcome = match (kept, world.rng.unit()) {
            (0, p) if p < 0.7 => ResumeOutcome::Ignored,
            (0, _) => ResumeOutcome::Failed,
            (_, p) if p < 0.78 => ResumeOutcome::Restored,
            (_, p) if p < 0.93 => ResumeOutcome::Partial,
            _ => ResumeOutcome::Failed,
        };
        let restored = match outcome {
            ResumeOutcome::Restored => kept,
            ResumeOutcome::Partial => kept / 2,
            ResumeOutcome::Failed | ResumeOutcome::Ignored => 0,
        };
        let recomputed = self.tokens - restored;
        let restore_ms = match self.copy.map(|c| c.held) {
            Some(Held::Warm) => 10.0 + restored as f64 / 150.0,
            Some(Held::Cold) => 50.0 + restored as f64 / 30.0,
            Some(Held::Hot) | None => 1.0,
        };
        let body = json!({"type": "session_resumed", "outcome": outcome.label(), "restored_tokens": restored,
            "recomputed_tokens": recomputed, "restore_ms": restore_ms.round(),
            "ttft_ms": bodies::ttft_ms(&mut world.rng, recomputed) + restore_ms.round()});
        world.gateway(self, body);
        (Step::Turn, 0.3)
    }

    fn unfinished(&self) -> Unfinished {
        Unfinished {
            tenant: self.tenant,
            user: self.user.clone(),
            session: self.id.clone(),
            topic: self.topic,
            thread: self.thread.clone(),
            chain: self.chain,
            tokens: self.tokens,
            model: self.model,
        }
    }
}
