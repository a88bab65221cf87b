//! What the end to end tests share: a real broker, and clients that are not the service's own.
#![allow(dead_code)]

pub mod broker;
pub mod clients;
pub mod events;
pub mod instance;
pub mod oracle;
pub mod registry;
