//! Looks through every topic for what an erasure was to take: reads all bytes that are there, those of aborted
//! transactions too, and says which of them are the subject's. Reads only; writes nothing and joins no group.
//!
//! Twice: first for where the erasure lies and which sessions are the subject's, then for what holds something of it.

mod bounds;
mod facts;
mod report;
mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use super::cut::PAUSE;
use super::{FIRST_ANSWER, VerifyError};
use crate::engine::Topic;
use crate::kafka::admin::Admin;
use crate::kafka::reader::{Extent, StateReader};
use crate::kafka::registry::Registry;
use crate::model::event::ErasureScope;
use crate::model::ids::{SessionId, TenantId};
use crate::model::position::{Offset, PartitionId};
use crate::model::time::EventTime;
use crate::runtime::gone_within;
use crate::runtime::settings::{Generation, RuntimeSettings};
use crate::telemetry::wall_clock;
use bounds::Bounds;
use facts::facts;
use subject::Subject;

pub use report::{ErasedReport, Place, TopicReport, Verdict};

/// How long brokers may fail to say where a partition ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two words on how far it is, in records.
const TOLD_EVERY: u64 = 4096;

/// What was erased.
#[derive(Debug, Clone, PartialEq)]
pub struct Erased {
    /// Whose subject.
    pub tenant: TenantId,
    /// The subject.
    pub scope: ErasureScope,
    /// When that was asked for and where it lies in the input; `None`: the last erasure of the subject that is found.
    pub written: Option<(EventTime, Vec<Offset>)>,
}

/// One partition of one topic.
struct Log {
    /// Which topic of the report.
    at: usize,
    /// The output, or the input.
    topic: Option<Topic>,
    partition: PartitionId,
    extent: Extent,
}

struct Search<'a> {
    reader: StateReader,
    registry: Option<Registry>,
    names: Vec<String>,
    logs: Vec<Log>,
    subject: Subject,
    bounds: BTreeMap<PartitionId, Bounds>,
    progress: &'a dyn Fn(&str, u64, u64),
    done: u64,
    total: u64,
}

