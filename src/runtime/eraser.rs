//! Writes erasures to the input, as a producer of events would: state changes through the log alone. Which partitions a
//! subject's events lie in nobody here knows for certain, so an erasure goes to every one. Never on a worker's thread.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::engine::validate::home_partition;
use crate::http::port::{Erasure, NotWritten};
use crate::kafka::appender::Appender;
use crate::kafka::settings::KafkaSettings;
use crate::model::event::ErasureScope;
use crate::model::ids::TenantId;
use crate::model::position::{Offset, PartitionId};

/// How long an erasure may take, waiting for others before it included: less than a request may.
const PATIENCE: Duration = Duration::from_secs(8);
/// Between two looks at what became of records.
const LOOK: Duration = Duration::from_millis(20);
/// Keys tried for each partition on average; a few suffice.
const KEYS_EACH: usize = 1_000;

/// The input, to write to.
pub(super) struct Eraser {
    kafka: KafkaSettings,
    topic: String,
    partitions: i32,
    /// Made with the first erasure, and given up with one that fails, so that nothing of it comes later.
    appender: Mutex<Option<Appender>>,
}

impl Eraser {
    /// No broker is asked yet.
    pub fn new(kafka: KafkaSettings, topic: String, partitions: i32) -> Eraser {
        Eraser { kafka, topic, partitions, appender: Mutex::default() }
    }

    /// Appends an erasure to every partition; where it lies in each.
    pub fn erase(&self, erasure: &Erasure) -> Result<Vec<Offset>, NotWritten> {
        let until = Instant::now() + PATIENCE;
        let keys = keys(&erasure.tenant, self.partitions)
            .ok_or_else(|| NotWritten("no key of the tenant belongs to some partition".to_owned()))?;
        let mut held = self.appender.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() >= until {
            return Err(NotWritten("others are being written".to_owned()));
        }
        let appender = match held.take() {
            Some(appender) => appender,
            None => Appender::new(&self.kafka).map_err(|cause| NotWritten(cause.to_string()))?,
        };
        let value = event(erasure);
        for (partition, key) in (0..).map(PartitionId).zip(&keys) {
            let appended = appender.append(&self.topic, partition, key.as_bytes(), value.as_bytes());
            appended.map_err(|cause| NotWritten(format!("partition {partition}: {cause}")))?;
        }
        let offsets = written(&appender, keys.len(), until)?;
        *held = Some(appender);
        Ok(offsets)
    }
}

/// Waits for every record.
fn written(appender: &Appender, count: usize, until: Instant) -> Result<Vec<Offset>, NotWritten> {
    let mut offsets: Vec<Option<Offset>> = vec![None; count];
    loop {
        for appended in appender.appended_within(LOOK) {
            if let Some(cause) = appended.fault {
                return Err(NotWritten(format!("partition {}: {cause}", appended.partition)));
            }
            if let Some(offset) = usize::try_from(appended.partition.0).ok().and_then(|n| offsets.get_mut(n)) {
                *offset = Some(appended.offset);
            }
        }
        match offsets.iter().copied().collect::<Option<Vec<_>>>() {
            Some(offsets) => return Ok(offsets),
            None if Instant::now() < until => {}
            None => return Err(NotWritten(format!("not all within {} s", PATIENCE.as_secs()))),
        }
    }
}

/// A key of the tenant for each partition: the tenant where that belongs, else `tenant#n` with the smallest n.
fn keys(tenant: &TenantId, partitions: i32) -> Option<Vec<String>> {
    let count = usize::try_from(partitions).ok()?.max(1);
    let mut keys: Vec<Option<String>> = vec![None; count];
    let mut missing = count;
    let numbered = (0..count.saturating_mul(KEYS_EACH)).map(|n| format!("{tenant}#{n}"));
    for key in std::iter::once(tenant.to_string()).chain(numbered) {
        let place = &mut keys[home_partition(key.as_bytes(), partitions).0 as usize];
        if place.is_none() {
            *place = Some(key);
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    keys.into_iter().collect()
}

fn event(Erasure { tenant, scope, event_id, occurred_at }: &Erasure) -> String {
    let mut event = json!({"event_id": event_id.as_str(), "tenant_id": tenant.as_str(), "occurred_at": occurred_at.0,
        "type": "subject_erased", "scope": scope.label()});
    match scope {
        ErasureScope::Session(session) => event["session_id"] = session.as_str().into(),
        ErasureScope::User(user) => event["user_id"] = user.as_str().into(),
        ErasureScope::Tenant => {}
    }
    event.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Effects, Engine, EngineSettings, Record};
    use crate::model::ids::{EventId, SessionId, UserId};
    use crate::model::position::Position;
    use crate::model::time::EventTime;
    use crate::model::verdict::Verdict;

    #[test]
    fn every_partition_takes_an_erasure_under_its_key() {
        let tenant = TenantId::new("acme").expect("an id");
        let scopes = [
            ErasureScope::Session(SessionId::new("s-1").expect("an id")),
            ErasureScope::User(UserId::new("u-1").expect("an id")),
            ErasureScope::Tenant,
        ];
        for (partitions, scope) in [1, 7, 300].into_iter().zip(scopes) {
            let event_id = EventId::new("erasure-1").expect("an id");
            let erasure =
                Erasure { tenant: tenant.clone(), scope, event_id, occurred_at: EventTime(1_762_340_000_000) };
            let (keys, value) = (keys(&tenant, partitions).expect("keys"), event(&erasure));
            assert_eq!(keys.len(), partitions as usize);
            assert!(keys.iter().any(|key| key == "acme"));
            for (partition, key) in (0..).map(PartitionId).zip(&keys) {
                let mut engine = Engine::new(EngineSettings::default().into(), partition, partitions);
                let record = Record {
                    position: Position { partition, offset: Offset(0) },
                    timestamp: None,
                    key: Some(key.as_bytes()),
                    value: Some(value.as_bytes()),
                    traceparent: None,
                    writer: None,
                };
                assert_eq!(engine.process(record, &mut Effects::new()), Verdict::Applied, "{key}: {value}");
                assert!(engine.remains(&tenant, &erasure.scope).marker.is_some());
            }
        }
    }

    #[test]
    fn what_cannot_be_written_is_told_and_the_next_one_begins_anew() {
        let kafka = KafkaSettings {
            brokers: "127.0.0.1:1".to_owned(),
            group_id: "g".to_owned(),
            instance_id: "i".to_owned(),
            transactional_id: "t".to_owned(),
            properties: [("message.timeout.ms".to_owned(), "50".to_owned())].into(),
        };
        let eraser = Eraser::new(kafka, "input".to_owned(), 2);
        let (tenant, event_id) = (TenantId::new("acme").expect("an id"), EventId::new("e").expect("an id"));
        let erasure = Erasure { tenant, scope: ErasureScope::Tenant, event_id, occurred_at: EventTime(1) };
        let NotWritten(cause) = eraser.erase(&erasure).expect_err("nobody is there");
        assert!(cause.starts_with("partition "), "{cause}");
        assert!(eraser.appender.lock().expect("no panic").is_none());
    }
}
