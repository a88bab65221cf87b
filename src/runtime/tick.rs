//! Time for partitions that nobody writes to. Stream time stands still without records, and with it every deadline; so
//! where one is due by the wall clock, a `tick` is appended to the partition's own input. It comes back like any other
//! record: time enters through the log alone, and a replay sees what the service saw.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::board::read;
use super::owned::{Owned, State};
use super::settings::RuntimeSettings;
use super::shard::Shard;
use crate::kafka::appender::Appender;
use crate::model::position::{Offset, PartitionId};
use crate::model::time::{EventTime, Millis};
use crate::telemetry::{TickResult, wall_clock};

/// Between two looks at the partitions.
const LOOK: Duration = Duration::from_millis(200);
/// How long a deadline must have passed. A tick counts from the earlier of our clock and the broker's; by so much the
/// broker's may be behind.
const MARGIN: Millis = Millis(1_000);
/// While ticks do not come back, the pause between them doubles so many times at most.
const DOUBLED: u32 = 6;

/// The key and tenant of what concerns all.
const ALL: &str = "*";

/// Watches for partitions without records.
pub(super) struct Ticks {
    after: Duration,
    /// Made when the first tick is due.
    appender: Option<Appender>,
    quiet: BTreeMap<PartitionId, Quiet>,
    looked_at: Instant,
}

/// A partition's place, since when it is there, and how many ticks were appended meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quiet {
    place: (Offset, Offset),
    since: Instant,
    ticks: u32,
}

impl Ticks {
    /// If the settings ask for them.
    pub fn new(settings: &RuntimeSettings) -> Option<Ticks> {
        let after = settings.tick_after?;
        Some(Ticks { after, appender: None, quiet: BTreeMap::new(), looked_at: Instant::now() })
    }

    /// Whether nothing happened to the partition for as long as it takes. `place`: its next offset and the input's end.
    /// They may differ by what nobody reads, as ends of producers' transactions; while records come, they do not stand
    /// still.
    fn is_quiet(&mut self, partition: PartitionId, place: (Offset, Offset), now: Instant) -> bool {
        let quiet = self.quiet.entry(partition).or_insert(Quiet { place, since: now, ticks: 0 });
        if quiet.place != place {
            // Our own tick moves the end before it is read.
            let ticks = if quiet.place.0 == place.0 { quiet.ticks } else { 0 };
            *quiet = Quiet { place, since: now, ticks };
        }
        now.duration_since(quiet.since) >= self.after.saturating_mul(1 << quiet.ticks.min(DOUBLED))
    }

    /// Notes a tick: the next one has to wait.
    fn ticked(&mut self, partition: PartitionId, now: Instant) {
        if let Some(quiet) = self.quiet.get_mut(&partition) {
            (quiet.since, quiet.ticks) = (now, quiet.ticks + 1);
        }
    }
}

impl Shard {
    /// Appends a tick to each quiet partition with a deadline that is due. What fails is counted and tried again.
    pub fn tick(&mut self) {
        let Some(ticks) = &mut self.ticks else { return };
        let now = Instant::now();
        if now.duration_since(ticks.looked_at) < LOOK {
            return;
        }
        ticks.looked_at = now;
        for appended in ticks.appender.iter().flat_map(Appender::appended) {
            match appended.fault {
                None => self.shared.metrics.tick(TickResult::Appended),
                Some(cause) => {
                    tracing::warn!(partition = appended.partition.0, %cause, "a tick could not be appended");
                    self.shared.metrics.tick(TickResult::Failed);
                }
            }
        }
        ticks.quiet.retain(|partition, _| self.owned.contains_key(partition));
        let clock = wall_clock();
        for (&partition, owned) in &self.owned {
            let Some(place) = place(owned) else {
                ticks.quiet.remove(&partition);
                continue;
            };
            if !ticks.is_quiet(partition, place, now) || !is_due(owned, clock) {
                continue;
            }
            ticks.ticked(partition, now);
            if let Err(cause) = append(ticks, &self.shared.settings, partition, place.0, clock) {
                tracing::warn!(partition = partition.0, %cause, "a tick could not be appended");
                self.shared.metrics.tick(TickResult::Failed);
            }
        }
    }
}

