//! One policy over the log: the engine itself, told everything but the truth, and asked at each session's points.

use std::sync::Arc;

use super::calibration::Calibration;
use super::curve::{Origin, Scored};
use super::hide::{Hide, Left, hide};
use super::points::{Point, Sessions, Turn};
use super::prefixes::{Compared, Prefixes};
use super::published::{Publications, Published};
use super::samples::Samples;
use super::transfer::{Transfers, same_intent};
use super::truth::{Truth, subject};
use crate::engine::decode::wire::{Body, Event};
use crate::engine::settings::{Mode, Policy};
use crate::engine::validate::murmur2;
use crate::engine::{Effects, Engine, EngineSettings, OutValue, OutputFormat, Record, Topic, decode, encode};
use crate::model::ids::{SessionId, TenantId};
use crate::model::position::PartitionId;
use crate::model::session::TriggerKind;
use crate::model::suggestion::RecoveryPlan;
use crate::model::verdict::Verdict;

/// Half of the tenants, by their names' hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Half(pub u32);

impl Half {
    /// Whether a tenant belongs to it: Kafka's murmur2 of the name, its sign dropped, modulo 2.
    pub fn has(self, tenant: &TenantId) -> bool {
        (murmur2(tenant.as_str().as_bytes()) & 0x7fff_ffff) % 2 == self.0
    }
}

/// How a log is run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Only these tenants are scored. The engine sees all.
    pub half: Option<Half>,
    /// Embeddings are taken out.
    pub without_vectors: bool,
    /// Everything weighed is kept, to fit weights to it.
    pub sample: bool,
}

/// A session's point with what set it off and what it would have suggested.
pub type PointRow = (Scored, TriggerKind, Option<RecoveryPlan>);

/// What a run found.
#[derive(Debug, Default)]
pub struct Tally {
    /// First points.
    pub first: Vec<PointRow>,
    /// Second points.
    pub second: Vec<PointRow>,
    /// All candidates of the first points.
    pub candidates: Calibration,
    /// Suggestions.
    pub published: Publications,
    /// Transfers.
    pub transfers: Transfers,
    /// Prefixes.
    pub prefixes: Compared,
    /// Everything weighed, if it was asked for.
    pub samples: Option<Samples>,
    /// Events of the scored tenants.
    pub events: u64,
}

/// A run under way.
pub struct Run<'t> {
    options: RunOptions,
    truth: &'t Truth,
    engine: Engine,
    effects: Effects,
    sessions: Sessions,
    prefixes: Prefixes,
    tally: Tally,
}

