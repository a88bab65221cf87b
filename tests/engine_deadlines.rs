//! What falls due by time alone: not before `next_deadline`, and a tick of that instant makes it happen.

use rekindle::engine::EngineSettings;
use rekindle::model::ids::{SessionId, TenantId};
use rekindle::model::session::Status;
use rekindle::model::time::{EventTime, Millis};
use rekindle::model::verdict::Verdict;
use serde_json::{Value, json};

mod records;

use records::Bench;

const BASE: i64 = 1_762_340_000_000;
const IDLE: i64 = 5_000;
const VALID: i64 = 3_000;
const RETENTION: i64 = 200_000;

impl Bench {
    fn new() -> Bench {
        let mut settings = EngineSettings {
            idle_timeout: Millis(IDLE),
            retention: Millis(RETENTION),
            erasure_marker: Millis(2 * RETENTION),
            ..EngineSettings::default()
        };
        settings.policy.valid_for = Millis(VALID);
        Bench::under(settings)
    }

    /// Sends an event; returns whether more came of it than its own verdict.
    fn send(&mut self, second: i64, mut event: Value) -> bool {
        event["event_id"] = json!(format!("e-{}", self.offset));
        event["occurred_at"] = json!(BASE + second * 1000);
        self.apply(&event.to_string())
    }

    /// A tick of this instant.
    fn tick(&mut self, at: EventTime) -> bool {
        let event = json!({"event_id": "t", "tenant_id": "*", "occurred_at": at.0, "type": "tick"});
        self.apply(&event.to_string())
    }

    fn apply(&mut self, text: &str) -> bool {
        assert_eq!(self.process(text), Verdict::Applied, "{text}");
        !self.effects.is_empty()
    }

    fn status(&self) -> Option<Status> {
        let (tenant, session) = (TenantId::new("acme").unwrap(), SessionId::new("s").unwrap());
        self.engine.session(&tenant, &session).and_then(|view| view.status)
    }

    fn due(&self) -> Option<i64> {
        self.engine.next_deadline().map(|at| at.0 - BASE)
    }
}

fn of_session(body: Value) -> Value {
    let mut event = json!({"tenant_id": "acme", "session_id": "s", "user_id": "u"});
    event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    event
}

/// A deadline comes up, not a millisecond early.
fn happens(bench: &mut Bench, at: i64, status: Option<Status>) {
    assert_eq!(bench.due(), Some(at));
    let before = bench.status();
    assert!(!bench.tick(EventTime(BASE + at - 1)), "a millisecond early");
    assert_eq!((bench.due(), bench.status()), (Some(at), before));
    assert!(bench.tick(EventTime(BASE + at)));
    assert_eq!(bench.status(), status);
}

#[test]
fn a_tick_of_the_next_deadline_makes_it_happen_and_an_earlier_one_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.engine.next_deadline(), None);
    bench.send(0, of_session(json!({"type": "turn_completed", "turn": 1, "input_tokens": 9, "output_tokens": 1})));
    bench.send(1, of_session(json!({"type": "session_interrupted", "reason": "timeout"})));
    // The suggestion past its validity.
    happens(&mut bench, 1000 + VALID, Some(Status::Interrupted));
    assert_eq!(bench.due(), Some(IDLE), "as it was before the interruption");
    assert!(!bench.tick(EventTime(BASE + IDLE)));
    happens(&mut bench, 1000 + IDLE, Some(Status::Expired));
    happens(&mut bench, 1000 + RETENTION, None);
    assert_eq!(bench.engine.next_deadline(), None);
}

#[test]
fn listed_work_is_due_at_once_and_a_marker_when_its_time_is_over() {
    let mut bench = Bench::new();
    for n in 0..2500 {
        let mut event = of_session(json!({"type": "session_started"}));
        event["session_id"] = json!(format!("s-{n}"));
        bench.send(0, event);
    }
    bench.send(1, json!({"tenant_id": "acme", "type": "subject_erased", "scope": "tenant"}));
    for _ in 0..2 {
        assert_eq!(bench.due(), Some(1000), "the rest of the erasure");
        assert!(bench.tick(EventTime(BASE + 1000)));
    }
    assert_eq!(bench.due(), Some(1000 + 2 * RETENTION), "the marker");
    assert!(bench.tick(EventTime(BASE + 1000 + 2 * RETENTION)));
    assert_eq!(bench.engine.next_deadline(), None);
}
