//! Avro bodies written and read by position alone: our structs have their schema's fields in its order, so
//! no field is looked up by name. An order of magnitude faster than the Avro crate's schema-aware bridge;
//! tests read everything written here with that crate and its schema.
//!
//! Every optional field must be a union with null first. Other unions, enums and fixed are not supported.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::{Writer, write};
