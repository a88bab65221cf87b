//! The Kafka edge: consumer, transactional producer, admin, headers, schema registry. No engine logic.

pub mod admin;
pub mod appender;
pub mod client;
pub mod consumer;
pub mod follower;
pub mod groups;
pub mod headers;
pub mod member;
mod offsets_call;
pub mod partitions;
mod plans;
pub mod producer;
mod producer_faults;
pub mod reader;
pub mod registry;
pub mod settings;
