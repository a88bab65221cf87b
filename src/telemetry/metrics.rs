//! Every metric's name, label set and meaning, but for those of the HTTP edge next door. Counts what others report;
//! never decides anything, and never carries a tenant, session or user in a label.

use std::collections::BTreeSet;
use std::sync::Mutex;

use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use super::edge::Edge;
use super::results::{TickResult, TransactionResult};
use crate::engine::RateScope;
use crate::model::position::PartitionId;
use crate::model::session::Status;
use crate::model::suggestion::{Outcome, RecoveryPlan, TransferPlan};
use crate::model::trial::Group;
use crate::model::verdict::{RejectReason, Verdict};

/// Content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Publication statuses, as `rekindle_suggestions_total` labels them.
const PUBLICATION_STATUSES: [&str; 3] = ["open", "revoked", "closed"];
/// Bases of saved time.
pub(super) const SAVED_BASES: [&str; 2] = ["reported", "inferred"];

const LATENCY_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
const SEARCH_BUCKETS: [f64; 12] =
    [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25];
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0, 1000.0];
const RATIO_BUCKETS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0, 10.0, 20.0, 50.0];
const RESTORE_BUCKETS: [f64; 10] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0];

/// All metrics of a process, with a registry of their own.
pub struct Metrics {
    registry: Registry,
    pub(super) records: IntCounterVec,
    pub(super) rejections: IntCounterVec,
    pub(super) suggestions: IntCounterVec,
    pub(super) outcomes: IntCounterVec,
    pub(super) withheld: IntCounterVec,
    pub(super) limited: IntCounterVec,
    pub(super) groups: Groups,
    pub(super) times: Times,
    pub(super) edge: Edge,
    pub(super) transactions: IntCounterVec,
    pub(super) event_to_commit: Histogram,
    pub(super) search: Histogram,
    pub(super) transaction: Histogram,
    pub(super) batch_records: Histogram,
    pub(super) restore: Histogram,
    pub(super) sessions: IntGaugeVec,
    pub(super) gapped_sessions: IntGauge,
    pub(super) open_suggestions: IntGauge,
    pub(super) prefix_blocks: IntGauge,
    pub(super) prefix_left_out: IntGauge,
    pub(super) lag: IntGaugeVec,
    pub(super) restore_progress: GaugeVec,
    pub(super) ready: Gauge,
    pub(super) user_conflicts: IntCounter,
    pub(super) prefix_overflows: IntCounter,
    pub(super) forgotten: IntCounter,
    pub(super) panics: IntCounter,
    pub(super) rebalances: IntCounter,
    pub(super) ticks: IntCounterVec,
    pub(super) shown_partitions: Mutex<BTreeSet<PartitionId>>,
}

impl Metrics {
    /// All metrics; closed label sets stand at zero from the start, so that a rate over them never misses
    /// its first increase.
    pub fn new() -> Metrics {
        let r = &Registry::new();
        let metrics = Metrics {
            records: counters(r, "records_total", "Input records by what became of them.", &["verdict"]),
            rejections: counters(r, "rejections_total", "Rejected input records by reason.", &["reason"]),
            suggestions: counters(
                r,
                "suggestions_total",
                "Suggestions, withheld ones too.",
                &["kind", "plan", "status"],
            ),
            withheld: counters(
                r,
                "suggestions_withheld_total",
                "Suggestions that were not published: held out, or in shadow mode.",
                &["kind", "plan", "status"],
            ),
            limited: counters(r, "suggestions_limited_total", "Suggestions not opened for a limit.", &["scope"]),
            outcomes: counters(r, "outcomes_total", "Suggestions whose life ended.", &["plan", "outcome"]),
            groups: Groups::new(r),
            times: Times::new(r),
            edge: Edge::new(r),
            transactions: counters(r, "transactions_total", "Attempts to publish a batch by result.", &["result"]),
            event_to_commit: histogram(
                r,
                "event_to_commit_seconds",
                "From the broker's timestamp of a record to the commit of its effects.",
                &LATENCY_BUCKETS,
            ),
            search: histogram(
                r,
                "search_seconds",
                "One recovery query, with its search of the vector index.",
                &SEARCH_BUCKETS,
            ),
            transaction: histogram(r, "transaction_seconds", "From begin to commit or abort.", &LATENCY_BUCKETS),
            batch_records: histogram(r, "batch_records", "Input records in a published batch.", &BATCH_BUCKETS),
            restore: histogram(r, "restore_seconds", "Restoring one partition.", &RESTORE_BUCKETS),
            sessions: gauges(r, "sessions", "Sessions held, by status.", &["status"]),
            gapped_sessions: gauge(r, "gapped_sessions", "Sessions with a producer's events missing."),
            open_suggestions: gauge(r, "open_suggestions", "Suggestions that hold now."),
            prefix_blocks: gauge(r, "prefix_blocks", "Blocks of prefix chains that are indexed."),
            prefix_left_out: gauge(r, "prefix_left_out_sessions", "Sessions whose chains are left out of that index."),
            lag: gauges(r, "consumer_lag_records", "Input records not yet processed.", &["partition"]),
            restore_progress: registered(
                r,
                GaugeVec::new(
                    opts("restore_progress_ratio", "Share of a partition's restore that is done, 0 to 1."),
                    &["partition"],
                ),
            ),
            ready: registered(r, Gauge::with_opts(opts("ready", "1 if ready, else 0."))),
            user_conflicts: counter(r, "user_conflicts_total", "Events that named another user than the session's."),
            prefix_overflows: counter(r, "prefix_overflows_total", "Sessions whose oldest prefix segments were cut."),
            forgotten: counter(r, "forgotten_sessions_total", "Sessions forgotten after the retention."),
            panics: counter(r, "panics_total", "Panics caught while processing a record."),
            rebalances: counter(r, "rebalances_total", "Changes of the partitions this process owns."),
            ticks: counters(r, "ticks_total", "Ticks for partitions without records.", &["result"]),
            shown_partitions: Mutex::default(),
            registry: r.clone(),
        };
        metrics.start_at_zero();
        metrics
    }

