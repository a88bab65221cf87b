//! The contract of the vector index against a plain model: what is stored is found, once, at its true cosine,
//! whatever happened before.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rekindle::engine::index::{Columns, Hit, MAX_K, SpaceIndex};
use rekindle::model::event::TransferScope;
use rekindle::model::ids::{SessionId, UserId};
use rekindle::model::session::Status;
use rekindle::model::vector::{UnitVector, cosine};

const DIM: usize = 24;

#[derive(Debug, Clone)]
enum Step {
    Upsert(u8, Vec<f32>, u8),
    Remove(u8),
}

fn id(n: u8) -> SessionId {
    SessionId::new(&format!("s-{n}")).expect("an id")
}

fn user(n: u8) -> UserId {
    UserId::new(&format!("u-{n}")).expect("an id")
}

fn columns(owner: u8) -> Columns {
    Columns {
        user: Some(user(owner)),
        status: Some(Status::Active),
        expires_at: None,
        adapter: None,
        scope: TransferScope::Tenant,
        last_active: None,
    }
}

fn vector() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.0f32..1.0, DIM).prop_filter("has a direction", |v| v.iter().any(|x| x.abs() > 0.01))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..40, vector(), 0u8..3).prop_map(|(n, v, u)| Step::Upsert(n, v, u)),
        1 => (0u8..40).prop_map(Step::Remove),
    ]
}

/// Exact search over the model, in the same arithmetic.
fn expected(model: &BTreeMap<SessionId, (UnitVector, u8)>, query: &UnitVector, k: usize, of: Option<u8>) -> Vec<Hit> {
    let wide = query.to_f32();
    let mut hits: Vec<Hit> = model
        .iter()
        .filter(|(_, (_, owner))| of.is_none_or(|of| of == *owner))
        .map(|(session, (v, _))| {
            let inverse = query.inverse_norm();
            let similarity = cosine(&wide, inverse, v.as_slice(), v.inverse_norm());
            Hit { session: session.clone(), similarity }
        })
        .collect();
    hits.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then_with(|| a.session.cmp(&b.session)));
    hits.truncate(k.clamp(1, MAX_K));
    hits
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_the_stored_set(
        steps in prop::collection::vec(step(), 1..600), query in vector(), k in 0usize..60, of in prop::option::of(0u8..3),
    ) {
        let mut index = SpaceIndex::new(DIM);
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Upsert(n, v, owner) => {
                    let unit = UnitVector::normalised(&v).expect("has a direction");
                    prop_assert!(index.upsert(&id(n), &unit, columns(owner)));
                    model.insert(id(n), (unit, owner));
                }
                Step::Remove(n) => prop_assert_eq!(index.remove(&id(n)), model.remove(&id(n)).is_some()),
            }
        }
        let query = UnitVector::normalised(&query).expect("has a direction");
        let pass = |_: &SessionId, c: &Columns| of.is_none_or(|of| c.user == Some(user(of)));
        prop_assert_eq!(index.search(&query, k, pass), expected(&model, &query, k, of));
        prop_assert_eq!(index.len(), model.len());
        for (session, (v, _)) in &model {
            let apart = index.similarity(&query, session).expect("stored");
            let hit = expected(&model, &query, MAX_K, None).into_iter().find(|hit| hit.session == *session);
            prop_assert_eq!(hit.map(|hit| hit.similarity), Some(apart));
            prop_assert_eq!(index.vector(session), Some(v.as_slice()));
        }
    }
}

#[test]
fn many_updates_of_a_session_leave_one_entry_and_full_recall() {
    let mut index = SpaceIndex::new(DIM);
    let direction = |n: usize, round: usize| {
        let mut v = [0.1f32; DIM];
        v[(n + round) % DIM] = 1.0 + n as f32 / 100.0;
        UnitVector::normalised(&v).expect("has a direction")
    };
    for round in 0..10 {
        for n in 0..100u8 {
            assert!(index.upsert(&id(n), &direction(usize::from(n), round), columns(0)));
        }
    }
    let hits = index.search(&direction(3, 9), 100, |_, _| true);
    let distinct: std::collections::BTreeSet<_> = hits.iter().map(|hit| hit.session.clone()).collect();
    assert_eq!((hits.len(), distinct.len()), (100, 100));
    assert_eq!(hits[0].session, id(3), "the newest vector ranks, not an older one");
    assert_eq!(hits[0].similarity, 1.0);
}

#[test]
fn a_vector_of_another_dimension_is_neither_stored_nor_found() {
    let mut index = SpaceIndex::new(DIM);
    let short = UnitVector::normalised(&[1.0; 3]).expect("has a direction");
    assert!(!index.upsert(&id(1), &short, columns(0)));
    assert!(index.is_empty());
    let own = UnitVector::normalised(&[1.0; DIM]).expect("has a direction");
    assert!(index.upsert(&id(1), &own, columns(0)));
    assert!(index.search(&short, 10, |_, _| true).is_empty());
    assert_eq!(index.search(&own, usize::MAX, |_, _| true).len(), 1, "k is clamped");
}
