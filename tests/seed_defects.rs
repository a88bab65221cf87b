//! Defects that an earlier session index was found to have, each held off by a test through the engine. (The
//! library's `SessionIndex` has the same list in its own tests.)

use rekindle::engine::{EngineSettings, OutValue, SearchFilter, Topic, encode};
use rekindle::model::ids::{Name, SessionId, TenantId, UserId};
use rekindle::model::vector::UnitVector;
use rekindle::model::verdict::{RejectReason, Verdict};
use serde_json::{Value, json};

mod records;

use records::Bench;

const BASE: i64 = 1_762_340_000_000;
const DIM: usize = 6;

impl Bench {
    fn new() -> Bench {
        let settings = EngineSettings { spaces: [(name("default"), DIM)].into(), ..EngineSettings::default() };
        Bench::under(settings)
    }

    fn send(&mut self, event: &Value) -> Verdict {
        self.process(&event.to_string())
    }

    fn state(&self, session: &str) -> Value {
        let view = self.engine.session(&tenant(), &SessionId::new(session).expect("an id")).expect("a session");
        encode::state_json(&view, true)
    }

    fn search(&self, vector: &[f32], filter: &SearchFilter) -> Vec<(String, f64)> {
        let query = UnitVector::normalised(vector).expect("a direction");
        let hits = self.engine.search(&tenant(), &name("default"), &query, 10, filter);
        hits.into_iter().map(|hit| (hit.session.to_string(), hit.similarity)).collect()
    }

    fn written(&self, topic: Topic) -> usize {
        self.effects.records().filter(|record| record.topic == topic).count()
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn tenant() -> TenantId {
    TenantId::new("t").expect("an id")
}

fn axis(n: usize) -> Vec<f32> {
    (0..DIM).map(|i| if i == n { 1.0 } else { 0.0 }).collect()
}

fn event(at: i64, session: &str, kind: &str, fields: Value) -> Value {
    let mut event = json!({
        "event_id": format!("e-{at}-{session}"), "tenant_id": "t", "session_id": session, "user_id": "u",
        "occurred_at": BASE + at, "type": kind,
    });
    if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
        event.extend(fields);
    }
    event
}

fn turn(at: i64, session: &str, turn: u32, vector: Vec<f32>) -> Value {
    let context = json!({"space": "default", "vector": vector, "covers_turn": turn});
    let fields = json!({"turn": turn, "input_tokens": 100, "output_tokens": 10, "context": context});
    event(at, session, "turn_completed", fields)
}

fn placed(at: i64, session: &str) -> Value {
    let fields = json!({
        "tier": "cold", "location": {"disk": {"path": "kv/9", "offset": 4096}}, "cached_tokens": 2304,
        "created_at": BASE + at, "worker": "w-2", "worker_epoch": 5, "cache": {"namespace": "m/fp8"},
        "quantization": {"quantized_store": {"precision": "Q4", "compression_ratio": 3.5}},
    });
    event(at, session, "kv_cache_placed", fields)
}

#[test]
fn defect_01_02_storing_again_keeps_one_entry_with_the_newest_vector() {
    let mut bench = Bench::new();
    for n in 0..10 {
        assert_eq!(bench.send(&turn(n, "s", n as u32 + 1, axis(n as usize % DIM))), Verdict::Applied);
    }
    assert_eq!(bench.search(&axis(3), &SearchFilter::default()), [("s".to_owned(), 1.0)]);
    assert_eq!(bench.search(&axis(2), &SearchFilter::default()), [("s".to_owned(), 0.0)]);
}

#[test]
fn defect_03_an_erased_session_leaves_no_ghost() {
    let mut bench = Bench::new();
    bench.send(&turn(1, "a", 1, axis(0)));
    bench.send(&turn(2, "b", 1, axis(1)));
    bench.send(&event(3, "a", "subject_erased", json!({"scope": "session"})));
    assert_eq!(bench.search(&axis(0), &SearchFilter::default()), [("b".to_owned(), 0.0)]);
    assert_eq!(bench.written(Topic::States), 1, "the state's tombstone");
    assert_eq!(bench.written(Topic::Vectors), 1, "the vector's tombstone");
}

#[test]
fn defect_05_06_an_answer_has_the_true_cosine_and_a_session_without_embedding_none() {
    let mut bench = Bench::new();
    bench.send(&turn(1, "a", 1, vec![1.0, 1.0, 0.0, 0.0, 0.0, 0.0]));
    bench.send(&event(2, "bare", "session_started", json!({})));
    let hits = bench.search(&axis(0), &SearchFilter::default());
    let cosine = (std::f64::consts::FRAC_1_SQRT_2 * 1e6).round() / 1e6;
    assert_eq!(hits, [("a".to_owned(), cosine)]);
}

#[test]
fn defect_08_09_tenants_and_users_are_apart_and_a_selective_filter_loses_nothing() {
    let mut bench = Bench::new();
    for n in 0..200 {
        let mut other = turn(n, &format!("x-{n}"), 1, axis(0));
        other["user_id"] = json!("crowd");
        bench.send(&other);
    }
    bench.send(&turn(300, "mine", 1, axis(1)));
    let mut foreign = turn(301, "foreign", 1, axis(0));
    foreign["tenant_id"] = json!("other");
    bench.send(&foreign);
    let filter = SearchFilter { user: Some(UserId::new("u").expect("an id")), ..SearchFilter::default() };
    assert_eq!(bench.search(&axis(0), &filter), [("mine".to_owned(), 0.0)]);
    assert!(bench.search(&axis(0), &SearchFilter::default()).iter().all(|(session, _)| session != "foreign"));
}

#[test]
fn defect_10_a_late_turn_3_overwrites_neither_turn_count_nor_context_whatever_its_clock() {
    let mut bench = Bench::new();
    bench.send(&turn(1, "s", 9, axis(0)));
    bench.send(&turn(1000, "s", 3, axis(1)));
    let state = bench.state("s");
    assert_eq!(state["turn_count"], 9);
    assert_eq!(state["context"]["covers_turn"], 9);
    assert_eq!(bench.search(&axis(0), &SearchFilter::default()), [("s".to_owned(), 1.0)]);
}

#[test]
fn defect_11_an_unusable_vector_is_never_stored() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(&turn(1, "s", 1, vec![0.0; DIM])), Verdict::ContextDropped);
    assert_eq!(bench.send(&turn(2, "s", 2, vec![1.0; DIM - 1])), Verdict::ContextDropped);
    let bare = event(3, "s", "context_embedded", json!({"space": "nowhere", "vector": axis(0), "covers_turn": 3}));
    assert_eq!(bench.send(&bare), Verdict::Rejected(RejectReason::BadContext));
    assert!(bench.search(&axis(0), &SearchFilter::default()).is_empty());
    assert_eq!(bench.state("s")["turn_count"], 2, "the rest of the turn counts");
}

