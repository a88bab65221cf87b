//! One record that concerns thousands of sessions: it takes effect at once, its publication follows in
//! chunks, and neither depends on restarts in between.

use serde_json::{Value, json};

use super::harness::{Run, run_in_batches};

const SESSIONS: usize = 2_300;
const BASE: i64 = 1_762_340_000_000;

fn event(n: usize, kind: &str, session: Option<usize>) -> Value {
    let mut event =
        json!({"event_id": format!("e-{n}"), "tenant_id": "t-1", "occurred_at": BASE + n as i64, "type": kind});
    match session {
        Some(session) => {
            event["session_id"] = json!(format!("s-{session:05}"));
            event["user_id"] = json!("u-1");
        }
        None => event["tenant_id"] = json!("*"),
    }
    event
}

fn turn(n: usize, session: usize) -> Value {
    let mut event = event(n, "turn_completed", Some(session));
    let fields = json!({
        "turn": 1, "input_tokens": 2000, "output_tokens": 10, "worker": "w-1", "worker_epoch": 1,
        "cache": {"namespace": "m/fp8"},
    });
    if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
        event.extend(fields);
    }
    event
}

fn interrupted(n: usize, session: usize) -> Value {
    let mut event = event(n, "session_interrupted", Some(session));
    event["reason"] = json!("client_disconnect");
    event
}

/// Many sessions on one worker, each interrupted, so that each has an open suggestion; then `after`.
fn history(after: Vec<Value>) -> Vec<Value> {
    let mut events: Vec<Value> = (0..SESSIONS).flat_map(|s| [turn(2 * s, s), interrupted(2 * s + 1, s)]).collect();
    events.extend(after);
    events
}

/// Runs with a restart after each record that follows the setting up, and without any.
fn with_and_without_restarts(events: &[Value]) -> Run {
    let whole = run_in_batches(events, &[events.len()], &[false]);
    let mut batches = vec![2 * SESSIONS];
    batches.extend(std::iter::repeat_n(1, events.len() - 2 * SESSIONS));
    let parts = run_in_batches(events, &batches, &[true]);
    assert!(whole.stream == parts.stream, "a restart was noticed in what was published");
    assert!(whole.topics == parts.topics, "a restart was noticed in the state topics");
    assert_eq!(whole.verdicts, parts.verdicts);
    whole
}

fn count(run: &Run, what: &str) -> usize {
    run.notices.iter().filter(|notice| *notice == what).count()
}

#[test]
fn a_lost_worker_is_followed_in_chunks_latest_active_first() {
    let at = 2 * SESSIONS;
    let mut lost = event(at, "worker_lost", None);
    lost["worker"] = json!("w-1");
    let tick = |n| event(at + n, "tick", None);
    let once = with_and_without_restarts(&history(vec![lost.clone()]));
    assert_eq!(count(&once, "recovery resume_in_place revoked"), 1000, "the first chunk goes with the record itself");
    let all = with_and_without_restarts(&history(vec![lost, tick(1), turn(at + 2, 7), tick(3), tick(4)]));
    assert_eq!(count(&all, "recovery resume_in_place revoked"), SESSIONS);
    assert_eq!(count(&all, "recovery context_only open"), SESSIONS, "and each is suggested anew");
    let first = all.stream.iter().find(|record| record.contains("revoked")).expect("a revocation");
    assert!(first.contains(&format!("t-1/s-{:05}", SESSIONS - 1)), "{first}");
}

#[test]
fn an_erased_tenant_is_gone_at_once_and_tombstoned_in_chunks() {
    let at = 2 * SESSIONS;
    let mut erased = event(at, "subject_erased", Some(0));
    erased["scope"] = json!("tenant");
    for field in ["session_id", "user_id"] {
        erased.as_object_mut().expect("an object").remove(field);
    }
    let anew = turn(at + 10, SESSIONS - 1);
    let tick = |n| event(at + 20 + n, "tick", None);
    let once = with_and_without_restarts(&history(vec![erased.clone()]));
    assert!(once.sessions.is_empty(), "nothing of the tenant is seen any more");
    assert_eq!(
        once.topics.len(),
        2 * (SESSIONS - 1000) + 2 + 3,
        "states and open suggestions, work, marker, history, checkpoint"
    );
    let all = with_and_without_restarts(&history(vec![erased, anew, tick(1), tick(2), tick(3)]));
    assert_eq!(count(&all, "recovery resume_in_place revoked"), SESSIONS);
    assert_eq!(all.sessions.len(), 1, "a session of the tenant started anew");
    let left: Vec<String> = all.topics.keys().map(|(_, key)| String::from_utf8_lossy(key).into_owned()).collect();
    assert_eq!(left.len(), 5, "its state, its worker, the marker, the history, the checkpoint: {left:?}");
}
