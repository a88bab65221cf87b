//! Faults known of session indexes, one test or more each; every name says what must hold instead.

use rekindle::SessionIndex;
use rekindle::model::event::TransferScope;
use rekindle::model::session::Status;
use rekindle::model::time::EventTime;
use rekindle::session_index::{SearchFilter, SessionState, Stored};

use super::support::*;

fn index(states: &[SessionState]) -> SessionIndex {
    let mut index = SessionIndex::in_memory(3).expect("opens");
    for state in states {
        assert_eq!(index.store(state).expect("stores"), Stored::Applied);
    }
    index
}

fn search(index: &SessionIndex, query: &[f32], limit: usize) -> Vec<String> {
    ids(&index.search_by_context(&tenant("acme"), query, limit).expect("searches"))
        .into_iter()
        .map(String::from)
        .collect()
}

#[test]
fn defect_01_storing_again_adds_no_second_entry() {
    let again = with(state("s-1", &[1.0, 0.1, 0.0]), |s| s.turn_count = 2);
    let index = index(&[state("s-1", &[1.0, 0.0, 0.0]), again]);
    assert_eq!(search(&index, &[1.0, 0.0, 0.0], 10), ["s-1"]);
    assert_eq!(index.len(), 1);
}

#[test]
fn defect_02_the_older_vector_no_longer_ranks() {
    let moved = with(state("s-1", &[0.0, 1.0, 0.0]), |s| s.turn_count = 2);
    let index = index(&[state("s-1", &[1.0, 0.0, 0.0]), state("s-2", &[1.0, 1.0, 0.0]), moved]);
    let found = index.search_by_context(&tenant("acme"), &[1.0, 0.0, 0.0], 10).expect("searches");
    assert_eq!(ids(&found), ["s-2", "s-1"]);
    assert!(found[1].similarity.abs() < 1e-6);
}

#[test]
fn defect_03_deletes_leave_no_ghosts_that_use_up_the_limit() {
    let mut index = index(&[]);
    for n in 0..20 {
        let _ = index.store(&state(&format!("s-{n:02}"), &[1.0, n as f32 / 100.0, 0.0])).expect("stores");
    }
    for n in 0..15 {
        assert!(index.delete(&tenant("acme"), &session(&format!("s-{n:02}"))).expect("deletes"));
    }
    assert_eq!(search(&index, &[1.0, 0.0, 0.0], 5), ["s-15", "s-16", "s-17", "s-18", "s-19"]);
    assert_eq!(index.len(), 5);
}

#[test]
fn defect_04_recall_is_1_after_ten_updates_an_id() {
    const DIM: usize = 32;
    let (mut numbers, mut index) = (Numbers(4), SessionIndex::in_memory(DIM).expect("opens"));
    let mut last = vec![Vec::new(); 500];
    for turn in 1..=10 {
        for (n, kept) in last.iter_mut().enumerate() {
            *kept = numbers.vector(DIM);
            let state = with(state(&format!("s-{n:03}"), kept), |s| s.turn_count = turn);
            assert!(index.store(&state).expect("stores").is_applied());
        }
    }
    for _ in 0..50 {
        let query = numbers.vector(DIM);
        let mut exact: Vec<(f64, String)> =
            last.iter().enumerate().map(|(n, v)| (-cosine(&query, v), format!("s-{n:03}"))).collect();
        exact.sort_by(|a, b| a.0.total_cmp(&b.0));
        let expected: Vec<String> = exact.into_iter().take(10).map(|(_, id)| id).collect();
        assert_eq!(search(&index, &query, 10), expected);
    }
}

#[test]
fn defect_05_a_match_has_its_own_embedding_its_own_kv_copy_and_the_true_cosine() {
    let stored = full("s-1", &[3.0, 4.0, 0.0]);
    let index = index(std::slice::from_ref(&stored));
    let found = index.search_by_context(&tenant("acme"), &[0.0, 2.0, 0.0], 1).expect("searches");
    assert_eq!(*found[0].state, stored);
    assert!((found[0].similarity - 0.8).abs() < 1e-6);
}

#[test]
fn defect_06_a_session_without_embedding_is_kept_and_never_found_by_similarity() {
    let index = index(&[with(state("s-1", &[]), |s| s.context_embedding = None), state("s-2", &[0.0, 0.0, -1.0])]);
    assert_eq!(search(&index, &[0.0, 0.0, 1.0], 10), ["s-2"]);
    assert!(index.get(&tenant("acme"), &session("s-1")).is_some());
    assert_eq!(index.user_history(&tenant("acme"), &user("ann"), 10).len(), 2);
}

