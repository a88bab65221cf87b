//! The runtime on librdkafka's embedded broker, as the demo uses it. It gives no guarantees, so nothing is
//! tested here but that the service works on it at all.

#[allow(dead_code, unused_imports)]
#[path = "http_double/mod.rs"]
mod http_double;
mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use http_double::{get, post_with, serve_port};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;
use serde_json::{Value, json};
use support::clients::{eventually, produce, settings};

type Passing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whether one of two ends in time.
fn first([one, other]: [Passing; 2]) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        tokio::select! {
            () = one => true,
            () = other => true,
            () = tokio::time::sleep(Duration::from_secs(30)) => false,
        }
    })
}

/// Settings of a service of this name, whose topics are there with two partitions each.
fn on(cluster: &MockCluster<'_, DefaultProducerContext>, name: &str) -> RuntimeSettings {
    let mut settings = settings(&cluster.bootstrap_servers(), name, 2);
    settings.kafka.properties.insert("fetch.wait.max.ms".to_owned(), "10".to_owned());
    let t = &settings.topics;
    for topic in [&t.events, &t.states, &t.vectors, &t.bookkeeping, &t.recovery, &t.transfer, &t.dead_letters] {
        cluster.create_topic(topic, 2, 1).expect("topic");
    }
    settings
}

#[test]
fn the_service_runs_on_the_embedded_broker() {
    let cluster = MockCluster::new(1).expect("embedded broker");
    let brokers = cluster.bootstrap_servers();
    let settings = on(&cluster, "embedded");
    for round in 1..=2u64 {
        let metrics = Arc::new(Metrics::new());
        let service = start(settings.clone(), Arc::clone(&metrics)).expect("start");
        let port = service.port();
        let _ = eventually("ready", || port.ready(), Result::is_ok);
        let last = |partition| Position { partition: PartitionId(partition), offset: Offset(round as i64 * 50 - 1) };
        let behind = |partition| port.behind(last(partition)).expect("it runs");
        let waiting = [0, 1].map(|partition| behind(partition).expect("nothing was produced yet").passing);
        produce(&brokers, &settings.topics.events, (0..50).map(|_| ("acme", &b"{}"[..])));
        assert!(first(waiting), "round {round}: who waits for a record is woken");
        assert!([0, 1].iter().any(|partition| behind(*partition).is_none()), "round {round}: and it is folded");
        eventually("committed", || metrics.totals().records, |n| *n >= 50);
        assert_eq!(metrics.totals().records, 50, "round {round}: none twice");
        service.shutdown().expect("clean");
    }
}

#[test]
fn an_erasure_asked_for_over_http_is_written_folded_and_told() {
    let cluster = MockCluster::new(1).expect("embedded broker");
    let settings = on(&cluster, "erasing");
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let port = service.port();
    let _ = eventually("ready", || port.ready(), Result::is_ok);
    let server = serve_port(Arc::clone(&port), (*settings.engine).clone());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    let event = |user: &str, session: &str| {
        json!({"event_id": format!("e-{session}"), "tenant_id": "acme", "session_id": session, "user_id": user,
            "occurred_at": now.as_millis() as u64, "type": "session_started"})
        .to_string()
    };
    let events = [event("u-1", "s-1"), event("u-2", "s-2")];
    produce(&settings.kafka.brokers, &settings.topics.events, events.iter().map(|e| ("acme", e.as_bytes())));
    let status = |path: &str| get(&server, &format!("/v1/tenants/acme/{path}")).status;
    eventually("folded", || status("sessions/s-2"), |status| *status == 200);
    assert_eq!(status("sessions/s-1"), 200);
    let ask = json!({"scope": "user", "id": "u-1"}).to_string();
    let asked = post_with(&server, "/v1/tenants/acme/erasures", "content-type: application/json\r\n", &ask);
    assert_eq!(asked.status, 202, "{}", asked.body);
    let asked = asked.json();
    // One of two partitions holds two events already.
    let mut offsets: Vec<&Value> = (0..2).map(|n| &asked["written"][n]["offset"]).collect();
    offsets.sort_by_key(|offset| offset.as_i64());
    assert_eq!(offsets, [0, 2]);
    let path = format!("/v1/tenants/acme/erasures/{}", asked["erasure_id"].as_str().expect("an id"));
    let done = eventually("erased", || get(&server, &path).json(), |answer| answer["state"] == "done");
    let none = json!({"sessions": 0, "vectors": 0, "prefixes": 0, "open_suggestions": 0, "tombstones": 0});
    for one in done["partitions"].as_array().expect("partitions") {
        assert_eq!((&one["folded"], &one["committed"], &one["left"]), (&json!(true), &json!(true), &none), "{one}");
    }
    assert_eq!((status("sessions/s-1"), status("sessions/s-2")), (404, 200));
    server.stop();
    service.shutdown().expect("clean");
}

#[test]
fn the_lines_of_the_readme_that_ask_are_answered() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    let (_, lines) = readme.split_once("<!-- test: curl -->\n```sh\n").expect("the lines");
    let lines: Vec<&str> = lines.split_once("```").expect("an end").0.lines().collect();
    let cluster = MockCluster::new(1).expect("embedded broker");
    let settings = on(&cluster, "readme");
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let port = service.port();
    let _ = eventually("ready", || port.ready(), Result::is_ok);
    let server = serve_port(Arc::clone(&port), (*settings.engine).clone());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    let event = |n: u64, body: Value| {
        let mut event = json!({"event_id": format!("e-{n}"), "tenant_id": "acme", "session_id": "s-9", "user_id": "u-1",
            "occurred_at": now.as_millis() as u64 + n});
        event.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
        event.to_string()
    };
    let events = [
        event(0, json!({"type": "session_started"})),
        event(1, json!({"type": "turn_completed", "turn": 1, "input_tokens": 2100, "output_tokens": 310})),
        event(2, json!({"type": "session_interrupted", "reason": "client_disconnect"})),
    ];
    produce(&settings.kafka.brokers, &settings.topics.events, events.iter().map(|e| ("acme", e.as_bytes())));
    let open = || get(&server, "/v1/tenants/acme/sessions/s-9/suggestions").json()["suggestions"][0].clone();
    eventually("suggested", open, |suggestion| suggestion["plan"] == "context_only");
    let answers: Vec<Value> = lines
        .iter()
        .map(|line| {
            assert!(line.contains("http://127.0.0.1:8080/"), "{line}");
            let line = line.replace("http://127.0.0.1:8080", &server.url()).replace("curl -s ", "curl -sS -f ");
            let output = std::process::Command::new("sh").args(["-c", &line]).output().expect("a shell");
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice(&output.stdout).expect("JSON")
        })
        .collect();
    assert_eq!(answers[0]["session"]["status"], "interrupted");
    assert_eq!(answers[1]["suggestions"][0]["plan"], "context_only");
    assert_eq!(answers[2]["sessions"][0]["session_id"], "s-9");
    assert_eq!(answers[3]["suggestion"]["source"]["session_id"], "s-9");
    assert_eq!((&answers[4]["scope"], answers.len()), (&json!("session"), 5));
    server.stop();
    service.shutdown().expect("clean");
}
