//! The HTTP edge: health, metrics, queries, the live page. Asks through the query port, knows no Kafka.

mod asked;
mod cursor;
mod fields;
mod freshness;
mod health;
mod lists;
mod live;
pub mod port;
mod problem;
mod queries;
mod request;
mod server;
pub mod settings;
mod suggestions;

pub use server::{HttpServer, Mode, ServeError, router, serve};
