//! The embedded schemas of what is published.

use std::sync::LazyLock;

use crate::engine::Topic;
use crate::engine::decode::codec::Codec;

macro_rules! codec {
    ($name:ident, $file:literal) => {
        pub(super) static $name: LazyLock<Codec> =
            LazyLock::new(|| Codec::new(include_str!(concat!("../../../schemas/", $file, ".avsc"))));
    };
}

codec!(STATE, "session-state");
codec!(VECTOR, "session-vector");
codec!(BOOKKEEPING, "bookkeeping");
codec!(RECOVERY, "recovery-suggestion");
codec!(TRANSFER, "transfer-suggestion");

fn of(topic: Topic) -> Option<&'static Codec> {
    match topic {
        Topic::States => Some(&STATE),
        Topic::Vectors => Some(&VECTOR),
        Topic::Bookkeeping => Some(&BOOKKEEPING),
        Topic::Recovery => Some(&RECOVERY),
        Topic::Transfer => Some(&TRANSFER),
        Topic::DeadLetters => None,
    }
}

/// The schema of a topic's values; `None` for dead letters, which are raw bytes.
pub fn schema_text(topic: Topic) -> Option<&'static str> {
    of(topic).map(|codec| codec.text)
}

/// What Avro's single-object encoding puts before a body: the marker `C3 01` and the schema's Rabin
/// fingerprint, little-endian.
pub fn single_object_header(topic: Topic) -> Option<[u8; 10]> {
    let codec = of(topic)?;
    let mut header = [0xC3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..].copy_from_slice(&codec.fingerprint);
    Some(header)
}

/// The Avro body of a value framed either way (single-object, or `00` and a schema id of four bytes); `None`
/// if it is not framed.
pub fn strip_frame(value: &[u8]) -> Option<&[u8]> {
    match value {
        [0x00, _, _, _, _, body @ ..] => Some(body),
        [0xC3, 0x01, rest @ ..] => rest.get(8..),
        _ => None,
    }
}
