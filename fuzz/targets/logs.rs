//! Runs the harness under libFuzzer: `cargo +nightly fuzz run logs`.
#![no_main]

#[path = "../harness/logs.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| harness::run(input));
