//! A restore takes the latest record of each key, and no other; what does not fit together is refused.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::engine::index::SpaceIndex;
use crate::model::position::{Offset, PartitionId, Position};

type LogRecord = (StateTopic, Vec<u8>, Option<Vec<u8>>);

/// What an engine wrote for some events, a batch an event, topic by topic as a restore reads them.
fn log_of(events: &[Value]) -> Vec<LogRecord> {
    let mut engine = Engine::new(settings(), PartitionId(0), 1);
    let (mut effects, mut log) = (Effects::new(), Vec::new());
    for (offset, event) in events.iter().enumerate() {
        let (text, offset) = (event.to_string(), Offset(offset as i64));
        let position = Position { partition: PartitionId(0), offset };
        let value = Some(text.as_bytes());
        let verdict = engine.process(
            Record { position, timestamp: None, key: None, value, traceparent: None, writer: None },
            &mut effects,
        );
        assert_eq!(verdict.label(), "applied");
        engine.seal(Offset(offset.0 + 1), &mut effects);
        for record in effects.records() {
            let topic = match record.topic {
                Topic::States => StateTopic::States,
                Topic::Vectors => StateTopic::Vectors,
                Topic::Bookkeeping => StateTopic::Bookkeeping,
                _ => continue,
            };
            let value = match record.value {
                OutValue::Avro(body) => Some(body.to_vec()),
                _ => None,
            };
            log.push((topic, record.key.unwrap().to_vec(), value));
        }
        effects.clear();
    }
    log.sort_by_key(|(topic, ..)| *topic);
    log
}

fn settings() -> Arc<EngineSettings> {
    let mut settings = EngineSettings::default();
    let name = |text| crate::model::ids::Name::new(text).unwrap();
    settings.spaces = [(name("a"), 2), (name("b"), 2)].into_iter().collect();
    Arc::new(settings)
}

fn event(n: i64, session: &str, kind: &str, fields: Value) -> Value {
    let mut event = json!({
        "event_id": format!("e-{n}"), "tenant_id": "t", "session_id": session, "occurred_at": 1_762_340_000_000i64 + n,
        "type": kind,
    });
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

fn embedded(n: i64, session: &str, space: &str) -> Value {
    event(n, session, "context_embedded", json!({"space": space, "vector": [n as f64, 1.0], "covers_turn": n}))
}

fn restore(log: &[LogRecord]) -> Result<Vec<String>, String> {
    let mut restoring = Restoring::new(settings(), PartitionId(0), 1);
    for (topic, key, value) in log {
        restoring.apply(*topic, key, value.as_deref());
    }
    let (engine, _) = restoring.finish(None).map_err(|fault| fault.to_string())?;
    // A vector lies in one space, that of its session.
    for tenant in engine.store.tenants.values() {
        assert_eq!(tenant.spaces.values().map(SpaceIndex::len).sum::<usize>(), tenant.ids().count());
    }
    Ok(engine.sessions().iter().map(|view| format!("{} {:?}", view.session, view.context)).collect())
}

#[test]
fn only_the_latest_record_of_a_key_counts() {
    let events = [embedded(1, "s", "a"), embedded(2, "s", "b"), embedded(3, "s", "b")];
    let log = log_of(&events);
    let expected = vec!["s Some((\"b\", 3))".to_owned()];
    assert_eq!(restore(&log), Ok(expected.clone()));
    // Whatever was overwritten may be unreadable: nothing of it is left.
    for topic in [StateTopic::States, StateTopic::Vectors] {
        let mut log = log.clone();
        let first = log.iter_mut().find(|(of, ..)| *of == topic).unwrap();
        first.2 = Some(b"\xff\xff".to_vec());
        assert_eq!(restore(&log), Ok(expected.clone()), "{topic:?}");
    }
    // What counts may not.
    for topic in [StateTopic::States, StateTopic::Vectors] {
        let mut log = log.clone();
        let last = log.iter_mut().rfind(|(of, ..)| *of == topic).unwrap();
        last.2 = Some(b"\xff\xff".to_vec());
        let fault = restore(&log).unwrap_err();
        assert!(fault.contains(&format!("{topic:?} record of key t/s")), "{fault}");
        assert!(fault.contains("; rebuild from the input"), "it says what to do: {fault}");
    }
}

#[test]
fn a_vector_may_outlive_its_session_until_its_own_tombstone() {
    let ended = event(3, "gone", "subject_erased", json!({"scope": "session"}));
    let log = log_of(&[embedded(1, "gone", "a"), embedded(2, "stays", "a"), ended]);
    let expected = Ok(vec!["stays Some((\"a\", 2))".to_owned()]);
    assert_eq!(restore(&log), expected);
    // The states were compacted down to what lives, the vectors were not yet.
    let compacted: Vec<_> =
        log.iter().filter(|(topic, key, _)| *topic != StateTopic::States || key != b"t/gone").cloned().collect();
    assert_eq!(restore(&compacted), expected);
    let orphaned: Vec<_> =
        compacted.into_iter().filter(|(_, key, value)| key != b"t/gone" || value.is_some()).collect();
    let fault = restore(&orphaned).unwrap_err();
    assert!(fault.contains("Vectors record of key t/gone: no such session"), "{fault}");
}

#[test]
fn missing_records_are_refused() {
    let log = log_of(&[embedded(1, "s", "a"), embedded(2, "r", "a")]);
    for (lost, expected) in [
        ((StateTopic::States, &b"t/s"[..]), "States holds 1 live keys, the checkpoint says 2"),
        ((StateTopic::Vectors, b"t/s"), "Vectors holds 1 live keys, the checkpoint says 2"),
        ((StateTopic::Bookkeeping, b"partition"), "no checkpoint"),
    ] {
        let left: Vec<_> = log.iter().filter(|(topic, key, _)| (*topic, &key[..]) != lost).cloned().collect();
        let fault = restore(&left).unwrap_err();
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn a_vector_that_is_not_where_its_session_says_is_refused() {
    let log = log_of(&[embedded(1, "s", "a"), embedded(2, "s", "b"), embedded(3, "r", "a")]);
    // The last vector of `s` is gone, and what is left of it lies in the space it left.
    let last = log.iter().rposition(|(topic, key, _)| *topic == StateTopic::Vectors && key == b"t/s").unwrap();
    let left: Vec<_> = log.iter().enumerate().filter(|(n, _)| *n != last).map(|(_, record)| record.clone()).collect();
    let fault = restore(&left).unwrap_err();
    assert!(fault.contains("Vectors record of key t/s: its session has its embedding in another space"), "{fault}");
}

#[test]
fn a_damaged_state_is_named_before_anything_that_hangs_on_it() {
    let log = log_of(&[embedded(1, "s", "a"), embedded(2, "r", "a")]);
    for cut in 1..=40 {
        let mut log = log.clone();
        let (_, _, body) =
            log.iter_mut().rfind(|(topic, key, _)| *topic == StateTopic::States && key == b"t/s").unwrap();
        let len = body.as_ref().unwrap().len();
        body.as_mut().unwrap().truncate(len - cut);
        let fault = restore(&log).unwrap_err();
        // Without what says that nothing follows it reads as it was, but its bytes are not those that were written.
        let found = if cut <= 2 { "States holds 2 live keys" } else { "States record of key t/s: " };
        assert!(fault.contains(found), "{cut}: {fault}");
    }
}
