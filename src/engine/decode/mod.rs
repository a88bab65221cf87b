//! Bytes to events. Three wire formats, told apart by their first bytes; allocation is capped before any
//! state is touched. Checks shape only: limits are validation's. Refusals never quote the payload.

mod avro;
pub(crate) mod codec;
mod fault;
mod json;
mod layout;
mod lent;
mod strict;
pub mod wire;

#[cfg(test)]
mod arbitrary_datum;
#[cfg(test)]
mod tests;

pub use avro::WriterSchema;

use crate::engine::positional::{read_front, records};
use crate::engine::record::Record;
use crate::model::verdict::{RejectReason, Rejection};

/// Largest value of a record in bytes, inclusive.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// Deepest nesting of a JSON record, the outermost object counted.
pub const MAX_JSON_DEPTH: usize = 16;

/// Reads a record's value; an event in our own Avro schema borrows from it. Errors: `malformed`, `trailing_bytes`,
/// `unknown_schema`, `unknown_type`, `missing_field`, `invalid_field` (of the wrong shape), `too_large`.
pub fn decode<'a>(record: &Record<'a>) -> Result<wire::Event<'a>, Rejection> {
    let refuse = |reason, message: &str| Err(Rejection::new(reason, message));
    let Some(value) = record.value else { return refuse(RejectReason::Malformed, "the value is null") };
    if value.len() > MAX_RECORD_BYTES {
        return refuse(RejectReason::TooLarge, "the value is larger than 1 MiB");
    }
    match value {
        [] => refuse(RejectReason::Malformed, "the value is empty"),
        [0x00, _, _, _, _, body @ ..] => match record.writer {
            Some(writer) => writer.read(body),
            None => refuse(RejectReason::UnknownSchema, "the schema id is not known to the registry"),
        },
        [0xC3, 0x01, f0, f1, f2, f3, f4, f5, f6, f7, body @ ..] => {
            avro::read_fingerprinted([*f0, *f1, *f2, *f3, *f4, *f5, *f6, *f7], body)
        }
        _ if value.trim_ascii_start().first() == Some(&b'{') => json::read(value),
        _ => refuse(RejectReason::Malformed, "neither JSON nor framed Avro"),
    }
}

records! {
    /// What an event in our own Avro schema begins with.
    pub struct Front<'a> {
        /// The event's id.
        pub event_id: wire::Text<'a>,
        /// Tenant, or `*`.
        pub tenant_id: wire::Text<'a>,
        /// Session, for session bodies.
        pub session_id: Option<wire::Text<'a>>,
    }
}

/// A guess at whom a record is of: framed Avro is taken to be of our own schema, and only its first fields are read.
pub(crate) fn glimpse(value: &[u8]) -> Option<Front<'_>> {
    match value {
        [0x00, _, _, _, _, body @ ..] | [0xC3, 0x01, _, _, _, _, _, _, _, _, body @ ..] => read_front(body).ok(),
        _ => None,
    }
}
