//! Sessions that are away: what is suggested while they pause with an expected return, and when they go idle.

use std::sync::Arc;

use rekindle::engine::{Effects, Engine, EngineSettings, OutValue, OutputFormat, Topic};
use rekindle::model::position::PartitionId;
use rekindle::model::verdict::Verdict;
use serde_json::{Value, json};

mod records;

use records::record;

const BASE: i64 = 1_762_340_000_000;

/// Replays events, each with the second it occurs at; returns what is published: trigger, plan, status, due second, end of
/// validity.
fn published(events: &[(i64, Value)]) -> Vec<String> {
    let settings = EngineSettings { output: OutputFormat::Json, ..EngineSettings::default() };
    let mut engine = Engine::new(Arc::new(settings), PartitionId(0), 1);
    let mut effects = Effects::new();
    let mut told = Vec::new();
    for (at, (second, event)) in events.iter().enumerate() {
        let mut event = event.clone();
        let event_id = format!("e-{at}");
        let fixed = json!({"event_id": event_id, "tenant_id": "t", "occurred_at": BASE + 1000 * second});
        for (name, value) in fixed.as_object().unwrap() {
            event.as_object_mut().unwrap().entry(name).or_insert(value.clone());
        }
        let text = event.to_string();
        let record = record(at as i64, &text);
        assert_eq!(engine.process(record, &mut effects), Verdict::Applied, "{text}");
        for record in effects.stream().filter(|record| record.topic == Topic::Recovery) {
            let OutValue::Json(text) = record.value else { panic!("JSON") };
            let s: Value = serde_json::from_slice(text).unwrap();
            let second = |time: &Value| time.as_i64().map_or("-".to_owned(), |t| ((t - BASE) / 1000).to_string());
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            told.push(format!(
                "{second_now}: {} {} {} due {} until {}",
                word(&s["trigger"]["kind"]),
                word(&s["plan"]),
                word(&s["status"]),
                second(&s["trigger"]["due_at"]),
                second(&s["valid_until"]),
                second_now = events[at].0,
            ));
        }
        effects.clear();
    }
    told
}

fn event(kind: &str, fields: Value) -> Value {
    let mut event = json!({"session_id": "s", "user_id": "u", "type": kind});
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

fn turn(n: u32) -> Value {
    event("turn_completed", json!({"turn": n, "input_tokens": 4000, "output_tokens": 96, "cache": {"namespace": "m"}}))
}

fn placed(tier: &str) -> Value {
    event(
        "kv_cache_placed",
        json!({"tier": tier, "location": {"memory": {"offset": 0}}, "cached_tokens": 4096, "kv_bytes": 100_000_000, "created_at": BASE,
            "quantization": {"high_precision_tail": {"tail_length": 4096, "precision": "FP16"}}, "worker": "w",
            "cache": {"namespace": "m"}}),
    )
}

fn paused(back: i64) -> Value {
    event("session_paused", json!({"reason": "tool_call", "expected_resume_at": BASE + 1000 * back}))
}

fn tick() -> Value {
    json!({"tenant_id": "*", "type": "tick"})
}

fn begun(tier: &str) -> Vec<(i64, Value)> {
    vec![(0, event("session_started", json!({}))), (1, turn(1)), (1, placed(tier))]
}

#[test]
fn hot_kv_is_retained_over_a_short_pause() {
    let log = [begun("hot"), vec![(10, paused(40)), (35, tick()), (41, turn(2))]].concat();
    assert_eq!(
        published(&log),
        ["10: session_paused retain open due - until 50", "41: session_paused retain revoked due - until 50"],
        "and said once, though it is looked at again before the return"
    );
}

#[test]
fn over_a_long_pause_nothing_is_retained_until_shortly_before_the_return() {
    let log = [begun("hot"), vec![(10, paused(610)), (599, tick()), (600, tick())]].concat();
    assert_eq!(published(&log), ["600: session_paused retain open due 600 until 620"]);
}

#[test]
fn other_kv_is_fetched_shortly_before_the_return() {
    let log = [begun("cold"), vec![(10, paused(310)), (299, tick()), (305, tick()), (309, tick())]].concat();
    assert_eq!(published(&log), ["305: session_paused prefetch open due 300 until 320"], "as of its own instant");
    let log = [begun("warm"), vec![(10, paused(15))]].concat();
    assert_eq!(published(&log), ["10: session_paused prefetch open due - until 25"], "at once where it is back soon");
}

#[test]
fn a_pause_without_kv_or_without_a_return_suggests_nothing() {
    let bare = vec![
        (0, event("session_started", json!({}))),
        (1, event("turn_completed", json!({"turn": 1, "input_tokens": 9, "output_tokens": 9}))),
    ];
    assert_eq!(published(&[bare, vec![(10, paused(12)), (60, tick())]].concat()), [""; 0]);
    let open_end = event("session_paused", json!({"reason": "awaiting_user"}));
    assert_eq!(published(&[begun("hot"), vec![(10, open_end), (60, tick())]].concat()), [""; 0]);
}

#[test]
fn what_a_paused_session_asks_for_is_not_put_off() {
    let log = [begun("cold"), vec![(10, paused(310)), (20, event("resume_requested", json!({})))]].concat();
    assert_eq!(published(&log), ["20: resume_requested restore_kv open due - until 620"]);
}

#[test]
fn a_return_that_is_put_off_moves_its_deadline() {
    let log = [begun("cold"), vec![(10, paused(310)), (20, paused(910)), (310, tick()), (901, tick())]].concat();
    assert_eq!(published(&log), ["901: session_paused prefetch open due 900 until 920"]);
}

#[test]
fn kv_of_a_session_that_went_idle_is_told_of_and_nothing_else() {
    let idle = 1801;
    let log = [begun("warm"), vec![(idle - 1, tick()), (idle, tick())]].concat();
    assert_eq!(published(&log), [format!("{idle}: idle restore_kv open due {idle} until {}", idle + 600)]);
    let bare = vec![
        (0, event("session_started", json!({}))),
        (1, event("turn_completed", json!({"turn": 1, "input_tokens": 9, "output_tokens": 9}))),
    ];
    assert_eq!(published(&[bare, vec![(idle, tick())]].concat()), [""; 0]);
}

#[test]
fn an_interrupted_session_is_told_of_once() {
    let broken_off = event("session_interrupted", json!({"reason": "client_disconnect"}));
    let log = [begun("warm"), vec![(10, broken_off), (1811, tick())]].concat();
    assert_eq!(published(&log), ["10: session_interrupted restore_kv open due - until 610"]);
}

#[test]
fn nothing_holds_longer_than_its_session_is_waited_for() {
    let started = event("session_started", json!({"idle_timeout_ms": 60_000}));
    let broken_off = event("session_interrupted", json!({"reason": "client_disconnect"}));
    let log = [vec![(0, started), (1, turn(1)), (1, placed("warm"))], vec![(10, broken_off)]].concat();
    assert_eq!(published(&log), ["10: session_interrupted restore_kv open due - until 70"]);
}
