//! The running service against its own description (`/openapi.json`): `schemathesis` makes requests that it allows and
//! requests that it does not, and compares every answer with it. The broker is the embedded one.

#[allow(dead_code, unused_imports)]
#[path = "../http_double/mod.rs"]
mod http_double;
mod judged;
mod pages;
mod refusals;
mod sample;
#[path = "../support/mod.rs"]
mod support;
