//! Recovery within a user, transfer between sessions, user history; and the edges of every call.

use rekindle::SessionIndex;
use rekindle::model::event::TransferScope;
use rekindle::model::session::Status;
use rekindle::model::time::EventTime;
use rekindle::session_index::{IndexError, SessionState};

use super::support::*;

const QUERY: [f32; 2] = [1.0, 0.0];

fn index(states: &[SessionState]) -> SessionIndex {
    let mut index = SessionIndex::in_memory(2).expect("opens");
    for state in states {
        assert!(index.store(state).expect("stores").is_applied());
    }
    index
}

/// `id` at the given height over the query's axis: the lower, the nearer.
fn at(id: &str, height: f32) -> SessionState {
    state(id, &[1.0, height])
}

#[test]
fn defect_14_recovery_finds_the_users_own_nearest_sessions() {
    let index = index(&[
        at("far", 0.9),
        with(at("near", 0.1), |s| s.status = Status::Ended),
        with(at("other-user", 0.0), |s| s.user_id = Some(user("bob"))),
        with(at("no-user", 0.0), |s| s.user_id = None),
        with(at("private", 0.0), |s| s.transfer_scope = TransferScope::None),
        with(at("own-only", 0.5), |s| s.transfer_scope = TransferScope::User),
    ]);
    let found = index.recover(&tenant("acme"), &user("ann"), &QUERY, 10).expect("recovers");
    assert_eq!(ids(&found), ["near", "own-only", "far"]);
    let found = index.recover(&tenant("acme"), &user("ann"), &QUERY, 1).expect("recovers");
    assert_eq!(ids(&found), ["near"]);
    assert!(index.recover(&tenant("acme"), &user("nobody"), &QUERY, 10).expect("recovers").is_empty());
}

