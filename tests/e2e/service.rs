//! The running service, started in this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rekindle::model::position::PartitionId;
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

/// With `keep_membership`, what an instance owned waits for it through a restart; without, it moves at once.
#[test]
fn a_member_that_comes_back_in_time_finds_its_partitions() {
    let name = unique("keep");
    let stays_settings = settings(brokers(), &name, 4);
    create_topics(&stays_settings);
    let mut leaves_settings = stays_settings.clone();
    leaves_settings.kafka.instance_id = format!("{name}-b");
    leaves_settings.kafka.transactional_id = format!("{name}-b");
    leaves_settings.keep_membership = true;

    let metrics = Arc::new(Metrics::new());
    let stays = start(stays_settings.clone(), Arc::clone(&metrics)).expect("start");
    let owned =
        |service: &Service| -> Vec<_> { service.port().partitions().iter().map(|status| status.partition).collect() };
    eventually("all of them", || owned(&stays).len(), |n| *n == 4);
    let leaves = start(leaves_settings.clone(), Arc::new(Metrics::new())).expect("start");
    eventually("two each", || (owned(&stays).len(), owned(&leaves).len()), |shares| *shares == (2, 2));
    let _ = eventually("ready", || leaves.port().ready(), Result::is_ok);
    let (kept, away) = (owned(&stays), owned(&leaves));
    let changes = || {
        let text = metrics.render();
        let line = text.lines().find(|line| line.starts_with("rekindle_rebalances_total")).map(str::to_owned);
        line.expect("the metric")
    };
    let before = changes();

    leaves.shutdown().expect("clean");
    let keys: Vec<_> = (0..200).map(|i| format!("tenant-{i}")).collect();
    produce(brokers(), &stays_settings.topics.events, keys.iter().map(|k| (k.as_str(), &b"{}"[..])));
    let done = || committed(brokers(), &name, &stays_settings.topics.events, 4);
    let sum_of = |offsets: &[Option<i64>], parts: &[PartitionId]| -> i64 {
        parts.iter().map(|p| offsets[p.0 as usize].unwrap_or(0)).sum()
    };
    // The one that stays goes on with its own, and with no other.
    eventually("its own", done, |offsets| sum_of(offsets, &kept) > 0);
    assert_eq!(sum_of(&done(), &away), 0);

    let back = started(&leaves_settings);
    assert_eq!(owned(&back), away);
    eventually("the others too", done, |offsets| sum_of(offsets, &kept) + sum_of(offsets, &away) == 200);
    assert_eq!((owned(&stays), changes()), (kept, before), "nothing moved");
    for service in [back, stays] {
        service.shutdown().expect("clean");
    }
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
