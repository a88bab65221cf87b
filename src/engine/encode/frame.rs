//! Which schema a topic's values have, and the bytes that say so before an Avro body.

use super::codecs::{BOOKKEEPING, Output, RECOVERY, STATE, TRANSFER, VECTOR};
use crate::engine::decode::codec::EVENT;
use crate::engine::effects::Topic;

fn output(topic: Topic) -> Option<&'static Output> {
    match topic {
        Topic::States => Some(&STATE),
        Topic::Vectors => Some(&VECTOR),
        Topic::Bookkeeping => Some(&BOOKKEEPING),
        Topic::Recovery => Some(&RECOVERY),
        Topic::Transfer => Some(&TRANSFER),
        Topic::DeadLetters => None,
    }
}

/// The Avro schema of a topic's values; `None` for dead letters, whose values are what came in.
pub fn schema_text(topic: Topic) -> Option<&'static str> {
    output(topic).map(|output| output.text)
}

/// The Avro schema of events.
pub fn event_schema_text() -> &'static str {
    EVENT.text
}

/// The ten bytes that single-object encoding puts before a body: `C3 01` and the schema's fingerprint.
pub fn single_object_header(topic: Topic) -> Option<[u8; 10]> {
    output(topic).map(|output| header(output.fingerprint))
}

/// The same for events, as producers send them.
pub fn event_single_object_header() -> [u8; 10] {
    header(EVENT.fingerprint)
}

fn header(fingerprint: [u8; 8]) -> [u8; 10] {
    let [a, b, c, d, e, f, g, h] = fingerprint;
    [0xC3, 0x01, a, b, c, d, e, f, g, h]
}

/// The Avro body of a framed value, Confluent or single-object; `None` if it is not framed.
pub fn strip_frame(value: &[u8]) -> Option<&[u8]> {
    match value {
        [0x00, _, _, _, _, body @ ..] => Some(body),
        [0xC3, 0x01, _, _, _, _, _, _, _, _, body @ ..] => Some(body),
        _ => None,
    }
}
