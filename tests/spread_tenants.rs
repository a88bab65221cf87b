//! A tenant whose sessions lie in most partitions of three instances, by keys `tenant#n`: whichever instance is asked, the
//! answer is that of all of them, and where a part is missing it is said which.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rekindle::engine::validate::home_partition;
use rekindle::http::settings::Forward;
use rekindle::kafka::appender::Appender;
use rekindle::model::position::PartitionId;
use rekindle::runtime::settings::RuntimeSettings;
use serde_json::{Value, json};
use support::broker::free_ports;
use support::clients::{eventually, settings};
use support::edged::Edged;
use support::events::{DIM, now_ms};

const PARTITIONS: i32 = 6;
/// Partitions that hold something of the tenant.
const SPREAD: i32 = 5;
const SESSIONS: i64 = 20;
const TENANT: &str = "/v1/tenants/acme";

/// A key that places the tenant's events in a partition.
fn key(partition: i32) -> String {
    let mut keys = (0..).map(|n| format!("acme#{n}"));
    keys.find(|key| home_partition(key.as_bytes(), PARTITIONS).0 == partition).expect("some key")
}

/// Sessions turn away from the first, each further than the one before.
fn vector(n: i64) -> Vec<f64> {
    let angle = (n * (n + 1)) as f64 / 300.0;
    let mut vector = vec![0.0; DIM];
    (vector[0], vector[1]) = (angle.cos(), angle.sin());
    vector
}

fn id(n: i64) -> String {
    format!("s-{n:02}")
}

