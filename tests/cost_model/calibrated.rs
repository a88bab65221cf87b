//! What outcomes teach of the rates: it comes near the truth, holds for its tenant and namespace, and outlives the engine.

use rekindle::engine::EngineSettings;
use rekindle::model::calibration::Rate;
use serde_json::{Value, json};

use super::bench::{Bench, copy, interrupted, turn};

/// One more session that is broken off with a copy, and what was estimated for it.
fn broken_off(bench: &mut Bench, session: &str, tier: &str) -> Value {
    bench.send(session, turn(1, json!({"kv_cache": copy(tier), "worker": "w-1"})));
    bench.send(session, interrupted());
    let opened = bench.published();
    assert_eq!(opened.len(), 1, "{opened:?}");
    opened[0]["estimate"].clone()
}

fn resumed(outcome: &str, more: Value) -> Value {
    let mut event = json!({"type": "session_resumed", "outcome": outcome});
    event.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
    event
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number: {value}"))
}

#[test]
fn estimates_come_near_the_times_that_restores_and_prefills_take() {
    let mut bench = Bench::new(EngineSettings::default());
    // In truth the store moves 2 GB/s, not 10, and 4,000 tokens are computed in a second, not 8,000.
    let restore = |tokens: f64| 10.0 + tokens * 131_072.0 / 2e9 * 1000.0;
    let mut last = Value::Null;
    for n in 0..24u32 {
        let session = format!("s-{n}");
        last = broken_off(&mut bench, &session, "warm");
        // The third restore is that of s-4.
        assert_eq!(last["basis"], if n < 5 { "configured" } else { "observed" }, "{n}");
        // Measured times scatter by a tenth.
        let scatter = [1.0, 1.1, 0.9][n as usize % 3];
        let event = if n % 2 == 0 {
            let more = json!({"restored_tokens": 2000, "restore_ms": restore(2000.0) * scatter});
            resumed("restored", more)
        } else {
            resumed("ignored", json!({"recomputed_tokens": 2000, "ttft_ms": 500.0 * scatter}))
        };
        bench.send(&session, event);
        bench.published();
    }
    assert!((number(&last["restore_ms"]) / restore(2000.0) - 1.0).abs() < 0.1, "{last}");
    assert!((number(&last["recompute_ms"]) / 500.0 - 1.0).abs() < 0.1, "{last}");
    let rows = bench.calibrations();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!((rows[&Rate::RestoreWarm].observed.count, rows[&Rate::Recompute].observed.count), (12, 12));
    // Nothing was learnt of other tiers, but computing is the same.
    let hot = broken_off(&mut bench, "hot", "hot");
    assert_eq!((&hot["restore_ms"], &hot["basis"]), (&json!(1.0), &json!("observed")));
}

#[test]
fn what_was_learnt_outlives_the_engine_to_the_byte() {
    let run = |restarts: bool| {
        let mut bench = Bench::new(EngineSettings::default());
        for n in 0..12u32 {
            let session = format!("s-{n}");
            broken_off(&mut bench, &session, ["warm", "cold"][n as usize % 2]);
            let ms = 20.0 + f64::from(n * n % 7);
            match n % 3 {
                0 => bench.send(&session, resumed("restored", json!({"restored_tokens": 1900, "restore_ms": ms}))),
                1 => bench.send(&session, turn(2, json!({"cached_tokens": 0, "ttft_ms": 10.0 * ms}))),
                _ => bench.send(
                    &session,
                    resumed(
                        "partial",
                        json!({"restored_tokens": 900, "recomputed_tokens": 1100,
                        "restore_ms": ms, "ttft_ms": 200.0 + ms}),
                    ),
                ),
            };
            bench.published();
            if restarts {
                bench.restart(None);
            }
        }
        let observed = bench.stream.len();
        (bench.stream, bench.topics, observed)
    };
    let (whole, topics, count) = run(false);
    let (parts, again, _) = run(true);
    assert_eq!(count, 24);
    assert!(whole == parts && topics == again, "a restart was noticed");
}

