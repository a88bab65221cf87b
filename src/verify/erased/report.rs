//! What was found of an erased subject, as it is written out: the shape is documented in docs/operations.md.

use serde::Serialize;

/// The answer for a topic. Of several the last one here counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing of the subject can be read.
    #[default]
    Gone,
    /// Something can, and the topic's settings let it stay until `gone_by`, which is still to come.
    Expected,
    /// Something can, and ought to be gone.
    Overdue,
    /// Something can, and the topic's settings never let it go.
    Kept,
}

/// What was found, over all topics.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ErasedReport {
    /// The topics' gravest.
    pub outcome: Verdict,
    /// Whose subject.
    pub tenant: String,
    /// `session`, `user` or `tenant`.
    pub scope: String,
    /// When the erasure was asked for, ms; null if none is known any more: then everything counts.
    pub occurred_at: Option<i64>,
    /// When the reading began, ms: what was written later was not looked at.
    pub read_at: i64,
    /// The sessions that are known to be the subject's; of a tenant not counted.
    pub sessions: usize,
    /// Each topic.
    pub topics: Vec<TopicReport>,
}

/// What was found in one topic.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TopicReport {
    /// Its name.
    pub topic: String,
    /// The answer for it.
    pub verdict: Verdict,
    /// Records read, those of aborted transactions included.
    pub records: u64,
    /// Of these, records that hold something of the subject from before the erasure.
    pub found: u64,
    /// Of these, those whose key and fields do not say so: an id lies somewhere in their bytes.
    pub by_bytes: u64,
    /// The first and the last of what was found, by the time of writing.
    pub first: Option<Place>,
    /// See `first`.
    pub last: Option<Place>,
    /// Records that only say that something is deleted: the key names a session, the value is null.
    pub tombstones: u64,
    /// Events that ask for an erasure of the subject, and name it.
    pub erasures: u64,
    /// Records of the subject that came after the erasure.
    pub newer: u64,
    /// How long the topic keeps what was written last; null: it may keep it for ever.
    pub gone_within_ms: Option<i64>,
    /// Until when what was found may be there, ms.
    pub gone_by: Option<i64>,
    /// Why that is not known.
    pub reason: Option<String>,
}

/// Where a record lies, and when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// The record's timestamp, ms.
    pub timestamp: i64,
}

impl TopicReport {
    /// Counts a record that holds something of the subject.
    pub(super) fn count(&mut self, place: Place, by_bytes: bool) {
        self.found += 1;
        self.by_bytes += u64::from(by_bytes);
        if self.first.is_none_or(|first| place.timestamp < first.timestamp) {
            self.first = Some(place);
        }
        if self.last.is_none_or(|last| place.timestamp >= last.timestamp) {
            self.last = Some(place);
        }
    }

    /// Judges what was counted, at this instant.
    pub(super) fn conclude(&mut self, gone_within: Result<i64, String>, now: i64) {
        (self.gone_within_ms, self.reason) = match gone_within {
            Ok(ms) => (Some(ms), None),
            Err(why) => (None, Some(why)),
        };
        self.gone_by = self.last.zip(self.gone_within_ms).map(|(last, ms)| last.timestamp.saturating_add(ms));
        self.verdict = match (self.found, self.gone_by) {
            (0, _) => Verdict::Gone,
            (_, None) => Verdict::Kept,
            (_, Some(by)) if by > now => Verdict::Expected,
            (_, Some(_)) => Verdict::Overdue,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_judged_by_its_last_copy_and_its_settings() {
        let place = |timestamp| Place { partition: 0, offset: timestamp, timestamp };
        let check = |at: &[i64], within: Result<i64, &str>, verdict, gone_by| {
            let mut report = TopicReport::default();
            at.iter().for_each(|at| report.count(place(*at), false));
            report.conclude(within.map_err(str::to_owned), 1_000);
            assert_eq!((report.verdict, report.gone_by), (verdict, gone_by), "{at:?}");
            assert_eq!(report.last, at.iter().max().map(|at| place(*at)));
            assert_eq!(report.first, at.iter().min().map(|at| place(*at)));
        };
        check(&[], Ok(10), Verdict::Gone, None);
        check(&[], Err("for ever"), Verdict::Gone, None);
        check(&[7, 999, 3], Ok(10), Verdict::Expected, Some(1_009));
        check(&[990], Ok(10), Verdict::Overdue, Some(1_000));
        check(&[5], Err("for ever"), Verdict::Kept, None);
    }
}
