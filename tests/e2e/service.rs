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

#[test]
fn partitions_move_to_a_second_instance_and_back() {
    let name = unique("two");
    let first_settings = settings(brokers(), &name, 4);
    create_topics(&first_settings);
    let events = first_settings.topics.events.clone();
    let send = |round: usize| {
        let keys: Vec<_> = (0..200).map(|i| format!("tenant-{round}-{i}")).collect();
        produce(brokers(), &events, keys.iter().map(|k| (k.as_str(), &b"{}"[..])));
    };
    let sum = || committed(brokers(), &name, &events, 4).iter().flatten().sum::<i64>();
    let first = started(&first_settings);
    send(1);
    eventually("the first alone", sum, |n| *n == 200);

    let mut second_settings = first_settings.clone();
    second_settings.kafka.instance_id = format!("{name}-b");
    second_settings.kafka.transactional_id = format!("{name}-b");
    let second = start(second_settings, Arc::new(Metrics::new())).expect("start");
    let shares = || (first.port().partitions().len(), second.port().partitions().len());
    eventually("two each", shares, |share| *share == (2, 2));
    let _ = eventually("ready", || second.port().ready(), Result::is_ok);
    send(2);
    eventually("both", sum, |n| *n == 400);

    let begun = Instant::now();
    second.shutdown().expect("clean");
    let share = || first.port().partitions().len();
    eventually("all back", share, |n| *n == 4);
    assert!(begun.elapsed() < Duration::from_secs(6), "before the session times out: {:?}", begun.elapsed());
    send(3);
    eventually("the first alone again", sum, |n| *n == 600);
    first.shutdown().expect("clean");
}

#[test]
fn the_same_id_twice_ends_one_of_them() {
    let name = unique("same-id");
    let settings = settings(brokers(), &name, 1);
    create_topics(&settings);
    let mut first = started(&settings);
    let second = started(&settings);
    let fault = first.wait(Duration::from_secs(20)).expect("the older one is told");
    assert!(fault.to_string().contains("another instance holds this id"), "{fault}");
    assert!(first.shutdown().is_ok());
    second.shutdown().expect("clean");
}
