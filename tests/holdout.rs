//! What is held out is decided, kept and closed like anything else and never published, also where the settings change
//! meanwhile; and limits of what is opened.

use std::sync::Arc;

use rekindle::engine::settings::{Mode, Policy};
use rekindle::engine::{
    Effects, Endings, Engine, EngineSettings, Notice, OutValue, OutputFormat, RateScope, RecoveryQuery, Topic,
    TurnFigures,
};
use rekindle::model::event::ResumeRequested;
use rekindle::model::ids::{SessionId, TenantId};
use rekindle::model::position::PartitionId;
use rekindle::model::suggestion::Outcome;
use rekindle::model::trial::Group;
use rekindle::model::verdict::Verdict;
use serde_json::{Value, json};

/// The beginning of an hour.
mod records;

use records::record;

const BASE: i64 = 1_762_340_400_000;

struct Bench {
    engine: Engine,
    effects: Effects,
    offset: i64,
    policy: Policy,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Policy)) -> Bench {
        let mut policy = Policy::default();
        change(&mut policy);
        let engine = Engine::new(Arc::new(settings(&policy)), PartitionId(0), 1);
        Bench { engine, effects: Effects::new(), offset: 0, policy }
    }

    fn adopt(&mut self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.policy);
        self.engine.adopt(Arc::new(settings(&self.policy)));
    }

    /// Sends an event of a session; returns what was published: status and, of a new one, whether it supersedes any.
    fn send(&mut self, second: i64, session: &str, body: Value) -> Vec<(String, bool)> {
        let mut event = json!({"tenant_id": "acme", "session_id": session, "user_id": session});
        event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        event["event_id"] = json!(format!("e-{}", self.offset));
        event["occurred_at"] = json!(BASE + second * 1000);
        let text = event.to_string();
        let record = record(self.offset, &text);
        self.offset += 1;
        self.effects.clear();
        assert_eq!(self.engine.process(record, &mut self.effects), Verdict::Applied, "{text}");
        let published = self.effects.stream().map(|record| {
            let OutValue::Json(text) = record.value else { panic!("not JSON: {:?}", record.value) };
            let body: Value = serde_json::from_slice(text).unwrap();
            (body["status"].as_str().unwrap().to_owned(), !body["supersedes"].is_null())
        });
        published.collect()
    }

    fn statuses(&mut self, second: i64, session: &str, body: Value) -> Vec<String> {
        self.send(second, session, body).into_iter().map(|(status, _)| status).collect()
    }

    fn noticed(&self, notice: &Notice) -> bool {
        self.effects.notices.contains(notice)
    }

    /// What the session's state names as open, published and asked for; and what is listed of it.
    fn named(&self, session: &str) -> [usize; 3] {
        let key = format!("acme/{session}").into_bytes();
        let of = |r: &rekindle::engine::OutRecord<'_>| r.topic == Topic::States && r.key == Some(&key);
        let states: Vec<_> = self.effects.records().filter(of).collect();
        let [state] = &states[..] else { panic!("no state of {session}, or several") };
        let OutValue::Json(text) = state.value else { panic!("not JSON: {:?}", state.value) };
        let state: Value = serde_json::from_slice(text).unwrap();
        let (tenant, session) = (TenantId::new("acme").unwrap(), SessionId::new(session).unwrap());
        let view = self.engine.session(&tenant, &session).unwrap();
        let listed = self.engine.open_suggestions(&tenant, &session).unwrap().len();
        [state["open_suggestions"].as_array().unwrap().len(), view.open_suggestions.len(), listed]
    }

    /// The keys of the rows of counted openings that were written, with whether they are there now.
    fn rates(&self) -> Vec<(String, bool)> {
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        let rows = self.effects.records().filter(|r| r.topic == Topic::Bookkeeping);
        let rows = rows.map(|r| (text(r.key.unwrap()), r.value != OutValue::Tombstone));
        rows.filter(|(key, _)| key.starts_with("rate/")).collect()
    }
}

fn settings(policy: &Policy) -> EngineSettings {
    EngineSettings { output: OutputFormat::Json, policy: policy.clone(), ..EngineSettings::default() }
}

fn turn(number: u32) -> Value {
    json!({"type": "turn_completed", "turn": number, "input_tokens": 200, "output_tokens": 9, "cached_tokens": 150,
        "ttft_ms": 30.0})
}

fn interrupted() -> Value {
    json!({"type": "session_interrupted", "reason": "client_disconnect"})
}

fn requested() -> Value {
    json!({"type": "resume_requested"})
}

fn resumed(outcome: &str) -> Value {
    json!({"type": "session_resumed", "outcome": outcome})
}

fn next_turn(group: Group) -> Notice {
    let figures = TurnFigures { input_tokens: 200, cached_tokens: Some(150), ttft_ms: Some(30.0) };
    Notice::GroupTurn(group, figures)
}

