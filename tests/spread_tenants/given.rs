//! The tenant, its sessions, a client, and what is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use rekindle::engine::validate::home_partition;
use rekindle::kafka::appender::Appender;
use rekindle::model::position::PartitionId;
use rekindle::runtime::settings::RuntimeSettings;
use serde_json::{Value, json};

use crate::support::clients::eventually;
use crate::support::events::{DIM, now_ms};

pub const PARTITIONS: i32 = 6;
/// Partitions that hold something of the tenant.
pub const SPREAD: i32 = 5;
pub const SESSIONS: i64 = 20;
pub const TENANT: &str = "/v1/tenants/acme";

/// A key that places the tenant's events in a partition.
pub fn key(partition: i32) -> String {
    let mut keys = (0..).map(|n| format!("acme#{n}"));
    keys.find(|key| home_partition(key.as_bytes(), PARTITIONS).0 == partition).expect("some key")
}

/// Sessions turn away from the first, each further than the one before.
pub fn vector(n: i64) -> Vec<f64> {
    let angle = (n * (n + 1)) as f64 / 300.0;
    let mut vector = vec![0.0; DIM];
    (vector[0], vector[1]) = (angle.cos(), angle.sin());
    vector
}

pub fn id(n: i64) -> String {
    format!("s-{n:02}")
}

/// The partition of a session, and what happens in it.
pub fn life(n: i64, now: i64) -> (i32, [Value; 2]) {
    let event = |at: i64, kind: &str, mut fields: Value| {
        let of = json!({"event_id": format!("e-{n}-{at}"), "tenant_id": "acme", "session_id": id(n),
            "user_id": format!("u-{}", n % i64::from(SPREAD)), "occurred_at": now + n + at, "type": kind});
        fields.as_object_mut().expect("an object").extend(of.as_object().expect("an object").clone());
        fields
    };
    let cache = json!({"namespace": "m/fp8"});
    let hashes: Vec<String> = (0..=n).map(|block| format!("{:x}", 0xa0 + block)).collect();
    let turn = json!({"turn": 1, "input_tokens": 6000, "output_tokens": 9, "cache": cache,
        "context": {"space": "default", "vector": vector(n), "covers_turn": 1},
        "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": hashes},
        "kv_cache": {"tier": "hot", "location": {"memory": {"offset": 0}}, "cached_tokens": 6000, "created_at": now,
            "worker": "w-1", "cache": cache, "quantization": {"quantized_store": {"precision": "Q8",
            "compression_ratio": 2.0}}}});
    let started = json!({"transfer_scope": "tenant", "cache": cache});
    ((n % i64::from(SPREAD)) as i32, [event(0, "session_started", started), event(1, "turn_completed", turn)])
}

/// Writes every session, and says where each partition's last record lies.
pub fn write(group: &RuntimeSettings) -> BTreeMap<i32, i64> {
    let appender = Appender::new(&group.kafka).expect("a producer");
    let (now, mut ends) = (now_ms(), BTreeMap::new());
    for (partition, events) in (0..SESSIONS).map(|n| life(n, now)) {
        for event in events {
            let (key, event) = (key(partition), event.to_string());
            let topic = &group.topics.events;
            appender.append(topic, PartitionId(partition), key.as_bytes(), event.as_bytes()).expect("queued");
            let appended = loop {
                if let Some(appended) = appender.appended_within(Duration::from_millis(10)).pop() {
                    break appended;
                }
            };
            assert_eq!(appended.fault, None);
            ends.insert(partition, appended.offset.0);
        }
    }
    ends
}

pub struct Client(ureq::Agent);

impl Client {
    pub fn new() -> Client {
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).max_redirects(0);
        Client(config.http_status_as_error(false).proxy(None).build().into())
    }

    /// The same once it is not 503: an instance that is kept busy for long may not have been heard of by its group.
    pub fn answer(&self, port: u16, path: &str, body: Option<&Value>) -> (u16, Value) {
        eventually("an answer", || self.ask(port, path, body), |(status, _)| *status != 503)
    }

    /// Status and answer; a body is posted.
    pub fn ask(&self, port: u16, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{port}{TENANT}{path}");
        let answer = match body {
            Some(body) => self.0.post(&url).send_json(body),
            None => self.0.get(&url).call(),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(answer.headers().get("rekindle-rank").is_none(), "what instances tell each other stays among them");
        let text = answer.body_mut().read_to_string().expect("text");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
    }
}

/// What is asked, and what has to be in the answer of each instance.
pub fn questions(ends: &BTreeMap<i32, i64>) -> Vec<(String, Option<Value>, Value)> {
    let nearest = |from: i64, k: usize| -> Value {
        let similarity = |n: &i64| -> f64 { vector(from).iter().zip(vector(*n)).map(|(a, b)| a * b).sum() };
        let mut others: Vec<i64> = (0..SESSIONS).filter(|n| *n != from).collect();
        others.sort_by(|one, other| similarity(other).total_cmp(&similarity(one)));
        others.into_iter().take(k).map(|n| json!({"session_id": id(n)})).collect()
    };
    let of_vector = |n, k| json!({"vector": vector(n), "k": k, "except_session_id": id(n)});
    let cache = json!({"namespace": "m/fp8"});
    let chain = |blocks: i64| {
        let hashes: Vec<String> = (0..blocks).map(|block| format!("{:x}", 0xa0 + block)).collect();
        json!({"algorithm": "a", "block_tokens": 16, "hashes": hashes})
    };
    let deepest: Value = (0..3).map(|n| json!({"session_id": id(SESSIONS - 1 - n), "depth": SESSIONS - n})).collect();
    let mut questions: Vec<(String, Option<Value>, Value)> = vec![
        ("/search".to_owned(), Some(of_vector(0, 7)), json!({"hits": nearest(0, 7)})),
        ("/search".to_owned(), Some(of_vector(13, 100)), json!({"hits": nearest(13, 100)})),
        ("/search".to_owned(), Some(json!({"session_id": id(8), "k": 5})), json!({"hits": nearest(8, 5)})),
        (
            "/prefix-match".to_owned(),
            Some(json!({"cache": cache, "prefix": chain(SESSIONS + 9), "limit": 3})),
            json!({"matches": deepest}),
        ),
        (
            "/recovery".to_owned(),
            Some(json!({"cache": cache, "prefix": chain(12)})),
            json!({"suggestion": {"session_id": id(SESSIONS - 1)}}),
        ),
    ];
    for n in 0..i64::from(SPREAD) {
        questions.push((format!("/sessions/{}", id(n)), None, json!({"as_of": {"partition": n}})));
        let last = id(SESSIONS - i64::from(SPREAD) + n);
        questions.push((format!("/users/u-{n}/sessions?limit=1"), None, json!({"sessions": [{"session_id": last}]})));
        // Wherever the record lies that is to be covered.
        let other = (n as i32 + 1) % SPREAD;
        let path = format!("/sessions/{}?at_least={other}:{}&wait_ms=5000", id(n), ends[&other]);
        questions.push((path, None, json!({"session": {"session_id": id(n)}})));
    }
    questions
}
