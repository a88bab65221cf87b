//! One partition's part of a batch: its effects until their commit is known, and when a batch is full.

use std::time::{Duration, Instant};

use super::settings::BatchSettings;
use crate::engine::Effects;
use crate::model::time::EventTime;
use crate::model::verdict::Verdict;

/// Effects of one partition's records since the last commit.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// What to publish.
    pub effects: Effects,
    /// What became of each record, with the broker's timestamp.
    pub verdicts: Vec<(Verdict, Option<EventTime>)>,
    /// Bytes of the input records.
    pub bytes: usize,
    /// Whether the checkpoint is among the effects.
    pub sealed: bool,
    forced: bool,
    oldest: Option<Instant>,
}

impl Part {
    /// Counts a processed record.
    pub fn took(&mut self, verdict: Verdict, timestamp: Option<EventTime>, bytes: usize) {
        self.verdicts.push((verdict, timestamp));
        self.bytes += bytes;
        self.oldest.get_or_insert_with(Instant::now);
    }

    /// Has to be committed although no record was processed.
    pub fn force(&mut self) {
        self.forced = true;
        self.oldest.get_or_insert_with(Instant::now);
    }

    /// Nothing has to be committed.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty() && !self.forced
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.effects.clear();
        self.verdicts.clear();
        self.bytes = 0;
        self.sealed = false;
        self.forced = false;
        self.oldest = None;
    }
}

/// What a worker's batch holds over all its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Filling {
    /// Records.
    pub records: usize,
    /// Bytes of input or of output, whichever is more.
    pub bytes: usize,
    /// When its oldest record was processed.
    pub oldest: Option<Instant>,
}

impl Filling {
    /// Adds one partition's part.
    pub fn add(mut self, part: &Part) -> Filling {
        self.records += part.verdicts.len();
        self.bytes += part.bytes.max(part.effects.bytes());
        self.oldest = match (self.oldest, part.oldest) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }
}

/// Decides when to publish: at once while little comes in, in larger batches under load.
#[derive(Debug)]
pub(super) struct Pacing {
    settings: BatchSettings,
    /// Records of recent batches, smoothed.
    recent: f64,
    published: Option<Instant>,
}

impl Pacing {
    /// Nothing published yet.
    pub fn new(settings: BatchSettings) -> Pacing {
        Pacing { settings, recent: 0.0, published: None }
    }

    /// Notes a commit of `records`.
    pub fn committed(&mut self, records: usize, now: Instant) {
        self.recent = 0.8 * self.recent + 0.2 * records as f64;
        self.published = Some(now);
    }

    /// How long to go on collecting: zero when the batch must be published now. `more`: whether the last
    /// poll brought a record, so that the next may.
    pub fn wait(&self, filling: &Filling, more: bool, now: Instant) -> Duration {
        let Some(oldest) = filling.oldest else { return Duration::MAX };
        if filling.records >= self.settings.max_records || filling.bytes >= self.settings.max_bytes {
            return Duration::ZERO;
        }
        let age_left = (oldest + self.settings.max_age).saturating_duration_since(now);
        if more {
            return age_left;
        }
        let due = self.published.map_or(now, |at| at + self.pause());
        due.saturating_duration_since(now).min(age_left)
    }

    /// Pause between transactions: none for small batches, all of it from a tenth of the largest on.
    fn pause(&self) -> Duration {
        let tenth = (self.settings.max_records as f64 / 10.0).max(1.0);
        self.settings.min_interval.mul_f64(((self.recent - 1.0) / tenth).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BatchSettings {
        BatchSettings {
            max_records: 100,
            max_bytes: 1000,
            max_age: Duration::from_millis(50),
            min_interval: Duration::from_millis(10),
        }
    }

    #[test]
    fn a_batch_waits_for_company_only_under_load() {
        let start = Instant::now();
        let idle = Pacing::new(settings());
        let mut loaded = Pacing::new(settings());
        (0..50).for_each(|_| loaded.committed(90, start));
        let one = Filling { records: 1, bytes: 10, oldest: Some(start) };
        let ms = Duration::from_millis;
        for (name, pacing, filling, more, at, expected) in [
            ("empty", &idle, Filling::default(), false, start, Duration::MAX),
            ("idle: at once", &idle, one, false, start, Duration::ZERO),
            ("more is there", &idle, one, true, start, ms(50)),
            ("loaded: a pause", &loaded, one, false, start, ms(10)),
            ("the pause is over", &loaded, one, false, start + ms(10), Duration::ZERO),
            ("too old", &loaded, one, true, start + ms(50), Duration::ZERO),
            ("full of records", &loaded, Filling { records: 100, ..one }, true, start, Duration::ZERO),
            ("full of bytes", &loaded, Filling { bytes: 1000, ..one }, true, start, Duration::ZERO),
        ] {
            assert_eq!(pacing.wait(&filling, more, at), expected, "{name}");
        }
    }
}
