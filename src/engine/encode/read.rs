//! Reading back what we wrote: words, names and numbers of the model from their wire form.

use std::sync::Arc;

use crate::engine::decode::codec::DatumFault;
use crate::model::ids::{InvalidId, Name};
use crate::model::stamp::Stamp;

/// Why bytes of ours cannot be read back. Never quotes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No datum of the schema.
    #[error(transparent)]
    Datum(#[from] DatumFault),
    /// A field holds what this version does not know or allow.
    #[error("field {0} holds no value of this version")]
    Field(&'static str),
}

pub(super) type Read<T> = Result<T, DecodeError>;

pub(super) fn id<T>(field: &'static str, checked: Result<T, InvalidId>) -> Read<T> {
    checked.map_err(|_| DecodeError::Field(field))
}

pub(super) fn name(field: &'static str, text: &str) -> Read<Name> {
    id(field, Name::new(text))
}

pub(super) fn optional_name(field: &'static str, text: Option<&str>) -> Read<Option<Name>> {
    text.map(|text| name(field, text)).transpose()
}

pub(super) fn word<T>(field: &'static str, parsed: Option<T>) -> Read<T> {
    parsed.ok_or(DecodeError::Field(field))
}

pub(super) fn optional_word<T>(
    field: &'static str,
    text: Option<&str>,
    parse: fn(&str) -> Option<T>,
) -> Read<Option<T>> {
    text.map(|text| word(field, parse(text))).transpose()
}

pub(super) fn small(field: &'static str, value: i64) -> Read<u32> {
    u32::try_from(value).map_err(|_| DecodeError::Field(field))
}

pub(super) fn optional_small(field: &'static str, value: Option<i64>) -> Read<Option<u32>> {
    value.map(|value| small(field, value)).transpose()
}

/// Counts are longs on the wire; all 64 bits are kept.
pub(super) fn count(value: i64) -> u64 {
    value as u64
}

/// The wire form of a count.
pub(super) fn long(value: u64) -> i64 {
    value as i64
}

/// The stamp at an index of the stamp table.
pub(super) fn stamp_at(stamps: &[Arc<Stamp>], index: i32) -> Read<Arc<Stamp>> {
    let found = usize::try_from(index).ok().and_then(|index| stamps.get(index));
    found.cloned().ok_or(DecodeError::Field("stamp"))
}
