//! What can be said without a replay: whether the state can be restored, and whether the group has consumed what the
//! input held when the verification began. A log's end counts the markers of transactions, which nobody consumes: only
//! a record that can be read behind the group's offset shows that it is behind.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::Message;

use super::cut::{PAUSE, Reading, Snapshot};
use super::report::InputReport;
use super::table::parts;
use super::{Stage, VerifyError, span};
use crate::engine::Restoring;
use crate::kafka::groups::Groups;
use crate::kafka::reader::Extent;
use crate::model::position::Offset;

impl Reading<'_> {
    /// Looks at the input, and waits for a group that has members to consume it.
    pub fn input(&self, groups: &mut Groups) -> Result<InputReport, VerifyError> {
        let topic = &self.settings.topics.events;
        let extent = self.settled(topic)?;
        let mut report = InputReport { begin: extent.begin.0, end: extent.end.0, ..InputReport::default() };
        let until = Instant::now() + self.request.patience;
        let mut known = None;
        loop {
            let group = self.persevere("group offset", || self.reader.group_offset(topic, self.partition))?;
            let next = match group {
                Some(offset) => offset,
                // Offsets of a group that does nothing expire; then a service goes on at its checkpoint.
                None => self.books(&self.settings.topics.bookkeeping)?.next_offset(),
            };
            let next = next.max(extent.begin);
            if next >= extent.end {
                return Ok(InputReport { behind: 0, first_behind: None, ..report });
            }
            // Counted anew only when the group has moved.
            if known != Some(next) {
                known = Some(next);
                (report.behind, report.first_behind) = self.readable(Extent { begin: next, ..extent })?;
            }
            if report.behind == 0 {
                return Ok(report);
            }
            self.tell(Stage::Waiting, span(extent.begin, next), span(extent.begin, extent.end));
            let id = &self.settings.kafka.group_id;
            if Instant::now() > until || self.persevere("group", || groups.members(id))? == 0 {
                return Ok(report);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// How many readable records lie there, and the first.
    fn readable(&self, extent: Extent) -> Result<(u64, Option<i64>), VerifyError> {
        let topic = &self.settings.topics.events;
        let failed = || VerifyError::kafka(format!("reading {topic}"));
        let mut reader = self.open(topic, extent)?;
        let (mut count, mut first) = (0, None);
        while let Some(offset) = reader.next(|message| message.offset()).map_err(failed())? {
            first.get_or_insert(offset);
            count += 1;
        }
        Ok((count, first))
    }

    /// The first readable record there.
    pub fn first_record(&self, extent: Extent) -> Result<Option<Offset>, VerifyError> {
        let topic = &self.settings.topics.events;
        let mut reader = self.open(topic, extent)?;
        let first = reader.next(|message| Offset(message.offset()));
        first.map_err(VerifyError::kafka(format!("reading {topic}")))
    }

    /// What can be said of the state without a replay: whether a service could be restored from it.
    pub fn restorable(&self, snapshot: &Snapshot, count: i32) -> Result<Option<String>, VerifyError> {
        if snapshot.from != snapshot.to {
            return Ok(None);
        }
        let mut restoring = Restoring::new(Arc::clone(&self.settings.engine), self.partition, count);
        for (role, topic) in self.settings.topics.state() {
            let extent = self.settled(topic)?;
            if extent.end > extent.begin {
                let read = self.reader.read(topic, self.partition, |message| {
                    if let Some(message) = message {
                        let body = parts(message).map(|(body, _)| body);
                        restoring.apply(role, message.key().unwrap_or_default(), body);
                    }
                    true
                });
                read.map_err(VerifyError::kafka(format!("reading {topic}")))?;
            }
        }
        let Err(fault) = restoring.finish(snapshot.group) else { return Ok(None) };
        // If something was published meanwhile, the topics were read at different times.
        let moved = self.snapshot()?.to != snapshot.to;
        Ok((!moved).then(|| format!("no service can be restored from the state: {fault}")))
    }
}
