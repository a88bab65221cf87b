//! The running service, started in this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::{Service, StartError, start};
use rekindle::telemetry::Metrics;

use crate::support::broker::brokers;
use crate::support::clients::{committed, create_topics, eventually, produce, settings, unique};

fn started(settings: &RuntimeSettings) -> Service {
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let port = service.port();
    let _ = eventually("ready", || port.ready(), Result::is_ok);
    service
}

#[test]
fn a_start_without_topics_says_what_to_do() {
    let settings = settings(brokers(), &unique("missing"), 1);
    let fault = start(settings, Arc::new(Metrics::new())).err().expect("refused");
    assert!(matches!(fault, StartError::MissingTopics(_)));
    assert!(fault.to_string().contains("rekindle topics create"), "{fault}");
}

#[test]
fn input_is_committed_and_a_stop_is_quick() {
    let name = unique("service");
    let settings = settings(brokers(), &name, 3);
    create_topics(&settings);
    let service = started(&settings);
    let events = &settings.topics.events;
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    produce(brokers(), events, keys.iter().map(|k| (*k, &b"{}"[..])));
    let offsets = || committed(brokers(), &name, events, 3).iter().flatten().sum::<i64>();
    eventually("all committed", offsets, |sum| *sum == 8);

    let begun = Instant::now();
    service.shutdown().expect("clean");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());

    produce(brokers(), events, keys.iter().map(|k| (*k, &b"{}"[..])));
    let begun = Instant::now();
    let service = started(&settings);
    assert!(begun.elapsed() < Duration::from_secs(5), "its static id was free: {:?}", begun.elapsed());
    eventually("the rest too", offsets, |sum| *sum == 16);
    service.shutdown().expect("clean");
}

#[test]
fn more_workers_than_partitions_are_ready_all_the_same() {
    let name = unique("workers");
    let mut settings = settings(brokers(), &name, 1);
    settings.workers = 2;
    create_topics(&settings);
    started(&settings).shutdown().expect("clean");
}
