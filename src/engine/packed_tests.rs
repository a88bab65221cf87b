//! Whether a session is open or packed makes no difference but to memory.

use std::sync::Arc;

use super::*;
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::time::EventTime;

const CASES: [&str; 10] = [
    include_str!("../../tests/replay/cases/bare.jsonl"),
    include_str!("../../tests/replay/cases/erasure.jsonl"),
    include_str!("../../tests/replay/cases/late.jsonl"),
    include_str!("../../tests/replay/cases/predicted.jsonl"),
    include_str!("../../tests/replay/cases/prefix.jsonl"),
    include_str!("../../tests/replay/cases/refused.jsonl"),
    include_str!("../../tests/replay/cases/same_user.jsonl"),
    include_str!("../../tests/replay/cases/tiers.jsonl"),
    include_str!("../../tests/replay/cases/transfer.jsonl"),
    include_str!("../../tests/replay/cases/worker_restart.jsonl"),
];

fn engine() -> Engine {
    Engine::new(Arc::default(), PartitionId(0), 1)
}

/// What an engine publishes for a record, and what became of it.
fn process(engine: &mut Engine, offset: i64, line: &str) -> String {
    let position = Position { partition: PartitionId(0), offset: Offset(offset) };
    let value = Some(line.as_bytes());
    let record = Record { position, timestamp: None, key: None, value, traceparent: None, writer: None };
    let mut effects = Effects::new();
    let verdict = engine.process(record, &mut effects);
    let records: Vec<_> = effects.records().map(|r| format!("{:?} {:?} {:?}", r.topic, r.key, r.value)).collect();
    format!("{verdict:?} {:?} {records:#?}", effects.notices)
}

fn open(engine: &Engine) -> usize {
    engine.store.tenants.values().map(|tenant| tenant.sessions.len()).sum()
}

#[test]
fn packed_after_every_record_is_the_same_as_never_packed() {
    let mut folded_when_packed = 0;
    for case in CASES {
        let (mut packing, mut plain) = (engine(), engine());
        for (offset, line) in case.lines().enumerate() {
            let offset = offset as i64;
            folded_when_packed += usize::from(!packing.sessions().is_empty());
            assert_eq!(process(&mut packing, offset, line), process(&mut plain, offset, line), "{line}");
            packing.store.pack_idle(EventTime(i64::MAX));
            assert_eq!(open(&packing), 0, "all is at rest");
            assert_eq!(packing.sessions(), plain.sessions(), "after {line}");
            assert_eq!(packing.stats(), plain.stats(), "after {line}");
        }
    }
    assert!(folded_when_packed > 50, "{folded_when_packed}");
}

#[test]
fn a_session_is_packed_when_the_stream_went_on_without_it() {
    let at = |n: i64, session: &str| {
        let occurred_at = 1_762_340_000_000 + n;
        format!(
            r#"{{"event_id": "{session}-{n}", "tenant_id": "t", "session_id": "{session}", "occurred_at": {occurred_at},
               "type": "session_started"}}"#
        )
    };
    let mut engine = engine();
    let mut effects = Effects::new();
    for (offset, (n, session, expected)) in [
        (0, "a", 1),
        (30_000, "b", 2),
        (59_999, "b", 2),
        (60_000, "b", 1),
        (60_001, "a", 2),
        (119_999, "a", 2),
        (120_100, "a", 1),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(process(&mut engine, offset as i64, &at(n, session)).starts_with("Applied"), "{n}");
        engine.seal(Offset(offset as i64 + 1), &mut effects);
        assert_eq!(open(&engine), expected, "at {n}");
        assert_eq!(engine.sessions().len(), 1 + usize::from(offset > 0), "at {n}");
    }
}
