//! Clients that no one here wrote: Python's `confluent-kafka` as producer and consumer.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use rekindle::engine::{Topic, encode};
use rekindle::http::settings::HttpSettings;
use rekindle::http::{Mode, serve};
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;

use crate::support::broker::brokers;
use crate::support::clients::{create_topics, eventually, read_until, settings, unique};
use crate::support::python::{runs, with};

/// What the examples need, and these tests with them.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python/requirements.txt");

/// A Python that has the packages: the system's, or one of our own.
fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let (system, check) = (PathBuf::from("python3"), "import confluent_kafka, httpx");
        if runs(&system, check) { system } else { with("python", &["-r", REQUIREMENTS], check) }
    })
}

#[test]
fn a_python_producer_is_understood_and_a_python_consumer_reads_the_suggestion() {
    let settings = settings(brokers(), &unique("python"), 3);
    create_topics(&settings);
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let _ = eventually("ready", || service.port().ready(), Result::is_ok);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/python_client.py");
    let args = [script, brokers(), &settings.topics.events, &settings.topics.recovery];
    let output = Command::new(python()).args(args).output().expect("run Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert_eq!(seen["key"], "acme/py");
    assert_eq!(seen["headers"]["rekindle-kind"], "recovery");
    assert_eq!(seen["headers"]["rekindle-status"], "open");
    assert_eq!(seen["headers"]["traceparent"], "00-py");
    let header = encode::single_object_header(Topic::Recovery).expect("framed");
    assert_eq!(seen["head"], hex::encode(header));
    service.shutdown().expect("clean");
}

#[test]
fn the_gateway_of_the_examples_tells_and_asks() {
    const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python");
    let text = std::fs::read_to_string(format!("{EXAMPLES}/gateway.py")).expect("the example");
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    let settings = settings(brokers(), &unique("gateway"), 1);
    create_topics(&settings);
    let metrics = Arc::new(Metrics::new());
    let service = start(settings.clone(), Arc::clone(&metrics)).expect("start");
    let _ = eventually("ready", || service.port().ready(), Result::is_ok);
    let at = HttpSettings::at(([127, 0, 0, 1], 0).into());
    let server = serve(&at, service.port(), metrics, settings.engine.clone(), Mode::Service).expect("it serves");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/gateway_client.py");
    let args = [script, EXAMPLES, brokers(), &settings.topics.events, &server.url()];
    let output = Command::new(python()).args(args).env("PYTHONDONTWRITEBYTECODE", "1").output().expect("run Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(told["first"].is_null() && told["again"].is_null() && told["unanswered"].is_null(), "{told:#}");
    assert_eq!((&told["state"]["turn_count"], &told["state"]["user_id"]), (&1.into(), &"u-1".into()), "{told:#}");
    for (asked, session) in [("resumed", "s-1"), ("new", "s-2")] {
        let suggestion = &told[asked];
        assert_eq!((&suggestion["session_id"], &suggestion["source"]["session_id"]), (&session.into(), &"s-1".into()));
        assert_eq!(suggestion["plan"], "context_only", "{told:#}");
    }
    let sent = read_until(brokers(), &settings.topics.events, 1, |seen| seen.len() == 10);
    let types: Vec<String> = sent
        .iter()
        .map(|seen| serde_json::from_slice::<serde_json::Value>(seen.value.as_deref().expect("a value")).expect("JSON"))
        .map(|event| format!("{} {}", event["session_id"], event["type"]).replace('"', ""))
        .collect();
    let expected = [
        "s-1 session_started",
        "s-1 turn_completed",
        "s-1 session_interrupted",
        "s-1 resume_requested",
        "s-1 turn_completed",
        "s-1 turn_completed",
        "s-2 session_started",
        "s-2 turn_completed",
        "s-3 session_started",
        "s-3 turn_completed",
    ];
    assert_eq!(types, expected);
    server.stop();
    service.shutdown().expect("clean");
}
