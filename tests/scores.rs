//! What a score is made of: the margin over a rival, the topic, and whether acting on it pays.

use std::sync::Arc;

use rekindle::engine::suggest::score::{pays, shares};
use rekindle::engine::{Effects, Engine, EngineSettings};
use rekindle::model::ids::{Name, SessionId, TenantId};
use rekindle::model::position::PartitionId;
use rekindle::model::score::{Features, Score};
use rekindle::model::suggestion::{Estimate, EstimateBasis};
use rekindle::model::verdict::Verdict;
use serde_json::{Value, json};

mod records;

use records::record;

const BASE: i64 = 1_762_340_000_000;

fn replayed(events: &[Value]) -> Engine {
    let space = Name::new("default").unwrap();
    let settings = EngineSettings { spaces: [(space, 4)].into(), ..EngineSettings::default() };
    let mut engine = Engine::new(Arc::new(settings), PartitionId(0), 1);
    let mut effects = Effects::new();
    for (at, event) in events.iter().enumerate() {
        let mut event = event.clone();
        let fixed = json!({"event_id": format!("e-{at}"), "tenant_id": "t", "occurred_at": BASE + 1000 * at as i64});
        event.as_object_mut().unwrap().extend(fixed.as_object().unwrap().clone());
        let text = event.to_string();
        let record = record(at as i64, &text);
        assert_eq!(engine.process(record, &mut effects), Verdict::Applied, "{text}");
    }
    engine
}

fn tenant() -> TenantId {
    TenantId::new("t").unwrap()
}

fn session(id: &str) -> SessionId {
    SessionId::new(id).unwrap()
}

fn started(id: &str) -> Value {
    json!({"session_id": id, "user_id": "u", "type": "session_started", "transfer_scope": "tenant"})
}

fn turn(id: &str, turn: u32, vector: [f64; 4]) -> Value {
    json!({"session_id": id, "user_id": "u", "type": "turn_completed", "turn": turn, "input_tokens": 9, "output_tokens": 9,
        "context": {"space": "default", "vector": vector, "covers_turn": turn}})
}

fn broken_off(id: &str) -> Value {
    json!({"session_id": id, "user_id": "u", "type": "session_interrupted", "reason": "client_disconnect"})
}

fn ended(id: &str) -> Value {
    json!({"session_id": id, "user_id": "u", "type": "session_ended", "reason": "completed"})
}

#[test]
fn a_margin_is_kept_from_the_nearest_rival_that_did_not_end() {
    let mut log = Vec::new();
    for (id, vector) in [("near", [0.6, 0.8, 0.0, 0.0]), ("far", [0.0, 1.0, 0.0, 0.0]), ("over", [1.0, 0.0, 0.0, 0.0])]
    {
        log.extend([started(id), turn(id, 1, vector)]);
        log.push(if id == "over" { ended(id) } else { broken_off(id) });
    }
    log.extend([started("new"), turn("new", 1, [1.0, 0.0, 0.0, 0.0])]);
    let engine = replayed(&log);
    let weighed = engine.weigh(&tenant(), &session("new"));
    let margin = |id: &str| weighed.iter().find(|w| w.session == session(id)).unwrap().score.features.margin.unwrap();
    assert_eq!(weighed[0].session, session("near"), "{weighed:?}");
    assert!((margin("near") - 0.6).abs() < 1e-3, "against the far one, since the one that ended is no rival");
    assert!((margin("far") + 0.6).abs() < 1e-3);
    assert!((margin("over") - 0.4).abs() < 1e-3);
    let ids: Vec<&str> = weighed.iter().map(|w| w.session.as_str()).collect();
    let totals: Vec<f64> = weighed.iter().map(|w| w.score.total).collect();
    assert!(totals.is_sorted_by(|a, b| a >= b), "{ids:?} {totals:?}");
}

#[test]
fn a_lone_session_has_no_margin() {
    let log = [
        started("one"),
        turn("one", 1, [1.0, 0.0, 0.0, 0.0]),
        broken_off("one"),
        started("new"),
        turn("new", 1, [1.0, 0.0, 0.0, 0.0]),
    ];
    let engine = replayed(&log);
    let weighed = engine.weigh(&tenant(), &session("new"));
    assert_eq!((weighed.len(), weighed[0].score.features.margin), (1, None));
    let settings = EngineSettings::default();
    let shares: Vec<_> = shares(&settings.policy.weights, &weighed[0].score.features).collect();
    assert_eq!(shares[2], ("no_margin", settings.policy.weights.no_margin));
}

#[test]
fn shares_add_up_to_the_total() {
    let log = [started("one"), turn("one", 1, [0.9, 0.1, 0.0, 0.0]), broken_off("one"), started("new")];
    let log = [&log[..], &[turn("new", 1, [1.0, 0.0, 0.0, 0.0])]].concat();
    let engine = replayed(&log);
    let Score { total, features } = engine.weigh(&tenant(), &session("new"))[0].score;
    let z: f64 = shares(&EngineSettings::default().policy.weights, &features).map(|(_, share)| share).sum();
    assert!((total - 1.0 / (1.0 + (-z).exp())).abs() < 1e-6, "{total} {z}");
}

#[test]
fn of_two_that_are_as_near_the_one_with_the_same_topic_comes_first() {
    let mut log = Vec::new();
    let (a, b) = ([1.0, 0.0, 0.0, 0.1], [0.0, 0.0, 1.0, 0.1]);
    let last = [0.7, 0.1, 0.7, 0.1];
    for (id, first) in [("other", b), ("same", a)] {
        log.extend([started(id), turn(id, 1, first.map(|x: f64| if x == 0.0 { -0.1 } else { x }))]);
        log.extend((2..5).map(|n| turn(id, n, first.map(|x| if x == 0.0 { -0.1 } else { x }))));
        log.push(turn(id, 5, last));
    }
    log.extend([started("new"), turn("new", 1, a.map(|x| if x == 0.0 { -0.1 } else { x })), turn("new", 2, last)]);
    let engine = replayed(&log);
    let near = engine.neighbours(&tenant(), &session("new"));
    let ids: Vec<_> = near.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["same", "other"], "{near:?}");
    assert_eq!(near[0].1.features.similarity, near[1].1.features.similarity);
    assert!(near[0].1.features.topic > near[1].1.features.topic);
}

#[test]
fn acting_pays_where_the_expected_gain_is_more_than_the_expected_loss() {
    let mut policy = EngineSettings::default().policy;
    let estimate = |restore_ms, saved_ms| Estimate {
        restore_ms,
        recompute_ms: restore_ms + saved_ms,
        saved_ms,
        basis: EstimateBasis::Configured,
    };
    let score = Score { total: 0.6, features: Features::default() };
    // 0.6 × 100 against 0.4 × 149, and 151.
    assert!(pays(&policy, &score, Some(&estimate(149.0, 100.0))));
    assert!(!pays(&policy, &score, Some(&estimate(151.0, 100.0))));
    policy.wrong_ms = 2.0;
    assert!(!pays(&policy, &score, Some(&estimate(149.0, 100.0))));
    assert!(pays(&policy, &score, None), "where no time is known, none speaks against it");
}
