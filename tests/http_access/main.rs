//! Who may ask the HTTP edge for what, how often, and over which connections.

#[allow(dead_code, unused_imports)]
#[path = "../http_double/mod.rs"]
mod http_double;

mod erasures;
mod forwarded;
mod gathered;
mod given;
mod keys;
mod limits;
mod tls;
mod tokens;
