//! Why bytes of ours cannot be read back.

use crate::engine::decode::codec::DatumFault;
use crate::model::ids::InvalidId;

/// Why a record that we published is unreadable: damaged, or another version's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// It is no datum of its schema.
    #[error(transparent)]
    Datum(#[from] DatumFault),
    /// A field holds what we never write.
    #[error("{0} is not what it can be")]
    Field(&'static str),
    /// An id or name is none.
    #[error("an id {0}")]
    Id(#[from] InvalidId),
}

/// The value, or that `field` is wrong.
pub(super) fn known<T>(value: Option<T>, field: &'static str) -> Result<T, ReadFault> {
    value.ok_or(ReadFault::Field(field))
}
