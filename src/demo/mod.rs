//! The demo: an embedded broker, generated sessions and the real runtime on top. Nothing here is for
//! production, and nothing else depends on it.

pub mod generator;
