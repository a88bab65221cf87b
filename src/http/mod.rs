//! The HTTP edge: health, metrics, queries, the live page. Asks through the query port, knows no Kafka.

mod health;
mod live;
pub mod port;
mod problem;
mod queries;
mod request;
mod server;
pub mod settings;

pub use server::{HttpServer, Mode, ServeError, router, serve};
