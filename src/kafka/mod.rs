//! The Kafka edge: consumer, transactional producer, admin, headers, schema registry. No engine logic.

pub mod admin;
pub mod appender;
pub mod client;
pub mod consumer;
pub mod groups;
pub mod headers;
mod offsets_call;
pub mod partitions;
pub mod producer;
mod producer_faults;
pub mod reader;
pub mod registry;
pub mod settings;