#[test]
fn defect_14_transfer_asks_the_sessions_whose_scope_allows() {
    let index = index(&[
        with(at("asking", 0.0), |s| s.transfer_scope = TransferScope::None),
        with(at("none", 0.1), |s| s.transfer_scope = TransferScope::None),
        with(at("same-user", 0.2), |s| s.transfer_scope = TransferScope::User),
        with(at("bobs", 0.3), |s| (s.user_id, s.transfer_scope) = (Some(user("bob")), TransferScope::User)),
        with(at("bobs-open", 0.4), |s| s.user_id = Some(user("bob"))),
        with(at("userless", 0.5), |s| (s.user_id, s.transfer_scope) = (None, TransferScope::User)),
        with(at("asking-userless", 0.6), |s| s.user_id = None),
    ]);
    let nearest = |id: &str| {
        let advice = index.transfer(&tenant("acme"), &session(id), 10).expect("asks");
        ids(&advice.nearest).into_iter().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(nearest("asking"), ["same-user", "bobs-open", "asking-userless"]);
    // Two sessions without a user are not of the same user.
    assert_eq!(nearest("asking-userless"), ["bobs-open"]);
}

#[test]
fn defect_14_transfer_advises_the_adapter_that_most_of_those_that_went_well_used() {
    let voter = |id: &str, adapter_id: &str, status| {
        with(at(id, 0.1), |s| (s.active_adapter, s.status) = (Some(adapter(adapter_id)), status))
    };
    use Status::{Active, Ended, Expired, Interrupted};
    // (adapter and status of each neighbour, the adapter advised with votes for and against)
    type Case<'a> = (&'a [(&'a str, Status)], Option<(&'a str, u32, u32)>);
    let cases: [Case<'_>; 7] = [
        (&[], None),
        (&[("a", Ended)], Some(("a", 1, 0))),
        (&[("a", Ended), ("a", Active), ("b", Ended)], Some(("a", 2, 1))),
        (&[("a", Ended), ("b", Ended)], None),
        (&[("a", Ended), ("a", Interrupted)], None),
        (&[("a", Interrupted), ("b", Active)], Some(("b", 1, 0))),
        (&[("a", Expired), ("a", Interrupted)], None),
    ];
    for (neighbours, expected) in cases {
        let mut states = vec![at("asking", 0.0)];
        states.extend(neighbours.iter().enumerate().map(|(n, (a, status))| voter(&format!("n-{n}"), a, *status)));
        // It points away from the query, so it has no say.
        states.push(with(state("opposite", &[-1.0, 0.0]), |s| s.active_adapter = Some(adapter("z"))));
        let advice = index(&states).transfer(&tenant("acme"), &session("asking"), 10).expect("asks");
        let vote = advice.adapter.as_ref().map(|v| (v.adapter.id.as_str(), v.support.for_it, v.support.against));
        assert_eq!(vote, expected, "{neighbours:?}");
        assert_eq!(advice.nearest.len(), neighbours.len() + 1);
    }
}

#[test]
fn transfer_needs_a_known_session_with_an_embedding() {
    let index = index(&[with(at("bare", 0.0), |s| s.context_embedding = None)]);
    assert_eq!(field(index.transfer(&tenant("acme"), &session("bare"), 1)), "context_embedding");
    for (t, s) in [("acme", "nobody"), ("nobody", "bare")] {
        let answer = index.transfer(&tenant(t), &session(s), 1);
        assert!(matches!(answer, Err(IndexError::UnknownSession { .. })), "{answer:?}");
    }
}

#[test]
fn defect_14_history_is_the_users_newest_sessions_first_with_ties_by_id() {
    let last = |id: &str, at: i64| with(state(id, &[1.0, 0.0]), |s| s.last_active = EventTime(at));
    let mut index = index(&[
        last("b", 20),
        last("a", 20),
        last("new", 30),
        last("old", 10),
        with(last("bobs", 99), |s| s.user_id = Some(user("bob"))),
    ]);
    let history = |index: &SessionIndex, limit| {
        let states = index.user_history(&tenant("acme"), &user("ann"), limit);
        states.iter().map(|s| s.session_id.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(history(&index, usize::MAX), ["new", "a", "b", "old"]);
    assert_eq!(history(&index, 2), ["new", "a"]);
    assert!(history(&index, 0).is_empty());
    // A session that moves to another user leaves the first one's history.
    let moved = with(last("a", 40), |s| s.user_id = Some(user("bob")));
    assert!(index.store(&moved).expect("stores").is_applied());
    assert_eq!(history(&index, 10), ["new", "b", "old"]);
    assert_eq!(index.user_history(&tenant("acme"), &user("bob"), 10).len(), 2);
}

#[test]
fn any_limit_is_taken_and_ties_are_broken_by_id() {
    let index = index(&[at("c", 0.0), at("a", 0.0), at("b", 0.0)]);
    for (limit, expected) in [(0, &[][..]), (2, &["a", "b"]), (3, &["a", "b", "c"]), (usize::MAX, &["a", "b", "c"])] {
        let found = index.search_by_context(&tenant("acme"), &QUERY, limit).expect("searches");
        assert_eq!(ids(&found), expected);
    }
}

#[test]
fn lengths_of_embeddings_do_not_matter_even_extreme_ones() {
    let index =
        index(&[state("huge", &[f32::MAX, f32::MAX]), state("tiny", &[1e-40, 0.0]), state("unit", &[0.0, 1.0])]);
    let found = index.search_by_context(&tenant("acme"), &[1e-44, 0.0], 3).expect("searches");
    assert_eq!(ids(&found), ["tiny", "huge", "unit"]);
    for (found, expected) in found.iter().zip([1.0, 0.5f32.sqrt(), 0.0]) {
        assert!((found.similarity - expected).abs() < 1e-6, "{found:?}");
    }
}

#[test]
fn metadata_nested_too_deeply_is_refused() {
    let nested = |depth| (1..depth).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
    let mut index = index(&[]);
    let state = |depth| with(at("s", 0.0), |s| drop(s.metadata.insert("k".into(), nested(depth))));
    assert!(index.store(&state(16)).expect("stores").is_applied());
    assert_eq!(field(index.store(&state(17))), "metadata");
}

#[test]
fn the_index_can_be_shared_between_threads() {
    fn shareable<T: Send + Sync>(_: &T) {}
    shareable(&std::sync::RwLock::new(index(&[])));
}
