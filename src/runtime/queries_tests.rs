//! Which partition a list is answered from.

use std::sync::{Arc, RwLock};
use std::task::{Context, Poll, Waker};

use serde_json::{Value, json};

use super::*;
use crate::engine::{Effects, EngineSettings, Record};
use crate::model::ids::UserId;

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

/// Has an engine process an event of the session; what came of it.
fn fold(engine: &mut Engine, offset: i64, body: Value) -> Effects {
    let mut effects = Effects::new();
    let mut event = json!({"event_id": format!("e-{offset}"), "tenant_id": "acme", "session_id": "s-1",
        "user_id": "u-1", "occurred_at": 1_762_340_000_000 + offset});
    event.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
    let position = Position { partition: engine.as_of().partition, offset: Offset(offset) };
    let bytes = event.to_string().into_bytes();
    let record = Record { position, timestamp: None, key: None, value: Some(&bytes), traceparent: None, writer: None };
    assert!(!matches!(engine.process(record, &mut effects), crate::model::verdict::Verdict::Rejected(_)));
    engine.seal(Offset(offset + 1), &mut effects);
    effects
}

fn engine(partition: PartitionId) -> Engine {
    let settings = EngineSettings { check_partition: false, ..EngineSettings::default() };
    Engine::new(Arc::new(settings), partition, PARTITIONS)
}

/// An engine of a partition that holds a session of the user, or nothing.
fn running(partition: PartitionId, holds: bool) -> Phase {
    let mut engine = engine(partition);
    if holds {
        fold(&mut engine, 41, json!({"type": "session_started"}));
    }
    Phase::Running(Arc::new(RwLock::new(engine)))
}

#[test]
fn a_list_comes_from_where_the_user_is_known_or_empty_from_home() {
    let home = home_partition(tenant().as_str().as_bytes(), PARTITIONS);
    let other = PartitionId((home.0 + 1) % PARTITIONS);
    let board = Arc::new(Board::new(PARTITIONS, 1));
    let port = Queries::of(&board);
    assert_eq!(port.history(&query()), Err(QueryError::NotOwned(home)));
    let elsewhere = board.add(other);
    elsewhere.set_phase(running(other, false));
    assert_eq!(port.history(&query()), Err(QueryError::NotOwned(home)), "another's emptiness says nothing");
    let slot = board.add(home);
    assert_eq!(port.history(&query()), Err(QueryError::Restoring(home, 0.0)));
    slot.set_phase(running(home, false));
    let empty = port.history(&query()).expect("an answer");
    assert_eq!((empty.value.sessions.len(), empty.as_of.partition, empty.lag), (0, home, None));
    elsewhere.set_phase(running(other, true));
    elsewhere.set_input_end(Offset(50));
    let found = port.history(&query()).expect("an answer");
    assert_eq!((found.value.sessions.len(), found.as_of.partition, found.as_of.offset), (1, other, Offset(41)));
    assert_eq!(found.lag, Some(8), "records 42 to 49");
    slot.set_phase(running(home, true));
    assert_eq!(port.history(&query()).expect("an answer").as_of.partition, home, "home comes first");
}

#[test]
fn what_may_be_anothers_by_now_is_not_answered_from() {
    let home = home_partition(tenant().as_str().as_bytes(), PARTITIONS);
    let mut board = Board::new(PARTITIONS, 1);
    board.session = Some(std::time::Duration::from_secs(3600));
    let board = Arc::new(board);
    let port = Queries::of(&board);
    let slot = board.add(home);
    slot.set_phase(running(home, true));
    let at = Position { partition: home, offset: Offset(0) };
    assert!(port.history(&query()).is_ok() && port.behind(at).is_ok());
    slot.lease.doubt(Instant::now());
    assert_eq!(port.history(&query()), Err(QueryError::Unconfirmed(home)));
    assert_eq!(port.behind(at).err(), Some(QueryError::Unconfirmed(home)));
    board.joined.store(1, Ordering::Relaxed);
    assert_eq!(port.ready(), Err(QueryError::Unconfirmed(home).to_string()));
    assert_eq!(port.left(home, &tenant(), &ErasureScope::Tenant), Err(QueryError::Unconfirmed(home)));
    slot.lease.heard(Instant::now());
    assert!(port.history(&query()).is_ok() && port.ready().is_ok());
}

