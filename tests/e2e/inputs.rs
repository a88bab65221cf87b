//! What comes in besides good JSON: poison, other wire formats, a registry that is down.

use std::sync::Arc;

use rekindle::engine::{OutputFormat, encode};
use rekindle::kafka::settings::RegistrySettings;
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;

use crate::support::broker::brokers;
use crate::support::clients::{Seen, create_topics, eventually, produce, read_all, read_until, settings, unique};
use crate::support::events::now_ms;
use crate::support::oracle::{assert_same, assert_verified, published, replayed};
use crate::support::registry::RegistryDouble;
use crate::support::wire::{avro, framed};

pub const EVENT_SCHEMA: &str = include_str!("../../schemas/session-event.avsc");

/// The `n`th event of a session, each a millisecond after the one before, in whatever order they are made.
fn json(n: i64, session: &str, body: &str) -> String {
    static BEGUN: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    let at = BEGUN.get_or_init(|| now_ms() - 1000) + n;
    format!(r#"{{"event_id":"{session}-{n}","tenant_id":"acme","session_id":"{session}","occurred_at":{at},{body}}}"#)
}

pub fn started(session: &str) -> String {
    json(1, session, r#""type":"session_started","user_id":"u""#)
}

pub fn interrupted(session: &str) -> String {
    json(3, session, r#""type":"session_interrupted","reason":"timeout""#)
}

pub fn turn(session: &str) -> String {
    let body = r#""type":"turn_completed","turn":1,"input_tokens":100,"output_tokens":20"#;
    json(2, session, body)
}

pub fn confluent(id: u32, text: &str) -> Vec<u8> {
    framed(id, &avro(text))
}

pub fn send(settings: &RuntimeSettings, values: &[Vec<u8>]) {
    produce(brokers(), &settings.topics.events, values.iter().map(|v| ("acme", v.as_slice())));
}

pub fn interruptions(settings: &RuntimeSettings, count: usize) -> Vec<Seen> {
    read_until(brokers(), &settings.topics.recovery, settings.topics.partitions, |seen| seen.len() >= count)
}

#[test]
fn poison_goes_to_the_dead_letters_and_the_rest_goes_on() {
    let settings = settings(brokers(), &unique("poison"), 1);
    create_topics(&settings);
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let big = vec![b' '; 900_000];
    let bad: [&[u8]; 6] =
        [b"", b"{\"event_id\":", &[0xC3, 0x01, 9, 9, 9, 9, 9, 9, 9, 9, 1], &[0; 13], b"\xff\xfe", &big];
    let mut values = vec![started("good").into_bytes(), turn("good").into_bytes()];
    values.extend(bad.iter().map(|v| v.to_vec()));
    values.push(interrupted("good").into_bytes());
    send(&settings, &values);
    produce(brokers(), &settings.topics.events, [("someone-else", started("stray").as_bytes())]);

    let suggestions = interruptions(&settings, 1);
    assert_eq!(suggestions[0].key.as_deref(), Some(&b"acme/good"[..]));
    assert_eq!(suggestions[0].header("rekindle-kind"), Some("recovery"));
    let letters = read_until(brokers(), &settings.topics.dead_letters, 1, |seen| seen.len() >= 7);
    let reasons: Vec<_> =
        letters.iter().map(|l| l.header("__connect.errors.exception.class.name").unwrap_or_default()).collect();
    let expected =
        ["malformed", "malformed", "unknown_schema", "unknown_schema", "malformed", "malformed", "misrouted"];
    assert_eq!(reasons, expected);
    for (letter, value) in letters.iter().zip(bad) {
        assert!(letter.value.as_deref() == Some(value), "verbatim");
        assert_eq!(letter.key.as_deref(), Some(&b"acme"[..]));
    }
    let offsets: Vec<_> = letters.iter().map(|l| l.header("__connect.errors.offset").unwrap()).collect();
    assert_eq!(offsets, ["2", "3", "4", "5", "6", "7", "9"]);
    assert_eq!(letters[0].header("__connect.errors.topic"), Some(settings.topics.events.as_str()));
    service.shutdown().expect("clean");
}

#[test]
fn all_wire_formats_are_read_and_outputs_are_framed_by_the_registry() {
    let double = RegistryDouble::start();
    double.put(41, EVENT_SCHEMA);
    let mut settings = settings(brokers(), &unique("confluent"), 1);
    settings.registry = RegistrySettings { url: Some(double.url.clone()) };
    create_topics(&settings);
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let single = [&encode::event_single_object_header()[..], &avro(&interrupted("a"))].concat();
    send(&settings, &[started("a").into_bytes(), turn("a").into_bytes(), single]);
    interruptions(&settings, 1);

    // While the registry is down the partition waits at the first record that needs it.
    double.set_down(true);
    send(&settings, &[confluent(41, &started("b")), confluent(41, &turn("b")), confluent(41, &interrupted("b"))]);
    let asked = double.requests();
    eventually("it asks more than once", || double.requests(), |n| *n >= asked + 2);
    assert_eq!(read_all(brokers(), &settings.topics.recovery, 1).len(), 1);
    assert!(read_all(brokers(), &settings.topics.dead_letters, 1).is_empty(), "down is not absent");
    double.set_down(false);
    let seen = interruptions(&settings, 2);
    assert_eq!(seen[1].key.as_deref(), Some(&b"acme/b"[..]));

    // An id that the registry does not know.
    send(&settings, &[confluent(99, &started("c"))]);
    let letters = read_until(brokers(), &settings.topics.dead_letters, 1, |seen| !seen.is_empty());
    assert_eq!(letters[0].header("__connect.errors.exception.class.name"), Some("unknown_schema"));

    let subject = format!("{}-value", settings.topics.recovery);
    let (_, id) = double.subjects().into_iter().find(|(s, _)| *s == subject).expect("registered at the start");
    for suggestion in seen {
        let value = suggestion.value.expect("a body");
        assert_eq!(value[..5], [&[0][..], &id.to_be_bytes()].concat());
    }
    let private = read_all(brokers(), &settings.topics.bookkeeping, 1);
    assert!(private.iter().filter_map(|r| r.value.as_ref()).all(|v| v[..2] == [0xC3, 0x01]), "private: single-object");
    service.shutdown().expect("clean");

    // What was framed by the registry is restored from.
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let _ = eventually("ready", || service.port().ready(), Result::is_ok);
    service.shutdown().expect("clean");
}

#[test]
fn json_outputs_are_readable_and_restored_from() {
    let mut settings = settings(brokers(), &unique("json"), 1);
    let engine = rekindle::engine::EngineSettings { output: OutputFormat::Json, ..(*settings.engine).clone() };
    settings.engine = Arc::new(engine);
    create_topics(&settings);
    for round in ["a", "b"] {
        let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
        let _ = eventually("ready", || service.port().ready(), Result::is_ok);
        send(&settings, &[started(round).into_bytes(), turn(round).into_bytes(), interrupted(round).into_bytes()]);
        let key = format!("acme/{round}").into_bytes();
        read_until(brokers(), &settings.topics.recovery, 1, |s| s.iter().any(|r| r.key.as_ref() == Some(&key)));
        service.shutdown().expect("clean");
    }
    for suggestion in read_all(brokers(), &settings.topics.recovery, 1) {
        let json: serde_json::Value = serde_json::from_slice(&suggestion.value.unwrap()).expect("JSON");
        assert_eq!(json["kind"], "recovery");
    }
    let states = read_all(brokers(), &settings.topics.states, 1);
    let state = states.iter().find(|s| s.key.as_deref() == Some(b"acme/a")).expect("its state");
    let json: serde_json::Value = serde_json::from_slice(state.value.as_ref().unwrap()).expect("JSON");
    assert_eq!(json["session_id"], "a");
    assert_verified(&settings);
}

#[test]
fn a_record_that_makes_a_stage_panic_is_dead_lettered_and_the_rest_goes_on() {
    let mut settings = settings(brokers(), &unique("panic"), 1);
    let boom = rekindle::model::ids::EventId::new("boom-2").expect("an id");
    settings.engine = Arc::new(rekindle::engine::EngineSettings { panic_on: Some(boom), ..(*settings.engine).clone() });
    create_topics(&settings);
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let values = [started("a"), turn("a"), turn("boom"), interrupted("a"), started("b"), turn("b"), interrupted("b")];
    send(&settings, &values.map(String::into_bytes));
    // b's start suggests a, which its own interruption supersedes.
    let suggestions = interruptions(&settings, 4);
    let said: Vec<_> = suggestions.iter().map(|s| (s.key.as_deref(), s.header("rekindle-status"))).collect();
    let (a, b) = (Some(&b"acme/a"[..]), Some(&b"acme/b"[..]));
    assert_eq!(said, [(a, Some("open")), (b, Some("open")), (b, Some("revoked")), (b, Some("open"))]);
    let letters = read_all(brokers(), &settings.topics.dead_letters, 1);
    let headers =
        |name: &str| letters.iter().map(|l| l.header(name).unwrap_or_default().to_owned()).collect::<Vec<_>>();
    assert_eq!(headers("__connect.errors.exception.class.name"), ["poison"]);
    assert_eq!(headers("__connect.errors.offset"), ["2"]);
    assert_eq!(letters[0].value.as_deref(), Some(turn("boom").as_bytes()));
    service.shutdown().expect("clean");
    // The replay knows of no fail point: that the record was dead-lettered is in bookkeeping.
    assert_same(&published(&settings), &replayed(&settings));
    assert_verified(&settings);
}
