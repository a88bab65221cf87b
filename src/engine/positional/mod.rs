//! Avro bodies written and read by position alone: our structs have their schema's fields in its order, so
//! no field is looked up by name. An order of magnitude faster than the Avro crate's schema-aware bridge;
//! tests read everything written here with that crate and its schema, and compare what is read.
//!
//! What we write and read back are serde's structs ([`write`], [`read`]); events, which come in great numbers
//! and from anyone, are declared with `records!` and borrow from their bytes ([`read_record`]).
//!
//! Every optional field must be a union with null first. The one other union is an event's vector, which reads
//! itself. Enums, fixed and types that hold themselves are not supported: nothing here can recur without end.

mod bytes;
mod read;
mod record;
mod write;

pub(crate) use bytes::{Malformed, Reader};
pub(crate) use read::{read, read_head};
pub(crate) use record::{Positional, read_front, read_record, records};
pub(crate) use write::{Writer, write};

/// Why a datum cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatumFault {
    /// It ends early or is no datum of the schema.
    #[error("no datum of its schema: stopped at {0}")]
    Malformed(String),
    /// A whole datum, and bytes after it.
    #[error("{0} bytes follow the datum")]
    Trailing(usize),
}

/// A value does not fit its schema: a defect of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("value does not fit its schema: {0}")]
pub struct EncodeError(pub(crate) &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes no bytes.
    #[derive(Debug, serde::Deserialize)]
    struct Nothing {}

    impl Positional<'_> for Nothing {
        fn read(_: &mut Reader<'_>) -> Result<Nothing, Malformed> {
            Ok(Nothing {})
        }
    }

    #[test]
    fn many_items_of_no_bytes_are_refused_at_once() {
        // A block of 2^62 items.
        let bytes = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00];
        read_record::<Vec<Nothing>>(&bytes).unwrap_err();
        read::<Vec<Nothing>>(&bytes).unwrap_err();
    }
}