#[test]
fn only_what_tells_how_long_something_took_is_learnt() {
    use Rate::{Recompute, RestoreCold, RestoreHot, RestoreWarm};
    let all = json!({"restored_tokens": 1000, "recomputed_tokens": 1000, "restore_ms": 50.0, "ttft_ms": 300.0});
    let without = |field: &str| {
        let mut all = all.clone();
        all[field] = Value::Null;
        all
    };
    for (tier, event, expected) in [
        ("warm", resumed("partial", all.clone()), vec![RestoreWarm, Recompute]),
        ("cold", resumed("partial", all.clone()), vec![RestoreCold, Recompute]),
        ("hot", resumed("partial", all.clone()), vec![RestoreHot, Recompute]),
        ("warm", resumed("restored", all.clone()), vec![RestoreWarm]),
        ("warm", resumed("failed", all.clone()), vec![Recompute]),
        ("warm", resumed("partial", without("restored_tokens")), vec![Recompute]),
        ("warm", resumed("partial", without("restore_ms")), vec![]),
        ("hot", resumed("partial", without("restore_ms")), vec![Recompute]),
        ("warm", resumed("failed", without("restore_ms")), vec![Recompute]),
        ("warm", resumed("ignored", without("ttft_ms")), vec![]),
        ("warm", resumed("ignored", without("recomputed_tokens")), vec![]),
        ("warm", turn(2, json!({"cached_tokens": 0, "ttft_ms": 300.0})), vec![Recompute]),
        ("warm", turn(2, json!({"cached_tokens": 1000, "ttft_ms": 300.0})), vec![]),
        ("hot", turn(2, json!({"cached_tokens": 1000, "ttft_ms": 300.0})), vec![Recompute]),
        ("hot", turn(2, json!({"cached_tokens": 1744, "ttft_ms": 300.0})), vec![Recompute]),
        ("hot", turn(2, json!({"cached_tokens": 1745, "ttft_ms": 300.0})), vec![]),
        ("hot", turn(2, json!({"cached_tokens": 1000})), vec![]),
    ] {
        let mut bench = Bench::new(EngineSettings::default());
        broken_off(&mut bench, "s", tier);
        bench.send("s", event.clone());
        let learnt: Vec<Rate> = bench.calibrations().into_keys().collect();
        assert_eq!(learnt, expected, "{tier} {event}");
        // What comes again teaches nothing.
        let held = bench.calibrations();
        bench.send("s", event.clone());
        assert_eq!(bench.calibrations(), held, "{tier} {event}");
    }
}

#[test]
fn the_square_of_the_context_counts_from_where_it_was_computed() {
    let mut settings = EngineSettings::default();
    settings.default_cost.prefill_ms_per_token2 = 1e-4;
    let mut bench = Bench::new(settings);
    let estimate = broken_off(&mut bench, "s", "hot");
    // 2,000 / 8,000 s and 1e-4 · 2,000² ms.
    assert_eq!(estimate["recompute_ms"], json!(650.0));
    // Tokens 1,000 to 2,000: 125 ms and 1e-4 · (2,000² − 1,000²) = 300 ms; they took twice that.
    bench.send("s", turn(2, json!({"cached_tokens": 1000, "ttft_ms": 850.0})));
    let learnt = bench.calibrations()[&Rate::Recompute].observed;
    assert!((learnt.mean - 2f64.ln()).abs() < 1e-12, "{learnt:?}");
}

#[test]
fn other_rates_begin_anew_and_an_erased_tenant_leaves_nothing() {
    let mut bench = Bench::new(EngineSettings::default());
    let teach = |bench: &mut Bench, from: u32| {
        for n in from..from + 3 {
            let session = format!("s-{n}");
            broken_off(bench, &session, "warm");
            bench.send(&session, resumed("restored", json!({"restored_tokens": 2000, "restore_ms": 108.6432})));
            bench.published();
        }
    };
    teach(&mut bench, 0);
    assert_eq!(broken_off(&mut bench, "a", "warm")["restore_ms"], json!(108.6432));
    let mut faster = EngineSettings::default();
    faster.default_cost.warm.bytes_per_s = Some(20e9);
    bench.restart(Some(faster));
    let anew = broken_off(&mut bench, "b", "warm");
    assert_eq!((&anew["restore_ms"], &anew["basis"]), (&json!(23.1072), &json!("configured")));
    teach(&mut bench, 10);
    assert_eq!(broken_off(&mut bench, "c", "warm")["restore_ms"], json!(108.6432));
    assert_eq!(bench.calibrations()[&Rate::RestoreWarm].observed.count, 3);
    bench.process(&json!({"event_id": "x", "tenant_id": "acme", "occurred_at": super::bench::BASE + 999_000,
        "type": "subject_erased", "scope": "tenant"}));
    assert!(bench.calibrations().is_empty());
    bench.restart(None);
}