/// The partition of a session, and what happens in it.
fn life(n: i64, now: i64) -> (i32, [Value; 2]) {
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
fn write(group: &RuntimeSettings) -> BTreeMap<i32, i64> {
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

struct Client(ureq::Agent);

impl Client {
    fn new() -> Client {
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).max_redirects(0);
        Client(config.http_status_as_error(false).proxy(None).build().into())
    }

    /// Status and answer; a body is posted.
    fn ask(&self, port: u16, path: &str, body: Option<&Value>) -> (u16, Value) {
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
fn questions(ends: &BTreeMap<i32, i64>) -> Vec<(String, Option<Value>, Value)> {
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

/// Whether all of it is in an answer; lists have to be as long.
fn holds(answer: &Value, expected: &Value) -> bool {
    match (answer, expected) {
        (Value::Object(answer), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| answer.get(name).is_some_and(|told| holds(told, value)))
        }
        (Value::Array(answer), Value::Array(expected)) => {
            answer.len() == expected.len() && answer.iter().zip(expected).all(|(told, value)| holds(told, value))
        }
        _ => answer == expected,
    }
}

/// What does not depend on when it is asked.
fn timeless(mut answer: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in ["as_of", "lag", "shards", "suggestion_id", "generated_at", "expires_at", "next_cursor"] {
                    fields.remove(name);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut answer);
    answer
}

fn every_instance_answers_alike(client: &Client, ports: &[u16], ends: &BTreeMap<i32, i64>) {
    for (path, body, expected) in questions(ends) {
        let answers: Vec<Value> = ports
            .iter()
            .map(|port| {
                let (status, answer) = client.ask(*port, &path, body.as_ref());
                assert_eq!(status, 200, "{port}{path} {body:?}: {answer}");
                assert!(holds(&answer, &expected), "{port}{path} {body:?}: {expected} is not all in {answer}");
                timeless(answer)
            })
            .collect();
        assert!(answers.windows(2).all(|two| two[0] == two[1]), "{path} {body:?}: {answers:?}");
    }
    for port in ports {
        let (_, answer) = client.ask(*port, "/search", Some(&json!({"vector": vector(0)})));
        let shards = answer["shards"].as_array().expect("it is put together").iter();
        let shards: Vec<i64> = shards.filter_map(|shard| shard["partition"].as_i64()).collect();
        assert_eq!(shards, (0..i64::from(SPREAD)).collect::<Vec<_>>());
        for (path, body) in [
            ("/sessions/s-none", None),
            ("/search", Some(json!({"session_id": "s-none"}))),
            ("/recovery", Some(json!({"user_id": "u-none"}))),
        ] {
            assert_eq!(client.ask(*port, path, body.as_ref()).0, 404, "{port}{path}");
        }
        assert_eq!(client.ask(*port, "/search", Some(&json!({"vector": [1]}))).0, 400);
        let (_, answer) = client.ask(*port, "/sessions/s-00?at_least=3:99999&wait_ms=0", None);
        assert_eq!((&answer["status"], &answer["as_of"]["partition"]), (&json!(409), &json!(3)), "{answer}");
    }
}

/// Of the erasure of a session every partition tells, wherever it is.
fn an_erasure_is_followed_anywhere(client: &Client, ports: &[u16]) {
    let (status, erasure) =
        client.ask(ports[0], "/erasures", Some(&json!({"scope": "session", "id": id(SESSIONS - 1)})));
    assert_eq!(status, 202, "{erasure}");
    let path = format!("/erasures/{}", erasure["erasure_id"].as_str().expect("an id"));
    for port in ports {
        let done =
            eventually("erased everywhere", || client.ask(*port, &path, None).1, |answer| answer["state"] == "done");
        assert_eq!(done["partitions"].as_array().map(Vec::len), Some(PARTITIONS as usize));
    }
    for port in ports {
        assert_eq!(client.ask(*port, &format!("/sessions/{}", id(SESSIONS - 1)), None).0, 404);
    }
}

#[test]
fn whoever_is_asked_answers_for_all_partitions_of_a_tenant() {
    let cluster = MockCluster::new(1).expect("embedded broker");
    let mut group = settings(&cluster.bootstrap_servers(), "spread", PARTITIONS);
    group.kafka.properties.insert("fetch.wait.max.ms".to_owned(), "10".to_owned());
    group.kafka.properties.insert("heartbeat.interval.ms".to_owned(), "500".to_owned());
    for topic in group.topics.names() {
        cluster.create_topic(topic, PARTITIONS, 1).expect("topic");
    }
    cluster.create_topic(&group.topics.owners, 1, 1).expect("topic");
    let ends = write(&group);
    let client = Client::new();
    let ports: [u16; 3] = free_ports();
    let forwards = [Forward::Redirect, Forward::Proxy, Forward::Redirect];
    let mut instances: Vec<Edged> =
        ports.iter().zip(forwards).map(|(port, forward)| Edged::start(&group, *port, forward)).collect();
    let owns = |instance: &Edged| instance.service.port().partitions().len();
    let all_known = |client: &Client, ports: &[u16]| {
        let search = json!({"vector": vector(0), "k": 100});
        ports.iter().all(|port| {
            let (status, answer) = client.ask(*port, "/search", Some(&search));
            status == 200 && answer["hits"].as_array().is_some_and(|hits| hits.len() as i64 == SESSIONS)
        })
    };
    eventually(
        "each has its share and knows the others'",
        || (instances.iter().map(owns).collect::<Vec<_>>(), all_known(&client, &ports)),
        |(owned, known)| owned.iter().all(|owned| *owned == 2) && *known,
    );
    every_instance_answers_alike(&client, &ports, &ends);

    // One that does not answer is missed by name, but not by what is known elsewhere.
    let gone = instances.remove(2);
    let missed: Vec<i32> = gone.service.port().partitions().iter().map(|status| status.partition.0).collect();
    gone.server.stop();
    for port in &ports[..2] {
        let (status, problem) = client.ask(*port, "/search", Some(&json!({"vector": vector(0)})));
        assert_eq!(status, 503, "{problem}");
        let partition = problem["partition"].as_i64().expect("its number") as i32;
        assert!(missed.contains(&partition), "{problem}");
        for n in 0..SPREAD {
            let status = client.ask(*port, &format!("/sessions/{}", id(n.into())), None).0;
            assert_eq!(status, if missed.contains(&n) { 503 } else { 200 }, "partition {n}");
        }
    }
    gone.service.shutdown().expect("clean");
    eventually("two have all of it", || all_known(&client, &ports[..2]), |known| *known);
    every_instance_answers_alike(&client, &ports[..2], &ends);
    an_erasure_is_followed_anywhere(&client, &ports[..2]);
    for instance in instances {
        instance.service.shutdown().expect("clean");
        instance.server.stop();
    }
}
