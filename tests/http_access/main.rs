//! Who may ask the HTTP edge for what, how often, and over which connections.

#[allow(dead_code)]
#[path = "../http_double/mod.rs"]
mod http_double;

mod given;
mod keys;
mod limits;
mod tls;
mod tokens;
