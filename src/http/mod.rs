//! The HTTP edge: health, metrics, queries, the live page. Asks through the query port, knows no Kafka.

pub mod port;
pub mod settings;