/// Looks for an erased subject in the topics of all generations. `progress` is told the topic, and how many offsets of how
/// many are passed.
pub fn search(
    settings: &RuntimeSettings,
    erased: Erased,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<ErasedReport, VerifyError> {
    let admin = Admin::new(&settings.kafka)?;
    let read_at = wall_clock().0;
    let mut search = Search::open(settings, &admin, erased, progress)?;
    search.learn()?;
    let mut report = ErasedReport {
        tenant: search.subject.tenant.to_string(),
        scope: search.subject.scope.label().to_owned(),
        occurred_at: search.bounds.values().filter_map(|bounds| bounds.asked.or(bounds.cut)).max().map(|at| at.0),
        read_at,
        sessions: search.subject.sessions.len(),
        ..ErasedReport::default()
    };
    report.topics = search.look()?;
    for topic in &mut report.topics {
        let [found] = admin.configurations([&topic.topic], FIRST_ANSWER)?;
        topic.conclude(gone_within(|name| found.get(name)).map(|ms| ms.0), read_at);
    }
    report.outcome = report.topics.iter().map(|topic| topic.verdict).max().unwrap_or_default();
    Ok(report)
}

impl<'a> Search<'a> {
    fn open(
        settings: &RuntimeSettings,
        admin: &Admin,
        erased: Erased,
        progress: &'a dyn Fn(&str, u64, u64),
    ) -> Result<Search<'a>, VerifyError> {
        let reader = StateReader::new(&settings.kafka).map_err(VerifyError::kafka("Kafka client"))?;
        let topics = topics(settings);
        let names: Vec<&str> = topics.iter().map(|(_, name)| name.as_str()).collect();
        let counts = admin.partition_counts(&names, FIRST_ANSWER)?;
        let own = settings.topics.names();
        let missing: Vec<_> = own.iter().filter(|name| counts[**name] == 0).map(|name| (*name).to_owned()).collect();
        if !missing.is_empty() {
            return Err(VerifyError::MissingTopics(missing));
        }
        let (mut logs, mut found) = (Vec::new(), Vec::new());
        for (topic, name) in topics.iter().filter(|(_, name)| counts[name.as_str()] > 0) {
            for partition in (0..counts[name.as_str()]).map(PartitionId) {
                logs.push(Log { at: found.len(), topic: *topic, partition, extent: extent(&reader, name, partition)? });
            }
            found.push(name.clone());
        }
        let Erased { tenant, scope, written } = erased;
        let mut bounds: BTreeMap<PartitionId, Bounds> =
            logs.iter().map(|log| (log.partition, Bounds::default())).collect();
        if let Some((asked, offsets)) = written {
            for (partition, bounds) in &mut bounds {
                let offset = usize::try_from(partition.0).ok().and_then(|n| offsets.get(n)).copied();
                *bounds = Bounds::known(asked, offset);
            }
        }
        let total = 2 * logs.iter().map(|log| super::span(log.extent.begin, log.extent.end)).sum::<u64>();
        let registry = settings.registry.url.as_deref().map(Registry::new);
        let subject = Subject::new(tenant, scope);
        Ok(Search { reader, registry, names: found, logs, subject, bounds, progress, done: 0, total })
    }

    /// Finds out where the erasure lies, and which sessions are the subject's.
    fn learn(&mut self) -> Result<(), VerifyError> {
        let given = self.bounds.values().any(|bounds| bounds.asked.is_some());
        let mut bounds = std::mem::take(&mut self.bounds);
        let mut seen: BTreeMap<PartitionId, BTreeSet<SessionId>> = BTreeMap::new();
        let mut own = BTreeSet::new();
        self.each(|search, log, message| {
            let facts = facts(log.topic, message, &search.subject.tenant, search.registry.as_ref());
            let held = bounds.entry(log.partition).or_default();
            if let Some((hash, cut, expires_at)) = facts.marker {
                held.mark(hash, cut, expires_at, timestamp(message));
                return;
            }
            if facts.tenant.as_ref() != Some(&search.subject.tenant) {
                return;
            }
            if log.topic.is_none() && !given && facts.erases.as_ref() == Some(&search.subject.scope) {
                held.found(Offset(message.offset()), facts.at.unwrap_or(timestamp(message)));
            }
            if let ErasureScope::User(user) = &search.subject.scope {
                // A suggestion names the session that it draws on behind its own, which may be another user's.
                own.extend(facts.sessions.first().filter(|_| facts.user.as_ref() == Some(user)).cloned());
                seen.entry(log.partition).or_default().extend(facts.sessions);
            }
        })?;
        let asked = bounds.values().filter_map(|bounds| bounds.asked).max();
        for (partition, bounds) in &mut bounds {
            bounds.asked = bounds.asked.or(asked);
            let seen = seen.remove(partition).unwrap_or_default();
            own.extend(bounds.settle(&self.subject.tenant, &self.subject.scope, &seen));
        }
        self.bounds = bounds;
        self.subject.add(own);
        Ok(())
    }

    /// Counts what is there of the subject.
    fn look(&mut self) -> Result<Vec<TopicReport>, VerifyError> {
        let named = |topic: &String| TopicReport { topic: topic.clone(), ..TopicReport::default() };
        let mut reports: Vec<TopicReport> = self.names.iter().map(named).collect();
        self.each(|search, log, message| {
            let report = &mut reports[log.at];
            report.records += 1;
            search.judge(log, message, report);
        })?;
        Ok(reports)
    }

    fn judge(&self, log: &Log, message: &BorrowedMessage<'_>, report: &mut TopicReport) {
        let facts = facts(log.topic, message, &self.subject.tenant, self.registry.as_ref());
        let texts = texts(message);
        if facts.marker.is_some() || !self.subject.may_name(&facts, &texts) {
            return;
        }
        let told = self.subject.is_told(&facts);
        if !told && !texts.iter().any(|text| self.subject.is_in(text)) {
            return;
        }
        let written = timestamp(message);
        let later = || !self.bounds.get(&log.partition).is_none_or(|bounds| bounds.precede(&facts, written));
        if message.payload().is_none() {
            report.tombstones += 1;
        } else if facts.erases.is_some() {
            report.erasures += 1;
        } else if later() {
            report.newer += 1;
        } else {
            let place = Place { partition: log.partition.0, offset: message.offset(), timestamp: written.0 };
            report.count(place, !told);
        }
    }

    /// Hands every record of every topic to `take`, once.
    fn each(&mut self, mut take: impl FnMut(&Search<'_>, &Log, &BorrowedMessage<'_>)) -> Result<(), VerifyError> {
        let mut done = self.done;
        for log in &self.logs {
            let (name, Extent { begin, end }) = (&self.names[log.at], log.extent);
            let mut count = 0u64;
            if end > begin {
                let read = self.reader.read_bytes(name, log.partition, end, |message| {
                    take(self, log, message);
                    count += 1;
                    if count.is_multiple_of(TOLD_EVERY) {
                        (self.progress)(name, done + super::span(begin, Offset(message.offset())), self.total);
                    }
                });
                read.map_err(VerifyError::kafka(format!("reading {name} partition {}", log.partition)))?;
            }
            done += super::span(begin, end);
            (self.progress)(name, done, self.total);
        }
        self.done = done;
        Ok(())
    }
}

/// Every topic that may be there: those of the configuration, and the state of other generations.
fn topics(settings: &RuntimeSettings) -> Vec<(Option<Topic>, String)> {
    let t = &settings.topics;
    let mut all = vec![(None, t.events.clone())];
    let sequences = [Topic::Recovery, Topic::Transfer, Topic::DeadLetters].into_iter().zip(t.sequences());
    let state_of = |settings: &RuntimeSettings| {
        let t = &settings.topics;
        [(Topic::States, &t.states), (Topic::Vectors, &t.vectors), (Topic::Bookkeeping, &t.bookkeeping)]
            .map(|(topic, name)| (Some(topic), name.clone()))
    };
    all.extend(state_of(settings));
    all.extend(sequences.map(|(topic, name)| (Some(topic), name.to_owned())));
    let others = (1..=Generation::MAX).filter(|number| *number != settings.generation.number);
    all.extend(others.flat_map(|number| state_of(&settings.clone().in_generation(number))));
    all
}

fn extent(reader: &StateReader, topic: &str, partition: PartitionId) -> Result<Extent, VerifyError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match reader.extent(topic, partition) {
            Err(fault) if Instant::now() > until => return Err(VerifyError::kafka(topic)(fault)),
            Err(_) => std::thread::sleep(PAUSE),
            Ok(extent) => return Ok(extent),
        }
    }
}

/// Everything in a record that could hold an id.
fn texts<'m>(message: &'m BorrowedMessage<'_>) -> Vec<&'m [u8]> {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter()).filter_map(|header| header.value);
    message.key().into_iter().chain(message.payload()).chain(headers).collect()
}

fn timestamp(message: &BorrowedMessage<'_>) -> EventTime {
    EventTime(message.timestamp().to_millis().unwrap_or(0))
}