    fn start_at_zero(&self) {
        for verdict in Verdict::LABELS {
            self.records.with_label_values(&[verdict]);
        }
        for reason in RejectReason::ALL {
            self.rejections.with_label_values(&[reason.label()]);
        }
        let recovery = RecoveryPlan::ALL.iter().filter(|p| **p != RecoveryPlan::Recompute);
        let recovery = recovery.map(|p| ("recovery", p.label()));
        for (kind, plan) in recovery.chain(TransferPlan::ALL.iter().map(|p| ("transfer", p.label()))) {
            for status in PUBLICATION_STATUSES {
                self.suggestions.with_label_values(&[kind, plan, status]);
                self.withheld.with_label_values(&[kind, plan, status]);
            }
            for outcome in Outcome::ALL {
                self.outcomes.with_label_values(&[plan, outcome.label()]);
                for group in Group::ALL {
                    self.groups.outcomes.with_label_values(&[group.label(), plan, outcome.label()]);
                }
            }
        }
        for scope in RateScope::ALL {
            self.limited.with_label_values(&[scope.label()]);
        }
        for result in TransactionResult::ALL {
            self.transactions.with_label_values(&[result.label()]);
        }
        for result in TickResult::ALL {
            self.ticks.with_label_values(&[result.label()]);
        }
        for status in Status::ALL {
            self.sessions.with_label_values(&[status.label()]);
        }
        let build = gauges(&self.registry, "build_info", "Always 1; the labels say what runs.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    }

    /// The text exposition of all metrics.
    pub fn render(&self) -> String {
        // Encoding into a string cannot fail: the registry checked names and labels on registration.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

/// What compares sessions whose suggestions were published with those whose were withheld.
pub(super) struct Groups {
    pub(super) outcomes: IntCounterVec,
    pub(super) turns: IntCounterVec,
    pub(super) cached_tokens: IntCounterVec,
    pub(super) input_tokens: IntCounterVec,
    pub(super) ttft: HistogramVec,
}

impl Groups {
    fn new(r: &Registry) -> Groups {
        let ttft = HistogramOpts::from(opts("group_ttft_seconds", "Their time to the first token."));
        let ttft = ttft.buckets(LATENCY_BUCKETS.to_vec());
        let groups = Groups {
            outcomes: counters(
                r,
                "group_outcomes_total",
                "Suggestions whose life ended, by group.",
                &["group", "plan", "outcome"],
            ),
            turns: counters(r, "group_turns_total", "Next turns of sessions with an open recovery.", &["group"]),
            cached_tokens: counters(r, "group_cached_tokens_total", "Of their input, found in cache.", &["group"]),
            input_tokens: counters(r, "group_input_tokens_total", "Their input, in tokens.", &["group"]),
            ttft: registered(r, HistogramVec::new(ttft, &["group"])),
        };
        for group in Group::ALL {
            for counter in [&groups.turns, &groups.cached_tokens, &groups.input_tokens] {
                counter.with_label_values(&[group.label()]);
            }
            groups.ttft.with_label_values(&[group.label()]);
        }
        groups
    }
}

/// Time that suggestions were to save, and did.
pub(super) struct Times {
    pub(super) saved: CounterVec,
    pub(super) lost: CounterVec,
    pub(super) predicted: CounterVec,
    pub(super) restore_ratio: Histogram,
}

impl Times {
    fn new(r: &Registry) -> Times {
        let predicted = "Time that suggestions were predicted to save, where the time saved is known.";
        let ratio = "Reported time of a restore by the predicted one.";
        let times = Times {
            saved: seconds(r, "saved_seconds_total", "Time saved by suggestions that were acted on."),
            lost: seconds(r, "lost_seconds_total", "Time suggestions cost beyond computing anew."),
            predicted: seconds(r, "predicted_saved_seconds_total", predicted),
            restore_ratio: histogram(r, "restore_actual_to_predicted_ratio", ratio, &RATIO_BUCKETS),
        };
        for counter in [&times.saved, &times.lost, &times.predicted] {
            SAVED_BASES.iter().for_each(|basis| _ = counter.with_label_values(&[basis]));
        }
        times
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

/// `name` with the product's prefix.
fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("rekindle")
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    // Names and labels are constants of this file and each is registered once; the tests build them all.
    let collector = made.expect("constant name and labels");
    registry.register(Box::new(collector.clone())).expect("each name is registered once");
    collector
}

pub(super) fn counters(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(r, IntCounterVec::new(opts(name, help), labels))
}

fn counter(r: &Registry, name: &str, help: &str) -> IntCounter {
    registered(r, IntCounter::with_opts(opts(name, help)))
}

fn seconds(r: &Registry, name: &str, help: &str) -> CounterVec {
    registered(r, CounterVec::new(opts(name, help), &["basis"]))
}

pub(super) fn gauge(r: &Registry, name: &str, help: &str) -> IntGauge {
    registered(r, IntGauge::with_opts(opts(name, help)))
}

fn gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(r, IntGaugeVec::new(opts(name, help), labels))
}

pub(super) fn histograms(r: &Registry, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    registered(r, HistogramVec::new(HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec()), labels))
}

fn histogram(r: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
    registered(r, Histogram::with_opts(opts))
}
