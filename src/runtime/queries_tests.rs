//! Which partition a list is answered from.

use std::sync::{Arc, RwLock};

use serde_json::json;

use super::*;
use crate::engine::{Effects, EngineSettings, Record};
use crate::model::ids::UserId;
use crate::model::position::{Offset, Position};

const PARTITIONS: i32 = 4;

fn tenant() -> TenantId {
    TenantId::new("acme").expect("an id")
}

fn query() -> HistoryQuery {
    let user = UserId::new("u-1").expect("an id");
    HistoryQuery {
        tenant: tenant(),
        user,
        statuses: Vec::new(),
        active_since: None,
        active_before: None,
        after: None,
        limit: 10,
    }
}

/// An engine of a partition that holds a session of the user, or nothing.
fn running(partition: PartitionId, holds: bool) -> Phase {
    let settings = EngineSettings { check_partition: false, ..EngineSettings::default() };
    let mut engine = Engine::new(Arc::new(settings), partition, PARTITIONS);
    if holds {
        let mut effects = Effects::new();
        let event = json!({"type": "session_started", "event_id": "e-1", "tenant_id": "acme", "session_id": "s-1",
            "user_id": "u-1", "occurred_at": 1_762_340_000_000_i64});
        let (bytes, position) = (event.to_string().into_bytes(), Position { partition, offset: Offset(41) });
        let record =
            Record { position, timestamp: None, key: None, value: Some(&bytes), traceparent: None, writer: None };
        assert!(!matches!(engine.process(record, &mut effects), crate::model::verdict::Verdict::Rejected(_)));
        engine.seal(Offset(42), &mut effects);
    }
    Phase::Running(Arc::new(RwLock::new(engine)))
}

#[test]
fn a_list_comes_from_where_the_user_is_known_or_empty_from_home() {
    let home = home_partition(&tenant(), PARTITIONS);
    let other = PartitionId((home.0 + 1) % PARTITIONS);
    let board = Board::new(PARTITIONS, 1);
    assert_eq!(board.history(&query()), Err(QueryError::NotOwned(home)));
    let elsewhere = board.add(other);
    elsewhere.set_phase(running(other, false));
    assert_eq!(board.history(&query()), Err(QueryError::NotOwned(home)), "another's emptiness says nothing");
    let slot = board.add(home);
    assert_eq!(board.history(&query()), Err(QueryError::Restoring(home, 0.0)));
    slot.set_phase(running(home, false));
    let empty = board.history(&query()).expect("an answer");
    assert_eq!((empty.value.sessions.len(), empty.as_of.partition, empty.lag), (0, home, None));
    elsewhere.set_phase(running(other, true));
    elsewhere.set_input_end(Offset(50));
    let found = board.history(&query()).expect("an answer");
    assert_eq!((found.value.sessions.len(), found.as_of.partition, found.as_of.offset), (1, other, Offset(41)));
    assert_eq!(found.lag, Some(8), "records 42 to 49");
    slot.set_phase(running(home, true));
    assert_eq!(board.history(&query()).expect("an answer").as_of.partition, home, "home is asked first");
}
