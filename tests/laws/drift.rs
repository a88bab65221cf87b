//! A context that moves a little at every turn: the way it has gone adds up across restarts.

use serde_json::{Value, json};

use super::harness::run_in_batches;

const BASE: i64 = 1_762_340_000_000;

fn embedded(n: usize, session: &str, angle: f64, covers: usize) -> Value {
    let mut vector = vec![0.0; 8];
    vector[0] = angle.cos();
    vector[1] = angle.sin();
    json!({
        "event_id": format!("e-{n}"), "tenant_id": "t-1", "session_id": session, "user_id": session,
        "occurred_at": BASE + n as i64, "type": "context_embedded", "space": "default", "vector": vector,
        "covers_turn": covers,
    })
}

fn neighbour(n: usize, session: &str, angle: f64) -> [Value; 3] {
    let fields = |kind: &str, extra: Value| {
        let mut event = json!({
            "event_id": format!("e-{n}-{kind}"), "tenant_id": "t-1", "session_id": session, "user_id": session,
            "occurred_at": BASE + n as i64, "type": kind,
        });
        if let (Value::Object(event), Value::Object(extra)) = (&mut event, extra) {
            event.extend(extra);
        }
        event
    };
    [
        fields("session_started", json!({"transfer_scope": "tenant"})),
        fields("turn_completed", json!({"turn": 1, "input_tokens": 9, "output_tokens": 9})),
        embedded(n, session, angle, 1),
    ]
}

#[test]
fn small_steps_add_up_across_restarts() {
    let mut events: Vec<Value> = Vec::new();
    events.extend(neighbour(1, "near", 0.0));
    events.extend(neighbour(2, "far", 1.3));
    events.extend((0..5).map(|turn| embedded(10 + turn, "moving", 0.3 * turn as f64, turn + 1)));
    let whole = run_in_batches(&events, &[events.len()], &[false]);
    let parts = run_in_batches(&events, &[1], &[true]);
    assert_eq!(whole.stream, parts.stream);
    let drifted = whole.notices.iter().filter(|n| *n == "transfer refer_context open").count();
    assert_eq!(drifted, 2, "the first embedding asks, and 0.9 rad of drift do: {:?}", whole.notices);
}
