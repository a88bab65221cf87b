//! States, vectors, bookkeeping and suggestions to bytes, and back where an engine is restored from them.
//! What is written here is exact: what comes back is equal to the last bit. Decides nothing.

mod codecs;
mod dead_letter;
mod frame;
mod headers;
pub mod keys;
mod kv;
mod kv_write;
mod passed;
mod read;
mod resting;
mod rows;
mod rows_read;
mod rows_wire;
mod state;
mod state_json;
mod state_read;
mod state_wire;
mod suggestion;
mod suggestion_json;
mod suggestion_read;
mod suggestion_wire;
mod vector;

#[cfg(test)]
pub mod arbitrary;
#[cfg(test)]
pub mod arbitrary_suggestion;
#[cfg(test)]
mod arbitrary_view;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use crate::engine::decode::codec::{DatumFault, EncodeError};
pub use dead_letter::{ORIGIN_OFFSET, dead_letter_headers};
pub use frame::{event_schema_text, event_single_object_header, schema_text, single_object_header, strip_frame};
pub use headers::headers;
pub use kv::{cache_json, copy_json};
pub use read::DecodeError;
pub use resting::Resting;
pub use rows::{PrefixRow, Row, row};
pub use rows_read::decode_row;
pub use state::{fold, state};
pub use state_json::state_json;
pub use state_read::{Restored, decode_state, split_state};
pub use suggestion::{SuggestionKind, suggestion};
pub use suggestion_json::suggestion_json;
pub use suggestion_read::decode_suggestion;
pub use vector::{decode_vector, vector};

use crate::engine::decode::wire;

/// Room for most events, embedding included.
const EVENT_BYTES: usize = 4096;

/// An event as an Avro body of the event schema, for producers.
pub fn event(event: wire::Event<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(EVENT_BYTES);
    crate::engine::positional::write(&mut bytes, &wire::SessionEvent::from(event))?;
    Ok(bytes)
}
