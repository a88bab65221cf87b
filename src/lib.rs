//! rekindle: an event-sourced stream processor for LLM sessions.
//!
//! Session events are folded into state, embeddings are indexed, and two kinds of suggestions come out:
//! what to restore, and what to reuse.
#![warn(missing_docs)]

pub mod allocator;
pub mod backtest;
pub mod config;
pub mod demo;
pub mod engine;
pub mod http;
pub mod kafka;
pub mod model;
pub mod runtime;
pub mod session_index;
pub mod telemetry;
pub mod verify;

pub use session_index::SessionIndex;
