//! A refused record as its dead letter.

use crate::engine::effects::{OutRecord, OutValue, Topic};
use crate::engine::record::Record;
use crate::model::verdict::Rejection;

/// The dead letter of a record from `input_topic`: key and value verbatim, the position and the refusal in
/// headers as Kafka Connect names them.
pub fn dead_letter(record: &Record<'_>, rejection: &Rejection, input_topic: &str) -> OutRecord {
    OutRecord {
        topic: Topic::DeadLetters,
        key: record.key.map(<[u8]>::to_vec),
        value: OutValue::Raw(record.value.map(<[u8]>::to_vec)),
        headers: vec![
            ("__connect.errors.topic", input_topic.into()),
            ("__connect.errors.partition", record.position.partition.to_string().into()),
            ("__connect.errors.offset", record.position.offset.to_string().into()),
            ("__connect.errors.exception.class.name", rejection.reason.label().into()),
            ("__connect.errors.exception.message", rejection.message.clone().into()),
        ],
    }
}