/// Whether who waits is woken.
fn is_woken(behind: &mut Behind) -> bool {
    behind.passing.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

#[test]
fn who_waits_for_a_record_is_woken_by_it_and_by_whatever_ends_the_wait() {
    let board = Arc::new(Board::new(PARTITIONS, 1));
    let port = Queries::of(&board);
    let partition = PartitionId(2);
    let at = |offset| Position { partition, offset: Offset(offset) };
    let fault = |offset| port.behind(at(offset)).err();
    let behind = |offset| port.behind(at(offset)).expect("it runs").expect("it is behind");
    assert_eq!(fault(41), Some(QueryError::NotOwned(partition)));
    let outside = Position { partition: PartitionId(PARTITIONS), offset: Offset(1) };
    assert_eq!(port.behind(outside).err(), Some(QueryError::NoSuchPartition(PartitionId(PARTITIONS), PARTITIONS)));
    let slot = board.add(partition);
    assert_eq!(fault(41), Some(QueryError::Restoring(partition, 0.0)));
    let shared = Arc::new(RwLock::new(engine(partition)));
    slot.set_phase(Phase::Running(Arc::clone(&shared)));
    let (mut one, mut two) = (behind(41), behind(42));
    assert_eq!(one.stands.as_of, at(-1));
    fold(&mut shared.write().expect("no panic"), 41, json!({"type": "session_started"}));
    slot.waiters.folded(Offset(41));
    assert!(is_woken(&mut one) && !is_woken(&mut two));
    assert!(port.behind(at(41)).expect("it runs").is_none());
    assert_eq!(behind(42).stands.as_of, at(41));
    slot.set_phase(Phase::Restoring(0.5));
    assert!(is_woken(&mut two));
    assert_eq!(fault(42), Some(QueryError::Restoring(partition, 0.5)));
    slot.set_phase(Phase::Running(shared));
    let mut last = behind(42);
    board.remove(partition, &slot);
    assert!(is_woken(&mut last));
    assert_eq!(fault(42), Some(QueryError::NotOwned(partition)));
}

#[test]
fn what_became_of_suggestions_goes_with_the_partition() {
    let board = Arc::new(Board::new(PARTITIONS, 1));
    let port = Queries::of(&board);
    let home = home_partition(tenant().as_str().as_bytes(), PARTITIONS);
    let slot = board.add(home);
    let shared = Arc::new(RwLock::new(engine(home)));
    slot.set_phase(Phase::Running(Arc::clone(&shared)));
    let turn = json!({"type": "turn_completed", "turn": 1, "input_tokens": 9, "output_tokens": 1});
    let interrupted = json!({"type": "session_interrupted", "reason": "client_disconnect"});
    for (offset, body) in [turn, interrupted.clone(), interrupted].into_iter().enumerate() {
        let effects = fold(&mut shared.write().expect("no panic"), offset as i64, body);
        slot.note(&effects.notices);
    }
    let session = SessionId::new("s-1").expect("an id");
    let told = port.suggestions(&tenant(), &session).expect("it is known").value;
    let outcomes: Vec<_> = told.iter().map(|told| told.outcome().map(|outcome| outcome.label())).collect();
    assert_eq!(outcomes, [None, Some("superseded")]);
    let one = port.suggestion(&tenant(), &told[1].suggestion.id).expect("it is known").value;
    assert_eq!((&one.told, one.floor), (&told[1], Some(0.35)));
    board.remove(home, &slot);
    board.add(home).set_phase(Phase::Running(shared));
    assert_eq!(port.suggestions(&tenant(), &session).expect("it is known").value, told[..1]);
    assert_eq!(port.suggestion(&tenant(), &told[1].suggestion.id), Err(QueryError::NotFound));
}
