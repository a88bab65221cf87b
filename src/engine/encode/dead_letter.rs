//! Dead letters: the original key and bytes, with the cause in headers that Kafka Connect's tools know.

use crate::engine::{OutRecord, OutValue, Record, Topic};
use crate::model::verdict::Rejection;

/// A refused record as it goes to the dead letters. The message names field and limit, never the payload.
pub fn dead_letter(record: &Record<'_>, rejection: &Rejection, topic: &str) -> OutRecord {
    OutRecord {
        topic: Topic::DeadLetters,
        key: record.key.map(<[u8]>::to_vec),
        value: OutValue::Raw(record.value.map(<[u8]>::to_vec)),
        headers: vec![
            ("__connect.errors.topic", topic.as_bytes().to_vec()),
            ("__connect.errors.partition", record.position.partition.to_string().into_bytes()),
            ("__connect.errors.offset", record.position.offset.to_string().into_bytes()),
            ("__connect.errors.exception.class.name", rejection.reason.label().as_bytes().to_vec()),
            ("__connect.errors.exception.message", rejection.message.as_bytes().to_vec()),
        ],
    }
}
