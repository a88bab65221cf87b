//! The runtime on librdkafka's embedded broker, as the demo uses it. It gives no guarantees, so nothing is
//! tested here but that the service works on it at all.

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::mocking::MockCluster;

use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;
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

#[test]
fn the_service_runs_on_the_embedded_broker() {
    let cluster = MockCluster::new(1).expect("embedded broker");
    let brokers = cluster.bootstrap_servers();
    let mut settings = settings(&brokers, "embedded", 2);
    settings.kafka.properties.insert("fetch.wait.max.ms".to_owned(), "10".to_owned());
    let t = &settings.topics;
    for topic in [&t.events, &t.states, &t.vectors, &t.bookkeeping, &t.recovery, &t.transfer, &t.dead_letters] {
        cluster.create_topic(topic, 2, 1).expect("topic");
    }
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
