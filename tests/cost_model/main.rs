//! What KV costs, and what outcomes teach of it.

mod bench;
mod calibrated;
mod inferred;
