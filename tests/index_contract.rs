//! The contract of the vector index against a plain model: what is stored is found, once, at its true cosine,
//! whatever happened before.

mod index_model;

use std::collections::BTreeSet;

use index_model::{DIM, Known, Model, Names, Step, ask, expected, id, step, vector};
use proptest::prelude::*;
use rekindle::engine::index::{MAX_K, SlotHint, SpaceIndex, Wanted};
use rekindle::model::event::TransferScope;
use rekindle::model::ids::SessionId;
use rekindle::model::session::Status;
use rekindle::model::vector::{UnitVector, cosine_rows};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_the_stored_set(
        steps in prop::collection::vec(step(), 1..300), query in vector(), k in 0usize..60, ask in ask(),
    ) {
        let names = Names::new();
        let mut index = SpaceIndex::new(DIM);
        let mut model = Model::new();
        // Of the session replaced last, whichever that was.
        let mut hint = SlotHint::default();
        for step in steps {
            match step {
                Step::Upsert(n, v, known) => {
                    let unit = UnitVector::normalised(&v).expect("has a direction");
                    prop_assert!(index.upsert(&id(n), &mut hint, &unit, &names.columns(&known)));
                    model.insert(id(n), (unit, known));
                }
                Step::Replace(n, v, known) => {
                    let unit = UnitVector::normalised(&v).expect("has a direction");
                    let nearness = index.replace(&id(n), &mut hint, &unit, &names.columns(&known));
                    let held = model.insert(id(n), (unit.clone(), known));
                    prop_assert_eq!(nearness, held.map(|(held, _)| similarity(&unit, &held)));
                }
                Step::SetColumns(n, known) => {
                    index.set_columns(&id(n), hint, &names.columns(&known));
                    if let Some(held) = model.get_mut(&id(n)) {
                        held.1 = known;
                    }
                }
                Step::Remove(n) => prop_assert_eq!(index.remove(&id(n)), model.remove(&id(n)).is_some()),
            }
        }
        let query = UnitVector::normalised(&query).expect("has a direction");
        let except = ask.except.map(id);
        let wanted = names.wanted(&ask, except.as_ref());
        let passing = || {
            let passes = |(session, (_, known)): &(&SessionId, &(UnitVector, Known))| {
                ask.passes(&names, known) && Some(*session) != except.as_ref()
            };
            model.iter().filter(passes).map(|(session, (v, _))| (session, v))
        };
        prop_assert_eq!(index.search(&query, k, &wanted), expected(passing(), &query, k));
        let some: Vec<SessionId> = (0..40).step_by(2).map(id).chain([id(999)]).collect();
        let among = passing().filter(|(session, _)| some.contains(session));
        prop_assert_eq!(index.search_among(&query, k, &wanted, some.iter()), expected(among, &query, k));
        prop_assert_eq!(index.len(), model.len());
        let all = expected(model.iter().map(|(session, (v, _))| (session, v)), &query, MAX_K);
        for (session, (v, _)) in &model {
            let hit = all.iter().find(|hit| hit.session == *session);
            prop_assert_eq!(hit.map(|hit| hit.similarity), index.similarity(&query, session));
            prop_assert_eq!(index.vector(session), Some(v.as_slice()));
        }
    }
}

fn similarity(a: &UnitVector, b: &UnitVector) -> f64 {
    cosine_rows(a.as_slice(), a.inverse_norm(), b.as_slice(), b.inverse_norm())
}

/// Numbers that look random, from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Near one of a few topics.
    fn vector(&mut self, dim: usize) -> UnitVector {
        let topic = self.next() % 20;
        let noise = |random: &mut Random| (random.next() % 2001) as f32 / 1000.0 - 1.0;
        let components: Vec<f32> =
            (0..dim).map(|n| ((topic as f32 + 2.0) * (n as f32 + 1.0)).sin() + noise(self)).collect();
        UnitVector::normalised(&components).expect("has a direction")
    }
}

fn plain(owner: u16) -> Known {
    Known {
        user: Some((owner % 4) as u8),
        status: Some(Status::Active),
        expires_at: None,
        adapter: Some((owner % 3) as u8),
        scope: TransferScope::Tenant,
        last_active: None,
    }
}

