//! What producers send, as it lies on the wire: one set of structs for every wire format. Both formats
//! give equal structs for equal content, because stamps carry a digest of them. Nothing here is checked
//! beyond its shape; limits are the next stage's.
//!
//! Texts and bytes of our own Avro schema are borrowed from the record. Serde, which reads all else, owns them.

mod bodies;
mod digest;
mod event;
mod forms;
mod shared;
mod variants;

pub use bodies::*;
pub(crate) use event::Unpacked;
pub use event::{Body, Envelope, Event, Producer, SessionEvent};
pub use forms::{Hashes, Metadata, Moment, Text, VectorBytes};
pub use shared::*;
