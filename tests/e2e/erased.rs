//! `rekindle verify --erased` on a broker that compacts and deletes while it is looked at: what is left of a subject is
//! found wherever it lies, until the broker has taken it, and what came after the erasure stays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use rekindle::http::erasure_id::Written;
use rekindle::model::event::ErasureScope;
use rekindle::model::ids::{TenantId, UserId};
use rekindle::model::position::Offset;
use rekindle::model::time::EventTime;
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;

use crate::instance;
use crate::support::broker::brokers;
use crate::support::clients::{PATIENCE, alter_topic, committed, create_topics, eventually, produce, settings, unique};
use crate::support::events::{DIM, now_ms};

/// A broker that was not started here may look at its logs every five minutes only.
const CLEANED_WITHIN: Duration = Duration::from_secs(420);

struct Input<'s> {
    settings: &'s RuntimeSettings,
    sent: i64,
}

impl Input<'_> {
    fn send(&mut self, value: &[u8]) {
        produce(brokers(), &self.settings.topics.events, [("acme", value)]);
        self.sent += 1;
        let (group, topic) = (&self.settings.kafka.group_id, &self.settings.topics.events);
        eventually("committed", || committed(brokers(), group, topic, 1)[0], |offset| *offset >= Some(self.sent));
    }

    fn event(&mut self, session: &str, user: &str, body: Value) {
        let at = now_ms();
        let mut event = json!({"event_id": format!("e-{}", self.sent), "tenant_id": "acme", "session_id": session,
            "user_id": user, "occurred_at": at});
        let (Value::Object(all), Value::Object(body)) = (&mut event, body) else { unreachable!("both are objects") };
        all.extend(body);
        self.send(event.to_string().as_bytes());
    }

    /// A session with an embedding, a chain, and a suggestion.
    fn session(&mut self, session: &str, user: &str) {
        let vector: Vec<f32> = (0..DIM).map(|n| if n == 0 { 1.0 } else { 0.1 }).collect();
        self.event(session, user, json!({"type": "session_started", "transfer_scope": "tenant"}));
        self.event(
            session,
            user,
            json!({"type": "turn_completed", "turn": 1, "input_tokens": 900, "output_tokens": 10,
                "cache": {"namespace": "m"}, "context": {"space": "default", "vector": vector, "covers_turn": 1},
                "prefix": {"algorithm": "xxh64", "block_tokens": 16, "from_block": 0, "hashes": ["a1", "b2"]}}),
        );
        self.event(session, user, json!({"type": "session_interrupted", "reason": "client_disconnect"}));
    }

    /// A record in a transaction that is aborted: nobody reads it committed, and its bytes are there.
    fn aborted(&mut self, value: &[u8]) {
        let id = &self.settings.kafka.group_id;
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers())
            .set("transactional.id", format!("{id}-aborted"))
            .create()
            .expect("producer");
        producer.init_transactions(PATIENCE).expect("an id");
        producer.begin_transaction().expect("a transaction");
        let record = BaseRecord::to(&self.settings.topics.events).partition(0).key("acme").payload(value);
        producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
        producer.flush(PATIENCE).expect("acknowledged");
        producer.abort_transaction(PATIENCE).expect("aborted");
        // The record, and the marker behind it.
        self.sent += 2;
    }
}

