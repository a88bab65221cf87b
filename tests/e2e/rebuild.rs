//! A new generation folds the input anew and goes on publishing where the old one ended: nothing twice, nothing
//! left out, whatever happens on the way, and nothing of the old one is touched.

use std::sync::Arc;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::ClientConfig;

use rekindle::engine::EngineSettings;
use rekindle::kafka::settings::RegistrySettings;
use rekindle::model::ids::EventId;
use rekindle::model::position::Offset;
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::{Service, StartError, start};
use rekindle::telemetry::Metrics;
use rekindle::verify::Request;

use crate::inputs::{self, confluent, interrupted, started, turn};
use crate::instance::Instance;
use crate::support::broker::brokers;
use crate::support::clients::{Seen, committed, create_topics, eventually, produce, read_all, settings, unique};
use crate::support::events::{Event, workload};
use crate::support::oracle::{Outcome, annals, assert_same, assert_verified, published, replayed};
use crate::support::registry::RegistryDouble;

fn send(settings: &RuntimeSettings, events: &[Event]) {
    let records = events.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
    produce(brokers(), &settings.topics.events, records);
}

fn consumed(settings: &RuntimeSettings) -> i64 {
    let t = &settings.topics;
    committed(brokers(), &settings.kafka.group_id, &t.events, t.partitions).iter().flatten().sum()
}

fn until(settings: &RuntimeSettings, records: usize) {
    eventually("all is committed", || consumed(settings), |n| *n == records as i64);
}

/// The next generation, which may be begun.
fn rebuilt(settings: &RuntimeSettings, number: u32) -> RuntimeSettings {
    let mut next = settings.clone().in_generation(number);
    next.generation.rebuild = true;
    next
}

fn running(settings: &RuntimeSettings) -> Service {
    start(settings.clone(), Arc::new(Metrics::new())).expect("start")
}

fn ready(service: &Service) {
    let _ = eventually("ready", || service.port().ready(), Result::is_ok);
}

/// Everything in the topics of a generation's state, and its group's offsets.
fn everything(settings: &RuntimeSettings) -> (Vec<Vec<Seen>>, Vec<Option<i64>>) {
    let t = &settings.topics;
    let topics = [&t.states, &t.vectors, &t.bookkeeping].map(|topic| {
        let mut records = read_all(brokers(), topic, t.partitions);
        records.sort_by_key(|seen| (seen.partition, seen.offset));
        records
    });
    (topics.into(), committed(brokers(), &settings.kafka.group_id, &t.events, t.partitions))
}

fn suggestions(outcome: &Outcome) -> usize {
    outcome.sequences.iter().filter(|((role, _), _)| *role != "dead letters").map(|(_, records)| records.len()).sum()
}

#[test]
fn killed_again_and_again_a_rebuild_goes_on_where_the_old_generation_ended() {
    let old = settings(brokers(), &unique("rebuild"), 3);
    create_topics(&old);
    let events = workload(7, 5000);
    let (before, after) = events.split_at(4500);
    let instance = Instance::start(&old);
    send(&old, before);
    until(&old, before.len());
    instance.stop();
    let (untouched, published_before) = (everything(&old), suggestions(&published(&old)));
    assert!(published_before > 100, "{published_before}");

    let new = rebuilt(&old, 2);
    // In small steps, so that there is time to be killed between them. Only the first start says that it may begin.
    let steps = ["--set", "batch.max_records=20", "--set", "batch.min_interval_ms=50"];
    for (arguments, least) in [(&[&["--rebuild"][..], &steps].concat(), 300), (&steps.to_vec(), 1500)] {
        let instance = Instance::start_with(&new, arguments);
        eventually("some of it is committed", || consumed(&new), |n| *n > least);
        instance.kill();
        assert!(consumed(&new) < before.len() as i64, "killed in the middle");
        assert_eq!(suggestions(&published(&old)), published_before, "it is silent so far");
    }
    // What was there is folded, what comes is published. Then once more from a cold start over everything.
    let instance = Instance::start(&new);
    send(&old, after);
    until(&new, events.len());
    instance.stop();
    let expected = replayed(&new);
    assert_same(&published(&new), &expected);
    assert!(suggestions(&expected) > published_before);
    assert!(everything(&old) == untouched, "nothing of the old generation is touched");
    let more = workload(8, 200);
    let instance = Instance::start(&new);
    send(&old, &more);
    until(&new, events.len() + more.len());
    instance.stop();
    assert_same(&published(&new), &replayed(&new));
    assert_verified(&new);
}

