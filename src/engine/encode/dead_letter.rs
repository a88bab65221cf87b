//! A refused record as its dead letter.

use crate::engine::effects::OutHeaders;
use crate::engine::record::Record;
use crate::model::verdict::Rejection;

/// The header that says at which input offset a dead letter came.
pub const ORIGIN_OFFSET: &str = "__connect.errors.offset";

/// The headers of a dead letter from `input_topic`, whose key and value are the record's own: the position
/// and the refusal, as Kafka Connect names them.
pub fn dead_letter_headers(record: &Record<'_>, rejection: &Rejection, input_topic: &str) -> OutHeaders {
    vec![
        ("__connect.errors.topic", input_topic.into()),
        ("__connect.errors.partition", record.position.partition.to_string().into()),
        (ORIGIN_OFFSET, record.position.offset.to_string().into()),
        ("__connect.errors.exception.class.name", rejection.reason.label().into()),
        ("__connect.errors.exception.message", rejection.message.clone().into()),
    ]
}
