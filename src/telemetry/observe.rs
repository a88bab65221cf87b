//! How what happens is counted. Each method says when to call it; the names are next door.

use std::time::Duration;

use super::metrics::{Metrics, SAVED_BASES};
use super::results::{TickResult, TransactionResult};
use crate::engine::{EngineStats, Notice, TurnFigures};
use crate::model::position::PartitionId;
use crate::model::session::Status;
use crate::model::verdict::Verdict;

/// Gauges of one owned partition, as they stand when the metrics are read.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionGauges {
    /// The partition.
    pub partition: PartitionId,
    /// Records between its next offset and the end of the input, if known.
    pub lag: Option<i64>,
    /// Share of its restore that is done, 0..=1.
    pub restored: f64,
    /// Gauges of its engine.
    pub stats: EngineStats,
}

/// Counters since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// Input records, rejected ones included.
    pub records: u64,
    /// Rejected records.
    pub rejected: u64,
    /// Committed transactions.
    pub transactions: u64,
    /// Seconds saved.
    pub saved_seconds: f64,
}

impl Metrics {
    /// Counts one input record.
    pub fn record(&self, verdict: &Verdict) {
        self.records.with_label_values(&[verdict.label()]).inc();
        if let Verdict::Rejected(reason) = verdict {
            self.rejections.with_label_values(&[reason.label()]).inc();
        }
    }

    /// Counts one notice of the engine. Call once its batch is committed, so that a batch that is published
    /// again is not counted again.
    pub fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Suggestion(kind, plan, status) => self.suggestions.with_label_values(&[kind, plan, status]).inc(),
            Notice::Withheld(kind, plan, status) => self.withheld.with_label_values(&[kind, plan, status]).inc(),
            Notice::Outcome(group, plan, outcome) => {
                self.outcomes.with_label_values(&[plan, outcome.label()]).inc();
                self.groups.outcomes.with_label_values(&[group.label(), plan, outcome.label()]).inc();
            }
            Notice::GroupTurn(group, turn) => self.group_turn(group.label(), turn),
            Notice::Limited(scope) => self.limited.with_label_values(&[scope.label()]).inc(),
            Notice::Saved(ms, basis) => {
                let counter = if *ms < 0.0 { &self.times.lost } else { &self.times.saved };
                counter.with_label_values(&[basis]).inc_by(ms.abs() / 1000.0);
            }
            Notice::Predicted(ms, basis) => {
                self.times.predicted.with_label_values(&[basis]).inc_by(ms.max(0.0) / 1000.0)
            }
            Notice::Restore(ratio) => self.times.restore_ratio.observe(*ratio),
            Notice::UserConflict => self.user_conflicts.inc(),
            Notice::PrefixOverflow => self.prefix_overflows.inc(),
            Notice::Forgotten => self.forgotten.inc(),
            // Nothing to count.
            Notice::Ended(_) | Notice::Erased(_) => {}
        }
    }

    /// Turns that do not say what was cached are left out of both sums of tokens, so that their share stays one.
    fn group_turn(&self, group: &str, turn: &TurnFigures) {
        self.groups.turns.with_label_values(&[group]).inc();
        if let Some(cached) = turn.cached_tokens {
            self.groups.cached_tokens.with_label_values(&[group]).inc_by(cached);
            self.groups.input_tokens.with_label_values(&[group]).inc_by(turn.input_tokens);
        }
        if let Some(ms) = turn.ttft_ms {
            self.groups.ttft.with_label_values(&[group]).observe(ms / 1000.0);
        }
    }

    /// Counts an attempt to publish a batch, and how long it took from begin to its end.
    pub fn transaction(&self, result: TransactionResult, took: Duration) {
        self.transactions.with_label_values(&[result.label()]).inc();
        self.transaction.observe(took.as_secs_f64());
    }

    /// Observes the size of a committed batch.
    pub fn batch(&self, records: usize) {
        self.batch_records.observe(records as f64);
    }

    /// Observes broker timestamp → commit of one record. Clocks differ: below zero counts as zero.
    pub fn event_to_commit(&self, seconds: f64) {
        self.event_to_commit.observe(seconds.max(0.0));
    }

    /// Observes one recovery query. The engine itself reads no clock, so searches that a record sets off are
    /// part of event → commit instead.
    pub fn search(&self, took: Duration) {
        self.search.observe(took.as_secs_f64());
    }

    /// Observes one finished restore.
    pub fn restore(&self, took: Duration) {
        self.restore.observe(took.as_secs_f64());
    }

    /// Counts a caught panic.
    pub fn panic(&self) {
        self.panics.inc();
    }

    /// Counts what became of a tick.
    pub fn tick(&self, result: TickResult) {
        self.ticks.with_label_values(&[result.label()]).inc();
    }

    /// Counts a change of ownership.
    pub fn rebalance(&self) {
        self.rebalances.inc();
    }

    /// Sets every gauge from what the process owns now; partitions that are not named any more disappear.
    pub fn set_gauges(&self, ready: bool, partitions: &[PartitionGauges]) {
        self.ready.set(f64::from(u8::from(ready)));
        let total = |of: &dyn Fn(&EngineStats) -> u64| {
            let sum: u64 = partitions.iter().map(|p| of(&p.stats)).sum();
            i64::try_from(sum).unwrap_or(i64::MAX)
        };
        for (at, status) in Status::ALL.iter().enumerate() {
            self.sessions.with_label_values(&[status.label()]).set(total(&|s| s.sessions[at]));
        }
        self.gapped_sessions.set(total(&|s| s.gapped));
        self.open_suggestions.set(total(&|s| s.open_suggestions));
        self.prefix_blocks.set(total(&|s| s.prefix_blocks));
        self.prefix_left_out.set(total(&|s| s.prefix_left_out));
        // A poisoned lock only means that another scrape panicked: the set itself is whole.
        let mut shown = self.shown_partitions.lock().unwrap_or_else(|e| e.into_inner());
        for gone in std::mem::take(&mut *shown) {
            if partitions.iter().all(|p| p.partition != gone) {
                // An error says that there was no such label: the lag may never have been known.
                let _ = self.lag.remove_label_values(&[&gone.to_string()]);
                let _ = self.restore_progress.remove_label_values(&[&gone.to_string()]);
            }
        }
        for p in partitions {
            let label = p.partition.to_string();
            if let Some(lag) = p.lag {
                self.lag.with_label_values(&[&label]).set(lag);
            }
            self.restore_progress.with_label_values(&[&label]).set(p.restored);
            shown.insert(p.partition);
        }
    }

    /// The numbers the live page shows, of the whole process since its start.
    pub fn totals(&self) -> Totals {
        let records = Verdict::LABELS.iter().map(|v| self.records.with_label_values(&[v]).get());
        let saved = SAVED_BASES.iter().map(|b| self.times.saved.with_label_values(&[b]).get());
        Totals {
            records: records.sum(),
            rejected: self.records.with_label_values(&["rejected"]).get(),
            transactions: self.transactions.with_label_values(&[TransactionResult::Committed.label()]).get(),
            saved_seconds: saved.sum(),
        }
    }
}