#[test]
fn among_many_an_answer_depends_on_the_stored_set_alone_and_is_nearly_the_exact_one() {
    let names = Names::new();
    for (dim, sessions) in [(24, 700u16), (96, 1800), (320, 400), (768, 600), (960, 300), (1280, 300)] {
        let mut random = Random(u64::from(sessions));
        let last: Vec<UnitVector> = (0..sessions).map(|_| random.vector(dim)).collect();
        let mut straight = SpaceIndex::new(dim);
        for (n, v) in last.iter().enumerate() {
            straight.upsert(&id(n as u16), &mut SlotHint::default(), v, &names.columns(&plain(n as u16)));
        }
        // The same set in the end: other vectors first, sessions that go, and those that come back.
        let mut winding = SpaceIndex::new(dim);
        for n in (0..sessions + 300).rev() {
            winding.upsert(&id(n), &mut SlotHint::default(), &random.vector(dim), &names.columns(&plain(n / 2)));
        }
        for n in (0..sessions + 300).filter(|n| n % 7 == 0 || *n >= sessions) {
            assert!(winding.remove(&id(n)));
        }
        for n in 0..sessions {
            let v = &last[usize::from(n)];
            winding.upsert(&id(n), &mut SlotHint::default(), v, &names.columns(&plain(n)));
        }
        let (adapter, user) = (&names.adapters[1], &names.users[2]);
        let few = Wanted { adapter: Some(adapter), user: Some(user), ..Wanted::default() };
        let (mut found, mut asked) = (0, 0);
        for wanted in [Wanted::default(), Wanted { user: None, ..few }, few] {
            let passing = (0..sessions).filter(|n| wanted.adapter.is_none() || n % 3 == 1);
            let passing = passing.filter(|n| wanted.user.is_none() || n % 4 == 2);
            let model: Model = passing.map(|n| (id(n), (last[usize::from(n)].clone(), plain(n)))).collect();
            for k in [1, 10, MAX_K] {
                for _ in 0..10 {
                    let query = random.vector(dim);
                    let hits = straight.search(&query, k, &wanted);
                    assert_eq!(hits, winding.search(&query, k, &wanted), "{dim} components, k {k}");
                    let truth = expected(model.iter().map(|(session, (v, _))| (session, v)), &query, k);
                    assert_eq!(hits.len(), truth.len(), "no short answer");
                    let true_sessions: BTreeSet<&SessionId> = truth.iter().map(|hit| &hit.session).collect();
                    if k < MAX_K {
                        found += hits.iter().filter(|hit| true_sessions.contains(&hit.session)).count();
                        asked += truth.len();
                    }
                    for hit in &hits {
                        assert_eq!(Some(hit.similarity), straight.similarity(&query, &hit.session));
                    }
                }
            }
        }
        assert!(found * 1000 >= asked * 999, "{dim} components: {found} of {asked}");
        // It shrinks as it grew.
        for n in 10..sessions {
            assert!(winding.remove(&id(n)));
        }
        let few: Model = (0..10).map(|n| (id(n), (last[usize::from(n)].clone(), plain(n)))).collect();
        let truth = expected(few.iter().map(|(session, (v, _))| (session, v)), &last[3], 10);
        assert_eq!(winding.search(&last[3], 10, &Wanted::default()), truth);
    }
}

#[test]
fn many_updates_of_a_session_leave_one_entry_and_full_recall() {
    let names = Names::new();
    let mut index = SpaceIndex::new(DIM);
    let direction = |n: usize, round: usize| {
        let mut v = [0.1f32; DIM];
        v[(n + round) % DIM] = 1.0 + n as f32 / 100.0;
        UnitVector::normalised(&v).expect("has a direction")
    };
    for round in 0..10 {
        for n in 0..100 {
            assert!(index.upsert(
                &id(n),
                &mut SlotHint::default(),
                &direction(usize::from(n), round),
                &names.columns(&plain(0))
            ));
        }
    }
    let hits = index.search(&direction(3, 9), 100, &Wanted::default());
    let distinct: BTreeSet<_> = hits.iter().map(|hit| hit.session.clone()).collect();
    assert_eq!((hits.len(), distinct.len()), (100, 100));
    assert_eq!(hits[0].session, id(3), "the newest vector ranks, not an older one");
    assert_eq!(hits[0].similarity, 1.0);
}

#[test]
fn a_vector_of_another_dimension_is_neither_stored_nor_found() {
    let names = Names::new();
    let mut index = SpaceIndex::new(DIM);
    let short = UnitVector::normalised(&[1.0; 3]).expect("has a direction");
    assert!(!index.upsert(&id(1), &mut SlotHint::default(), &short, &names.columns(&plain(0))));
    assert!(index.is_empty());
    let own = UnitVector::normalised(&[1.0; DIM]).expect("has a direction");
    assert!(index.upsert(&id(1), &mut SlotHint::default(), &own, &names.columns(&plain(0))));
    assert!(index.search(&short, 10, &Wanted::default()).is_empty());
    assert_eq!(index.search(&own, usize::MAX, &Wanted::default()).len(), 1, "k is clamped");
}
