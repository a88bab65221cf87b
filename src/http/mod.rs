//! The HTTP edge: health, metrics, queries, the live page, and who may ask. Asks through the query port, knows no
//! Kafka.

pub(crate) mod answer;
mod asked;
mod audit;
pub mod auth;
mod base_url;
mod connections;
mod cursor;
pub mod erasure_id;
mod erasures;
mod events;
mod fields;
mod forward;
mod freshness;
mod gate;
mod health;
mod listen;
mod lists;
mod live;
mod merge;
mod openapi;
mod parameters;
pub mod port;
mod problem;
mod queries;
mod rate;
mod request;
mod routes;
mod scatter;
mod seen;
mod server;
pub mod settings;
mod spread;
mod suggestions;
mod tls;

pub use openapi::description;
pub use server::{HttpServer, Mode, Prepared, ServeError, prepare, router, serve};