#[test]
fn a_generation_is_built_beside_a_running_one_and_takes_over_when_that_stops() {
    let old = settings(brokers(), &unique("beside"), 2);
    create_topics(&old);
    let events = workload(9, 3000);
    let mut parts = events.chunks(1000);
    let mut sent = 0;
    let mut next = || {
        let part = parts.next().expect("enough parts");
        send(&old, part);
        sent += part.len();
        sent
    };
    let first = running(&old);
    until(&old, next());

    let new = rebuilt(&old, 2);
    let second = running(&new);
    let waits = |service: &Service| service.port().ready().err().unwrap_or_default();
    let cause = "generation 1 has 1 members left in its group: stop its instances";
    eventually("rebuilt", || waits(&second), |said| said.contains(cause));
    // The old one goes on, and the new one follows without a word.
    let total = next();
    until(&old, total);
    until(&new, total);
    assert_same(&published(&old), &replayed(&old));
    assert_verified(&old);
    assert_verified(&new);
    first.shutdown().expect("clean");
    ready(&second);
    let total = next();
    until(&new, total);
    assert_same(&published(&new), &replayed(&new));
    assert_verified(&new);

    // Whoever starts the old one now is told so, while the new one works on.
    let first = running(&old);
    eventually("refused", || waits(&first), |said| said.contains("set application.generation to 2"));
    assert!(consumed(&old) < total as i64);
    first.shutdown().expect("clean");
    second.shutdown().expect("clean");
}

#[test]
fn what_is_left_of_the_old_generation_says_where_to_go_on() {
    let events = workload(10, 600);
    let (before, after) = events.split_at(500);
    for (left, group, bookkeeping) in [("offset", true, false), ("checkpoint", false, true), ("neither", false, false)]
    {
        let old = settings(brokers(), &unique(left), 1);
        create_topics(&old);
        let service = running(&old);
        send(&old, before);
        until(&old, before.len());
        service.shutdown().expect("clean");
        let published_before = suggestions(&published(&old));
        if !bookkeeping {
            // A tombstone and rubbish: no checkpoint, and a decision that cannot be read.
            let records = [("partition", &b""[..]), ("decision/00000000000000000003", b"\xC3\x01garbage")];
            produce(brokers(), &old.topics.bookkeeping, records);
        }
        if !group {
            delete_group(&old.kafka.group_id);
        }
        let new = rebuilt(&old, 2);
        let service = running(&new);
        send(&old, after);
        until(&new, events.len());
        service.shutdown().expect("clean");
        let (all, expected) = (suggestions(&published(&new)), suggestions(&replayed(&new)));
        let twice = if group || bookkeeping { 0 } else { published_before };
        assert_eq!(all, expected + twice, "{left}");
    }
}

fn delete_group(group: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers());
    let admin: AdminClient<_> = config.create().expect("admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let delete = || {
        let deleted = runtime.block_on(admin.delete_groups(&[group], &AdminOptions::new())).expect("an answer");
        deleted.into_iter().all(|group| group.is_ok())
    };
    eventually("deleted", delete, |deleted| *deleted);
}

