//! States, embeddings, rows and suggestions to bytes, and back. Avro bodies of the embedded schemas, or JSON.
//! Framing is the runtime's.

mod codecs;
mod copies;
mod dead_letter;
mod fault;
mod fold;
mod json;
pub mod keys;
mod rows;
mod rows_read;
mod rows_wire;
mod state;
mod state_read;
mod suggestion;
mod suggestion_read;
mod suggestion_wire;
mod vector;

pub use codecs::{schema_text, single_object_header, strip_frame};
pub use dead_letter::dead_letter;
pub use fault::ReadFault;
pub use json::{state_json, suggestion_json};
pub use keys::RowKey;
pub use rows::{PrefixRow, Row, row};
pub use rows_read::decode_row;
pub use state::state;
pub use state_read::decode_state;
pub use suggestion::{headers, suggestion};
pub use suggestion_read::decode_suggestion;
pub use vector::{decode_vector, vector};
