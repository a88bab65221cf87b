//! What producers send, as it lies on the wire: one set of structs for every wire format. Both formats
//! give equal structs for equal content, because stamps carry a digest of them. Nothing here is checked
//! beyond its shape; limits are the next stage's.

mod bodies;
mod event;
mod forms;
mod shared;

pub use bodies::*;
pub use event::{Body, Envelope, Event, Producer, SessionEvent};
pub use forms::{Hashes, Metadata, Moment, VectorBytes};
pub use shared::*;
