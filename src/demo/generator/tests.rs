//! Generated logs: the same for a seed, in the order of time, and with something of everything.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::engine::{EngineSettings, Record, decode, validate};
use crate::model::ids::Name;
use crate::model::position::Position;

fn small(seed: u64) -> GeneratorOptions {
    GeneratorOptions { seed, dim: 8, ..GeneratorOptions::default() }
}

fn text(event: &GeneratedEvent, field: &str) -> String {
    event.json[field].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_seed_gives_the_same_log_and_another_seed_another() {
    let lines = |seed| Generator::new(&small(seed)).take(500).map(|e| e.line()).collect::<Vec<_>>();
    assert_eq!(lines(7), lines(7));
    assert_ne!(lines(7), lines(8));
}

#[test]
fn time_never_goes_back_and_keys_are_the_tenants() {
    let events: Vec<_> = Generator::new(&small(3)).take(5_000).collect();
    assert!(events.is_sorted_by_key(|e| e.at));
    for event in &events {
        assert_eq!(event.key, text(event, "tenant_id"));
        assert_eq!(event.broadcast, event.key == "*");
        assert_eq!(event.json["occurred_at"], event.at.0);
    }
}

#[test]
fn every_kind_of_event_comes_up() {
    let types: BTreeSet<String> = Generator::new(&small(5)).take(20_000).map(|e| text(&e, "type")).collect();
    let expected = [
        "adapter_activated",
        "adapter_deactivated",
        "adapter_published",
        "kv_cache_evicted",
        "kv_cache_placed",
        "resume_requested",
        "session_ended",
        "session_interrupted",
        "session_paused",
        "session_resumed",
        "session_started",
        "subject_erased",
        "tick",
        "turn_completed",
        "worker_cache_cleared",
        "worker_lost",
        "worker_started",
    ];
    assert_eq!(types, expected.map(str::to_owned).into());
}

#[test]
fn users_come_back_producers_retry_and_some_events_are_lost() {
    let events: Vec<_> = Generator::new(&small(11)).take(20_000).collect();
    let mut sessions: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let (mut repeated, mut continued) = (0, 0);
    for event in &events {
        repeated += usize::from(!ids.insert(text(event, "event_id")));
        continued += usize::from(event.json.get("continues_session_id").is_some());
        if let Some(seq) = event.json["producer"]["seq"].as_u64() {
            sessions.entry(text(event, "session_id")).or_default().insert(seq);
        }
    }
    let gapped = sessions.values().filter(|seqs| seqs.last() != Some(&(seqs.len() as u64))).count();
    assert!(repeated > 10, "{repeated} repeated");
    assert!(continued > 30, "{continued} continued");
    assert!(gapped > 5, "{gapped} gapped");
}

#[test]
fn a_task_taken_up_again_is_nearer_than_a_stranger() {
    let mut rng = rng::Rng::new(1);
    let topics = topics::Topics::new(&mut rng, 768);
    let thread = topics.thread(&mut rng);
    let other = topics.thread(&mut rng);
    let origin = topics.embed(&mut rng, 0, &thread);
    let mut cosine = |topic, thread: &[f64]| {
        let v = topics.embed(&mut rng, topic, thread);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        dot(&origin, &v) / (dot(&origin, &origin) * dot(&v, &v)).sqrt()
    };
    let (continued, colleague, stranger) = (cosine(0, &thread), cosine(0, &other), cosine(1, &other));
    assert!(continued > colleague + 0.15 && colleague > stranger + 0.2, "{continued} {colleague} {stranger}");
}

#[test]
fn every_event_passes_every_limit_of_the_contract() {
    let settings = EngineSettings {
        spaces: BTreeMap::from([(Name::new("default").expect("a name"), 8)]),
        reject_bad_context: true,
        ..EngineSettings::default()
    };
    for event in Generator::new(&small(13)).take(10_000) {
        let line = event.json.to_string();
        let record = Record {
            position: Position::default(),
            timestamp: Some(event.at),
            key: Some(event.key.as_bytes()),
            value: Some(line.as_bytes()),
            traceparent: None,
            writer: None,
        };
        let valid = decode::decode(&record).and_then(|e| validate::validate(e, &settings, record.timestamp));
        assert!(valid.is_ok(), "{valid:?}: {line}");
    }
}