/// What the command says: its exit code, and the report.
fn search(settings: &RuntimeSettings, subject: &str) -> (Option<i32>, Value) {
    let (code, text) = instance::verify(settings, &["--erased", subject, "--tenant", "acme", "--json"]);
    (code, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no report: {text}")))
}

/// A number that the report gives of a topic.
fn of(report: &Value, topic: &str, name: &str) -> i64 {
    let topics = report["topics"].as_array().expect("topics");
    let found = topics.iter().find(|one| one["topic"] == topic).unwrap_or_else(|| panic!("{topic}: {report:#}"));
    found[name].as_i64().unwrap_or_else(|| panic!("{name} of {topic}: {report:#}"))
}

#[test]
fn what_was_erased_is_found_until_the_broker_has_taken_it() {
    let settings = settings(brokers(), &unique("erased"), 1);
    create_topics(&settings);
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let topics = settings.topics.clone();
    let mut input = Input { settings: &settings, sent: 0 };
    input.session("s-1", "u-1");
    input.session("s-2", "u-2");
    input.send(b"{\"tenant_id\":\"acme\",\"user_id\":\"u-1\"");
    input.aborted(b"{\"tenant_id\":\"acme\",\"user_id\":\"u-1\",\"aborted\":1");
    input.event("s-10", "u-10", json!({"type": "session_started"}));
    let (code, before) = search(&settings, "user:u-1");
    assert_eq!((code, &before["occurred_at"], &before["sessions"]), (Some(1), &Value::Null, &json!(1)), "{before:#}");
    assert_eq!((of(&before, &topics.events, "found"), of(&before, &topics.events, "by_bytes")), (5, 2), "{before:#}");

    let (at, offset) = (now_ms(), input.sent);
    let erase = json!({"event_id": "erase", "tenant_id": "acme", "occurred_at": at, "type": "subject_erased",
        "scope": "user", "user_id": "u-1"});
    input.send(erase.to_string().as_bytes());
    std::thread::sleep(Duration::from_millis(5));
    input.session("s-9", "u-1");
    let scope = ErasureScope::User(UserId::new("u-1").expect("an id"));
    let written = Written { scope, occurred_at: EventTime(at), offsets: vec![Offset(offset)] };
    let id = written.id(&TenantId::new("acme").expect("an id"));
    for subject in ["user:u-1", &id] {
        let (code, report) = search(&settings, subject);
        assert_eq!((code, &report["outcome"]), (Some(1), &json!("expected")), "{report:#}");
        assert_eq!((&report["occurred_at"], of(&report, &topics.events, "found")), (&json!(at), 5), "{report:#}");
        assert_eq!((of(&report, &topics.events, "erasures"), of(&report, &topics.events, "newer")), (1, 3));
        for topic in [&topics.states, &topics.vectors, &topics.bookkeeping, &topics.recovery, &topics.dead_letters] {
            assert!(of(&report, topic, "found") > 0 && of(&report, topic, "gone_by") > now_ms(), "{topic} {report:#}");
        }
        assert!(of(&report, &topics.states, "tombstones") > 0 && of(&report, &topics.states, "newer") > 0);
    }

    for topic in [&topics.events, &topics.recovery, &topics.transfer, &topics.dead_letters] {
        alter_topic(brokers(), topic, &[("cleanup.policy", "delete"), ("retention.ms", "500"), ("segment.ms", "500")]);
    }
    for topic in [&topics.states, &topics.vectors, &topics.bookkeeping] {
        let short = [("segment.ms", "500"), ("max.compaction.lag.ms", "500"), ("delete.retention.ms", "100")];
        alter_topic(brokers(), topic, &[&short[..], &[("cleanup.policy", "compact")]].concat());
    }
    let deadline = Instant::now() + CLEANED_WITHIN;
    let gone = loop {
        // A segment is closed by what is written behind it.
        input.session("s-2", "u-2");
        input.session("s-9", "u-1");
        let (code, report) = search(&settings, &id);
        if code == Some(0) {
            break report;
        }
        assert!(code == Some(1) && Instant::now() < deadline, "{report:#}");
        std::thread::sleep(Duration::from_secs(1));
    };
    assert_eq!(gone["outcome"], "gone");
    assert!(of(&gone, &topics.states, "newer") > 0, "what came after the erasure is still there: {gone:#}");
    service.shutdown().expect("clean");

    let key = "acme/s-1";
    let stale: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers()).create().expect("producer");
    let record = BaseRecord::to(&topics.vectors).partition(0).key(key).payload("left").timestamp(at - 1);
    stale.send(record).map_err(|(error, _)| error).expect("room in the queue");
    stale.flush(PATIENCE).expect("acknowledged");
    let (code, text) = instance::verify(&settings, &["--erased", "session:s-1", "--tenant", "acme"]);
    assert_eq!(code, Some(1), "the marker tells when the session was erased: {text}");
    assert!(text.contains("OVERDUE since") && text.contains("COPIES ARE READABLE"), "{text}");
}

#[test]
fn what_names_no_erasure_or_cannot_be_read_is_code_2() {
    let settings = settings(brokers(), &unique("nothing-erased"), 1);
    for (arguments, said) in [
        (["--erased", "u-1", "--tenant", "acme"], "expected user:ID, session:ID, tenant, or the erasure_id"),
        (["--erased", "user:a/b", "--tenant", "acme"], "visible ASCII"),
        (["--erased", "user:u-1", "--tenant", "a/b"], "--tenant a/b"),
        (["--erased", "user:u-1", "--tenant", "acme"], "missing topics"),
    ] {
        let (code, text) = instance::verify(&settings, &arguments);
        assert!(code == Some(2) && text.contains(said), "{text}");
    }
    let (code, text) = instance::verify(&settings, &["--erased", "user:u-1"]);
    assert!(code == Some(2) && text.contains("--tenant"), "{text}");
}
