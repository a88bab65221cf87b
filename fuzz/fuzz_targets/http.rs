//! The fuzzer's entry to `http`; what it does is in `src`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rekindle_fuzz::run("http", input));
