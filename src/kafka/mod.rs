//! The Kafka edge: consumer, transactional producer, admin, headers, schema registry. No engine logic.

pub mod settings;
