//! What the log alone does not say is in bookkeeping: a replay with nothing else decides the same.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rekindle::engine::EngineSettings;
use rekindle::engine::validate::murmur2;
use rekindle::http::settings::HttpSettings;
use rekindle::http::{self, Mode};
use rekindle::kafka::settings::RegistrySettings;
use rekindle::model::position::Offset;
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::{Service, start};
use rekindle::telemetry::Metrics;

use crate::inputs::{EVENT_SCHEMA, confluent, interrupted, interruptions, send, started, turn};
use crate::instance::Instance;
use crate::support::broker::brokers;
use crate::support::clients::{committed, create_topics, eventually, produce, read_all, settings, unique};
use crate::support::oracle::{annals, assert_same, assert_verified, published, replayed};
use crate::support::registry::RegistryDouble;

fn running(settings: &RuntimeSettings) -> Service {
    start(settings.clone(), Arc::new(Metrics::new())).expect("start")
}

/// Waits until so many records of the one partition are committed.
fn until(settings: &RuntimeSettings, next: i64) {
    let group = &settings.kafka.group_id;
    let offset = || committed(brokers(), group, &settings.topics.events, 1)[0];
    eventually("committed", offset, |offset| *offset == Some(next));
}

fn letters(settings: &RuntimeSettings) -> Vec<(String, String)> {
    let letters = read_all(brokers(), &settings.topics.dead_letters, 1);
    let header = |letter: &crate::support::clients::Seen, name: &str| letter.header(name).unwrap_or("?").to_owned();
    let of = |l| (header(l, "__connect.errors.offset"), header(l, "__connect.errors.exception.class.name"));
    letters.iter().map(of).collect()
}

#[test]
fn what_the_registry_said_is_repeated_when_it_says_something_else_or_nothing() {
    let double = RegistryDouble::start();
    let mut settings = settings(brokers(), &unique("decided"), 1);
    settings.registry = RegistrySettings { url: Some(double.url.clone()) };
    create_topics(&settings);
    let service = running(&settings);
    send(&settings, &[confluent(7, &started("a")), started("b").into_bytes(), turn("b").into_bytes()]);
    until(&settings, 3);
    service.shutdown().expect("clean");

    // The same id means something from now on; a client that starts anew does not hold it for absent.
    double.put(7, EVENT_SCHEMA);
    let service = running(&settings);
    send(&settings, &[confluent(7, &turn("a")), confluent(7, &interrupted("a")), interrupted("b").into_bytes()]);
    interruptions(&settings, 2);
    until(&settings, 6);
    service.shutdown().expect("clean");
    assert_eq!(letters(&settings), [("0".to_owned(), "unknown_schema".to_owned())]);

    // Without any registry what was framed is refused, which is as good a decision.
    let service = running(&RuntimeSettings { registry: RegistrySettings::default(), ..settings.clone() });
    send(&settings, &[confluent(7, &started("c")), started("d").into_bytes()]);
    until(&settings, 8);
    service.shutdown().expect("clean");

    let annals = annals(&settings).remove(0);
    let said = |n| annals.schema(7, Offset(n)).map(|text| text.map(|text| **text == *EVENT_SCHEMA));
    assert_eq!([said(0), said(3), said(6)], [Some(None), Some(Some(true)), Some(None)]);
    assert_same(&published(&settings), &replayed(&settings));
    assert_verified(&settings);
}

#[test]
fn a_replay_follows_new_settings_from_the_offset_they_hold_from() {
    let mut settings = settings(brokers(), &unique("policies"), 1);
    create_topics(&settings);
    let first = Arc::clone(&settings.engine);
    let mut second = (*first).clone();
    second.policy.floor = 0.999;
    second.policy.weights.recency = 0.1 + 0.2;
    let mut sent = 0;
    for (engine, session) in [(Arc::clone(&first), "a"), (Arc::new(second.clone()), "b"), (Arc::clone(&first), "c")] {
        settings.engine = engine;
        let service = running(&settings);
        send(&settings, &[started(session), turn(session), interrupted(session)].map(String::into_bytes));
        sent += 3;
        until(&settings, sent);
        service.shutdown().expect("clean");
    }
    let annals = annals(&settings).remove(0);
    let entries: Vec<_> = annals.history().map(|entry| entry.offset.0).collect();
    assert_eq!(entries, [0, 3, 6]);
    assert_eq!(annals.settings(Offset(4)), Some(Ok(second)));
    // Nothing is told to the replay but where the topics are.
    settings.engine = Arc::new(EngineSettings::default());
    let expected = replayed(&settings);
    assert_same(&published(&settings), &expected);
    assert_verified(&settings);
    let suggested = |session: &str| {
        let key = format!("acme/{session}").into_bytes();
        expected.sequences[&("recovery", 0)].iter().filter(|(k, _)| k.as_ref() == Some(&key)).count()
    };
    assert!(suggested("a") > 0 && suggested("b") == 0 && suggested("c") > 0, "the floor of the second silences");
}