/// A copy that is worth restoring.
fn placed() -> Value {
    json!({"type": "kv_cache_placed", "tier": "hot", "location": {"memory": {"offset": 0}}, "cached_tokens": 4000,
        "created_at": BASE, "worker": "w-1", "cache": {"namespace": "m"},
        "quantization": {"quantized_store": {"precision": "Q8", "compression_ratio": 2.0}}})
}

fn shadow(policy: &mut Policy) {
    policy.mode = Mode::Shadow;
}

#[test]
fn held_out_is_kept_and_closed_and_never_published() {
    for change in [shadow, |policy: &mut Policy| policy.holdout = 1.0] {
        let mut bench = Bench::new(change);
        assert!(bench.send(0, "s", turn(1)).is_empty());
        assert!(bench.send(1, "s", interrupted()).is_empty());
        assert!(bench.noticed(&Notice::Suggestion("recovery", "context_only", "open")));
        assert!(bench.noticed(&Notice::Withheld("recovery", "context_only", "open")));
        assert_eq!(bench.named("s"), [0; 3], "nobody finds it on its topic");
        assert_eq!(bench.engine.stats().open_suggestions, 1);
        let query = RecoveryQuery {
            tenant: TenantId::new("acme").unwrap(),
            session: SessionId::new("s").ok(),
            user: None,
            request: ResumeRequested { cache: None, prefix: None, context: None },
            candidate_workers: None,
        };
        assert!(bench.engine.recovery(&query).is_some(), "a query is answered at any rate");

        assert!(bench.send(2, "s", resumed("ignored")).is_empty());
        let mut endings = Endings::default();
        bench.effects.notices.iter().for_each(|notice| endings.note(notice));
        let (tenant, session) = (TenantId::new("acme").unwrap(), SessionId::new("s").unwrap());
        assert_eq!(
            endings.suggestions(&bench.engine, &tenant, &session),
            Some(Vec::new()),
            "nobody is told of its end"
        );
        assert!(bench.noticed(&Notice::Outcome(Group::HeldOut, "context_only", Outcome::Ignored)));
        assert_eq!(bench.engine.stats().open_suggestions, 0);
        bench.send(3, "s", turn(2));
        assert!(bench.noticed(&next_turn(Group::HeldOut)), "{:?}", bench.effects.notices);
        bench.send(4, "s", turn(3));
        assert!(!bench.noticed(&next_turn(Group::HeldOut)), "the turn after is not counted");
    }
}

#[test]
fn the_next_turn_counts_within_the_validity_and_not_after_a_revocation() {
    let valid = Policy::default().valid_for.0 / 1000;
    for (second, counted) in [(2, true), (valid, true), (valid + 1, false)] {
        let mut bench = Bench::new(|_| {});
        bench.send(0, "s", turn(1));
        bench.send(1, "s", interrupted());
        assert_eq!(bench.named("s"), [1; 3]);
        bench.send(second, "s", turn(2));
        assert_eq!(bench.noticed(&next_turn(Group::Acted)), counted, "{second}");

        // The same where it resumed before.
        let mut bench = Bench::new(|_| {});
        bench.send(0, "s", turn(1));
        bench.send(1, "s", interrupted());
        bench.send(2, "s", resumed("restored"));
        bench.send(second, "s", turn(2));
        assert_eq!(bench.noticed(&next_turn(Group::Acted)), counted, "{second}, resumed");
    }
    let mut bench = Bench::new(|_| {});
    bench.send(0, "s", turn(1));
    bench.send(0, "s", placed());
    assert_eq!(bench.statuses(1, "s", interrupted()), ["open"]);
    bench.send(2, "s", json!({"type": "transfer_scope_changed", "transfer_scope": "tenant"}));
    let gone = json!({"type": "kv_cache_evicted", "reason": "capacity"});
    bench.adopt(|policy| policy.session_per_hour = 1);
    assert_eq!(bench.statuses(3, "s", gone), ["revoked"]);
    bench.send(4, "s", turn(2));
    assert!(!bench.noticed(&next_turn(Group::Acted)), "no recovery held any more");
}

#[test]
fn what_is_open_ends_as_it_began_whatever_the_mode_is_then() {
    let mut bench = Bench::new(|_| {});
    bench.send(0, "s", turn(1));
    assert_eq!(bench.statuses(1, "s", interrupted()), ["open"]);
    bench.adopt(shadow);
    assert_eq!(bench.send(2, "s", resumed("restored")), [("closed".to_owned(), false)]);
    assert!(bench.noticed(&Notice::Outcome(Group::Acted, "context_only", Outcome::Restored)));

    assert!(bench.send(3, "s", interrupted()).is_empty());
    bench.adopt(|policy| policy.mode = Mode::On);
    assert!(bench.send(4, "s", resumed("failed")).is_empty(), "nobody saw it open");
    assert!(bench.noticed(&Notice::Outcome(Group::HeldOut, "context_only", Outcome::Failed)));
}

