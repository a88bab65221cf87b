//! What each fuzz target does with its input, apart from the fuzzer, so that ordinary tests run the seeds through
//! the same code. A body returns for whatever it refuses, and panics where a promise of the product is broken.

pub mod config;
pub mod engine;
pub mod event;
pub mod history;
pub mod http;
#[allow(dead_code)]
#[path = "../../src/commands/lines.rs"]
mod lines;
pub mod log;
pub mod records;
pub mod replay;
pub mod restore;
pub mod schema;
pub mod script;
pub mod twin;

/// A target's name, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. Each has a file of its name in `fuzz_targets` and a folder of its name in `seeds`.
pub const TARGETS: [Target; 9] = [
    ("config", config::run),
    ("engine", engine::run),
    ("event", event::run),
    ("http", http::run),
    ("log", log::run),
    ("records", records::run),
    ("replay", replay::run),
    ("restore", restore::run),
    ("schema", schema::run),
];

/// Runs one target's body on one input.
pub fn run(target: &str, input: &[u8]) {
    let (_, body) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target's name");
    body(input);
}
