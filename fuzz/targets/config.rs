//! Runs the harness under libFuzzer: `cargo +nightly fuzz run config`.
#![no_main]

#[path = "../harness/config.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| harness::run(input));
