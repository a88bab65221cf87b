//! The promise: whatever happens to the process, what is published is what a pure replay of the input gives,
//! once.

use std::sync::Arc;

use rekindle::kafka::producer::TransactionalProducer;
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::{ServiceFault, start};
use rekindle::telemetry::Metrics;

use crate::instance::Instance;
use crate::support::broker::brokers;
use crate::support::clients::{PATIENCE, committed, create_topics, eventually, produce, settings, unique};
use crate::support::events::{Event, workload};
use crate::support::oracle::{Outcome, assert_same, assert_verified, published, replayed};

fn send(settings: &RuntimeSettings, events: &[Event]) {
    let records = events.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
    produce(&settings.kafka.brokers, &settings.topics.events, records);
}

fn consumed(settings: &RuntimeSettings) -> i64 {
    let t = &settings.topics;
    committed(&settings.kafka.brokers, &settings.kafka.group_id, &t.events, t.partitions).iter().flatten().sum()
}

/// Waits until the whole input is committed, and compares.
fn assert_replayed(settings: &RuntimeSettings, events: usize) -> Outcome {
    eventually("all is committed", || consumed(settings), |n| *n == events as i64);
    let expected = replayed(settings);
    assert_same(&published(settings), &expected);
    assert_verified(settings);
    expected
}

fn count(outcome: &Outcome, role: &str) -> usize {
    outcome.sequences.iter().filter(|((r, _), _)| *r == role).map(|(_, records)| records.len()).sum()
}

#[test]
fn what_is_published_is_what_a_replay_gives() {
    let settings = settings(brokers(), &unique("replay"), 3);
    create_topics(&settings);
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let events = workload(1, 3000);
    for part in events.chunks(500) {
        send(&settings, part);
    }
    let outcome = assert_replayed(&settings, events.len());
    assert!(count(&outcome, "recovery") > 100, "recoveries: {}", count(&outcome, "recovery"));
    assert!(count(&outcome, "transfer") > 10, "transfers: {}", count(&outcome, "transfer"));
    assert!(!service.port().feed(0).is_empty(), "the live page has something to show");
    service.shutdown().expect("clean");
}

#[test]
fn killed_again_and_again_it_publishes_everything_once() {
    let settings = settings(brokers(), &unique("crash"), 3);
    create_topics(&settings);
    let events = workload(2, 6000);
    let mut parts = events.chunks(1000);
    let mut sent = 0;
    // Killed while it works: after it has committed something of a part, not all.
    for part in parts.by_ref().take(4) {
        let instance = Instance::start(&settings);
        send(&settings, part);
        let begun = consumed(&settings);
        eventually("some of it is committed", || consumed(&settings), |n| *n > begun.max(sent / 2));
        instance.kill();
        sent += part.len() as i64;
    }
    let instance = Instance::start(&settings);
    parts.for_each(|part| send(&settings, part));
    assert_replayed(&settings, events.len());
    instance.stop();

    // And once more from a cold start over everything.
    let again = Instance::start(&settings);
    let more = workload(3, 300);
    send(&settings, &more);
    assert_replayed(&settings, events.len() + more.len());
    again.stop();
}

#[test]
fn partitions_that_move_between_instances_lose_and_repeat_nothing() {
    let settings = settings(brokers(), &unique("move"), 4);
    create_topics(&settings);
    let mut other = settings.clone();
    other.kafka.instance_id.push_str("-other");
    other.kafka.transactional_id.push_str("-other");
    let events = workload(4, 6000);
    let mut parts = events.chunks(1000);
    let mut next = || send(&settings, parts.next().expect("enough parts"));
    let first = Instance::start(&settings);
    next();
    let second = Instance::start(&other);
    next();
    next();
    eventually("some is committed", || consumed(&settings), |n| *n > 2000);
    second.stop();
    next();
    let second = Instance::start(&other);
    next();
    // One crashes while the other works: its partitions go over when its session times out.
    eventually("more is committed", || consumed(&settings), |n| *n > 4000);
    second.kill();
    next();
    assert_replayed(&settings, events.len());
    first.stop();
}

#[test]
fn a_producer_that_is_fenced_once_is_replaced_and_twice_is_the_end() {
    let settings = settings(brokers(), &unique("fenced"), 2);
    create_topics(&settings);
    let metrics = Arc::new(Metrics::new());
    let mut service = start(settings.clone(), Arc::clone(&metrics)).expect("start");
    let events = workload(5, 2000);
    let (before, after) = events.split_at(1000);
    send(&settings, before);
    // With nothing under way the id changes hands once: a transaction in between would make both try again.
    eventually("the first half is committed", || consumed(&settings), |n| *n == before.len() as i64);
    let fence = || {
        let id = format!("{}-0", settings.kafka.transactional_id);
        let other = TransactionalProducer::new(&settings.kafka, &id, 1 << 20).expect("a producer");
        other.init(&|| false).expect("the id");
    };
    fence();
    send(&settings, after);
    assert_replayed(&settings, events.len());
    assert!(metrics.render().contains("rekindle_transactions_total{result=\"fenced\"} 1"), "{}", metrics.render());
    assert_eq!(metrics.totals().records, events.len() as u64, "each is counted once");

    fence();
    send(&settings, &workload(6, 10));
    let fault = service.wait(PATIENCE).expect("it gives up");
    assert!(matches!(fault, ServiceFault::Fenced { .. }), "{fault}");
    service.shutdown().expect("clean");
}
