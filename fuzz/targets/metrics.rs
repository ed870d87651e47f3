//! Runs the harness under libFuzzer: `cargo +nightly fuzz run metrics`.
#![no_main]

#[path = "../harness/metrics.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| harness::run(input));