#[test]
fn defect_06_a_newer_state_without_embedding_leaves_the_vector_index() {
    let bare = with(state("s-1", &[]), |s| (s.context_embedding, s.turn_count) = (None, 2));
    let index = index(&[state("s-1", &[1.0, 0.0, 0.0]), state("s-2", &[0.0, 1.0, 0.0]), bare]);
    assert_eq!(search(&index, &[1.0, 0.0, 0.0], 10), ["s-2"]);
}

#[test]
fn defect_07_any_dimension_works_and_another_one_is_refused() {
    for dim in [1, 2, 7, 384, 768, 1024, 1537] {
        let mut index = SessionIndex::in_memory(dim).expect("opens");
        let vector = Numbers(7).vector(dim);
        assert!(index.store(&state("s-1", &vector)).expect("stores").is_applied());
        let found = index.search_by_context(&tenant("acme"), &vector, 1).expect("searches");
        assert!((found[0].similarity - 1.0).abs() < 1e-5, "dimension {dim}");
        for wrong in [0, dim - 1, dim + 1] {
            let vector = vec![1.0; wrong];
            assert_eq!(field(index.store(&state("s-2", &vector))), "context_embedding");
            assert_eq!(field(index.search_by_context(&tenant("acme"), &vector, 1)), "embedding");
        }
    }
    assert_eq!(field(SessionIndex::in_memory(0)), "embedding_dim");
}

#[test]
fn defect_08_tenants_never_meet_even_with_equal_ids() {
    let other = with(state("s-1", &[0.0, 1.0, 0.0]), |s| s.tenant_id = tenant("globex"));
    let mut index = index(&[state("s-1", &[1.0, 0.0, 0.0]), other.clone()]);
    let query = [1.0, 0.0, 0.0];
    assert_eq!(*index.search_by_context(&tenant("globex"), &query, 10).expect("searches")[0].state, other);
    assert_eq!(search(&index, &query, 10), ["s-1"]);
    assert_eq!(index.recover(&tenant("globex"), &user("ann"), &query, 10).expect("recovers").len(), 1);
    assert!(index.transfer(&tenant("globex"), &session("s-1"), 10).expect("asks").nearest.is_empty());
    assert_eq!(index.user_history(&tenant("globex"), &user("ann"), 10).len(), 1);
    assert!(index.delete(&tenant("acme"), &session("s-1")).expect("deletes"));
    assert!(index.get(&tenant("globex"), &session("s-1")).is_some());
    assert!(index.search_by_context(&tenant("nobody"), &query, 10).expect("searches").is_empty());
}

#[test]
fn defect_09_a_selective_filter_does_not_shorten_the_answer() {
    let mut index = index(&[]);
    for n in 0..1000 {
        // The sessions that pass are the farthest from the query.
        let rare = n >= 990;
        let state = with(state(&format!("s-{n:03}"), &[1.0, n as f32, 0.0]), |s| {
            s.user_id = Some(user(if rare { "rare" } else { "common" }));
            s.status = if rare { Status::Interrupted } else { Status::Active };
            s.active_adapter = Some(adapter(if rare { "lora-r" } else { "lora-c" }));
            s.last_active = EventTime(if rare { 2000 } else { 1000 });
            s.transfer_scope = if rare { TransferScope::Tenant } else { TransferScope::User };
        });
        assert!(index.store(&state).expect("stores").is_applied());
    }
    let filters = [
        SearchFilter { user: Some(user("rare")), ..Default::default() },
        SearchFilter { statuses: vec![Status::Ended, Status::Interrupted], ..Default::default() },
        SearchFilter { adapter: Some(name("lora-r")), ..Default::default() },
        SearchFilter { active_since: Some(EventTime(2000)), ..Default::default() },
        SearchFilter { scope: Some(TransferScope::Tenant), ..Default::default() },
    ];
    for filter in filters {
        let found = index.search(&tenant("acme"), &[1.0, 0.0, 0.0], 10, &filter).expect("searches");
        let expected: Vec<String> = (990..1000).map(|n| format!("s-{n}")).collect();
        assert_eq!(ids(&found), expected, "{filter:?}");
    }
    let except = SearchFilter { except: Some(session("s-000")), ..Default::default() };
    let found = index.search(&tenant("acme"), &[1.0, 0.0, 0.0], 1, &except).expect("searches");
    assert_eq!(ids(&found), ["s-001"]);
}

