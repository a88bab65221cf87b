//! What goes in: bytes and their position.

use crate::model::position::Position;
use crate::model::time::EventTime;

pub use crate::engine::decode::WriterSchema;

/// One input record, borrowed from wherever it was read.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its place in the input.
    pub position: Position,
    /// The broker's timestamp; `None` in a file that gives none (then `occurred_at` stands in).
    pub timestamp: Option<EventTime>,
    /// Its key; `None` in a file that gives none (then the key is not checked).
    pub key: Option<&'a [u8]>,
    /// Its value; `None` for a null value, which is malformed.
    pub value: Option<&'a [u8]>,
    /// The `traceparent` header, handed on to what the record triggers.
    pub traceparent: Option<&'a [u8]>,
    /// The writer schema that a Confluent-framed value's id resolved to; `None` where the value is not
    /// framed or the id is known to be absent.
    pub writer: Option<&'a WriterSchema>,
}
