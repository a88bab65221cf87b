//! What the exposition holds, before and after counting.

use super::*;
use crate::engine::{EngineStats, Notice, RateScope, TurnFigures};
use crate::model::position::PartitionId;
use crate::model::suggestion::Outcome;
use crate::model::trial::Group;
use crate::model::verdict::{RejectReason, Verdict};

fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let text = metrics.render();
    let line = text.lines().find(|l| l.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn every_name_of_the_contract_is_there_before_anything_happened() {
    let metrics = Metrics::new();
    metrics.set_gauges(true, &[gauges_of(3, Some(7), 1)]);
    for series in [
        "rekindle_records_total{verdict=\"applied\"}",
        "rekindle_rejections_total{reason=\"poison\"}",
        "rekindle_suggestions_total{kind=\"recovery\",plan=\"restore_kv\",status=\"open\"}",
        "rekindle_suggestions_total{kind=\"transfer\",plan=\"use_adapter\",status=\"revoked\"}",
        "rekindle_outcomes_total{outcome=\"restored\",plan=\"context_only\"}",
        "rekindle_sessions{status=\"expired\"}",
        "rekindle_event_to_commit_seconds_count",
        "rekindle_search_seconds_count",
        "rekindle_transaction_seconds_count",
        "rekindle_transactions_total{result=\"committed\"}",
        "rekindle_consumer_lag_records{partition=\"3\"}",
        "rekindle_restore_progress_ratio{partition=\"3\"}",
        "rekindle_saved_seconds_total{basis=\"reported\"}",
        "rekindle_saved_seconds_total{basis=\"inferred\"}",
        "rekindle_predicted_saved_seconds_total{basis=\"inferred\"}",
        "rekindle_restore_actual_to_predicted_ratio_count",
        "rekindle_gapped_sessions",
        "rekindle_ticks_total{result=\"failed\"}",
    ] {
        assert!(value(&metrics, series).is_some(), "{series} is missing from\n{}", metrics.render());
    }
    assert!(!metrics.render().contains("recompute\""), "recompute is never published");
}

#[test]
fn what_is_counted_shows_under_its_labels() {
    let metrics = Metrics::new();
    metrics.record(&Verdict::Rejected(RejectReason::TooLate));
    metrics.notice(&Notice::Suggestion("recovery", "restore_kv", "open"));
    metrics.notice(&Notice::Outcome(Group::HeldOut, "restore_kv", Outcome::Failed));
    metrics.notice(&Notice::Saved(1500.0, "reported"));
    metrics.notice(&Notice::Saved(-250.0, "reported"));
    metrics.notice(&Notice::Predicted(2000.0, "reported"));
    metrics.notice(&Notice::Restore(0.75));
    let turn = TurnFigures { input_tokens: 100, cached_tokens: Some(80), ttft_ms: Some(40.0) };
    metrics.notice(&Notice::GroupTurn(Group::Acted, turn));
    metrics.notice(&Notice::GroupTurn(Group::Acted, TurnFigures { cached_tokens: None, ttft_ms: None, ..turn }));
    metrics.notice(&Notice::Withheld("transfer", "use_adapter", "open"));
    metrics.notice(&Notice::Limited(RateScope::Tenant));
    metrics.transaction(TransactionResult::Unknown, std::time::Duration::from_millis(4));
    metrics.event_to_commit(-3.0);
    for (series, expected) in [
        ("rekindle_records_total{verdict=\"rejected\"}", 1.0),
        ("rekindle_rejections_total{reason=\"too_late\"}", 1.0),
        ("rekindle_suggestions_total{kind=\"recovery\",plan=\"restore_kv\",status=\"open\"}", 1.0),
        ("rekindle_outcomes_total{outcome=\"failed\",plan=\"restore_kv\"}", 1.0),
        ("rekindle_group_outcomes_total{group=\"held_out\",outcome=\"failed\",plan=\"restore_kv\"}", 1.0),
        ("rekindle_group_outcomes_total{group=\"acted\",outcome=\"failed\",plan=\"restore_kv\"}", 0.0),
        ("rekindle_group_turns_total{group=\"acted\"}", 2.0),
        ("rekindle_group_turns_total{group=\"held_out\"}", 0.0),
        ("rekindle_group_cached_tokens_total{group=\"acted\"}", 80.0),
        ("rekindle_group_input_tokens_total{group=\"acted\"}", 100.0),
        ("rekindle_group_ttft_seconds_sum{group=\"acted\"}", 0.04),
        ("rekindle_group_ttft_seconds_count{group=\"held_out\"}", 0.0),
        ("rekindle_suggestions_withheld_total{kind=\"transfer\",plan=\"use_adapter\",status=\"open\"}", 1.0),
        ("rekindle_suggestions_limited_total{scope=\"tenant\"}", 1.0),
        ("rekindle_suggestions_limited_total{scope=\"session\"}", 0.0),
        ("rekindle_saved_seconds_total{basis=\"reported\"}", 1.5),
        ("rekindle_lost_seconds_total{basis=\"reported\"}", 0.25),
        ("rekindle_predicted_saved_seconds_total{basis=\"reported\"}", 2.0),
        ("rekindle_restore_actual_to_predicted_ratio_sum", 0.75),
        ("rekindle_transactions_total{result=\"unknown\"}", 1.0),
        ("rekindle_event_to_commit_seconds_sum", 0.0),
    ] {
        assert_eq!(value(&metrics, series), Some(expected), "{series}");
    }
}

#[test]
fn gauges_are_summed_over_partitions_and_go_with_them() {
    let metrics = Metrics::new();
    metrics.set_gauges(true, &[gauges_of(0, Some(5), 2), gauges_of(1, None, 3)]);
    assert_eq!(value(&metrics, "rekindle_sessions{status=\"active\"}"), Some(5.0));
    assert_eq!(value(&metrics, "rekindle_consumer_lag_records{partition=\"0\"}"), Some(5.0));
    assert_eq!(value(&metrics, "rekindle_consumer_lag_records{partition=\"1\"}"), None);
    metrics.set_gauges(false, &[gauges_of(1, Some(9), 3)]);
    assert_eq!(value(&metrics, "rekindle_consumer_lag_records{partition=\"0\"}"), None);
    assert_eq!(value(&metrics, "rekindle_consumer_lag_records{partition=\"1\"}"), Some(9.0));
    assert_eq!(value(&metrics, "rekindle_sessions{status=\"active\"}"), Some(3.0));
    assert_eq!(value(&metrics, "rekindle_ready"), Some(0.0));
}

fn gauges_of(partition: i32, lag: Option<i64>, active: u64) -> PartitionGauges {
    let stats = EngineStats { sessions: [active, 0, 0, 0, 0], ..EngineStats::default() };
    PartitionGauges { partition: PartitionId(partition), lag, restored: 1.0, stats }
}