/// The next offset of a partition that waits for records, and the end of its input.
fn place(owned: &Owned) -> Option<(Offset, Offset)> {
    let State::Folding(folding) = &owned.state else { return None };
    let waits = folding.waits_until.is_none() && folding.rebuild.is_none() && folding.part.is_empty();
    Some((folding.next, owned.slot.input_end()?)).filter(|_| waits)
}

/// Whether the engine waits for an instant that has passed.
fn is_due(owned: &Owned, clock: EventTime) -> bool {
    let State::Folding(folding) = &owned.state else { return false };
    read(&folding.engine).next_deadline().is_some_and(|deadline| deadline <= clock.minus(MARGIN))
}

fn append(
    ticks: &mut Ticks,
    settings: &RuntimeSettings,
    partition: PartitionId,
    next: Offset,
    clock: EventTime,
) -> Result<(), rdkafka::error::KafkaError> {
    let appender = match &mut ticks.appender {
        Some(appender) => appender,
        none => none.insert(Appender::new(&settings.kafka)?),
    };
    tracing::debug!(partition = partition.0, next_offset = next.0, "appending a tick");
    appender.append(&settings.topics.events, partition, ALL.as_bytes(), event(partition, next, clock).as_bytes())
}

/// The event. Two owners of one moment name it the same.
fn event(partition: PartitionId, next: Offset, clock: EventTime) -> String {
    format!(r#"{{"event_id":"tick-{partition}-{next}","tenant_id":"{ALL}","occurred_at":{clock},"type":"tick"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_quiet_once_nothing_moves_and_ticks_that_do_not_come_back_grow_rare() {
        let (p, start) = (PartitionId(3), Instant::now());
        let after = Duration::from_secs(2);
        let mut ticks = Ticks { after, appender: None, quiet: BTreeMap::new(), looked_at: start };
        let mut quiet = |next: i64, end: i64, second: u64, ticked: bool| {
            let now = start + Duration::from_secs(second);
            let quiet = ticks.is_quiet(p, (Offset(next), Offset(end)), now);
            if ticked {
                ticks.ticked(p, now);
            }
            quiet
        };
        assert!(!quiet(5, 5, 0, false), "just seen");
        assert!(!quiet(5, 5, 1, false));
        assert!(quiet(5, 5, 2, true), "the tick is on its way");
        assert!(!quiet(5, 6, 3, false) && !quiet(5, 6, 6, false), "its end is seen before it is read");
        assert!(quiet(5, 6, 7, true), "lost: twice the pause");
        assert!(!quiet(5, 6, 14, false) && quiet(5, 6, 15, false), "four times");
        assert!(!quiet(7, 7, 16, false) && !quiet(7, 7, 17, false) && quiet(7, 7, 18, false), "both came back");
        assert!(!quiet(7, 9, 19, false), "records came");
    }

    #[test]
    fn a_tick_is_an_event_that_the_engine_takes() {
        use crate::engine::{Effects, Engine, EngineSettings, Record};
        use crate::model::position::Position;
        use crate::model::verdict::Verdict;
        let mut engine = Engine::new(EngineSettings::default().into(), PartitionId(1), 4);
        let value = event(PartitionId(1), Offset(7), EventTime(1_762_340_000_000));
        let record = Record {
            position: Position { partition: PartitionId(1), offset: Offset(7) },
            timestamp: Some(EventTime(1_762_339_999_000)),
            key: Some(ALL.as_bytes()),
            value: Some(value.as_bytes()),
            traceparent: None,
            writer: None,
        };
        assert_eq!(engine.process(record, &mut Effects::new()), Verdict::Applied);
        assert_eq!(engine.stream_time(), EventTime(1_762_339_999_000));
    }
}
