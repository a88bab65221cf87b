//! Clients that no one here wrote: Python's `confluent-kafka` as producer and consumer.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use rekindle::engine::{Topic, encode};
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;

use crate::support::broker::brokers;
use crate::support::clients::{create_topics, eventually, settings, unique};

/// A Python that has the package: the system's, or one in a folder of our own where it is installed.
fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let has_package = |python: &PathBuf| {
            let check = Command::new(python).args(["-c", "import confluent_kafka"]).output();
            check.is_ok_and(|output| output.status.success())
        };
        let system = PathBuf::from("python3");
        if has_package(&system) {
            return system;
        }
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python");
        let own = folder.join("bin/python");
        if !has_package(&own) {
            let run = |program: &PathBuf, args: &[&str]| {
                let output = Command::new(program).args(args).output();
                let output = output.unwrap_or_else(|e| panic!("this test needs python3 with venv and pip: {e}"));
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "this test needs python3 with venv and pip: {said}");
            };
            run(&system, &["-m", "venv", folder.to_str().expect("a UTF-8 path")]);
            run(&own, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "confluent-kafka"]);
        }
        own
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