impl<'t> Run<'t> {
    /// Begins. The settings' output format is JSON, and all is published, whatever they say.
    pub fn new(settings: &EngineSettings, options: RunOptions, truth: &'t Truth) -> Run<'t> {
        let policy = Policy { mode: Mode::On, holdout: 0.0, ..settings.policy.clone() };
        let settings = EngineSettings { output: OutputFormat::Json, policy, ..settings.clone() };
        Run {
            truth,
            engine: Engine::new(Arc::new(settings), PartitionId(0), 1),
            effects: Effects::new(),
            sessions: Sessions::default(),
            prefixes: Prefixes::default(),
            tally: Tally { samples: options.sample.then(Samples::default), ..Tally::default() },
            options,
        }
    }

    /// What the last record brought about.
    pub fn effects(&self) -> &Effects {
        &self.effects
    }

    /// Lets the engine fold the next record of the log, without the truth, and scores the session if it is at a point.
    /// `intents`: what the log says the session is about. `None`: nothing of the record was left.
    pub fn record(&mut self, record: Record<'_>, intents: Option<Vec<String>>) -> Option<Verdict> {
        self.effects.clear();
        // What cannot be read the engine refuses, and says why.
        let Ok(mut event) = decode::decode(&record) else {
            return Some(self.engine.process(record, &mut self.effects));
        };
        let subject = subject(&event);
        let over = subject.as_ref().is_some_and(|(t, s)| self.sessions.is_over(self.truth, t, s));
        let left = hide(&mut event, Hide { resumed_from: !over, vectors: self.options.without_vectors });
        if left == Left::Nothing {
            return None;
        }
        let counted = subject.filter(|(tenant, _)| self.options.half.is_none_or(|half| half.has(tenant)));
        if let Some((tenant, session)) = &counted {
            self.prefixes.compare(&self.engine, tenant, session, &event);
        }
        let verdict = self.process(record, &event, left);
        self.drop_forgotten();
        if matches!(verdict, Verdict::Rejected(_)) {
            return Some(verdict);
        }
        if let (Some((tenant, session)), Body::TurnCompleted(_)) = (&counted, &event.body) {
            self.tally.published.turn(tenant, session, event.envelope.occurred_at.0);
        }
        if let Some((tenant, session)) = &counted {
            self.tally.events += 1;
            self.score(tenant, session, &event.body, intents);
            if has_prefix(&event.body) {
                self.prefixes.update(&self.engine, tenant, session);
            }
        }
        self.note_published();
        Some(verdict)
    }

    fn process(&mut self, record: Record<'_>, event: &Event<'_>, left: Left) -> Verdict {
        let written = match left {
            Left::Less => encode::event(event.clone()).ok(),
            Left::All | Left::Nothing => None,
        };
        let Some(body) = written else { return self.engine.process(record, &mut self.effects) };
        let value = [&encode::event_single_object_header()[..], &body].concat();
        self.engine.process(Record { value: Some(&value), writer: None, ..record }, &mut self.effects)
    }

    fn score(&mut self, tenant: &TenantId, session: &SessionId, body: &Body<'_>, intents: Option<Vec<String>>) {
        let reached = self.sessions.note(&self.engine, self.truth, (tenant, session), body, intents);
        for (turn, point) in reached {
            self.tally.note(turn, &point);
            if turn == Turn::Second {
                self.tally.transfers.note(&self.engine, &self.sessions, tenant, session);
            }
        }
    }

    /// Chains of sessions whose state is gone are held no more.
    fn drop_forgotten(&mut self) {
        for record in self.effects.records().filter(|r| r.topic == Topic::States) {
            if let (OutValue::Tombstone, Some(key)) = (record.value, record.key) {
                self.prefixes.forget(key);
            }
        }
    }

    fn note_published(&mut self) {
        for record in self.effects.suggestions() {
            let OutValue::Json(json) = record.value else { continue };
            let Some(published) = Published::read(json) else { continue };
            let Some((tenant, session, other)) = published.sessions() else { continue };
            if self.options.half.is_some_and(|half| !half.has(&tenant)) {
                continue;
            }
            let right = other.and_then(|other| match published.kind.as_str() {
                "transfer" => same_intent(&self.sessions, &tenant, &session, &other),
                _ => Some(self.truth.origin(&tenant, &session) == Some(&other)),
            });
            self.tally.published.note(published, right);
        }
    }

    /// Ends: sessions that never came to their first point are scored as they began.
    pub fn finish(mut self) -> Tally {
        self.sessions.finish().iter().for_each(|point| self.tally.note(Turn::First, point));
        self.tally.prefixes = self.prefixes.compared;
        self.tally
    }
}

impl Tally {
    fn note(&mut self, turn: Turn, point: &Point) {
        let scored = point.scored();
        let row = (scored, point.trigger, point.plan());
        match turn {
            Turn::First => self.first.push(row),
            Turn::Second => self.second.push(row),
        }
        if scored.origin == Origin::Unseen {
            return;
        }
        for weighed in &point.weighed {
            let right = Some(&weighed.session) == point.origin.as_ref();
            if turn == Turn::First {
                self.candidates.add(weighed.score.total, right, 1);
            }
            if let Some(samples) = &mut self.samples {
                samples.add(&weighed.score, right);
            }
        }
    }
}

fn has_prefix(body: &Body<'_>) -> bool {
    match body {
        Body::TurnCompleted(turn) => turn.prefix.is_some(),
        Body::ResumeRequested(request) => request.prefix.is_some(),
        Body::SessionSnapshot(snapshot) => snapshot.prefix.is_some(),
        Body::KvCachePlaced(copy) => copy.prefix.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::Position;
    use serde_json::{Value, json};

    fn record(value: &[u8]) -> Record<'_> {
        let position = Position::default();
        Record { position, timestamp: None, key: None, value: Some(value), traceparent: None, writer: None }
    }

    fn event(session: &str, at: i64, body: &Value) -> Vec<u8> {
        let mut event = json!({"event_id": format!("{session}{at}"), "tenant_id": "t", "session_id": session,
            "user_id": "u", "occurred_at": 1_762_340_000_000_i64 + at});
        event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        event.to_string().into_bytes()
    }

    fn as_avro(json: &[u8]) -> Vec<u8> {
        let body = encode::event(decode::decode(&record(json)).unwrap()).unwrap();
        [&encode::event_single_object_header()[..], &body].concat()
    }

    #[test]
    fn what_is_taken_up_is_told_only_once_a_session_is_scored_whatever_the_format() {
        let turn = |n: u32| json!({"type": "turn_completed", "turn": n, "input_tokens": 1, "output_tokens": 1});
        let resumed = json!({"type": "session_resumed", "from_session_id": "a", "outcome": "restored"});
        let continued = json!({"type": "session_started", "continues_session_id": "a"});
        let log = [
            event("a", -1, &json!({"type": "session_started"})),
            event("a", 0, &turn(1)),
            event("b", 1, &continued),
            event("b", 2, &resumed),
            event("b", 3, &turn(1)),
            event("b", 4, &resumed),
            event("b", 5, &turn(2)),
            event("b", 6, &resumed),
        ];
        for avro in [false, true] {
            let log = log.clone().map(|json| if avro { as_avro(&json) } else { json });
            let mut truth = Truth::default();
            log.iter().for_each(|value| truth.note(&decode::decode(&record(value)).unwrap()));
            let mut run = Run::new(&EngineSettings::default(), RunOptions::default(), &truth);
            let tenant = TenantId::new("t").unwrap();
            let told = log.iter().map(|value| {
                assert_eq!(run.record(record(value), None), Some(Verdict::Applied));
                let a = run.engine.session(&tenant, &SessionId::new("a").unwrap());
                a.is_some_and(|a| a.taken_up_by.is_some())
            });
            assert_eq!(
                told.collect::<Vec<_>>(),
                [false, false, false, false, false, false, false, true],
                "avro: {avro}"
            );
            let tally = run.finish();
            assert_eq!((tally.first.len(), tally.second.len(), tally.events), (2, 1, 8));
            assert!(tally.first[1].0.is_right() && tally.second[0].0.is_right());
        }
    }

    #[test]
    fn what_would_be_withheld_is_scored_too() {
        let mut settings = EngineSettings::default();
        (settings.policy.mode, settings.policy.holdout) = (Mode::Shadow, 1.0);
        let truth = Truth::default();
        let mut run = Run::new(&settings, RunOptions::default(), &truth);
        let turn = json!({"type": "turn_completed", "turn": 1, "input_tokens": 9, "output_tokens": 1});
        assert_eq!(run.record(record(&event("a", 0, &turn)), None), Some(Verdict::Applied));
        let gone = json!({"type": "session_interrupted", "reason": "timeout"});
        assert_eq!(run.record(record(&event("a", 1, &gone)), None), Some(Verdict::Applied));
        assert_eq!(run.effects().stream().len(), 1);
    }
}
