//! The two laws of the fold, by property.
//!
//! First: any order of the same events, with any repetition, gives the same facets. Second: a restart cannot
//! be noticed: an engine restored from what it published, at any batch boundary and with any batching, goes
//! on with the same bytes.

mod alike;
mod consent;
mod drift;
mod events;
mod fanout;
mod harness;
mod measured;
mod prefixes;
mod proof;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use rekindle::engine::settings::Mode;
use rekindle::engine::{Engine, EngineSettings};
use rekindle::model::position::PartitionId;
use rekindle::model::time::Millis;
use serde_json::Value;

use events::{History, history, settings};
use harness::{After, Run, facets_of, learnt_rates, run_in_batches, run_under};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_folds_to_the_same_facets(
        events in history(History::WithoutErasure, 40),
        order in prop::collection::vec(any::<Index>(), 40),
        repeats in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let mut shuffled: Vec<Value> = events.clone();
        for (at, index) in order.iter().enumerate().take(shuffled.len()) {
            let other = index.index(shuffled.len());
            shuffled.swap(at, other);
        }
        for index in &repeats {
            let copy = events[index.index(events.len())].clone();
            let at = index.index(shuffled.len() + 1);
            shuffled.insert(at, copy);
        }
        prop_assert_eq!(facets_of(&events), facets_of(&shuffled));
    }

    #[test]
    fn a_restart_cannot_be_noticed(
        events in prop_oneof![history(History::Whole, 80), history(History::Alike, 80), history(History::Measured, 80)],
        decided in prop::collection::vec((any::<Index>(), 0u64..12, any::<bool>()), 0..12),
        batches in prop::collection::vec(1usize..12, 1..40),
        restarts in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        let mut events = events;
        let count = events.len();
        for (index, schema, refused) in decided.into_iter().filter(|_| count > 0) {
            let at = index.index(count);
            let field = if refused { "_refused" } else { "_schema" };
            events[at][field] = schema.into();
        }
        let whole = run_in_batches(&events, &[events.len().max(1)], &[false]);
        let parts = run_in_batches(&events, &batches, &restarts);
        prop_assert_eq!(&whole.stream, &parts.stream);
        prop_assert_eq!(&whole.verdicts, &parts.verdicts);
        prop_assert_eq!(&whole.topics, &parts.topics);
        prop_assert_eq!(&whole.sessions, &parts.sessions);
        prop_assert_eq!(&whole.stats, &parts.stats);
    }

    #[test]
    fn settings_adopted_at_work_are_those_of_a_restart(
        events in prop_oneof![history(History::Whole, 80), history(History::Alike, 80), history(History::Measured, 80)],
        batches in prop::collection::vec(1usize..12, 1..40),
        changes in prop::collection::vec(0usize..18, 1..40),
    ) {
        let next = |batch: usize| other_settings(changes[batch % changes.len()]);
        let restarted = run_under(&events, &batches, |batch| next(batch).map_or(After::GoesOn, After::Restored));
        let adopted = run_under(&events, &batches, |batch| next(batch).map_or(After::GoesOn, After::Adopts));
        prop_assert_eq!(&restarted.stream, &adopted.stream);
        prop_assert_eq!(&restarted.verdicts, &adopted.verdicts);
        prop_assert_eq!(&restarted.topics, &adopted.topics);
        prop_assert_eq!(&restarted.sessions, &adopted.sessions);
        prop_assert_eq!(&restarted.stats, &adopted.stats);
    }
}

/// Settings that move deadlines, floors, what is remembered and what is published; `None`: no change.
fn other_settings(n: usize) -> Option<EngineSettings> {
    let mut changed = settings();
    match n {
        0 => changed.idle_timeout = Millis(60_000),
        1 => changed.idle_timeout = Millis(3 * 3_600_000),
        2 => changed.retention = Millis(2 * 3_600_000),
        3 => changed.retention = Millis(48 * 3_600_000),
        4 => changed.policy.floor = 0.0,
        5 => changed.predicted_ttl = Millis(1000),
        6 => changed.policy.drift_radians = 0.01,
        7 => {}
        8 => changed.max_prefix_blocks = 0,
        9 => changed.max_prefix_blocks = 3,
        10 => changed.default_cost.prefill_tokens_per_s = 500.0,
        11 => changed.policy.mode = Mode::Shadow,
        12 => changed = proof::strict(),
        _ => return None,
    }
    Some(changed)
}

/// The properties mean nothing if the histories set nothing off: over many of them every kind of output and
/// most verdicts must have been seen.
#[test]
fn the_histories_reach_what_the_laws_are_about() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, TestRunner};
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let mut seen = std::collections::BTreeSet::new();
    let mut learnt = 0;
    for n in 0..400 {
        let kind = [History::Whole, History::Alike, History::Measured][n % 3];
        let events = history(kind, 80).new_tree(&mut runner).expect("a history").current();
        let run: Run = run_in_batches(&events, &[7], &[false]);
        seen.extend(run.verdicts);
        seen.extend(run.notices);
        learnt += learnt_rates(&run.topics);
    }
    assert!(learnt > 40, "rates of which enough was observed: {learnt}");
    for wanted in [
        "applied",
        "duplicate",
        "stale",
        "after_end",
        "rejected: erased",
        "rejected: too_late",
        "recovery resume_in_place open",
        "recovery restore_kv open",
        "recovery context_only open",
        "recovery context_only revoked",
        "recovery restore_kv closed",
        "recovery retain open",
        "recovery prefetch open",
        "outcome restored",
        "outcome partial",
        "outcome failed",
        "outcome ignored",
        "transfer refer_context open",
        "transfer use_adapter open",
        "transfer reuse_prefix open",
        "transfer reuse_prefix revoked",
        "outcome expired",
        "forgotten",
    ] {
        assert!(seen.contains(wanted), "never seen: {wanted}; seen: {seen:?}");
    }
}

/// An engine without history equals one restored from nothing.
#[test]
fn nothing_restores_to_nothing() {
    let settings = Arc::new(settings());
    let restoring = rekindle::engine::Restoring::new(Arc::clone(&settings), PartitionId(0), 1);
    let (engine, checkpoint) = restoring.finish(None).expect("no state");
    assert!(checkpoint.is_none());
    assert_eq!(engine.stats(), Engine::new(settings, PartitionId(0), 1).stats());
}