#[test]
fn defect_10_a_late_turn_3_does_not_overwrite_turn_9() {
    let turn = |turn, at| {
        with(state("s-1", &[turn as f32, 1.0, 0.0]), |s| (s.turn_count, s.last_active) = (turn, EventTime(at)))
    };
    let mut index = index(&[turn(9, 900)]);
    for (late, expected) in [
        (turn(3, 9999), Stored::Stale),
        (turn(9, 899), Stored::Stale),
        (turn(9, 900), Stored::Applied),
        (turn(9, 901), Stored::Applied),
        (turn(10, 1), Stored::Applied),
    ] {
        let before = index.get(&late.tenant_id, &late.session_id).expect("held").clone();
        assert_eq!(index.store(&late).expect("stores"), expected);
        let held = index.get(&late.tenant_id, &late.session_id).expect("held");
        assert_eq!(**held, if expected.is_applied() { late } else { (*before).clone() });
    }
}

#[test]
fn defect_11_nan_infinity_and_the_zero_vector_are_refused_and_change_nothing() {
    let mut index = index(&[state("s-1", &[1.0, 0.0, 0.0])]);
    for bad in [[f32::NAN, 1.0, 0.0], [f32::INFINITY, 0.0, 0.0], [0.0, f32::NEG_INFINITY, 0.0], [0.0, -0.0, 0.0]] {
        let newer = with(state("s-1", &bad), |s| s.turn_count = 2);
        assert_eq!(field(index.store(&newer)), "context_embedding");
        assert_eq!(field(index.search_by_context(&tenant("acme"), &bad, 1)), "embedding");
        assert_eq!(field(index.recover(&tenant("acme"), &user("ann"), &bad, 1)), "embedding");
    }
    assert_eq!(index.get(&tenant("acme"), &session("s-1")).expect("held").turn_count, 1);
}

#[test]
fn defect_15_a_session_can_be_stored_at_every_turn_and_ending_keeps_it_in_history() {
    let mut index = index(&[]);
    for turn in 1..=5 {
        let state = with(state("s-1", &[turn as f32, 1.0, 0.0]), |s| {
            s.turn_count = turn;
            s.status = if turn == 5 { Status::Ended } else { Status::Active };
        });
        assert_eq!(index.store(&state).expect("stores"), Stored::Applied);
    }
    let history = index.user_history(&tenant("acme"), &user("ann"), 10);
    assert_eq!((history.len(), history[0].turn_count, history[0].status), (1, 5, Status::Ended));
    assert!(index.delete(&tenant("acme"), &session("s-1")).expect("deletes"));
    assert!(!index.delete(&tenant("acme"), &session("s-1")).expect("deletes"));
    assert!(index.user_history(&tenant("acme"), &user("ann"), 10).is_empty());
    assert!(search(&index, &[1.0, 0.0, 0.0], 10).is_empty());
}

#[test]
fn defect_17_no_later_state_revives_an_ended_session() {
    let ended = with(state("s-1", &[1.0, 0.0, 0.0]), |s| s.status = Status::Ended);
    let mut index = index(std::slice::from_ref(&ended));
    for status in [Status::Active, Status::Paused, Status::Interrupted, Status::Expired] {
        let revived = with(state("s-1", &[0.0, 1.0, 0.0]), |s| (s.status, s.turn_count) = (status, 9));
        assert_eq!(index.store(&revived).expect("stores"), Stored::AfterEnd);
        assert_eq!(**index.get(&tenant("acme"), &session("s-1")).expect("held"), ended);
    }
}

#[test]
fn defect_17_clocks_at_the_ends_of_their_range_do_not_wrap() {
    let at = |id: &str, at| with(state(id, &[1.0, 0.0, 0.0]), |s| s.last_active = EventTime(at));
    let mut index = index(&[at("s-1", 0), at("s-2", i64::MIN), at("s-3", i64::MAX)]);
    let history = index.user_history(&tenant("acme"), &user("ann"), 10);
    let order: Vec<&str> = history.iter().map(|s| s.session_id.as_str()).collect();
    assert_eq!(order, ["s-3", "s-1", "s-2"]);
    assert_eq!(index.store(&at("s-3", i64::MIN)).expect("stores"), Stored::Stale);
}

#[test]
fn defect_18_stores_share_one_write_and_reach_the_file_with_the_flush() {
    let folder = tempfile::tempdir().expect("a folder");
    let size = || folder.path().join("sessions.log").metadata().expect("the log").len();
    let mut index = SessionIndex::new(folder.path(), 3).expect("opens");
    let empty = size();
    for n in 0..100 {
        assert!(index.store(&state(&format!("s-{n}"), &[1.0, 0.0, 0.0])).expect("stores").is_applied());
    }
    assert_eq!(size(), empty);
    index.flush().expect("flushes");
    assert!(size() > empty + 100 * 12);
}
