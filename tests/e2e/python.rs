//! Clients that no one here wrote: Python's `confluent-kafka` as producer and consumer.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use rekindle::engine::{Topic, encode};
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;

use crate::support::broker::brokers;
use crate::support::clients::{create_topics, eventually, settings, unique};
use crate::support::python::{runs, with};

/// A Python that has the package: the system's, or one of our own.
fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let (system, check) = (PathBuf::from("python3"), "import confluent_kafka");
        if runs(&system, check) { system } else { with("python", &["confluent-kafka"], check) }
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
