//! What a client knows of its own membership in a group: under which id and generation, and when the group's
//! coordinator was heard last.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::statistics::Statistics;

use super::settings::KafkaSettings;

/// The client's own name for its connection to the coordinator of its group. Nothing but requests of members, heartbeats
/// above all, goes over it.
const COORDINATOR: &str = "GroupCoordinator";
/// How the client calls a member whose assignment holds.
const STEADY: &str = "steady";

/// Session timeout of a classic group where none is set.
pub(super) const SESSION: Duration = Duration::from_secs(10);
/// What is taken for it where the broker decides it and does not tell: less than brokers allow by default, and more than
/// any pause between heartbeats.
const SESSION_OF_BROKER: Duration = Duration::from_secs(20);
/// Between two reports of statistics where nothing is set.
pub(super) const STATISTICS_MS: &str = "1000";

/// The member that partitions are assigned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id that the group's coordinator gave it; empty while it is none.
    pub id: String,
    /// The group's generation (of a group whose partitions the broker assigns: the member's epoch).
    pub generation: i32,
}

impl Member {
    pub(super) fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Member {
        Member { id: member_id(consumer), generation: generation(consumer) }
    }
}

impl KafkaSettings {
    /// How long the group waits for a word of a member before it gives its partitions to others. `None`: statistics come
    /// too rarely to tell in time whether the group was heard of.
    pub fn session(&self) -> Option<Duration> {
        let property = |name: &str| self.properties.get(name).map(String::as_str);
        let ms = |text: &str| text.trim().parse().ok().map(Duration::from_millis);
        let session = match property("session.timeout.ms") {
            _ if self.is_assigned_by_broker() => SESSION_OF_BROKER,
            Some(text) => ms(text)?,
            None => SESSION,
        };
        let statistics = ms(property("statistics.interval.ms").unwrap_or(STATISTICS_MS))?;
        (!statistics.is_zero() && statistics * 2 <= session).then_some(session)
    }
}

/// When the coordinator was last heard of, if the membership held then. `since`: before the client was made.
pub(super) fn heard_at(statistics: &Statistics, since: Instant) -> Option<Instant> {
    let steady = statistics.cgrp.as_ref().is_some_and(|group| group.join_state == STEADY);
    let coordinator = statistics.brokers.values().find(|broker| broker.name == COORDINATOR).filter(|_| steady)?;
    let silent = u64::try_from(coordinator.rxidle).ok()?;
    // Statistics may have waited for a poll: their own clock counts.
    let age = u64::try_from(statistics.age).ok()?;
    Some(since + Duration::from_micros(age.checked_sub(silent)?))
}

/// The id that the group's coordinator gave this member; empty while it is none.
pub(super) fn member_id<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> String {
    // SAFETY: the client outlives the call; the text is copied before it is freed, once, as librdkafka asks.
    unsafe {
        let client = consumer.client().native_ptr();
        let text = rdkafka_sys::rd_kafka_memberid(client);
        if text.is_null() {
            return String::new();
        }
        let id = std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned();
        rdkafka_sys::rd_kafka_mem_free(client, text.cast());
        id
    }
}

/// The group's generation as this member knows it; -1 while it is none.
fn generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> i32 {
    // SAFETY: the client outlives the call; the metadata is read before it is freed, once.
    unsafe {
        let metadata = rdkafka_sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return -1;
        }
        let generation = rdkafka_sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        rdkafka_sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::{Broker, ConsumerGroup};

    use super::*;

    fn settings(properties: &[(&str, &str)]) -> KafkaSettings {
        KafkaSettings {
            brokers: "127.0.0.1:1".to_owned(),
            group_id: "g".to_owned(),
            instance_id: "i".to_owned(),
            transactional_id: "t".to_owned(),
            properties: properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        }
    }

    #[test]
    fn a_session_is_known_where_statistics_come_often_enough() {
        let seconds = |properties: &[(&str, &str)]| settings(properties).session().map(|session| session.as_secs());
        assert_eq!(seconds(&[]), Some(10));
        assert_eq!(seconds(&[("session.timeout.ms", "6000")]), Some(6));
        assert_eq!(seconds(&[("session.timeout.ms", "6000"), ("statistics.interval.ms", "3001")]), None);
        assert_eq!(seconds(&[("statistics.interval.ms", "0")]), None);
        assert_eq!(seconds(&[("group.protocol", "consumer"), ("session.timeout.ms", "6000")]), Some(20));
    }

    #[test]
    fn what_is_not_steady_or_not_heard_confirms_nothing() {
        let since = Instant::now();
        let seconds = |s: i64| s * 1_000_000;
        let told = |state: &str, broker: &str, silent: i64| {
            let coordinator = Broker { name: broker.to_owned(), rxidle: silent, ..Broker::default() };
            let group = ConsumerGroup { join_state: state.to_owned(), ..ConsumerGroup::default() };
            let brokers = [(broker.to_owned(), coordinator)].into();
            let statistics = Statistics { age: seconds(9), brokers, cgrp: Some(group), ..Statistics::default() };
            heard_at(&statistics, since).map(|at| at - since)
        };
        assert_eq!(told("steady", "GroupCoordinator", seconds(2)), Some(Duration::from_secs(7)));
        assert_eq!(told("steady", "GroupCoordinator", -1), None, "nothing came yet");
        assert_eq!(told("steady", "127.0.0.1:9092/1", seconds(2)), None);
        assert_eq!(told("wait-join", "GroupCoordinator", seconds(2)), None);
    }
}