#[test]
fn a_generation_is_never_begun_by_mistake() {
    let old = settings(brokers(), &unique("mistake"), 1);
    create_topics(&old);
    let refused = |settings: &RuntimeSettings| start(settings.clone(), Arc::new(Metrics::new())).err();
    let new = old.clone().in_generation(2);
    let fault = refused(&new).expect("refused");
    assert!(matches!(fault, StartError::NotBegun { generation: 2, .. }), "{fault}");
    assert!(fault.to_string().contains("rekindle run --rebuild"), "{fault}");
    assert!(matches!(refused(&rebuilt(&old, 1)), Some(StartError::NothingToRebuild)));

    // Its topics alone do not make a generation.
    let admin = rekindle::kafka::admin::Admin::new(&new.kafka).expect("admin client");
    admin.create_state_topics(&new.topics, 1).expect("created");
    let service = running(&new);
    let said = || service.port().ready().err().unwrap_or_default();
    eventually("refused", said, |said| said.contains("has not been begun here"));
    service.shutdown().expect("clean");

    // With nothing earlier there is nothing to be silent about.
    let events = workload(11, 300);
    send(&old, &events);
    let service = running(&rebuilt(&old, 2));
    until(&new, events.len());
    ready(&service);
    service.shutdown().expect("clean");
    assert_same(&published(&new), &replayed(&new));
    assert_verified(&new);
}

#[test]
fn a_rebuild_repeats_what_was_decided_and_judges_only_what_comes_by_a_new_policy() {
    let double = RegistryDouble::start();
    let mut old = settings(brokers(), &unique("decisions"), 1);
    old.registry = RegistrySettings { url: Some(double.url.clone()) };
    old.skip = ["0:3".parse().expect("a position")].into();
    let boom = EventId::new("boom-2").expect("an id");
    old.engine = Arc::new(EngineSettings { panic_on: Some(boom), ..(*old.engine).clone() });
    create_topics(&old);
    let service = running(&old);
    inputs::send(&old, &[confluent(7, &started("a")), turn("boom").into_bytes()]);
    inputs::send(&old, &[started("b"), turn("b"), turn("b"), interrupted("b")].map(String::into_bytes));
    until(&old, 6);
    service.shutdown().expect("clean");
    let (before, letters) = (published(&old), read_all(brokers(), &old.topics.dead_letters, 1).len());
    assert_eq!(letters, 3, "an absent schema, a panic, a skip");

    // By now the schema is there, nothing is to be skipped, nothing panics, and hardly anything is worth saying.
    double.put(7, crate::inputs::EVENT_SCHEMA);
    let mut new = rebuilt(&old, 2);
    new.skip.clear();
    new.engine = Arc::new(EngineSettings { panic_on: None, ..(*new.engine).clone() });
    let same = running(&new);
    ready(&same);
    inputs::send(&old, &[confluent(7, &started("c")), turn("c").into_bytes(), interrupted("c").into_bytes()]);
    until(&new, 9);
    same.shutdown().expect("clean");
    assert_same(&published(&new), &replayed(&new));
    assert_verified(&new);
    let keys = |outcome: &Outcome| {
        let states = outcome.latest.keys().filter(|(role, ..)| *role == "states");
        states.map(|(.., key)| String::from_utf8_lossy(key).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (keys(&before), keys(&published(&new))),
        (vec!["acme/b".into()], vec!["acme/b".into(), "acme/c".into()])
    );

    let mut third = rebuilt(&new, 3);
    let mut quiet = (*third.engine).clone();
    quiet.policy.floor = 0.999;
    third.engine = Arc::new(quiet.clone());
    let said = published(&new).sequences;
    let service = running(&third);
    ready(&service);
    inputs::send(&old, &[started("d"), turn("d"), interrupted("d")].map(String::into_bytes));
    until(&third, 12);
    service.shutdown().expect("clean");
    assert_eq!(published(&third).sequences, said, "nothing of before again, and nothing new is worth saying");
    assert_eq!(annals(&third)[0].settings(Offset(0)), Some(Ok(quiet)), "all of it is judged by the new policy");
    let found = published(&third).latest;
    let expected = replayed(&third).latest;
    assert!(found == expected, "states and all equal a pure replay");
    assert_verified(&third);
    assert_verified(&new);
    let report = rekindle::verify::verify(&third, &Request::default()).expect("an answer");
    let recovery = &report.partitions[0].recovery;
    assert!(recovery.other_generation > 0 && recovery.equal == 0, "published under another policy: {recovery:?}");
}
