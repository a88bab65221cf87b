//! Time for partitions that nobody writes to: with ticks a session expires without another event, without them it does
//! not; and what came of it is what a replay of the log gives.

use std::sync::Arc;
use std::time::Duration;

use rekindle::http::port::QueryPort;
use rekindle::model::ids::{SessionId, TenantId};
use rekindle::model::session::Status;
use rekindle::model::time::Millis;
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::{Service, start};
use rekindle::telemetry::Metrics;

use crate::inputs::{interrupted, send, started, turn};
use crate::support::broker::brokers;
use crate::support::clients::{Seen, create_topics, eventually, read_all, settings, unique};
use crate::support::oracle::{assert_same, assert_verified, published, replayed};

const PARTITIONS: i32 = 2;

fn idle_soon(name: &str, tick_after: Option<Duration>) -> RuntimeSettings {
    let mut settings = settings(brokers(), &unique(name), PARTITIONS);
    let engine = Arc::make_mut(&mut settings.engine);
    engine.idle_timeout = Millis(1000);
    settings.tick_after = tick_after;
    create_topics(&settings);
    settings
}

fn running(settings: &RuntimeSettings) -> (Service, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    (start(settings.clone(), Arc::clone(&metrics)).expect("start"), metrics)
}

fn status(port: &Arc<dyn QueryPort>) -> Option<Status> {
    let (tenant, session) = (TenantId::new("acme").expect("an id"), SessionId::new("s").expect("an id"));
    port.session(&tenant, &session).ok().and_then(|answer| answer.value.status)
}

fn appended(metrics: &Metrics) -> u64 {
    let name = "rekindle_ticks_total{result=\"appended\"} ";
    let text = metrics.render();
    text.lines().find_map(|line| line.strip_prefix(name)).expect("the metric").parse().expect("a number")
}

fn input(settings: &RuntimeSettings) -> (Vec<Seen>, Vec<Seen>) {
    let all = read_all(brokers(), &settings.topics.events, PARTITIONS);
    all.into_iter().partition(|seen| seen.key.as_deref() == Some(b"*"))
}

#[test]
fn a_session_expires_in_an_idle_partition_where_ticks_are_given_and_only_there() {
    let with = idle_soon("ticks", Some(Duration::from_secs(1)));
    let without = idle_soon("no-ticks", None);
    let ((ticking, metrics), (still, _)) = (running(&with), running(&without));
    let (port, other) = (ticking.port(), still.port());
    for settings in [&without, &with] {
        send(settings, &[started("s").into_bytes(), turn("s").into_bytes(), interrupted("s").into_bytes()]);
    }
    eventually("folded", || status(&other), |status| *status == Some(Status::Interrupted));
    eventually("expired without another event", || status(&port), |status| *status == Some(Status::Expired));
    eventually("counted", || appended(&metrics), |count| *count >= 1);

    assert_eq!(status(&other), Some(Status::Interrupted), "its partition's time stands still");
    let (ticks, events) = input(&without);
    assert_eq!((ticks.len(), events.len()), (0, 3));
    let (ticks, events) = input(&with);
    assert_eq!(events.len(), 3);
    assert_eq!((ticks.len(), appended(&metrics)), (1, 1), "one deadline was due, in one partition: {ticks:?}");
    let value = String::from_utf8(ticks[0].value.clone().expect("a value")).expect("text");
    assert_eq!((ticks[0].partition, ticks[0].offset), (events[0].partition, 3));
    assert!(value.contains(&format!("\"event_id\":\"tick-{}-3\"", ticks[0].partition)), "{value}");

    ticking.shutdown().expect("clean");
    still.shutdown().expect("clean");
    for settings in [&with, &without] {
        assert!(read_all(brokers(), &settings.topics.dead_letters, PARTITIONS).is_empty());
        assert_same(&published(settings), &replayed(settings));
        assert_verified(settings);
    }
}