#[test]
fn defect_12_16_the_kv_reference_is_what_was_reported_and_enough_to_restore_from() {
    let mut bench = Bench::new();
    let started = json!({
        "event_id": "w", "tenant_id": "*", "occurred_at": BASE, "type": "worker_started", "worker": "w-2",
        "worker_epoch": 5, "endpoint": "http://w-2:8000",
    });
    bench.send(&started);
    bench.send(&event(1, "s", "turn_completed", json!({"turn": 1, "input_tokens": 2300, "output_tokens": 110})));
    bench.send(&placed(2, "s"));
    let copy = &bench.state("s")["kv_cache_ref"];
    assert_eq!(copy["tier"], "cold");
    assert_eq!(copy["location"], json!({"disk": {"path": "kv/9", "offset": 4096}}));
    assert_eq!(copy["cached_tokens"], 2304);
    assert_eq!(copy["quantization"], json!({"quantized_store": {"precision": "Q4", "compression_ratio": 3.5}}));
    let mut hot = placed(3, "s");
    hot["tier"] = json!("warm");
    bench.send(&hot);
    bench.send(&event(4, "s", "session_interrupted", json!({"reason": "client_disconnect"})));
    let published = bench.effects.stream().next().expect("a suggestion");
    let OutValue::Avro(body) = published.value else { panic!("an Avro body") };
    let decoded = encode::decode_suggestion(encode::SuggestionKind::Recovery, body).expect("a suggestion");
    let suggestion = encode::suggestion_json(&decoded.0, &decoded.1);
    assert_eq!(suggestion["plan"], "restore_kv");
    assert_eq!(suggestion["source"]["endpoint"], "http://w-2:8000");
    assert_eq!(suggestion["source"]["kv_cache"]["worker_epoch"], 5);
    assert_eq!(suggestion["source"]["kv_cache"]["cache"]["namespace"], "m/fp8");
}

#[test]
fn defect_13_what_cannot_be_read_is_refused_never_defaulted() {
    for (field, value) in [
        ("tier", json!("lukewarm")),
        ("created_at", json!("yesterday")),
        ("occurred_at", json!("soon")),
        ("location", json!({"cloud": {}})),
        ("quantization", json!("some")),
    ] {
        let mut bench = Bench::new();
        let mut event = placed(1, "s");
        event[field] = value;
        assert_eq!(bench.send(&event), Verdict::Rejected(RejectReason::InvalidField), "{field}");
        assert_eq!(bench.written(Topic::States), 0);
    }
}

#[test]
fn defect_15_every_change_rewrites_the_state() {
    let mut bench = Bench::new();
    for (at, kind, fields) in [
        (1, "session_started", json!({})),
        (2, "turn_completed", json!({"turn": 1, "input_tokens": 1, "output_tokens": 1})),
        (3, "session_interrupted", json!({"reason": "timeout"})),
        (4, "session_resumed", json!({"outcome": "restored"})),
        (5, "session_ended", json!({"reason": "completed"})),
    ] {
        bench.send(&event(at, "s", kind, fields));
        assert_eq!(bench.written(Topic::States), 1, "{kind}");
    }
    assert_eq!(bench.state("s")["status"], "ended");
}

#[test]
fn defect_17_nothing_revives_an_ended_session_and_clocks_do_not_wrap() {
    let mut bench = Bench::new();
    bench.send(&event(1, "s", "session_ended", json!({"reason": "terminated"})));
    let resumed = event(2, "s", "session_resumed", json!({"outcome": "restored"}));
    assert_eq!(bench.send(&resumed), Verdict::AfterEnd);
    assert_eq!(bench.state("s")["status"], "ended");
    for extreme in [i64::MIN, -1, i64::MAX] {
        let mut skewed = event(3, "s", "session_paused", json!({"reason": "other"}));
        skewed["occurred_at"] = json!(extreme);
        assert_eq!(bench.send(&skewed), Verdict::Rejected(RejectReason::InvalidField), "{extreme}");
    }
    assert_eq!(bench.state("s")["last_active"], BASE + 2);
}
