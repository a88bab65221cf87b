//! Workers that own engines and drive the edges: poll, process, publish in transactions, restore.

mod batch;
mod board;
mod eraser;
mod fail_points;
mod feed;
mod fold;
mod forgotten;
mod framing;
mod generations;
mod kept;
mod last_words;
mod orphans;
mod owned;
mod ownership;
mod preflight;
mod publish;
mod queries;
mod rebuild;
mod refusals;
mod rejoin;
mod restore_fault;
mod restorer;
mod retry;
mod service;
pub mod settings;
mod settled;
mod shard;
mod state_record;
mod take;
mod tick;
mod waiting;
mod worker;

pub(crate) use fold::{Recorded, judge};
pub(crate) use framing::{TRUNCATED_BYTES, schema_id};
pub use preflight::StartError;
pub use service::{Service, ServiceFault, start};
