//! Follows a topic of one partition from its beginning on, as it is: no member of a group, and no end to it.

use std::time::Duration;

use rdkafka::Message;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset as KafkaOffset;

use super::client::{PlainContext, bystander_config};
use super::consumer::at;
use super::settings::KafkaSettings;
use crate::model::position::PartitionId;

/// The partition that is followed, and written to.
pub const ONLY: PartitionId = PartitionId(0);

/// What comes of a topic that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// A record; a tombstone has no value.
    Record(Vec<u8>, Option<Vec<u8>>),
    /// There is no more for now.
    End,
}

/// A reader of one partition.
pub struct Follower {
    consumer: BaseConsumer<PlainContext>,
}

impl Follower {
    /// Creates the client; no broker is asked yet.
    pub fn open(settings: &KafkaSettings, topic: &str) -> Result<Follower, KafkaError> {
        let mut config = bystander_config(settings);
        config
            .set("group.id", &settings.group_id)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            // What is made anew is read anew.
            .set("auto.offset.reset", "earliest");
        let consumer = BaseConsumer::from_config_and_context(&config, PlainContext)?;
        consumer.assign(&at(topic, &[ONLY], KafkaOffset::Beginning))?;
        Ok(Follower { consumer })
    }

    /// What comes next, within `wait`. Errors go away by themselves, or do not: asking again is all there is to do.
    pub fn next(&self, wait: Duration) -> Result<Option<Followed>, KafkaError> {
        match self.consumer.poll(wait) {
            Some(Ok(message)) => {
                let key = message.key().unwrap_or_default().to_vec();
                Ok(Some(Followed::Record(key, message.payload().map(<[u8]>::to_vec))))
            }
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(Some(Followed::End)),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        }
    }
}
