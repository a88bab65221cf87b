//! Settings come back from their text as they were, and texts of other versions are refused.

use proptest::prelude::*;

use super::*;

fn settings() -> impl Strategy<Value = EngineSettings> {
    let float = prop_oneof![proptest::num::f64::NORMAL, Just(0.0), Just(-0.0), Just(0.1 + 0.2), Just(10e9)];
    let names = || prop::collection::btree_map("[a-c\"\\\\/é\n ]{1,4}", any::<u16>(), 0..3);
    (prop::collection::vec(float, 40), names(), names(), any::<(i32, i32, bool, bool, bool, u32)>(), ".{0,5}").prop_map(
        |(floats, spaces, costs, (a, b, c, d, json, vote), input_topic)| {
            let mut next = floats.into_iter().cycle();
            let mut next = move || next.next().unwrap_or_default();
            let name = |text: &String| Name::new(text).expect("not empty");
            let mut tier = || TierRates { ms: next(), bytes_per_s: Some(next()).filter(|x| *x > 0.0) };
            let mut rates = || CostRates {
                hot: tier(),
                warm: tier(),
                cold: tier(),
                prefill_tokens_per_s: tier().ms,
                prefill_ms_per_token2: tier().ms,
                bytes_per_token: tier().ms,
            };
            let mut settings = EngineSettings {
                spaces: spaces.iter().map(|(text, dim)| (name(text), usize::from(*dim))).collect(),
                costs: costs.keys().map(|text| (name(text), rates())).collect(),
                default_cost: rates(),
                retention: Millis(a.into()),
                log_retention: Millis(b.into()),
                reject_bad_context: c,
                check_partition: d,
                output: if json { OutputFormat::Json } else { OutputFormat::Avro },
                input_topic,
                ..EngineSettings::default()
            };
            settings.policy.adapter_vote = vote;
            settings.policy.mode = if d { Mode::Shadow } else { Mode::On };
            settings.policy.session_per_hour = vote.into();
            settings.policy.tenant_per_minute = u64::MAX - u64::from(vote);
            settings.policy.holdout = rates().hot.ms;
            settings.policy.floor = rates().bytes_per_token;
            settings.policy.weights.bias = rates().hot.ms;
            settings
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn settings_come_back_to_the_last_bit(settings in settings()) {
        let text = settings.to_text();
        let read = EngineSettings::from_text(&text).unwrap();
        prop_assert_eq!(&read, &settings);
        prop_assert_eq!(read.policy_digest(), settings.policy_digest());
        prop_assert_eq!(read.to_text(), text);
    }
}

#[test]
fn what_this_version_does_not_know_is_refused() {
    let text = EngineSettings::default().to_text();
    for (from, to) in [
        ("\"floor\"", "\"flour\""),
        ("\"avro\"", "\"xml\""),
        ("\"on\"", "\"off\""),
        ("{\"spaces\"", "{\"later\":1,\"spaces\""),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        assert!(EngineSettings::from_text(&other).is_err(), "{other}");
    }
    assert!(EngineSettings::from_text("").is_err());
}

/// Texts of this version lie in compacted topics: later versions have to read them as they were meant.
#[test]
fn old_texts_are_still_read() {
    let text = include_str!("../../../tests/data/settings.json");
    assert_eq!(EngineSettings::from_text(text.trim()).unwrap(), EngineSettings::default());
}
