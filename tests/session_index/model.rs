//! The index against a plain model: a sorted map and a full scan in f64, under any calls, on disk and in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rekindle::SessionIndex;
use rekindle::model::event::TransferScope;
use rekindle::model::session::Status;
use rekindle::model::time::EventTime;
use rekindle::session_index::{SearchFilter, SessionState, Stored};

use super::support::*;

const DIM: usize = 5;

#[derive(Debug, Clone)]
enum Step {
    Store(Box<SessionState>),
    Delete(u8, u8),
    Search(u8, Vec<f32>, usize, SearchFilter),
    History(u8, u8, usize),
    Flush,
    Compact,
    Reopen,
}

type Model = BTreeMap<(String, String), SessionState>;

/// Few distinct values, so that directions repeat and ties are common.
fn vector() -> impl Strategy<Value = Vec<f32>> {
    let component = prop_oneof![Just(0.0f32), Just(1.0), Just(-1.0), -2.0f32..2.0];
    prop::collection::vec(component, DIM).prop_filter("a direction", |v| v.iter().any(|&c| c != 0.0))
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL)
}

fn any_state() -> impl Strategy<Value = SessionState> {
    let who = (0u8..2, 0u8..12, prop::option::of(0u8..3));
    let what = (prop::option::weighted(0.8, vector()), 0u32..4, 0i64..4, status());
    let rest = (prop::option::of(0u8..2), prop::sample::select(TransferScope::ALL));
    (who, what, rest).prop_map(|((t, s, u), (embedding, turn, at, status), (a, scope))| {
        let id = format!("s-{s}");
        let mut state = SessionState::new(tenant(&format!("t-{t}")), session(&id), EventTime(at));
        state.user_id = u.map(|u| user(&format!("u-{u}")));
        state.context_embedding = embedding;
        state.active_adapter = a.map(|a| adapter(&format!("a-{a}")));
        (state.turn_count, state.status, state.transfer_scope) = (turn, status, scope);
        state
    })
}

