#![doc = "rekindle: an event-sourced stream processor for LLM sessions."]
#![warn(missing_docs)]

pub mod engine;
pub mod model;