#[test]
fn a_published_one_is_revoked_for_a_withheld_one_and_names_none() {
    let mut bench = Bench::new(|_| {});
    bench.send(0, "s", turn(1));
    assert_eq!(bench.send(1, "s", interrupted()), [("open".to_owned(), false)]);
    bench.adopt(shadow);
    assert_eq!(bench.statuses(2, "s", requested()), ["revoked"]);
    assert_eq!(bench.named("s"), [0; 3]);
    bench.adopt(|policy| policy.mode = Mode::On);
    assert_eq!(bench.send(3, "s", requested()), [("open".to_owned(), false)], "the one before was never seen");
    let superseded = [("revoked".to_owned(), false), ("open".to_owned(), true)];
    assert_eq!(bench.send(4, "s", requested()), superseded);
    assert_eq!(bench.named("s"), [1; 3]);
}

#[test]
fn a_withheld_one_saved_nothing() {
    for (mode, saves) in [(Mode::On, true), (Mode::Shadow, false)] {
        let mut bench = Bench::new(|policy| policy.mode = mode);
        bench.send(0, "s", turn(1));
        bench.send(0, "s", placed());
        bench.send(1, "s", interrupted());
        bench.send(2, "s", json!({"type": "session_resumed", "outcome": "restored", "restore_ms": 5.0}));
        let saved = bench.effects.notices.iter().any(|notice| matches!(notice, Notice::Saved(..)));
        assert_eq!(saved, saves, "{mode:?}: {:?}", bench.effects.notices);
    }
}

#[test]
fn a_session_is_opened_no_more_than_so_many_in_an_hour() {
    let mut bench = Bench::new(|policy| policy.session_per_hour = 2);
    bench.send(3000, "s", turn(1));
    assert_eq!(bench.statuses(3001, "s", interrupted()), ["open"]);
    assert_eq!(bench.statuses(3002, "s", requested()), ["revoked", "open"]);
    assert_eq!(bench.statuses(3003, "s", requested()), [""; 0], "the older one stays");
    assert!(bench.noticed(&Notice::Limited(RateScope::Session)));
    assert_eq!(bench.named("s"), [1; 3]);
    assert!(!bench.noticed(&Notice::Limited(RateScope::Tenant)));
    bench.send(3004, "r", turn(1));
    assert_eq!(bench.statuses(3005, "r", interrupted()), ["open"], "another session's count is its own");
    assert_eq!(bench.statuses(3006, "s", resumed("restored")), ["closed"], "what ends is not limited");
    assert_eq!(bench.statuses(3599, "s", requested()), [""; 0]);
    assert_eq!(bench.statuses(3600, "s", requested()), ["open"], "the next hour");
    // None: nothing is counted.
    bench.adopt(|policy| policy.session_per_hour = 0);
    for second in 0..5 {
        assert_eq!(bench.statuses(3601 + second, "s", requested()), ["revoked", "open"]);
    }
}

#[test]
fn a_tenant_is_opened_no_more_than_so_many_in_a_minute_and_its_row_goes() {
    let mut bench = Bench::new(|policy| policy.tenant_per_minute = 2);
    let other = |body: Value| {
        let mut body = body;
        body["tenant_id"] = json!("other");
        body
    };
    for session in ["a", "b", "c"] {
        bench.send(0, session, turn(1));
    }
    bench.send(0, "a", other(turn(1)));
    for session in ["a", "b"] {
        assert_eq!(bench.statuses(1, session, interrupted()), ["open"]);
        assert_eq!(bench.rates(), [("rate/acme".to_owned(), true)]);
    }
    assert_eq!(bench.statuses(1, "c", interrupted()), [""; 0]);
    assert!(bench.noticed(&Notice::Limited(RateScope::Tenant)));
    assert_eq!(bench.rates(), []);
    assert_eq!(bench.statuses(2, "a", other(interrupted())), ["open"]);
    assert_eq!(bench.rates(), [("rate/other".to_owned(), true)]);
    // The next minute: what was counted in the last one goes, of whatever tenant.
    assert_eq!(bench.statuses(60, "c", requested()), ["open"]);
    let mut rates = bench.rates();
    rates.sort();
    assert_eq!(rates, [("rate/acme".to_owned(), true), ("rate/other".to_owned(), false)]);
    bench.send(61, "c", json!({"type": "subject_erased", "scope": "tenant", "user_id": null, "session_id": null}));
    assert_eq!(bench.rates(), [("rate/acme".to_owned(), false)]);
}
