//! Runs the harness under libFuzzer: `cargo +nightly fuzz run plugin_output`.
#![no_main]

#[path = "../harness/plugin_output.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| harness::run(input));