#[test]
fn a_record_that_is_to_be_skipped_is_dead_lettered_once_and_for_all() {
    let settings = settings(brokers(), &unique("skip"), 1);
    create_topics(&settings);
    send(&settings, &[started("a"), turn("a"), started("b"), interrupted("a")].map(String::into_bytes));
    let instance = Instance::start_with(&settings, &["--skip", "0:2", "--skip", "0:77"]);
    until(&settings, 4);
    instance.stop();
    assert_eq!(letters(&settings), [("2".to_owned(), "skipped".to_owned())]);
    let states = || published(&settings).latest.into_keys().filter(|(role, ..)| *role == "states").count();
    assert_eq!(states(), 1, "the skipped start began nothing");

    // The flag may stay: the offset is past, also for another owner, and what is there is not skipped twice.
    let instance = Instance::start_with(&settings, &["--skip", "0:2"]);
    send(&settings, &[turn("b").into_bytes()]);
    until(&settings, 5);
    instance.stop();
    assert_eq!(letters(&settings).len(), 1);
    assert_eq!(states(), 2);
    assert_same(&published(&settings), &replayed(&settings));
    assert_verified(&settings);
}

#[test]
fn a_partition_that_the_input_does_not_have_cannot_be_skipped_in() {
    let mut settings = settings(brokers(), &unique("skip-none"), 2);
    create_topics(&settings);
    settings.skip = ["2:5".parse().expect("a position")].into();
    let fault = start(settings, Arc::new(Metrics::new())).err().expect("refused").to_string();
    assert_eq!(fault, "--skip 2:5: the input has 2 partitions, numbered from 0");
}

#[test]
fn a_second_panic_at_one_record_stops_its_partition_and_no_other() {
    let mut settings = settings(brokers(), &unique("twice"), 2);
    settings.engine = Arc::new(EngineSettings { panic_at: Some(Offset(2)), ..(*settings.engine).clone() });
    create_topics(&settings);
    let metrics = Arc::new(Metrics::new());
    let service = start(settings.clone(), Arc::clone(&metrics)).expect("start");
    let port = service.port();
    let http = HttpSettings::at("127.0.0.1:0".parse().expect("an address"));
    let server =
        http::serve(&http, service.port(), metrics, Arc::clone(&settings.engine), Mode::Service).expect("serve");
    let _ = eventually("ready", || port.ready(), Result::is_ok);
    // acme lies in one of the two partitions; of the other only two records are sent, which pass.
    let other = (0..).map(|n| format!("t{n}")).find(|key| place(key) != place("acme")).expect("a key");
    send(&settings, &[started("a"), turn("a"), interrupted("a"), started("b")].map(String::into_bytes));
    let cause = eventually("stopped", || port.ready().err().unwrap_or_default(), |cause| cause.contains("panicked"));
    let place_of = place("acme");
    assert_eq!(
        cause,
        format!(
            "partition {place_of} is stopped: processing the record at {place_of}:2 panicked, and so did \
             dead-lettering it"
        )
    );
    let answer = get(&server.address().to_string(), "/readyz");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(&cause), "{answer}");

    produce(brokers(), &settings.topics.events, [(other.as_str(), &b"{}"[..]), (other.as_str(), &b"{}"[..])]);
    let offsets = || committed(brokers(), &settings.kafka.group_id, &settings.topics.events, 2);
    eventually("the other works", offsets, |offsets| offsets[place(&other)] == Some(2));
    assert!(offsets()[place("acme")].unwrap_or(0) <= 2, "nothing at or behind the record is passed");
    drop(server);
    service.shutdown().expect("clean");
}

/// Which of two partitions a key lies in.
fn place(key: &str) -> usize {
    (murmur2(key.as_bytes()) & 0x7fff_ffff) as usize % 2
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connect");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("ask");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
