//! The laws where sessions are held out and limits bite; and that nothing is decided otherwise in shadow mode.

use proptest::prelude::*;
use rekindle::engine::EngineSettings;
use rekindle::engine::settings::Mode;
use serde_json::Value;

use super::events::{History, history, settings};
use super::harness::{After, Run, run_from};

/// What is told of the times of suggestions that were acted on.
const TIMES: [&str; 3] = ["Saved", "Predicted", "Restore"];

/// Settings under which some sessions are held out and few suggestions are opened.
pub fn strict() -> EngineSettings {
    let mut strict = settings();
    strict.policy.holdout = 0.5;
    strict.policy.session_per_hour = 2;
    strict.policy.tenant_per_minute = 2;
    strict
}

fn run(events: &[Value], settings: &EngineSettings, batches: &[usize], restarts: &[bool]) -> Run {
    let again = |batch: usize| restarts[batch % restarts.len()];
    run_from(settings.clone(), events, batches, |batch| {
        if again(batch) { After::Restored(settings.clone()) } else { After::GoesOn }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_cannot_be_noticed_where_limits_bite(
        events in prop_oneof![history(History::Whole, 80), history(History::Alike, 80)],
        batches in prop::collection::vec(1usize..12, 1..40),
        restarts in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        let whole = run(&events, &strict(), &[events.len().max(1)], &[false]);
        let parts = run(&events, &strict(), &batches, &restarts);
        prop_assert_eq!(&whole.stream, &parts.stream);
        prop_assert_eq!(&whole.verdicts, &parts.verdicts);
        prop_assert_eq!(&whole.notices, &parts.notices);
        prop_assert_eq!(&whole.topics, &parts.topics);
        prop_assert_eq!(&whole.sessions, &parts.sessions);
        prop_assert_eq!(&whole.stats, &parts.stats);
    }

    #[test]
    fn shadow_mode_decides_the_same_and_publishes_nothing(
        events in prop_oneof![history(History::Whole, 80), history(History::Alike, 80)],
    ) {
        let shadow = |mode| {
            let mut settings = settings();
            settings.policy.mode = mode;
            settings.policy.session_per_hour = 3;
            run(&events, &settings, &[7], &[false])
        };
        let (on, off) = (shadow(Mode::On), shadow(Mode::Shadow));
        prop_assert_eq!(&on.verdicts, &off.verdicts);
        prop_assert!(off.stream.iter().all(|record| record.starts_with("DeadLetters")), "{:?}", off.stream);
        prop_assert_eq!(decided(&on), decided(&off));
        prop_assert_eq!(on.stats.open_suggestions, off.stats.open_suggestions);
        prop_assert_eq!(facets(&on), facets(&off));
        prop_assert!(off.sessions.iter().all(|state| state["open_suggestions"].as_array().unwrap().is_empty()));
    }
}

/// What was decided, in no order: the policy is part of an id, and ids of their order.
fn decided(run: &Run) -> Vec<String> {
    let told =
        run.notices.iter().filter(|n| !n.starts_with("Withheld") && TIMES.iter().all(|time| !n.starts_with(time)));
    let mut told: Vec<String> = told.map(|n| n.replace("GroupTurn(HeldOut", "GroupTurn(Acted")).collect();
    told.sort();
    told
}

fn facets(run: &Run) -> Vec<Value> {
    let mut sessions = run.sessions.clone();
    for state in &mut sessions {
        state.as_object_mut().unwrap().remove("open_suggestions");
    }
    sessions
}

/// The properties mean nothing if no limit bites and nobody is held out, or no turn follows.
#[test]
fn the_histories_reach_the_limits_and_both_groups() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..200 {
        let kind = if n % 2 == 0 { History::Whole } else { History::Alike };
        let events = history(kind, 80).new_tree(&mut runner).expect("a history").current();
        let run = run(&events, &strict(), &[7], &[false]);
        seen.extend(
            run.notices.into_iter().map(|notice| notice.split([',', ' ']).next().unwrap_or_default().to_owned()),
        );
    }
    for wanted in [
        "recovery",
        "transfer",
        "Withheld(\"recovery\"",
        "Withheld(\"transfer\"",
        "Limited(Session)",
        "Limited(Tenant)",
        "GroupTurn(Acted",
        "GroupTurn(HeldOut",
    ] {
        assert!(seen.contains(wanted), "never seen: {wanted}; seen: {seen:?}");
    }
}