fn filter() -> impl Strategy<Value = SearchFilter> {
    let parts = (
        prop::option::of(0u8..3),
        prop::collection::vec(status(), 0..3),
        prop::option::weighted(0.3, 0u8..2),
        prop::option::weighted(0.3, 0i64..4),
        prop::option::weighted(0.3, prop::sample::select(TransferScope::ALL)),
    );
    parts.prop_map(|(u, statuses, a, since, scope)| SearchFilter {
        user: u.map(|u| user(&format!("u-{u}"))),
        statuses,
        adapter: a.map(|a| name(&format!("a-{a}"))),
        active_since: since.map(EventTime),
        scope,
        except: None,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => any_state().prop_map(|s| Step::Store(Box::new(s))),
        3 => (0u8..2, 0u8..12).prop_map(|(t, s)| Step::Delete(t, s)),
        6 => (0u8..2, vector(), 0usize..15, filter()).prop_map(|(t, v, k, f)| Step::Search(t, v, k, f)),
        2 => (0u8..2, 0u8..3, 0usize..15).prop_map(|(t, u, k)| Step::History(t, u, k)),
        1 => Just(Step::Flush),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

fn expected_store(model: &Model, state: &SessionState) -> Stored {
    match model.get(&(state.tenant_id.to_string(), state.session_id.to_string())) {
        Some(held) if (state.turn_count, state.last_active) < (held.turn_count, held.last_active) => Stored::Stale,
        Some(held) if held.status == Status::Ended && state.status != Status::Ended => Stored::AfterEnd,
        _ => Stored::Applied,
    }
}

fn passes(filter: &SearchFilter, s: &SessionState) -> bool {
    let user = filter.user.is_none() || filter.user == s.user_id;
    let status = filter.statuses.is_empty() || filter.statuses.contains(&s.status);
    let adapter = filter.adapter.is_none() || filter.adapter == s.active_adapter.as_ref().map(|a| a.id.clone());
    let since = filter.active_since.is_none_or(|since| since <= s.last_active);
    user && status && adapter && since && filter.scope.is_none_or(|scope| scope <= s.transfer_scope)
}

fn check_search(index: &SessionIndex, model: &Model, t: u8, query: &[f32], limit: usize, filter: &SearchFilter) {
    let tenant_id = tenant(&format!("t-{t}"));
    let found = index.search(&tenant_id, query, limit, filter).expect("searches");
    let of_tenant = model.values().filter(|s| s.tenant_id == tenant_id && passes(filter, s));
    let mut exact: Vec<f64> = of_tenant.filter_map(|s| Some(cosine(query, s.context_embedding.as_ref()?))).collect();
    exact.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(found.len(), limit.min(exact.len()));
    for (m, want) in found.iter().zip(&exact) {
        let held = &model[&(m.state.tenant_id.to_string(), m.state.session_id.to_string())];
        assert_eq!(*m.state, *held);
        assert!(m.state.tenant_id == tenant_id && passes(filter, held), "{held:?}");
        let own = cosine(query, held.context_embedding.as_ref().expect("an embedding"));
        assert!((f64::from(m.similarity) - own).abs() < 1e-5 && (own - want).abs() < 1e-5, "{own} {want} {m:?}");
    }
    for pair in found.windows(2) {
        let order = pair[1].similarity.total_cmp(&pair[0].similarity);
        let order = order.then(pair[0].state.session_id.cmp(&pair[1].state.session_id));
        assert!(order.is_lt(), "duplicates or disorder: {pair:?}");
    }
}

fn check_history(index: &SessionIndex, model: &Model, t: u8, u: u8, limit: usize) {
    let (tenant_id, user_id) = (tenant(&format!("t-{t}")), user(&format!("u-{u}")));
    let of_user = |s: &&SessionState| s.tenant_id == tenant_id && s.user_id.as_ref() == Some(&user_id);
    let mut expected: Vec<&SessionState> = model.values().filter(of_user).collect();
    expected.sort_by(|a, b| b.last_active.cmp(&a.last_active).then(a.session_id.cmp(&b.session_id)));
    expected.truncate(limit);
    let history = index.user_history(&tenant_id, &user_id, limit);
    assert_eq!(history.iter().map(|s| &**s).collect::<Vec<_>>(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_agrees_with_a_plain_model(steps in prop::collection::vec(step(), 1..120), on_disk: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || match on_disk {
            true => SessionIndex::new(folder.path(), DIM).expect("opens"),
            false => SessionIndex::in_memory(DIM).expect("opens"),
        };
        let (mut index, mut model) = (open(), Model::new());
        for step in steps {
            match step {
                Step::Store(state) => {
                    let expected = expected_store(&model, &state);
                    prop_assert_eq!(index.store(&state).expect("stores"), expected);
                    if expected == Stored::Applied {
                        model.insert((state.tenant_id.to_string(), state.session_id.to_string()), *state);
                    }
                }
                Step::Delete(t, s) => {
                    let (t, s) = (format!("t-{t}"), format!("s-{s}"));
                    let known = index.delete(&tenant(&t), &session(&s)).expect("deletes");
                    prop_assert_eq!(known, model.remove(&(t, s)).is_some());
                }
                Step::Search(t, query, limit, filter) => check_search(&index, &model, t, &query, limit, &filter),
                Step::History(t, u, limit) => check_history(&index, &model, t, u, limit),
                Step::Flush => index.flush().expect("flushes"),
                Step::Compact => index.compact().expect("compacts"),
                Step::Reopen if on_disk => {
                    drop(index);
                    index = open();
                    prop_assert_eq!(index.torn_tail(), None);
                }
                Step::Reopen => {}
            }
            prop_assert_eq!(index.len(), model.len());
            prop_assert_eq!(index.is_empty(), model.is_empty());
        }
        for state in model.values() {
            let held = index.get(&state.tenant_id, &state.session_id).expect("held");
            prop_assert_eq!(&**held, state);
        }
    }
}
